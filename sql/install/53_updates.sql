-- Updates of executions, results that are waited for, and queries with arguments.

-- Retained with the execution: dropped with its partition of execution_closed.
CREATE TABLE hermes.execution_update (
    execution_id uuid NOT NULL,
    update_id    text NOT NULL,
    name         text NOT NULL,
    admitted_at  timestamptz NOT NULL,
    number       integer NOT NULL DEFAULT pg_catalog.nextval('hermes.execution_task_number'),
    stage        smallint NOT NULL,
    moved_to     uuid,
    content      jsonb,
    PRIMARY KEY (execution_id, update_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX execution_update_admitted ON hermes.execution_update (execution_id, admitted_at, number) WHERE stage = 0;
COMMENT ON TABLE hermes.execution_update IS 'Updates sent to executions, open and closed. stage: 0 admitted, 1 accepted, 2 completed, 3 rejected, 4 moved to the next execution (moved_to). content: the arguments of an admitted one, the outcome of a completed or rejected one. What a closed execution has left admitted or accepted has failed by that.';

CREATE FUNCTION hermes.update_workflow(execution_id uuid, name text, args jsonb DEFAULT '{}', update_id text DEFAULT NULL) RETURNS text
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_update_workflow';
COMMENT ON FUNCTION hermes.update_workflow(uuid, text, jsonb, text) IS
'Sends an update, a request with an answer, to an execution, in the caller''s transaction; never waits for a running step. The function takes it by hermes.wait_update, in the order of admission, after the validator of its name (option updates of hermes.register_workflow) has let it pass. An update_id that the execution knows already is attached to, also after its end: the same outcome. An execution that has gone on as a new one is followed. A name that the type does not declare is rejected. Returns the update id, a new one when it was NULL; hermes.update_result tells the outcome. Errors: 22023, 54000 (10 in flight, counted when it is sent; 2000 an execution), 55000 (closed), WF001. Example: SELECT hermes.update_workflow(:id, ''add_item'', ''{"sku": 7}'');';

CREATE FUNCTION hermes.update_with_start(type text, workflow_id text, update text, args jsonb DEFAULT '{}', input jsonb DEFAULT '{}', tenant text DEFAULT NULL, options jsonb DEFAULT '{}',
                                         OUT execution_id uuid, OUT update_id text)
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_update_with_start';
COMMENT ON FUNCTION hermes.update_with_start(text, text, text, jsonb, jsonb, text, jsonb) IS
'Sends an update to the open execution of a workflow id, or starts one and sends it, in the caller''s transaction. options: those of hermes.start_workflow but for start_delay (conflict_policy is use_existing unless given; a start that is refused sends nothing), and update_id. When the newest execution of the workflow id is open and knows this update_id, or has completed it, nothing is started or terminated, and the answer is its. Errors: those of hermes.start_workflow and hermes.update_workflow. Example: SELECT * FROM hermes.update_with_start(''cart'', ''cart-7'', ''add_item'', ''{"sku": 7}'');';

CREATE FUNCTION hermes.update_result(execution_id uuid, update_id text, timeout interval DEFAULT '20s') RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_update_result';
COMMENT ON FUNCTION hermes.update_result(uuid, text, interval) IS
'What has become of an update, waiting for its end at most that long: {"stage": "admitted" | "accepted" | "completed" | "rejected", "result" or "failure": ..}; admitted and accepted have neither: ask again. completed with a failure: hermes.fail_update, or the execution closed before (WF030). While it waits no snapshot is held; so a wait needs a SELECT of its own that reads no table, at READ COMMITTED, outside of functions; elsewhere only what is there already is told (timeout 0). Errors: 42704 (no such update), 55000 (sent by this transaction; a snapshot is held), WF001. Example: SELECT hermes.update_result(:id, :update_id, ''5 s'');';

CREATE PROCEDURE hermes.execute_update(execution_id uuid, name text, args jsonb DEFAULT '{}', update_id text DEFAULT NULL, timeout interval DEFAULT '20s', INOUT result jsonb DEFAULT NULL)
    LANGUAGE C AS 'MODULE_PATHNAME', 'hc_execute_update';
COMMENT ON PROCEDURE hermes.execute_update(uuid, text, jsonb, text, interval, jsonb) IS
'Sends an update, commits, and waits for its end: result as of hermes.update_result, and update_id. Not in a transaction block, nor in a function. Errors: 2D000, and those of hermes.update_workflow. Example: CALL hermes.execute_update(:id, ''add_item'', ''{"sku": 7}'');';

CREATE FUNCTION hermes.workflow_result(execution_id uuid, timeout interval DEFAULT '20s') RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_workflow_result';
COMMENT ON FUNCTION hermes.workflow_result(uuid, interval) IS
'Waits for the end of an execution, at most that long, and returns its result; that of the last run, when it goes on as a new one. Raises the failure of a failed one with its SQLSTATE, WF022 when it was canceled, terminated or timed out, WF031 when the timeout comes first: ask again. While it waits no snapshot is held: see hermes.update_result. Errors: 55000 (started or signaled by this transaction; a snapshot is held), WF001, WF022, WF031. Example: SELECT hermes.workflow_result(hermes.start_workflow(..)) is refused; commit the start first.';

CREATE FUNCTION hermes.query_workflow(execution_id uuid, name text, args jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_query_workflow';
COMMENT ON FUNCTION hermes.query_workflow(uuid, text, jsonb) IS
'Asks the function of an execution: its history is replayed, read-only, as the calling role, up to now or to its end. The answer is what it last gave under this name to hermes.set_query_result; or, when its type declares a handler of this name (option queries of hermes.register_workflow), what that returns for args and an object of all that was given. Needs EXECUTE on the function and the handler. Errors: 42501, 42704 (no such query; the detail lists what there is), WF001, WF021. Example: SELECT hermes.query_workflow(:id, ''total'', ''{"currency": "EUR"}'');';

-- ---- in workflow functions ----

CREATE FUNCTION hermes.wait_update(name text DEFAULT NULL, timeout interval DEFAULT NULL) RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_wait_update';
COMMENT ON FUNCTION hermes.wait_update(text, interval) IS
'In a workflow function: the next update, of this name or (NULL) of any that its type declares: {"id": .., "name": .., "args": ..}; NULL when the timeout comes first. Its validator has let it pass, with the query results as they are here; from now on it is accepted, and is to be ended by hermes.complete_update or hermes.fail_update, here or later. Those that the function does not ask for wait; they go on with hermes.continue_as_new. Errors: 22023, WF020. Example: item := hermes.wait_update(''add_item'', ''1 hour'');';

CREATE FUNCTION hermes.complete_update(id text, result jsonb DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_complete_update';
COMMENT ON FUNCTION hermes.complete_update(text, jsonb) IS
'In a workflow function: the result of an update that hermes.wait_update gave. Errors: 54000, 55000 (it is not open). Example: PERFORM hermes.complete_update(item->>''id'', to_jsonb(total));';

CREATE FUNCTION hermes.fail_update(id text, message text, sqlstate text DEFAULT 'P0001', detail text DEFAULT NULL, hint text DEFAULT NULL) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_fail_update';
COMMENT ON FUNCTION hermes.fail_update(text, text, text, text, text) IS
'In a workflow function: an update that hermes.wait_update gave has failed; its sender is told, the function goes on. Errors: 22023, 54000, 55000 (it is not open).';
