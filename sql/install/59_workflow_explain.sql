-- For operators: why an execution stands where it stands.

CREATE FUNCTION hermes.explain_workflow(execution_id uuid)
    RETURNS TABLE (subject text, state text, since timestamptz, due timestamptz, detail text, hint text)
    LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'hc_explain_workflow';
COMMENT ON FUNCTION hermes.explain_workflow(uuid) IS
'What an execution waits for, since when, until when, and what can be done: first the execution, then what holds it up (pauses, turns that fail, a role that cannot run), then each signal, timer, activity, child, update and condition that it waits for, and what has come and was not taken; limits that it comes near to. At most 100 waits. Of a closed one: how it ended. Read-only; works on a standby. Errors: WF001. Example: SELECT * FROM hermes.explain_workflow(''01908a4c-0000-7000-8000-000000000000'');';

-- ---- in workflow functions ----

CREATE FUNCTION hermes.info() RETURNS jsonb
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_info';
COMMENT ON FUNCTION hermes.info() IS
'In a workflow function: what is known of its execution at this place, the same in each replay: events and bytes of its history up to here, attempt (of a retry, from 1), continue_as_new_suggested (from 4,096 events or 4 MiB on). Example: IF (hermes.info()->>''continue_as_new_suggested'')::boolean THEN PERFORM hermes.continue_as_new(input); END IF;';
