-- cascade_status, cascade_history and the views' summaries: their shapes, ids and times masked.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SELECT hermes.create_cascade_rule('timed', '{"steps": [{"channel": "email", "dispatch_timeout": "1h"}, {"channel": "push"}], "validity": "2h"}');
SELECT hermes.create_endpoint('acme', 'https://hooks.example/');
SELECT hermes.start_cascade('timed', '{"to": "x"}', 'status', 'acme') AS id \gset
SELECT test.mask(jsonb_pretty(hermes.cascade_status(:'id')));
SELECT test.dlr(:'id', 'failed', 1, '{"error_code": "550", "failure_kind": "hard", "timestamp": "2026-01-01T00:00:00.5Z"}');
SELECT test.mask(jsonb_pretty(hermes.cascade_status(:'id')));
SELECT test.dlr(:'id', 'delivered', 2, '{"provider_message_id": "m-2"}');
SELECT test.mask(jsonb_pretty(hermes.cascade_status(:'id')));
SELECT test.history(:'id');
-- times: of the start, of the events, of the next timer, of the end
SELECT (s ->> 'started_at')::timestamptz = (SELECT min(event_time) FROM hermes.cascade_history(:'id')) AS started,
       (s ->> 'closed_at')::timestamptz = (SELECT max(event_time) FROM hermes.cascade_history(:'id')) AS closed,
       (s ->> 'expires_at')::timestamptz - (s ->> 'started_at')::timestamptz AS validity,
       date_trunc('milliseconds', (s ->> 'started_at')::timestamptz) = hermes.time_of_id(:'id') AS of_id,
       hermes.first_id_at(hermes.time_of_id(:'id')) <= :'id' AS bound
FROM hermes.cascade_status(:'id') AS s;
SELECT bool_and(event_time >= before) FROM (SELECT event_time, lag(event_time, 1, event_time) OVER (ORDER BY event_id) AS before FROM hermes.cascade_history(:'id')) AS h;
-- the view says the same
SELECT rule, rule_version, tenant, key, status, outcome, corrected_outcome, step, channel, attempts, next_timer, reported_at,
       started_at = (SELECT (hermes.cascade_status(:'id') ->> 'started_at')::timestamptz) AS started,
       closed_at = (SELECT (hermes.cascade_status(:'id') ->> 'closed_at')::timestamptz) AS closed
FROM hermes.cascades WHERE cascade_id = :'id';
SELECT count(*) FILTER (WHERE h.event_type = c.event_type AND h.attributes = c.attributes AND h.event_time = c.event_time), count(*)
FROM hermes.history h FULL JOIN hermes.cascade_history(:'id') c USING (event_id) WHERE h.cascade_id = :'id';
SELECT (s -> 'next_timer') IS NOT DISTINCT FROM 'null' AS none FROM hermes.cascade_status(:'id') AS s;
-- the fold of the history, without a table
SELECT s.outcome, s.corrected_outcome, s.step, s.attempts, s.reports FROM hermes.closed c, hermes.summarize_history(c.history) s WHERE c.id = :'id';
SELECT count(*) FROM hermes.summarize_history(NULL);
-- bytes that are no history
SELECT bytes, test.try(format('SELECT hermes.summarize_history(%L)', bytes)), test.try(format('SELECT * FROM hermes.decode_history(%L)', bytes))
FROM (VALUES ('\x'::bytea), ('\x00'), ('\x01'), ('\xff'), ('\x0101'), ('\x01ffffffffffffffffffffffff')) AS v (bytes);
-- unknown, NULL, malformed
SELECT what, test.try(format('SELECT hermes.cascade_status(%L)', id)), test.try(format('SELECT hermes.cascade_history(%L)', id))
FROM (VALUES ('unknown', '00000000-0000-0000-0000-000000000000'), ('NULL', NULL), ('malformed', 'x')) AS v (what, id);
-- dead letters: none to retry
SELECT test.try('SELECT hermes.retry_dead_letter(1)');
SELECT test.try('SELECT hermes.retry_dead_letter(NULL)');
-- a report given up, as a dispatcher would leave it, and put back
INSERT INTO hermes.dead_letter (workflow_id, tenant, kind, number, queue, target, attempt, tries, detail, error, created_at)
SELECT workflow_id, 'acme', kind, number, queue, target, attempt, 10, detail, 'http_500', now() FROM hermes.task WHERE workflow_id = :'id';
DELETE FROM hermes.task WHERE workflow_id = :'id';
SELECT id, tenant, kind, target, attempt, tries, error FROM hermes.dead_letters;
SELECT s -> 'report' AS report FROM hermes.cascade_status(:'id') AS s;
SELECT count(*) FROM hermes.retry_dead_letter((SELECT id FROM hermes.dead_letters));
SELECT endpoint_id, event_type, failed_tries, in_flight, last_error FROM hermes.deliveries WHERE cascade_id = :'id';
SELECT s -> 'report' AS report FROM hermes.cascade_status(:'id') AS s;
SELECT count(*) FROM hermes.dead_letters;
-- a timer given up, and put back; where the cascade has another one by then, that one stays
SELECT hermes.create_cascade_rule('valid', '{"steps": [{"channel": "email"}], "validity": "2h"}');
SELECT hermes.start_cascade('valid', '{}') AS id \gset
CREATE FUNCTION test.give_up_timer(cascade uuid, numbered integer) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO hermes.dead_letter (workflow_id, kind, number, queue, target, attempt, tries, error, created_at)
    VALUES (cascade, 2, numbered, 1, 0, 0, 10, 'refused', now()) RETURNING id
$$;
SELECT number FROM hermes.timer WHERE workflow_id = :'id' \gset
DELETE FROM hermes.timer WHERE workflow_id = :'id';
SELECT hermes.retry_dead_letter(test.give_up_timer(:'id', :number));
SELECT kind, due <= clock_timestamp() AS due, task = :number AS same, tries FROM hermes.tasks WHERE cascade_id = :'id' ORDER BY kind;
SELECT hermes.retry_dead_letter(test.give_up_timer(:'id', :number + 1));
SELECT kind, task = :number AS same FROM hermes.tasks WHERE cascade_id = :'id' ORDER BY kind;
SELECT count(*) FROM hermes.dead_letters;
-- of two letters, in whatever order they are put back, the timer that the history names comes back
DELETE FROM hermes.timer WHERE workflow_id = :'id';
SELECT test.give_up_timer(:'id', :number + 1) AS stale, test.give_up_timer(:'id', :number) AS named \gset
SELECT hermes.retry_dead_letter(:stale);
SELECT count(*) AS timers FROM hermes.timer WHERE workflow_id = :'id';
INSERT INTO hermes.timer (workflow_id, due, number, tries, put_aside) VALUES (:'id', now(), :number + 1, 0, false);
SELECT hermes.retry_dead_letter(:named);
SELECT kind, task = :number AS same FROM hermes.tasks WHERE cascade_id = :'id' ORDER BY kind;
