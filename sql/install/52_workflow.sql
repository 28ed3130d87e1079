-- Verbs of durable functions: define, run, act, ask.

CREATE FUNCTION hermes.register_workflow(name text, function regprocedure, options jsonb DEFAULT '{}') RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_register_workflow';
COMMENT ON FUNCTION hermes.register_workflow(text, regprocedure, jsonb) IS
'Registers a function as the next version of a workflow type; new executions take it, running ones stay with theirs. The function takes one jsonb (the input) and returns jsonb (the result) or void. options: run_as (role that runs it; default: the current role; must be able to log in, without rights of an administrator, and a member of hermes_app), task_timeout (of the body between two waits, default 10s), step_timeout (of one SQL step, default 60s), run_timeout (of one run, default none), execution_timeout (of all runs of an execution: retries, continue_as_new; default none), retry (of a run that Failed or TimedOut, default never: initial_interval 1s, coefficient 2, max_interval 100 times the first, max_attempts 0 for no limit, non_retryable a list of SQLSTATEs or their first two characters), updates (names of updates it takes, {"add_item": {"validator": "app.check(jsonb, jsonb)"}}: the validator, which may be left out, gets the arguments and the query results, is run by run_as, read-only, and raises to reject), queries (names of queries with arguments, {"total": "app.total(jsonb, jsonb)"}: gets arguments and query results, returns jsonb, is run by who asks), in_place (true: the function of the current version was replaced compatibly; no new version). Returns the version. Errors: 22023, 42501, 42704. Example: SELECT hermes.register_workflow(''payment'', ''app.payment(jsonb)'');';

CREATE FUNCTION hermes.drop_workflow(name text, version integer DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_workflow';
COMMENT ON FUNCTION hermes.drop_workflow(text, integer) IS
'Without a version: takes a type out of use, as hermes.drop_cascade_rule does a rule: no execution of it can be started any more, running ones go on with their version. With a version: drops that one, once no open execution is pinned to it; nothing can be moved or reset to it any more, its number is not used again, and its function may be dropped. Closed histories stay readable. When it was the current version none is current, and nothing can be started, until one is registered. Errors: 42704; 55006 while open executions are pinned to it. Example: SELECT hermes.drop_workflow(''payment'', 1);';

CREATE FUNCTION hermes.start_workflow(type text, input jsonb DEFAULT '{}', workflow_id text DEFAULT NULL, tenant text DEFAULT NULL, options jsonb DEFAULT '{}')
    RETURNS uuid
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_start_workflow';
COMMENT ON FUNCTION hermes.start_workflow(text, jsonb, text, text, jsonb) IS
'Starts an execution, in the caller''s transaction. workflow_id: its name in the business, unique in the tenant among open executions; NULL: none. options: conflict_policy when one is open (fail, the default: WF005; use_existing; terminate_existing), reuse_policy when the last one is closed (allow_duplicate, the default; allow_duplicate_failed_only; reject_duplicate), request_id (the same one again gives the same execution), start_delay, and instead of those of the type run_timeout, execution_timeout, retry (see hermes.register_workflow); search_attributes (an object of attributes declared with hermes.create_search_attribute), memo (any object, shown with the execution). Returns the id of the execution. Errors: 22023, 42501, 42704, 54000, WF005. Example: SELECT hermes.start_workflow(''payment'', ''{"order": 7}'', ''order-7'');';

CREATE FUNCTION hermes.signal_workflow(execution_id uuid, signal text, payload jsonb DEFAULT '{}', request_id text DEFAULT NULL)
    RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_signal_workflow';
COMMENT ON FUNCTION hermes.signal_workflow(uuid, text, jsonb, text) IS
'Brings a signal to an execution. It waits, in order, for the function to ask for it (hermes.wait_signal), also when nobody waits yet. A request_id known to the execution already is dropped. Never waits for a running step. Returns buffered, or closed. Errors: 22023, WF001. Example: SELECT hermes.signal_workflow(:id, ''approved'', ''{"by": "ann"}'');';

CREATE FUNCTION hermes.cancel_workflow(execution_id uuid, reason text DEFAULT NULL) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_cancel_workflow';
COMMENT ON FUNCTION hermes.cancel_workflow(uuid, text) IS
'Asks an execution to end: the verb it waits in, or the next one that could wait, raises WF020 once; what the function does after that is its clean-up. When that error leaves the function the execution is Canceled. Returns buffered, or closed. Errors: WF001.';

CREATE FUNCTION hermes.terminate_workflow(execution_id uuid, reason text DEFAULT NULL) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_terminate_workflow';
COMMENT ON FUNCTION hermes.terminate_workflow(uuid, text) IS
'Ends an execution at once, without its function. Waits for a step that is running. Returns applied, or closed. Errors: WF001.';

CREATE FUNCTION hermes.workflow_status(execution_id uuid) RETURNS jsonb
    LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'hc_workflow_status';
COMMENT ON FUNCTION hermes.workflow_status(uuid) IS
'An execution as JSON: workflow_type, version, workflow_id, tenant, status (Running, Paused, Completed, Failed, TimedOut, Canceled, Terminated, ContinuedAsNew), result or failure, events, started_at, closed_at, cancel_requested, attempt, first_execution_id and next_execution_id of one that has several runs, expires_at, and of an open one what it waits for and the last failure of its code. Read-only; works on a standby. Errors: WF001.';

CREATE FUNCTION hermes.workflow_history(execution_id uuid)
    RETURNS TABLE (event_id integer, event_time timestamptz, event_type text, attributes jsonb)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20 AS 'MODULE_PATHNAME', 'hc_workflow_history';
COMMENT ON FUNCTION hermes.workflow_history(uuid) IS
'The events of an execution, in order. Read-only; works on a standby. Errors: WF001.';

CREATE FUNCTION hermes.decode_execution(history bytea)
    RETURNS TABLE (event_id integer, event_time timestamptz, event_type text, attributes jsonb)
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS 'MODULE_PATHNAME', 'hc_decode_execution';
COMMENT ON FUNCTION hermes.decode_execution(bytea) IS 'Events of a stored history of an execution.';

-- The predicate stands above the UNION ALL: below it, the barrier would not keep a function of the query from other rows.
CREATE VIEW hermes.workflows WITH (security_barrier) AS
SELECT u.* FROM (
    SELECT e.id AS execution_id, t.name AS workflow_type, t.version, e.workflow_id, e.tenant, CASE WHEN e.paused_at IS NULL THEN 'Running' ELSE 'Paused' END AS status,
           hermes.time_of_id(e.id) AS started_at, NULL::timestamptz AS closed_at, a.attributes AS search_attributes, a.memo
    FROM hermes.execution e
         JOIN hermes.workflow_type t ON t.id = e.type_id
         LEFT JOIN hermes.execution_attributes a ON a.execution_id = e.id
    UNION ALL
    SELECT c.id, t.name, t.version, c.workflow_id, c.tenant,
           (ARRAY['Completed', 'Failed', 'TimedOut', 'Canceled', 'Terminated', 'ContinuedAsNew'])[c.status],
           hermes.time_of_id(c.id), c.closed_at, a.attributes, a.memo
    FROM hermes.execution_closed c
         JOIN hermes.workflow_type t ON t.id = c.type_id
         LEFT JOIN hermes.execution_attributes a ON a.execution_id = c.id
) u
WHERE hermes.tenant_visible(u.tenant);
COMMENT ON VIEW hermes.workflows IS 'Executions of workflow functions, open and closed, of the tenants the role may see. Bound execution_id by hermes.first_id_at to look at few partitions. hermes.list_workflows finds by search attributes with an index.';

CREATE VIEW hermes.workflow_tasks WITH (security_barrier) AS
SELECT t.workflow_id AS execution_id, y.name AS workflow_type, e.workflow_id, e.tenant,
       CASE t.kind WHEN 7 THEN 'turn' WHEN 8 THEN 'timer' WHEN 9 THEN 'signal' WHEN 10 THEN 'cancel' WHEN 11 THEN 'run_timeout' WHEN 12 THEN 'child_closed' WHEN 13 THEN 'terminate' WHEN 14 THEN 'activity_closed' WHEN 15 THEN 'cancel_activities' WHEN 16 THEN 'update' WHEN 17 THEN 'look_again' END AS kind,
       t.due, t.owner IS NOT NULL OR p.deadline IS NOT NULL AS claimed, t.tries::integer AS tries, t.last_error, p.worker
FROM hermes.task t JOIN hermes.execution e ON e.id = t.workflow_id JOIN hermes.workflow_type y ON y.id = e.type_id
     LEFT JOIN hermes.program_task p ON p.execution_id = t.workflow_id AND t.kind = 7
WHERE t.kind >= 7 AND hermes.tenant_visible(e.tenant);
COMMENT ON VIEW hermes.workflow_tasks IS 'What open executions wait for: turns (the function is to be called), timers, signals, cancel requests and updates not taken yet, run timeouts, looks at a condition (look_again). tries and last_error of a turn: how often its code has failed in a row, and how; due: when it is tried again. worker: who has the task of a program outside of the database (hermes.poll_workflow_tasks), until due.';

-- ---- in workflow functions ----

CREATE FUNCTION hermes.step(name text, statement text, arguments jsonb DEFAULT '{}', options jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_step';
COMMENT ON FUNCTION hermes.step(text, text, jsonb, jsonb) IS
'In a workflow function: runs a SQL statement with $1 = arguments, exactly once: its effect and its event are one commit. Returns its first row as an object, NULL when there is none. When it fails, nothing of it stays, the failure is recorded, and raised here with its SQLSTATE; serialization failures, deadlocks and other errors of the moment are tried again. options: commit_first (true: the steps before it are committed first, so that what they lock is free while it runs). Errors: those of the statement, WF020. Example: PERFORM hermes.step(''debit'', ''UPDATE account SET balance = balance - ($1->>''''amount'''')::numeric WHERE id = ($1->>''''account'''')::int'', input);';

CREATE FUNCTION hermes.fetch(query text, arguments jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_fetch';
COMMENT ON FUNCTION hermes.fetch(text, jsonb) IS
'In a workflow function: a read that is recorded. Runs a query with $1 = arguments, read-only, and returns its rows as an array of objects; a replay returns what was recorded. At most 1000 rows and hermes.max_message_size bytes. Errors: those of the query, 54000.';

CREATE FUNCTION hermes.side_effect(value jsonb) RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_side_effect';
COMMENT ON FUNCTION hermes.side_effect(jsonb) IS
'In a workflow function: records a value that another call would not give again, and returns what was recorded first. Example: token := hermes.side_effect(to_jsonb(gen_random_uuid()));';

CREATE FUNCTION hermes.sleep(duration interval) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_sleep';
COMMENT ON FUNCTION hermes.sleep(interval) IS
'In a workflow function: waits, durably, for up to 100 years; nothing runs meanwhile. A month counts 30 days. Errors: 22023, WF020.';

CREATE FUNCTION hermes.wait_signal(name text, timeout interval DEFAULT NULL) RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_wait_signal';
COMMENT ON FUNCTION hermes.wait_signal(text, interval) IS
'In a workflow function: the payload of the first signal of this name that no wait before it has taken; NULL when the timeout comes first. Errors: 22023, WF020. Example: answer := hermes.wait_signal(''approved'', ''3 days'');';

CREATE FUNCTION hermes.now() RETURNS timestamptz
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_now';
COMMENT ON FUNCTION hermes.now() IS 'In a workflow function: the time of the newest event the function has seen; the same in each replay.';

CREATE FUNCTION hermes.random() RETURNS double precision
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_random';
COMMENT ON FUNCTION hermes.random() IS 'In a workflow function: a number from 0 (inclusive) to 1 (exclusive); the same in each replay.';

CREATE FUNCTION hermes.uuid() RETURNS uuid
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_uuid';
COMMENT ON FUNCTION hermes.uuid() IS 'In a workflow function: a UUID of version 4; the same in each replay.';

CREATE FUNCTION hermes.get_version(change text, oldest integer, newest integer) RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_get_version';
COMMENT ON FUNCTION hermes.get_version(text, integer, integer) IS
'In a workflow function: which way a changed function is to go. An execution that comes here for the first time takes newest, for good; one that was past this point before the change gets -1. Outside of oldest to newest the turn fails with WF021. Example: IF hermes.get_version(''fraud check'', -1, 1) >= 1 THEN ...';

CREATE FUNCTION hermes.set_query_result(name text, value jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_set_query_result';
COMMENT ON FUNCTION hermes.set_query_result(text, jsonb) IS
'In a workflow function: what hermes.query_workflow is to answer under this name from here on. Nothing is stored.';

CREATE FUNCTION hermes.start_timer(duration interval) RETURNS bigint
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_start_timer';
COMMENT ON FUNCTION hermes.start_timer(interval) IS
'In a workflow function: starts a timer and goes on. Returns a handle for hermes.await and hermes.await_any. Errors: 22023, WF020.';

CREATE FUNCTION hermes.start_child(type text, input jsonb DEFAULT '{}', workflow_id text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS bigint
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_start_child';
COMMENT ON FUNCTION hermes.start_child(text, jsonb, text, jsonb) IS
'In a workflow function: starts an execution as a child, in the same tenant and commit, and goes on. options: parent_close_policy (what becomes of it when this execution closes first: terminate, the default; request_cancel; abandon), run_timeout, execution_timeout, retry, search_attributes, memo (as hermes.start_workflow). Returns a handle: hermes.await gives its result, or raises its failure; a workflow_id that an open execution has, a WF005. Errors: 22023, WF020.';

CREATE FUNCTION hermes.execute_child(type text, input jsonb DEFAULT '{}', workflow_id text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_execute_child';
COMMENT ON FUNCTION hermes.execute_child(text, jsonb, text, jsonb) IS
'In a workflow function: hermes.start_child and hermes.await in one. Errors: those of the child, WF005, WF020, WF022.';

CREATE FUNCTION hermes.start_activity(activity text, input jsonb DEFAULT '{}', options jsonb DEFAULT '{}') RETURNS bigint
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_start_activity';
COMMENT ON FUNCTION hermes.start_activity(text, jsonb, jsonb) IS
'In a workflow function: schedules an activity and goes on. What kind it is, and the options it has by default, hermes.register_activity says; options: those, and activity_id (by which it is found from outside). One of start_to_close and schedule_to_close is needed. Returns a handle: hermes.await gives its result, or raises its failure: with the SQLSTATE of fail_task, or WF023; WF024 when it timed out; WF020 when it was canceled; the DETAIL is a JSON object (type, attempt, retry_state, details; timeout, cause). Errors: 22023, WF020. Example: h := hermes.start_activity(''charge'', ''{"amount": 30}'', ''{"start_to_close": "30s"}'');';

CREATE FUNCTION hermes.execute_activity(activity text, input jsonb DEFAULT '{}', options jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_execute_activity';
COMMENT ON FUNCTION hermes.execute_activity(text, jsonb, jsonb) IS
'In a workflow function: hermes.start_activity and hermes.await in one. Errors: those of the activity, WF020, WF023, WF024.';

CREATE FUNCTION hermes.cancel(handle bigint) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_cancel';
COMMENT ON FUNCTION hermes.cancel(bigint) IS
'In a workflow function: cancels what a handle stands for, unless it is over. A timer is over at once; so is an activity that no worker has, another one is asked to end (hermes.heartbeat_task tells it); a child gets a cancel request. hermes.await raises WF020 of a timer or an activity that ended so. Errors: WF020, WF021.';

CREATE FUNCTION hermes.await(handle bigint) RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_await';
COMMENT ON FUNCTION hermes.await(bigint) IS
'In a workflow function: waits for a timer (NULL), a child or an activity (their results). A child that failed raises its failure with its SQLSTATE, one that was canceled, terminated or timed out WF022. Errors: WF020, WF021.';

CREATE FUNCTION hermes.await_all(handles bigint[]) RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_await_all';
COMMENT ON FUNCTION hermes.await_all(bigint[]) IS
'In a workflow function: waits for all of them; their results as an array, in the order of the handles. Raises the failure of the first handle in that order that has failed, once all before it are over. Errors: as hermes.await.';

CREATE FUNCTION hermes.await_any(handles bigint[]) RETURNS bigint
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_await_any';
COMMENT ON FUNCTION hermes.await_any(bigint[]) IS
'In a workflow function: waits until one of them is over; the handle of the one that was first. Ask hermes.await for its result. Errors: 22023, WF020, WF021.';

CREATE FUNCTION hermes.continue_as_new(input jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_continue_as_new';
COMMENT ON FUNCTION hermes.continue_as_new(jsonb) IS
'In a workflow function: ends this execution (ContinuedAsNew) and starts the next one of its workflow id, with a new input, an empty history and the current version of its type. Signals that were not taken go with it, children do not. Does not return.';

CREATE FUNCTION hermes.signal_with_start(type text, workflow_id text, signal text, payload jsonb DEFAULT '{}', input jsonb DEFAULT '{}', tenant text DEFAULT NULL, options jsonb DEFAULT '{}')
    RETURNS uuid
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_signal_with_start';
COMMENT ON FUNCTION hermes.signal_with_start(text, text, text, jsonb, jsonb, text, jsonb) IS
'Signals the open execution of a workflow id, or starts one and signals it, in one go. options: as hermes.start_workflow (conflict_policy cannot be fail, and is use_existing), and signal_request_id. Returns the id of the execution. Errors: 22023, 42501, 42704, WF005. Example: SELECT hermes.signal_with_start(''cart'', ''cart-7'', ''add'', ''{"item": 3}'');';
