-- Holding a cascade, pausing tenants, rules and providers, delayed starts: verbs, results, errors, what is shown.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SELECT hermes.start_cascade('three', '{"to": "x"}', 'held') AS id \gset
SELECT hermes.hold_cascade(:'id', 'fraud check'), hermes.hold_cascade(:'id');
SELECT hermes.cascade_status(:'id') ->> 'held_since' IS NOT NULL AS held;
-- receipts are taken; the next step starts, and waits
SELECT test.dlr(:'id', 'undeliverable', 1);
SELECT test.state(:'id');
SELECT hermes.release_cascade(:'id'), hermes.release_cascade(:'id');
SELECT hermes.cascade_status(:'id') ->> 'held_since' AS held;
SELECT test.dlr(:'id', 'delivered', 2);
SELECT hermes.hold_cascade(:'id'), hermes.release_cascade(:'id');
SELECT test.history(:'id');
-- a hold that is rolled back never was
SELECT hermes.start_cascade('three', '{"to": "x"}', 'rolled back') AS id \gset
BEGIN;
SELECT hermes.hold_cascade(:'id');
ROLLBACK;
SELECT hermes.release_cascade(:'id');
-- pauses
SELECT hermes.pause_tenant('acme', 'unpaid'), hermes.pause_tenant('acme'), hermes.pause_tenant(NULL), hermes.pause_provider('sms_a'), hermes.pause_cascade_rule('three');
SELECT scope, name, until IS NULL AS in_force, reason FROM hermes.pauses ORDER BY scope, name;
SELECT provider, paused_since IS NOT NULL AS paused FROM hermes.providers_status ORDER BY provider;
-- new attempts go to the provider that is not paused
SELECT hermes.create_cascade_rule('sms', '{"steps": [{"channel": "sms"}]}');
SELECT hermes.start_cascade('sms', '{"to": "x"}') AS id \gset
SELECT test.state(:'id');
SELECT hermes.resume_tenant('acme'), hermes.resume_tenant('acme'), hermes.resume_tenant(NULL), hermes.resume_provider('sms_a'), hermes.resume_cascade_rule('three');
SELECT count(*) FILTER (WHERE until IS NULL) AS in_force, count(*) FROM hermes.pauses;
SELECT hermes.pause_tenant('acme') AS again, hermes.resume_tenant('acme') AS ended;
-- send_at: nothing is put but the timer; the validity is counted from it
SELECT hermes.create_cascade_rule('otp', '{"steps": [{"channel": "sms"}], "validity": "5m"}');
SELECT hermes.start_cascade('otp', '{"to": "x"}', options => jsonb_build_object('send_at', to_char(now() AT TIME ZONE 'UTC' + interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))) AS id \gset
SELECT kind, due - (hermes.cascade_status(:'id') ->> 'starts_at')::timestamptz AS after_start FROM hermes.tasks WHERE cascade_id = :'id';
SELECT (s ->> 'expires_at')::timestamptz - (s ->> 'starts_at')::timestamptz AS validity, s -> 'attempts' AS attempts FROM hermes.cascade_status(:'id') AS s;
SELECT hermes.cancel_cascade(:'id'), test.state(:'id');
-- windows: zones
SELECT hermes.create_cascade_rule('day', '{"steps": [{"channel": "sms"}], "window": {"from": "08:00", "to": "20:00"}, "time_zone": {"path": "$.tz", "default": "Europe/Berlin"}}');
SELECT test.try('SELECT hermes.start_cascade(''day'', $1)', m) ~ '^<id>$' AS started FROM (VALUES ('{"to": "x"}'::jsonb), ('{"tz": "Asia/Tokyo"}'), ('{"tz": null}')) AS v (m);
SELECT test.try('SELECT hermes.start_cascade(''day'', $1)', '{"tz": "Mars/Olympus"}');
SELECT attributes ->> 'time_zone' AS zone, count(*) FROM hermes.history WHERE event_type = 'CascadeStarted' AND attributes ? 'time_zone' GROUP BY 1 ORDER BY 1;
-- per-step reports need an endpoint and a rule that asks
SELECT hermes.create_endpoint('acme', 'https://hooks.example/');
SELECT hermes.create_cascade_rule('told', '{"steps": [{"channel": "email"}, {"channel": "sms"}], "webhook_events": ["message.step_failed", "message.delivered"]}');
SELECT hermes.start_cascade('told', '{"to": "x"}', tenant => 'acme') AS id \gset
SELECT test.dlr(:'id', 'undeliverable', 1), test.dlr(:'id', 'delivered', 2);
SELECT event_type FROM hermes.deliveries WHERE cascade_id = :'id' ORDER BY 1;
-- parallel steps
SELECT hermes.create_cascade_rule('both', '{"steps": [{"parallel": [{"channel": "email"}, {"channel": "sms"}], "mode": "all"}, {"channel": "push"}]}');
SELECT hermes.start_cascade('both', '{"to": "x"}') AS id \gset
SELECT test.state(:'id');
SELECT test.dlr(:'id', 'delivered', 2);
SELECT hermes.cascade_status(:'id') -> 'parallel' AS parallel;
SELECT test.dlr(:'id', 'undeliverable', 1);
SELECT test.state(:'id');
SELECT step, channel FROM hermes.cascades WHERE cascade_id = :'id';
-- errors
SELECT n, test.try(statement) FROM (VALUES
    (1, 'SELECT hermes.hold_cascade(''00000000-0000-0000-0000-000000000000'')'),
    (2, 'SELECT hermes.release_cascade(NULL)'),
    (3, 'SELECT hermes.pause_provider(''nobody'')'),
    (4, 'SELECT hermes.resume_provider(NULL)'),
    (5, 'SELECT hermes.pause_cascade_rule(''nothing'')'),
    (6, 'SELECT hermes.pause_tenant(''*'')'),
    (7, 'SELECT hermes.start_cascade(''otp'', ''{}'', options => ''{"send_at": "tomorrow"}'')'),
    (8, 'SELECT hermes.start_cascade(''otp'', ''{}'', options => ''{"send_at": "2999-01-01T00:00:00Z"}'')'),
    (11, 'SELECT hermes.create_cascade_rule(''bad'', ''{"steps": [{"channel": "sms"}], "time_zone": "Mars"}'')'),
    (9, 'SELECT hermes.create_cascade_rule(''bad'', ''{"steps": [{"channel": "sms", "window": {"from": "25:00"}}]}'')'),
    (10, 'SELECT hermes.create_cascade_rule(''bad'', ''{"steps": [{"parallel": [{"channel": "sms"}, {"chanel": "email"}]}]}'')')
) AS v (n, statement) ORDER BY n;
-- a rule that is dropped while it is paused can be resumed; a provider that is dropped is not paused any more
SELECT hermes.pause_cascade_rule('told'), hermes.drop_cascade_rule('told'), hermes.resume_cascade_rule('told');
SELECT test.try('SELECT hermes.resume_cascade_rule(''told'')');
SELECT hermes.pause_provider('push_a'), hermes.drop_provider('push_a');
SELECT count(*) AS in_force FROM hermes.pauses WHERE until IS NULL;
