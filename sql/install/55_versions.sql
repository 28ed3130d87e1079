-- Versions of workflow functions: replay checks, moving executions, reset, export of histories.

CREATE FUNCTION hermes.replay_check(function regprocedure, type text, predicate text DEFAULT 'true', max_executions integer DEFAULT 1000)
    RETURNS TABLE (execution_id uuid, workflow_id text, status text, ok boolean, problem text, event_id bigint, command integer)
    LANGUAGE C VOLATILE ROWS 1000 AS 'MODULE_PATHNAME', 'hc_replay_check';
COMMENT ON FUNCTION hermes.replay_check(regprocedure, text, text, integer) IS
'Whether a function, registered or not, does what the histories of a workflow type say: each is replayed, read-only, in the caller''s session and as the calling role, which needs EXECUTE on the function. Nothing is recorded and nothing changes. predicate: a SQL expression over columns of hermes.workflows, with the caller''s rights; of what it selects the newest max_executions (at most 100000) are looked at, open and closed. ok is false, with the problem, the event and the command, when the function issues another command or leaves one out, fails by a fault of its code, or takes longer than the task_timeout of the newest version; of an execution that its function has ended, also when it goes on, or ends with another status, result, SQLSTATE or message. Errors: 22023, 42501, 42704. Example: SELECT * FROM hermes.replay_check(''app.payment_v2(jsonb)'', ''payment'', ''started_at > now() - interval ''''7 days'''''') WHERE NOT ok;';

CREATE FUNCTION hermes.move_workflows(type text, to_version integer, predicate text DEFAULT 'true', options jsonb DEFAULT '{}') RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_move_workflows';
COMMENT ON FUNCTION hermes.move_workflows(text, integer, text, jsonb) IS
'Moves running executions of a workflow type from whatever other version they have to this one: all that the predicate (as of hermes.replay_check) selects, or none. Each is locked, a turn under way is waited for, and its history is replayed against the function of the version, as the calling role. When all follow it they get the version, an event WorkflowExecutionOptionsUpdated, and the role of the version; turns that had failed are tried again at once. Otherwise WF021, with the first few that do not, and nothing is changed. options: max_executions (54000 when more are selected; default 10000), reason. Returns how many were moved. Errors: 22023, 42501, 42704, 54000, WF021. Example: SELECT hermes.move_workflows(''payment'', 3, ''version = 2'');';

CREATE FUNCTION hermes.reset_workflow(execution_id uuid, event_id bigint DEFAULT NULL, reason text DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS uuid
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_reset_workflow';
COMMENT ON FUNCTION hermes.reset_workflow(uuid, bigint, text, jsonb) IS
'A new execution that begins with the history of this one up to and including an event (NULL: the last possible), and goes on from there with the same workflow id, tenant, input and version. Any event can be chosen but the end. Activities that were open there are done again, from their first attempt (of a program outside of the database: those that are pending still; an end that came later counts). What steps have done in the database is NOT undone: a step after the event runs again. The execution, when it is open, and the open one of its workflow id are Terminated with the reason; a closed one is left as it is. Signals that came after the event are brought again, and updates accepted after it or not yet are admitted anew (options: reapply: all, the default, signals or none), cancel requests are not. Timers keep their due time. Children that were open at the event stay children, of the new one: their end is told to it, also when it came after the event; those started later meet their parent close policy. The run timeout begins anew (options: run_timeout). Other options: version (of the new execution), request_id (the same one again gives the same execution). Returns its id. Errors: 0A000 (of a program outside of the database whose activity is gone without an end), 22023, 42704, WF001. Example: SELECT hermes.reset_workflow(:id, 7, ''wrong tariff'');';

CREATE FUNCTION hermes.export_history(execution_id uuid) RETURNS jsonb
    LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'hc_export_history';
COMMENT ON FUNCTION hermes.export_history(uuid) IS
'An execution, open or closed, as a JSON document that loses nothing: workflow_type, version, function, digest, input, workflow_id, tenant, status, and events with all their fields. It holds payloads as they are. For hermes.replay_history. Read-only; works on a standby. Errors: WF001.';

CREATE FUNCTION hermes.import_history(history jsonb) RETURNS uuid
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_import_history';
COMMENT ON FUNCTION hermes.import_history(jsonb) IS
'Stores a document of hermes.export_history of an execution that has ended, in another database maybe, among the closed ones: for hermes.replay_check, workflow_history, list_workflows. It is checked; the same document again changes nothing. The workflow type must be known here; its version is that of the document when it is here, else the newest. Nothing runs, and its workflow id stays free. It is kept as long as others of its day: hermes.history_retention counts from the newest end of them. Returns its id. Errors: 22023 with the JSON path, 42501, 42704, 42710 (an execution of this id has another history), 54000, WF004 (its events do not fit together). Example: SELECT hermes.import_history(:''document'');';

CREATE FUNCTION hermes.replay_history(function regprocedure, history jsonb, timeout interval DEFAULT '10 seconds')
    RETURNS TABLE (ok boolean, problem text, event_id bigint, command integer)
    LANGUAGE C VOLATILE ROWS 1 AS 'MODULE_PATHNAME', 'hc_replay_history';
COMMENT ON FUNCTION hermes.replay_history(regprocedure, jsonb, interval) IS
'Whether a function does what a document of hermes.export_history says: as hermes.replay_check, of one history that need not be stored here. timeout: of the function, at most 2 minutes. Errors: 22023 with the JSON path, 42501, 42704, 54000. Example: SELECT * FROM hermes.replay_history(''app.payment(jsonb)'', :''history'');';

CREATE FUNCTION hermes.replays_ok(function regprocedure, history jsonb, description text DEFAULT NULL) RETURNS SETOF text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found record;
    home  text := (SELECT e.extnamespace::pg_catalog.regnamespace::text FROM pg_catalog.pg_extension e WHERE e.extname = 'pgtap');
BEGIN
    IF home IS NULL THEN
        RAISE EXCEPTION 'pgTAP is not installed in this database' USING ERRCODE = 'undefined_function', HINT = 'CREATE EXTENSION pgtap;';
    END IF;
    SELECT * INTO found FROM hermes.replay_history(function, history);
    PERFORM pg_catalog.set_config('search_path', home || ', pg_catalog, pg_temp', true); -- until this function ends: pgTAP calls itself by bare names
    RETURN QUERY EXECUTE 'SELECT ok($1, $2)' USING found.ok, coalesce(description, pg_catalog.format('%s replays %s', function, history ->> 'execution_id'));
    IF NOT found.ok THEN
        RETURN QUERY EXECUTE 'SELECT diag($1)' USING pg_catalog.format('%s (event %s, command %s)', found.problem, found.event_id, found.command);
    END IF;
END
$$;
COMMENT ON FUNCTION hermes.replays_ok(regprocedure, jsonb, text) IS
'A test of pgTAP: the function replays the history that hermes.export_history gave. Needs pgTAP in the database. Errors: 42883, and those of hermes.replay_history. Example: SELECT hermes.replays_ok(''app.payment(jsonb)'', pg_read_file(''payment-7.json'')::jsonb, ''payment 7'');';
