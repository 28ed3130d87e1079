-- Schedules: verbs, their errors, previews, what is shown. Their firing is tested end to end.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SET timezone = 'UTC';
CREATE ROLE regress_schedules LOGIN IN ROLE hermes_app;
CREATE FUNCTION test.report(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
SELECT hermes.register_workflow('report', 'test.report(jsonb)', '{"run_as": "regress_schedules"}');
-- previews: both nights of daylight saving, cron, calendars, intervals, exclusions
SELECT * FROM hermes.schedule_times('{"cron": "30 2 * * *", "time_zone": "Europe/Warsaw"}', '2026-03-27 12:00', 3);
SELECT * FROM hermes.schedule_times('{"cron": "30 2 * * *", "time_zone": "Europe/Warsaw"}', '2026-10-24 12:00', 3);
SELECT * FROM hermes.schedule_times('{"cron": "0 0 13 * FRI"}', '2026-02-01', 3);
SELECT * FROM hermes.schedule_times('{"calendars": {"day_of_month": 13, "day_of_week": "FRI"}}', '2026-02-01', 3);
SELECT * FROM hermes.schedule_times('{"intervals": {"every": "1h", "offset": "5m"}, "exclude": {"hour": "1-22"}}', '2026-02-01', 3);
SELECT * FROM hermes.schedule_times('{"cron": "0 0 30 2 *"}');
SELECT count(*) FROM hermes.schedule_times('{"cron": "@hourly"}');
SELECT test.try($q$ SELECT * FROM hermes.schedule_times('{"cron": "@hourly"}', now(), 1001) $q$);
SELECT test.try($q$ SELECT * FROM hermes.schedule_times('{"cron": "@hourly", "time_zone": "Nowhere/Else"}') $q$);
SELECT test.try($q$ SELECT * FROM hermes.schedule_times('{"cron": ["@daily", "0 25 * * *"]}') $q$);
-- what creation refuses
SELECT n, test.try($q$ SELECT hermes.create_schedule('daily', ($1::jsonb)->'spec', ($1::jsonb)->'action', coalesce(($1::jsonb)->'options', '{}')) $q$, o)
FROM (VALUES (1, '{"spec": {}, "action": {"start_workflow": {"type": "report"}}}'::jsonb),
             (2, '{"spec": {"cron": "@daily"}, "action": {"start_workflow": {"type": "nothing"}}}'),
             (3, '{"spec": {"cron": "@daily"}, "action": {"start_cascade": {"rule": "nothing", "message": {}}}}'),
             (4, '{"spec": {"cron": "@daily"}, "action": {"start_workflow": {"type": "report", "options": {"request_id": "x"}}}}'),
             (5, '{"spec": {"cron": "@daily"}, "action": {"start_workflow": {"type": "report"}}, "options": {"overlap": "maybe"}}'),
             (6, '{"spec": {"cron": "@daily"}, "action": {"start_workflow": {"type": "report"}}, "options": {"catchup_window": "1s"}}')) AS v (n, o);
SELECT test.try($q$ SELECT hermes.create_schedule('', '{"cron": "@daily"}', '{"start_workflow": {"type": "report"}}') $q$);
SELECT test.try($q$ SELECT hermes.create_schedule(NULL, '{"cron": "@daily"}', '{"start_workflow": {"type": "report"}}') $q$);
-- creation, change
SELECT hermes.create_schedule('daily', '{"cron": "0 9 * * MON-FRI", "time_zone": "Europe/Warsaw"}', '{"start_workflow": {"type": "report", "input": {"a": 1.10}}}', '{"overlap": "buffer_one", "note": "first"}');
SELECT test.try($q$ SELECT hermes.create_schedule('daily', '{"cron": "@daily"}', '{"start_workflow": {"type": "report"}}') $q$);
SELECT hermes.create_schedule('daily', '{"cron": "@daily"}', '{"start_workflow": {"type": "report"}}', '{}', 'acme') AS of_a_tenant;
SELECT schedule_id, tenant, owner = current_user AS mine, version, spec, action, overlap, catchup_window, pause_on_failure, paused, note, remaining_actions, next_time > now() AS comes,
       actions, missed, skipped, dropped, errors, buffered, backfills, running, last_error, recent
FROM hermes.schedules WHERE schedule_id = 'daily' ORDER BY tenant NULLS FIRST;
SELECT kind, queue, due <= clock_timestamp() AS looked_at_next FROM hermes.task WHERE kind = 19;
SELECT hermes.alter_schedule('daily', options => '{"catchup_window": "1h", "remaining_actions": 5}', expected_version => 1);
SELECT test.try($q$ SELECT hermes.alter_schedule('daily', '{"cron": "@hourly"}', expected_version => 1) $q$);
SELECT hermes.alter_schedule('daily', '{"cron": "@hourly"}', '{"start_workflow": {"type": "report", "workflow_id": "hourly"}}');
SELECT test.try($q$ SELECT hermes.alter_schedule('daily', action => '{"start_workflow": {"type": "nothing"}}') $q$);
SELECT test.try($q$ SELECT hermes.alter_schedule('daily', options => '{"paused": true}') $q$);
SELECT test.try($q$ SELECT hermes.alter_schedule('nothing') $q$);
SELECT version, spec, action, overlap, catchup_window, remaining_actions FROM hermes.schedules WHERE schedule_id = 'daily' AND tenant IS NULL;
-- a schedule without a time to come
SELECT hermes.create_schedule('by hand', '{"cron": "0 0 30 2 *"}', '{"start_workflow": {"type": "report"}}');
-- pause, trigger, backfill: in the caller's transaction
SELECT hermes.pause_schedule('daily', 'holidays'), hermes.pause_schedule('daily');
SELECT paused, note, next_time FROM hermes.schedules WHERE schedule_id = 'daily' AND tenant IS NULL;
BEGIN;
SELECT hermes.trigger_schedule('daily') ~ '^hourly-[-0-9]{10}T[0-9:]{8}(\.[0-9]{1,6})?Z$' AS name;
ROLLBACK;
SELECT buffered FROM hermes.schedules WHERE schedule_id = 'daily' AND tenant IS NULL;
SELECT hermes.trigger_schedule('daily', 'allow_all', 'acme') ~ '^daily-' AS name;
SELECT hermes.backfill_schedule('daily', '2026-01-01', '2026-01-02', 'buffer_all');
SELECT buffered, backfills FROM hermes.schedules WHERE schedule_id = 'daily' ORDER BY tenant NULLS FIRST;
SELECT test.try($q$ SELECT hermes.trigger_schedule('daily', 'perhaps') $q$);
SELECT test.try($q$ SELECT hermes.backfill_schedule('daily', '2026-01-02', '2026-01-01') $q$);
SELECT test.try($q$ SELECT hermes.backfill_schedule('daily', '2026-01-02', 'infinity') $q$);
SELECT count(hermes.backfill_schedule('daily', '2026-01-01', '2026-01-02')) FROM generate_series(2, 100);
SELECT test.try($q$ SELECT hermes.backfill_schedule('daily', '2026-01-01', '2026-01-02') $q$);
SELECT hermes.resume_schedule('daily', 'back'), hermes.resume_schedule('daily');
SELECT paused, note, next_time > now() AS comes FROM hermes.schedules WHERE schedule_id = 'daily' AND tenant IS NULL;
-- what a role may do and sees
SET ROLE regress_schedules;
SELECT schedule_id, tenant FROM hermes.schedules ORDER BY 1, 2;
SELECT test.try($q$ SELECT hermes.create_schedule('mine', '{"cron": "@daily"}', '{"start_workflow": {"type": "report"}}', '{}', 'acme') $q$);
SELECT test.try($q$ SELECT hermes.pause_schedule('daily', NULL, 'acme') $q$);
SELECT test.try($q$ SELECT hermes.drop_schedule('daily', 'acme') $q$);
SELECT hermes.create_schedule('mine', '{"cron": "@daily"}', '{"start_workflow": {"type": "report"}}');
SELECT owner FROM hermes.schedules WHERE schedule_id = 'mine';
SELECT test.try($q$ SELECT count(*) FROM hermes.schedule $q$);
SELECT test.try($q$ SELECT hermes.maintain() $q$);
SELECT test.try($q$ SELECT hermes.schedule_maintenance() $q$);
RESET ROLE;
-- drop
SELECT hermes.drop_schedule('daily'), hermes.drop_schedule('daily', 'acme'), hermes.drop_schedule('mine'), hermes.drop_schedule('by hand');
SELECT test.try($q$ SELECT hermes.drop_schedule('daily') $q$);
SELECT (SELECT count(*) FROM hermes.schedule) + (SELECT count(*) FROM hermes.schedule_start) + (SELECT count(*) FROM hermes.schedule_backfill)
     + (SELECT count(*) FROM hermes.task WHERE kind = 19) AS left;
-- maintenance by pg_cron
SELECT test.try($q$ SELECT hermes.schedule_maintenance() $q$);
SELECT hermes.maintain() > 0 AS created, hermes.maintain() AS again;
DROP OWNED BY regress_schedules;
DROP ROLE regress_schedules;
