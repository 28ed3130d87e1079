-- Schedules: verbs and views. Recurring maintenance through pg_cron.

CREATE FUNCTION hermes.create_schedule(id text, spec jsonb, action jsonb, options jsonb DEFAULT '{}', tenant text DEFAULT NULL) RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_create_schedule';
COMMENT ON FUNCTION hermes.create_schedule(text, jsonb, jsonb, jsonb, text) IS
'Makes a schedule: at the times of spec it starts a workflow or a cascade, in the right of the role that made it. id: unique in the tenant. spec: cron (strings of five to seven fields, or @daily ..), calendars, intervals, exclude, start_at, end_at, jitter, time_zone. action: {"start_workflow": {"type", "input", "workflow_id", "options"}} or {"start_cascade": {"rule", "message", "key", "options"}}; the nominal time is put behind workflow_id or key (default: the id of the schedule). options: overlap when the last one is still running (skip, the default; buffer_one; buffer_all; cancel_other; terminate_other; allow_all), catchup_window (365d: what is later than that, after a downtime, is missed), pause_on_failure, remaining_actions, paused, note. Returns the version, 1. Errors: 22023, 42501, 42704, 42710, 54000. Example: SELECT hermes.create_schedule(''daily'', ''{"cron": "0 9 * * MON-FRI", "time_zone": "Europe/Warsaw"}'', ''{"start_workflow": {"type": "report"}}'');';

CREATE FUNCTION hermes.alter_schedule(id text, spec jsonb DEFAULT NULL, action jsonb DEFAULT NULL, options jsonb DEFAULT NULL, tenant text DEFAULT NULL, expected_version integer DEFAULT NULL) RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_alter_schedule';
COMMENT ON FUNCTION hermes.alter_schedule(text, jsonb, jsonb, jsonb, text, integer) IS
'Replaces what is given of a schedule; of options only the keys that are there (not paused and note). Nothing is done for times before now; a start that has come and waits, or whose jitter has begun, stays. expected_version: refuse (55000) when another change came between. Returns the next version. Errors: 22023, 42501, 42704, 54000, 55000.';

CREATE FUNCTION hermes.drop_schedule(id text, tenant text DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_schedule';
COMMENT ON FUNCTION hermes.drop_schedule(text, text) IS
'Drops a schedule with its starts that wait. What it has started goes on. Errors: 42501, 42704.';

CREATE FUNCTION hermes.pause_schedule(id text, note text DEFAULT NULL, tenant text DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_pause_schedule';
COMMENT ON FUNCTION hermes.pause_schedule(text, text, text) IS
'From now on the schedule takes no actions but by trigger_schedule and backfill_schedule; times that pass meanwhile are neither missed nor caught up. The note replaces that of the schedule. Returns false when it was paused already. Errors: 22023, 42501, 42704.';

CREATE FUNCTION hermes.resume_schedule(id text, note text DEFAULT NULL, tenant text DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_resume_schedule';
COMMENT ON FUNCTION hermes.resume_schedule(text, text, text) IS
'Ends a pause, also one by pause_on_failure. Returns false when the schedule was not paused. Errors: 22023, 42501, 42704.';

CREATE FUNCTION hermes.trigger_schedule(id text, overlap text DEFAULT NULL, tenant text DEFAULT NULL) RETURNS text
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_trigger_schedule';
COMMENT ON FUNCTION hermes.trigger_schedule(text, text, text) IS
'Takes the action once now (nominal time: now, to the microsecond), also while paused; not counted in remaining_actions. overlap: instead of that of the schedule. Starts when the caller has committed. Returns the workflow id, or key, that the start will have. Errors: 22023, 42501, 42704, 54000.';

CREATE FUNCTION hermes.backfill_schedule(id text, since timestamptz, until timestamptz, overlap text DEFAULT NULL, tenant text DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_backfill_schedule';
COMMENT ON FUNCTION hermes.backfill_schedule(text, timestamptz, timestamptz, text, text) IS
'Takes the actions of all nominal times from since to until, both inclusive, also while paused; not counted in remaining_actions. They are taken up as the buffer of 1000 has room; none is lost. overlap: instead of that of the schedule. At most 100 backfills of a schedule are under way. Errors: 22023, 42501, 42704, 54000. Example: SELECT hermes.backfill_schedule(''daily'', ''2026-11-01'', ''2026-11-07'', ''buffer_all'');';

CREATE FUNCTION hermes.schedule_times(spec jsonb, since timestamptz DEFAULT pg_catalog.now(), count integer DEFAULT 10) RETURNS SETOF timestamptz
    LANGUAGE C STABLE ROWS 10 AS 'MODULE_PATHNAME', 'hc_schedule_times';
COMMENT ON FUNCTION hermes.schedule_times(jsonb, timestamptz, integer) IS
'The next times of a spec, without jitter: a preview. count: 1 to 1000. Errors: 22023, 54000. Example: SELECT * FROM hermes.schedule_times(''{"cron": "30 2 * * *", "time_zone": "Europe/Warsaw"}'', ''2026-03-27'', 5);';

CREATE VIEW hermes.schedules WITH (security_barrier) AS
SELECT s.name AS schedule_id, s.tenant, s.owner::text AS owner, s.version, s.spec, s.action, s.overlap,
       make_interval(secs => s.catchup_us / 1000000.0) AS catchup_window, s.pause_on_failure, s.paused, s.note, s.remaining AS remaining_actions,
       CASE WHEN NOT s.paused AND coalesce(s.remaining, 1) > 0 THEN s.next_time END AS next_time,
       s.actions, s.missed, s.skipped, s.dropped, s.errors,
       (SELECT count(*) FROM hermes.schedule_start w WHERE w.schedule_id = s.id) AS buffered,
       (SELECT count(*) FROM hermes.schedule_backfill b WHERE b.schedule_id = s.id) AS backfills,
       (SELECT count(*) FROM hermes.schedule_run r WHERE r.schedule_id = s.id AND r.ended_at IS NULL
           AND (EXISTS (SELECT FROM hermes.execution_current k JOIN hermes.execution e ON e.id = k.execution_id WHERE r.kind = 1 AND k.hash = r.hash)
                OR EXISTS (SELECT FROM hermes.workflow c WHERE r.kind = 2 AND c.id = r.hash))) AS running,
       (SELECT w.last_error FROM hermes.schedule_start w WHERE w.schedule_id = s.id AND w.last_error IS NOT NULL ORDER BY w.retry_at LIMIT 1) AS last_error,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('nominal', r.nominal, 'started_at', r.started_at, 'id', r.name, 'execution_id', r.execution_id,
                                                     'status', coalesce(r.status, 'Running'), 'ended_at', r.ended_at) ORDER BY r.nominal DESC), '[]')
        FROM (SELECT * FROM hermes.schedule_run n WHERE n.schedule_id = s.id ORDER BY n.nominal DESC LIMIT 10) r) AS recent,
       s.created_at, s.updated_at
FROM hermes.schedule s
WHERE hermes.tenant_visible(s.tenant);
COMMENT ON VIEW hermes.schedules IS 'Schedules of the tenants the role may see. next_time: of the next action, jitter included; counters since it was made: actions taken, missed (too late for the catch-up window), skipped (by the overlap policy, or while paused), dropped (the buffer was full), errors (failed starts, tried again); buffered: starts that wait; running: of what it has started; recent: the ten newest; status of a cascade that has ended shows Running until the schedule is looked at next.';

-- ---- recurring maintenance ----

CREATE FUNCTION hermes.maintain() RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_maintain';
COMMENT ON FUNCTION hermes.maintain() IS
'What the supervisor does once a minute, now: creates the missing day partitions and drops old ones by the settings of retention. For databases whose workers are off (hermes.workers). Returns how many partitions were created or dropped. Errors: 55P03 when a partition is in use.';

CREATE FUNCTION hermes.schedule_maintenance(cron text DEFAULT '*/10 * * * *') RETURNS bigint
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_schedule_maintenance';
COMMENT ON FUNCTION hermes.schedule_maintenance(text) IS
'Has pg_cron run hermes.maintain() at the times of a cron string of pg_cron, as the owner of the extension; the same call again replaces the time. NULL: no more. Returns the number of the job, NULL when there is none any more. Errors: 0A000 when pg_cron is not installed in this database; those of cron.schedule.';
