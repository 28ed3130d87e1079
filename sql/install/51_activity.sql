-- Activities of workflow functions. Verbs of the body stand in 52_workflow.sql.

-- ---- define ----

CREATE FUNCTION hermes.register_activity(name text, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_register_activity';
COMMENT ON FUNCTION hermes.register_activity(text, jsonb) IS
'Names a type of activity, or changes it, and says what holds for its activities that do not say otherwise. options: kind (queue, the default: handed to external workers by hermes.poll_tasks; http: sent through a provider), queue (name; default) or provider (name), start_to_close (of one attempt), schedule_to_close (of all attempts), schedule_to_start (of the wait in the queue), heartbeat: times such as "30s"; at least one of the first two is needed by the type or the activity; retry: {"initial_interval": "1s", "coefficient": 2, "max_interval": "100s", "max_attempts": 0, "non_retryable": ["CardError", "22"]}; priority (1 goes first, 5 last; 3), fairness_key, fairness_weight, cancellation (what a cancel of the workflow means: try_cancel, the default; wait; abandon). Errors: 22023, 42704. Example: SELECT hermes.register_activity(''charge'', ''{"queue": "payments", "start_to_close": "30s", "retry": {"max_attempts": 5}}'');';

CREATE FUNCTION hermes.drop_activity(name text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_activity';
COMMENT ON FUNCTION hermes.drop_activity(text) IS
'Forgets a type of activity. Pending activities go on with the options they were scheduled with. Errors: 42704.';

CREATE FUNCTION hermes.alter_activity_queue(name text, options jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_alter_activity_queue';
COMMENT ON FUNCTION hermes.alter_activity_queue(text, jsonb) IS
'Limits what hermes.poll_tasks hands out of a queue. options: rate (tasks a second; 0: none; absent: no limit), burst (how many at once; the rate, at least 1). Errors: 22023. Example: SELECT hermes.alter_activity_queue(''payments'', ''{"rate": 20, "burst": 40}'');';

CREATE FUNCTION hermes.pause_activity_queue(name text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_pause_activity_queue';
COMMENT ON FUNCTION hermes.pause_activity_queue(text) IS
'Hands out nothing of a queue until hermes.resume_activity_queue. Tasks at hand go on, and timeouts still pass.';

CREATE FUNCTION hermes.resume_activity_queue(name text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_resume_activity_queue';
COMMENT ON FUNCTION hermes.resume_activity_queue(text) IS 'Ends hermes.pause_activity_queue. Errors: 42704.';

-- ---- external workers ----

CREATE FUNCTION hermes.poll_tasks(queue text, worker text DEFAULT NULL, max_tasks integer DEFAULT 1, lease interval DEFAULT NULL)
    RETURNS TABLE (token text, activity text, input jsonb, attempt integer, execution_id uuid, activity_id text, tenant text,
                   scheduled_at timestamptz, deadline timestamptz, heartbeat jsonb, last_failure jsonb)
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_poll_tasks';
COMMENT ON FUNCTION hermes.poll_tasks(text, text, integer, interval) IS
'Takes up to max_tasks (at most 1000) activities of a queue, of the tenants the caller may act for, by priority and fairness. They are the worker''s at the commit of this transaction; a task may also be polled, done and answered in one transaction, and its effect is exactly once then. token: of this attempt, for the answer; deadline: when it is given up without one (start_to_close, schedule_to_close, heartbeat, lease); lease: how long the worker may be silent (100 ms to 30 days; NULL: no limit but these); heartbeat: what an attempt before told last; last_failure: how it failed. Nothing due: no rows. Errors: 22023. Example: SELECT * FROM hermes.poll_tasks(''payments'', ''worker-1'', 10, ''1 minute'');';

CREATE FUNCTION hermes.complete_task(token text, result jsonb DEFAULT 'null') RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_complete_task';
COMMENT ON FUNCTION hermes.complete_task(text, jsonb) IS
'Answers a task with its result, in the caller''s transaction: what the worker wrote in it commits with the answer, or not at all. Errors: WF025 when the attempt is over (it timed out, was answered, or its workflow has ended): roll back; 54000.';

CREATE FUNCTION hermes.fail_task(token text, failure jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_fail_task';
COMMENT ON FUNCTION hermes.fail_task(text, jsonb) IS
'Says that an attempt has failed; the retry policy of the activity says whether there is another. failure: message (required), type (compared with non_retryable), sqlstate (what the workflow function sees; WF023), non_retryable (true: no further attempt), next_retry_delay (in place of the policy''s interval; "0s": at once), details (any JSON). Errors: 22023, WF025. Example: SELECT hermes.fail_task($1, ''{"message": "card declined", "type": "CardError", "non_retryable": true}'');';

CREATE FUNCTION hermes.cancel_task(token text, details jsonb DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_cancel_task';
COMMENT ON FUNCTION hermes.cancel_task(text, jsonb) IS
'Says that an activity has ended because it was asked to cancel; its worker may also complete or fail it. Errors: 55000 when it was not asked, WF025.';

CREATE FUNCTION hermes.heartbeat_task(token text, details jsonb DEFAULT NULL, OUT cancel_requested boolean, OUT pause_requested boolean, OUT reset_requested boolean)
    RETURNS SETOF record
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_heartbeat_task';
COMMENT ON FUNCTION hermes.heartbeat_task(text, jsonb) IS
'Says that an attempt is alive, and how far it is: details are handed to the next attempt. Renews lease and heartbeat timeout. One row: whether the activity was asked to cancel, is to pause after this attempt, or is to begin again. Errors: WF025 when the attempt is over: give it up.';

-- ---- by id ----

CREATE FUNCTION hermes.complete_activity(execution_id uuid, activity_id text, result jsonb DEFAULT 'null') RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_complete_activity';
COMMENT ON FUNCTION hermes.complete_activity(uuid, text, jsonb) IS
'Completes a pending activity from outside, whichever attempt it is at, also between attempts. activity_id: the option activity_id, or the number of its command. Errors: WF001, 42704, 54000.';

CREATE FUNCTION hermes.fail_activity(execution_id uuid, activity_id text, failure jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_fail_activity';
COMMENT ON FUNCTION hermes.fail_activity(uuid, text, jsonb) IS
'Fails the attempt that a pending activity is at, as hermes.fail_task. Errors: WF001, 22023, 42704.';

CREATE FUNCTION hermes.pause_activity(execution_id uuid, activity_id text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_pause_activity';
COMMENT ON FUNCTION hermes.pause_activity(uuid, text) IS
'Holds a pending activity: no attempt begins, no timeout passes. One under way may go on and complete; when it fails the next one waits. Errors: WF001, 42704, 55000 when it is paused already, was asked to cancel or is to be reset.';

CREATE FUNCTION hermes.resume_activity(execution_id uuid, activity_id text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_resume_activity';
COMMENT ON FUNCTION hermes.resume_activity(uuid, text) IS
'Ends hermes.pause_activity; what is left of a back-off is waited. Errors: WF001, 42704, 55000 when it is not paused.';

CREATE FUNCTION hermes.reset_activity(execution_id uuid, activity_id text, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_reset_activity';
COMMENT ON FUNCTION hermes.reset_activity(uuid, text, jsonb) IS
'Begins a pending activity again with its first attempt, at once; when one is under way, after it has failed. options: keep_paused (a paused one stays so), reset_heartbeat (what an attempt told last is dropped). Errors: WF001, 22023, 42704, 55000 when it was asked to cancel or is to be reset already.';

CREATE FUNCTION hermes.update_activity_options(execution_id uuid, activity_id text, options jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_update_activity_options';
COMMENT ON FUNCTION hermes.update_activity_options(uuid, text, jsonb) IS
'Changes timeouts, retry, priority, fairness or queue of a pending activity; null takes a timeout away, retry null gives the default policy. A back-off is from then on as long as the new policy says, counted from the end of the attempt before (unless its failure gave next_retry_delay). An attempt under way keeps its token; a timeout that has passed by the new options fires at once. Errors: WF001, 22023, 42704.';

-- ---- views ----

CREATE VIEW hermes.activities WITH (security_barrier) AS
SELECT a.execution_id, e.workflow_id, a.tenant, a.type AS activity, coalesce(a.options ->> 'activity_id', a.number::text) AS activity_id,
       nullif(q.name, '') AS queue,
       CASE WHEN a.state = 2 AND a.flags & 1 <> 0 THEN 'cancel_requested' WHEN a.state = 2 AND a.flags & 2 <> 0 THEN 'pause_requested'
            ELSE (ARRAY['scheduled', 'started', 'backing_off', 'paused'])[a.state] END AS state,
       a.priority::integer AS priority, a.fairness_key, a.attempt, a.scheduled_at, a.due, a.started_at, a.heartbeat_at, a.deadline, a.worker,
       a.heartbeat, a.last_failure, a.options, a.input
FROM hermes.activity a JOIN hermes.execution e ON e.id = a.execution_id LEFT JOIN hermes.activity_queue q ON q.id = a.queue_id
WHERE hermes.tenant_visible(a.tenant);
COMMENT ON VIEW hermes.activities IS 'Activities that have not closed: where they wait, which attempt, since when, who has them, how the attempt before failed.';

CREATE VIEW hermes.activity_queues AS
SELECT q.name AS queue, q.rate, q.burst, q.paused_at, coalesce(w.waiting, 0) AS waiting, coalesce(w.backing_off, 0) AS backing_off,
       coalesce(w.started, 0) AS started, w.oldest AS waiting_since
FROM hermes.activity_queue q
LEFT JOIN (SELECT a.queue_id, count(*) FILTER (WHERE a.state = 1) AS waiting, count(*) FILTER (WHERE a.state = 3) AS backing_off,
                  count(*) FILTER (WHERE a.state = 2) AS started, min(a.due) FILTER (WHERE a.state = 1) AS oldest
           FROM hermes.activity a GROUP BY a.queue_id) w ON w.queue_id = q.id;
COMMENT ON VIEW hermes.activity_queues IS 'Queues of activities for external workers: limits, and how many wait (waiting_since: the oldest that could start), back off or are at work.';
