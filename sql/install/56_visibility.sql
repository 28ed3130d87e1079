-- Search attributes and memo: declared, set by functions, listed and counted.

CREATE FUNCTION hermes.create_search_attribute(name text, type text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_create_search_attribute';
COMMENT ON FUNCTION hermes.create_search_attribute(text, text) IS
'Declares a search attribute that executions of workflow functions may have. type: text (found by any of its words), keyword, int, double, bool, datetime, keyword_list. The same again changes nothing. Errors: 22023, 42710 (it has another type). Example: SELECT hermes.create_search_attribute(''City'', ''keyword'');';

CREATE FUNCTION hermes.drop_search_attribute(name text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_search_attribute';
COMMENT ON FUNCTION hermes.drop_search_attribute(text) IS
'The attribute can be neither set nor found any more; executions that have it keep showing it. Errors: 42704.';

-- OFFSET: it is only to be read
CREATE VIEW hermes.search_attributes AS SELECT s.name, s.type, s.created_at FROM hermes.search_attribute s OFFSET 0;
COMMENT ON VIEW hermes.search_attributes IS 'Declared search attributes and their types.';

CREATE FUNCTION hermes.list_workflows(filter text DEFAULT NULL, page_size integer DEFAULT 100, page_token text DEFAULT NULL)
    RETURNS TABLE (execution_id uuid, workflow_type text, version integer, workflow_id text, tenant text, status text,
                   started_at timestamptz, closed_at timestamptz, search_attributes jsonb, memo jsonb, next_page text)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'hc_list_workflows';
COMMENT ON FUNCTION hermes.list_workflows(text, integer, text) IS
'Executions that meet a filter, of the tenants the role may see: open ones first, the newest start first, then closed ones, the newest end first. In the same transaction as everything else: what was committed is listed. filter: as Temporal''s list filter: = != < <= > >= IN, NOT IN, BETWEEN, STARTS_WITH, IS [NOT] NULL, AND, OR, NOT and parentheses over WorkflowId, WorkflowType, WorkflowVersion, ExecutionId (RunId), ParentExecutionId, Tenant, ExecutionStatus, StartTime, CloseTime, ExecutionDuration and declared search attributes. page_size: 1 to 1000. page_token: next_page of the last row of the page before. Read-only; works on a standby. Errors: 22023 with the position, 54000. Example: SELECT * FROM hermes.list_workflows(''ExecutionStatus = ''''Running'''' AND City = ''''Berlin'''''');';

CREATE FUNCTION hermes.count_workflows(filter text DEFAULT NULL, group_by text DEFAULT NULL)
    RETURNS TABLE (value text, executions bigint)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10 AS 'MODULE_PATHNAME', 'hc_count_workflows';
COMMENT ON FUNCTION hermes.count_workflows(text, text) IS
'How many executions meet a filter (see hermes.list_workflows), of the tenants the role may see. group_by: ExecutionStatus, WorkflowType or a keyword attribute: a row a value, most first; NULL: those without it. Read-only; works on a standby. Errors: 22023 with the position, 54000. Example: SELECT * FROM hermes.count_workflows(''StartTime > ''''2026-01-01'''''', ''ExecutionStatus'');';

-- ---- in workflow functions ----

CREATE FUNCTION hermes.set_attributes(attributes jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_set_attributes';
COMMENT ON FUNCTION hermes.set_attributes(jsonb) IS
'In a workflow function: sets search attributes of the execution, and leaves those that are not named; null or an empty list unsets one. A value that does not fit its declared type fails the turn, not the execution: it goes on when the function or the declaration is corrected. At most 100 attributes, 2 KiB each, 40 KiB in all. Example: PERFORM hermes.set_attributes(''{"City": "Berlin", "Tags": ["new"]}'');';

CREATE FUNCTION hermes.set_memo(fields jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_set_memo';
COMMENT ON FUNCTION hermes.set_memo(jsonb) IS
'In a workflow function: sets fields of the execution''s memo, any JSON, shown with it but not found by; null deletes one. At most 100 fields, and hermes.max_message_size in all. Example: PERFORM hermes.set_memo(''{"note": "called back"}'');';
