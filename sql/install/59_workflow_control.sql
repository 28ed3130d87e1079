-- Pausing executions of workflow functions, and whole types of them.

CREATE FUNCTION hermes.pause_workflow(execution_id uuid, reason text DEFAULT NULL, request_id text DEFAULT NULL) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_pause_workflow';
COMMENT ON FUNCTION hermes.pause_workflow(uuid, text, text) IS
'Pauses an execution (Paused): its function is not called until hermes.resume_workflow. Signals, cancel requests, timers and ends of children are recorded meanwhile, and delivered in their order after; its timeouts and hermes.terminate_workflow end it, queries are answered. Waits for a step that is running. Returns applied, duplicate (this request_id has paused it already) or closed. Errors: 22023, 55000 (it is paused), WF001. Example: SELECT hermes.pause_workflow(:id, ''bank is down'');';

CREATE FUNCTION hermes.resume_workflow(execution_id uuid, reason text DEFAULT NULL) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_resume_workflow';
COMMENT ON FUNCTION hermes.resume_workflow(uuid, text) IS
'Lets a paused execution go on. Returns applied, or closed. Errors: 55000 (it is not paused), WF001.';

CREATE FUNCTION hermes.pause_workflow_type(name text, reason text DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_pause_workflow_type';
COMMENT ON FUNCTION hermes.pause_workflow_type(text, text) IS
'Calls the functions of a workflow type, of every version, no more from the commit on, also those of executions that are started later; what comes for them is recorded. One row, whatever their number; see hermes.pauses. Turns under way come to their end. False: it was paused already. Errors: 42704.';

CREATE FUNCTION hermes.resume_workflow_type(name text) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_resume_workflow_type';
COMMENT ON FUNCTION hermes.resume_workflow_type(text) IS
'Ends what pause_workflow_type began; executions that are paused by themselves stay so. False: it was not paused. Errors: 42704.';

-- ---- in workflow functions ----

CREATE FUNCTION hermes.add_compensation(name text, statement text, arguments jsonb DEFAULT '{}') RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_add_compensation';
COMMENT ON FUNCTION hermes.add_compensation(text, text, jsonb) IS
'In a workflow function: puts a step on the list of those that hermes.compensate is to run: what undoes the step before. Nothing is run or stored yet. Errors: 22023, 54000. Example: PERFORM hermes.add_compensation(''release'', ''DELETE FROM app.reservation WHERE id = ($1->>''''id'''')::int'', input);';

CREATE FUNCTION hermes.compensate(options jsonb DEFAULT '{}') RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_compensate';
COMMENT ON FUNCTION hermes.compensate(jsonb) IS
'In a workflow function: runs the compensations on the list, the newest first, each exactly once, as steps, and returns how many it has run. One that fails is recorded; with on_error "continue" (the default) the others are run and the first failure is raised at the end, with "stop" it is raised at once and those not run stay on the list. A cancel request is delivered after them. Errors: those of the statements, 22023. Example: EXCEPTION WHEN OTHERS THEN PERFORM hermes.compensate(); RAISE;';
