-- dry_run: the course of a cascade without a row.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SELECT test.rows() AS before \gset
SELECT event_type, attributes - 'due' AS attributes, event_time - min(event_time) OVER () AS after
FROM hermes.dry_run('three', '{"to": "x"}', '{"channels": {
    "email": [{"answer": "next_provider", "reason": "credit"}, {"answer": "accepted", "receipts": [{"status": "undeliverable", "after": "7s", "reason": "550"}]}],
    "sms": [{"answer": "accepted", "receipts": [{"status": "sent"}, {"status": "delivered", "after": "3s"}]}]}}') ORDER BY event_id;
-- quiet hours on the night of a change of the clocks: the window opens at 08:00 in Berlin
SELECT event_type, event_time AT TIME ZONE 'Europe/Berlin' AS there
FROM hermes.dry_run_rule('{"steps": [{"channel": "sms"}], "window": {"from": "08:00", "to": "20:00"}, "time_zone": "Europe/Berlin"}',
    '{}', '{"start_at": "2027-03-27T22:00:00Z"}') WHERE event_type IN ('CascadeStarted', 'SendCompleted');
SELECT event_type FROM hermes.dry_run_rule('{"steps": [{"channel": "email", "condition": "true"}, {"channel": "sms"}]}', '{}', '{"conditions": {"1": false}, "channels": {"sms": [{"receipts": []}]}, "cancel_after": "1s"}');
SELECT test.rows() = :'before' AS nothing_written;
BEGIN READ ONLY;
SELECT count(*) > 0 AS read_only FROM hermes.dry_run('three', '{}');
COMMIT;
-- errors
SELECT n, test.try(statement) FROM (VALUES
    (1, 'SELECT * FROM hermes.dry_run(''nothing'', ''{}'')'),
    (2, 'SELECT * FROM hermes.dry_run(''three'', ''{}'', ''{"chanels": {}}'')'),
    (3, 'SELECT * FROM hermes.dry_run(''three'', ''{}'', ''{"channels": {"sms": [{"answer": "maybe"}]}}'')'),
    (4, 'SELECT * FROM hermes.dry_run_rule(''{"steps": []}'', ''{}'')'),
    (5, 'SELECT * FROM hermes.dry_run(NULL, ''{}'')'),
    (6, 'SELECT * FROM hermes.dry_run_rule(''{"steps": [{"channel": "sms"}], "window": {}, "time_zone": "Mars"}'', ''{}'')')
) AS v (n, statement) ORDER BY n;
