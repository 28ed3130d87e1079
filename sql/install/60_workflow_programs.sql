-- Programs outside of the database: workflow tasks (history in, commands out). docs/protocol.md is for who writes a client.

CREATE FUNCTION hermes.register_workflow_program(name text, options jsonb) RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_register_workflow_program';
COMMENT ON FUNCTION hermes.register_workflow_program(text, jsonb) IS
'Registers a workflow type whose program runs outside of the database: its workers poll a queue with hermes.poll_workflow_tasks. Executions are started, signaled, queried, updated, canceled and reset as those of functions. Returns the version; new executions take it, running ones keep theirs. options: task_queue (name, required), task_timeout (lease of a task unless the poll says otherwise; 10s), run_timeout, execution_timeout, retry, updates ({"name": {}}: others are rejected; absent: any), queries ({"name": "app.function(jsonb, jsonb)"}), in_place (true: the options of the current version change). Errors: 22023. Example: SELECT hermes.register_workflow_program(''payment'', ''{"task_queue": "payments"}'');';

CREATE FUNCTION hermes.poll_workflow_tasks(queue text, worker text DEFAULT NULL, max_tasks integer DEFAULT 1, lease interval DEFAULT NULL, options jsonb DEFAULT '{}')
    RETURNS TABLE (token text, execution_id uuid, workflow_type text, version integer, workflow_id text, tenant text, attempt integer,
                   previous_event integer, history jsonb, updates jsonb, deadline timestamptz)
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_poll_workflow_tasks';
COMMENT ON FUNCTION hermes.poll_workflow_tasks(text, text, integer, interval, jsonb) IS
'Takes up to max_tasks (at most 1000) workflow tasks of a queue, of the tenants the caller may act for, the oldest first. They are the worker''s at the commit of this transaction, until deadline: then another one gets them (lease: 100 ms to 30 days; NULL: the task_timeout of the type). history: as hermes.export_history; events after previous_event (what the last completed task had been shown) are new, and stand alone with options {"history": "new"} where that task was completed by this worker. updates: [{update_id, name, args}] that wait to be accepted or rejected. attempt: 1 more than tasks that failed in a row. Nothing due: no rows. Errors: 22023. Example: SELECT * FROM hermes.poll_workflow_tasks(''payments'', ''worker-1'', 10);';

CREATE FUNCTION hermes.complete_workflow_task(token text, commands jsonb DEFAULT '[]', OUT outcome text, OUT failure jsonb)
    RETURNS SETOF record
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_complete_workflow_task';
COMMENT ON FUNCTION hermes.complete_workflow_task(text, jsonb) IS
'Answers a workflow task with commands, in the caller''s transaction: an array of at most 2000 objects {"type": ..}, in order: start_activity, start_timer, start_child, cancel_activity, cancel_timer, cancel_child, record_marker, record_version, set_attributes, set_memo, set_query_result, accept_update, reject_update, complete_update; complete_workflow, fail_workflow, cancel_workflow or continue_as_new as the last one. All are taken, or none. outcome: completed; closed; refused (the commands close the workflow, but something came that the worker has not seen: nothing is taken, the task is there again); failed (a command is wrong: failure says which and why; nothing is taken, the task is there again after 1 s, doubling to 10 min). Errors: WF025 when the task is not at hand any more, 55P03: answer again. Example: SELECT outcome FROM hermes.complete_workflow_task($1, ''[{"type": "start_timer", "duration": "3d"}]'');';

CREATE FUNCTION hermes.fail_workflow_task(token text, failure jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_fail_workflow_task';
COMMENT ON FUNCTION hermes.fail_workflow_task(text, jsonb) IS
'Says that the program itself has failed (a bug, a history that it does not follow): the workflow goes on, its task is there again after 1 s, doubling to 10 min; the first failure of a row is an event. failure: message (required), sqlstate (P0001), detail, hint. Errors: 22023, WF025. Example: SELECT hermes.fail_workflow_task($1, ''{"message": "KeyError: amount"}'');';
