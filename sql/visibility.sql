-- Search attributes and memo: declarations, starts, lists and counts. What functions set is tested end to end.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_visibility LOGIN IN ROLE hermes_app;
CREATE FUNCTION test.order(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN hermes.wait_signal('paid'); END $$;
SELECT hermes.register_workflow('order', 'test.order(jsonb)', '{"run_as": "regress_visibility"}');
SELECT hermes.register_workflow('invoice', 'test.order(jsonb)', '{"run_as": "regress_visibility"}');
-- declarations
SELECT n, hermes.create_search_attribute(name, type)
FROM (VALUES (1, 'Note', 'text'), (2, 'City', 'keyword'), (3, 'Age', 'int'), (4, 'Score', 'double'), (5, 'Vip', 'bool'), (6, 'DueAt', 'datetime'),
             (7, 'Tags', 'keyword_list'), (8, 'City', 'keyword')) AS d (n, name, type);
SELECT test.try($q$ SELECT hermes.create_search_attribute('City', 'int') $q$);
SELECT test.try($q$ SELECT hermes.create_search_attribute('Town', 'varchar') $q$);
SELECT test.try($q$ SELECT hermes.create_search_attribute('to wn', 'int') $q$);
SELECT test.try($q$ SELECT hermes.create_search_attribute('StartTime', 'datetime') $q$);
SELECT test.try($q$ SELECT hermes.create_search_attribute(NULL, 'int') $q$);
SELECT test.try($q$ SELECT hermes.drop_search_attribute('Town') $q$);
SELECT name, type FROM hermes.search_attributes ORDER BY name;
-- starts
SELECT n, test.try($q$ SELECT hermes.start_workflow('order', '{}', 'x', NULL, $1) $q$, options)
FROM (VALUES (1, '{"search_attributes": {"Town": "Bonn"}}'::jsonb), (2, '{"search_attributes": {"Age": "old"}}'), (3, '{"search_attributes": []}'),
             (4, '{"search_attributes": {"DueAt": "soon"}}'), (5, '{"memo": 1}'), (6, '{"memo": {}, "nope": 1}'),
             (7, jsonb_build_object('search_attributes', jsonb_build_object('City', repeat('x', 3000))))) AS o (n, options);
SELECT count(*) FROM hermes.execution_attributes;
CREATE TABLE test.started (n integer, id uuid);
INSERT INTO test.started
SELECT n, hermes.start_workflow(type, '{}', 'o-' || n, tenant, options::jsonb)
FROM (VALUES (1, 'order', NULL, '{"search_attributes": {"City": "Berlin", "Age": 30, "Score": 1.50, "Vip": true, "Tags": ["red", "green"], "Note": "the quick brown fox", "DueAt": "2026-03-01T12:00:00+02:00"}, "memo": {"deep": {"n": 12345678901234567890.50}}}'),
             (2, 'order', NULL, '{"search_attributes": {"City": "Bonn", "Age": 7, "Score": -2, "Vip": false, "Tags": ["red"], "Note": "Quick silver", "DueAt": "2025-12-31T23:59:59Z"}}'),
             (3, 'invoice', NULL, '{"search_attributes": {"City": "Köln", "Age": 1000000000000, "Tags": []}}'),
             (4, 'invoice', NULL, '{"memo": {"only": "memo"}}'),
             (5, 'order', NULL, '{}'),
             (6, 'order', 'acme', '{"search_attributes": {"City": "Berlin"}}')) AS s (n, type, tenant, options) ORDER BY n;
SELECT hermes.terminate_workflow(id) FROM test.started WHERE n IN (2, 4);
SELECT s.n, a.attributes, a.memo FROM hermes.execution_attributes a JOIN test.started s ON s.id = a.execution_id ORDER BY s.n;
SELECT s.n, status, search_attributes ->> 'City' AS city, memo FROM hermes.workflows w JOIN test.started s ON s.id = w.execution_id ORDER BY s.n;
SELECT hermes.workflow_status(id) -> 'search_attributes' AS attributes, hermes.workflow_status(id) -> 'memo' AS memo FROM test.started WHERE n = 1;
SELECT hermes.workflow_status(id) ? 'memo' AS has_memo FROM test.started WHERE n = 5;
SELECT event_id, event_type, attributes FROM test.started, hermes.workflow_history(id) WHERE n = 1;
-- filters
CREATE FUNCTION test.found(filter text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(s.n::text, ' ' ORDER BY s.n), 'none') FROM hermes.list_workflows(filter) l JOIN test.started s ON s.id = l.execution_id
$$;
SELECT f.filter, test.found(f.filter)
FROM unnest(ARRAY['', 'City = ''Berlin''', 'City != ''Berlin''', 'City IN (''Bonn'', ''Köln'')', 'City NOT IN (''Bonn'', ''Köln'')', 'City STARTS_WITH ''B''', 'City NOT STARTS_WITH ''B''',
    'City < ''Bo''', 'City BETWEEN ''Bo'' AND ''Kz''', 'City NOT BETWEEN ''Bo'' AND ''Kz''', 'City IS NULL', 'City IS NOT NULL', 'NOT City = ''Berlin''',
    'Age = 30', 'Age != 30', 'Age > 7', 'Age >= 7', 'Age < 30', 'Age <= 30', 'Age BETWEEN 7 AND 30', 'Age IN (7, 1000000000000)', 'Age IS NULL',
    'Score = 1.5', 'Score < 0', 'Score > -2.0001', 'Vip = true', 'Vip != true', 'Vip = false', 'DueAt > ''2026-01-01''', 'DueAt = ''2026-03-01T10:00:00Z''', 'DueAt <= ''2026-01-01T00:00:00Z''',
    'Tags = ''red''', 'Tags != ''green''', 'Tags IN (''green'', ''blue'')', 'Tags NOT IN (''green'', ''blue'')', 'Tags IS NULL', 'Note = ''quick''', 'Note = ''FOX silver''', 'Note != ''fox''', 'Note = ''qui''', 'Note IS NOT NULL',
    'WorkflowId = ''o-3''', 'WorkflowId STARTS_WITH ''o-''', 'WorkflowType = ''invoice''', 'WorkflowType != ''invoice''', 'WorkflowVersion = 1', 'WorkflowVersion > 1', 'Tenant = ''acme''', 'Tenant IS NULL',
    'ExecutionStatus = ''Running''', 'ExecutionStatus = ''Terminated''', 'ExecutionStatus != ''Running''', 'ExecutionStatus IN (1, ''Failed'')', 'ExecutionStatus NOT IN (''Terminated'')', 'ExecutionStatus IS NULL',
    'CloseTime IS NULL', 'CloseTime > ''2026-01-01''', 'CloseTime <= ''2026-01-01''', 'StartTime > ''2026-01-01''', 'StartTime < ''2026-01-01''', 'StartTime BETWEEN ''0001-01-01'' AND ''2026-01-01''', 'ExecutionDuration >= ''0s''', 'ExecutionDuration > ''1h''', 'ParentExecutionId IS NULL',
    'City = ''Berlin'' AND Tenant IS NULL OR WorkflowType = ''invoice'' AND NOT (Age IS NULL)', 'City = ''x'''' OR true--''']) WITH ORDINALITY AS f (filter, n) ORDER BY n;
SELECT test.found(format('ExecutionId = %L', id)), test.found(format('RunId != %L', id)) FROM test.started WHERE n = 3;
-- errors
SELECT filter, test.try(format('SELECT count(*) FROM hermes.list_workflows(%L)', filter))
FROM unnest(ARRAY['Nope = 1', 'City', 'City LIKE ''a''', 'City = 5', 'Age > ''x''', 'Tags < ''a''', 'City = ''a'' ORDER BY City', 'City = ''a''; SELECT 1', 'City = ''ä'' AND x']) AS filter;
SELECT test.try(format('SELECT count(*) FROM hermes.list_workflows(%L)', 'City IN (' || repeat('''a'',', 1000) || '''a'')'));
SELECT test.try($q$ SELECT hermes.list_workflows('', 0) $q$);
SELECT test.try($q$ SELECT hermes.list_workflows('', 1001) $q$);
SELECT test.try($q$ SELECT hermes.list_workflows('', NULL) $q$);
SELECT token, test.try(format('SELECT status FROM hermes.list_workflows(%L, 1, %L)', '', token))
FROM unnest(ARRAY['', 'x', 'o-', 'x-00000000-0000-7000-8000-000000000000', '-1-00000000-0000-7000-8000-000000000000', 'o-00000000-0000-7000-8000-000000000000']) AS token;
-- order and pages: open ones by their start, then closed ones by their end
SELECT array_agg(status || ' ' || CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END ORDER BY ordinality), bool_and(in_order)
FROM (SELECT l.*, coalesce(lag(coalesce(l.closed_at, l.started_at)) OVER (PARTITION BY l.closed_at IS NULL ORDER BY l.ordinality) >= coalesce(l.closed_at, l.started_at), true) AS in_order
      FROM hermes.list_workflows() WITH ORDINALITY l) AS l;
CREATE FUNCTION test.pages(filter text, size integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    token text; page text; all_pages text := '';
BEGIN
    LOOP
        SELECT string_agg((SELECT s.n FROM test.started s WHERE s.id = l.execution_id)::text, ' ' ORDER BY l.ordinality), max(l.next_page) FILTER (WHERE l.ordinality = size)
        INTO page, token FROM hermes.list_workflows(filter, size, token) WITH ORDINALITY l;
        all_pages := all_pages || '[' || coalesce(page, '') || ']';
        EXIT WHEN token IS NULL;
    END LOOP;
    RETURN all_pages;
END $$;
CREATE FUNCTION test.numbers(pages text) RETURNS text LANGUAGE sql AS $$ SELECT trim(regexp_replace(pages, '[][ ]+', ' ', 'g')) $$;
SELECT size, test.numbers(test.pages('', size)) = test.numbers(test.pages('', 100)) AS same, length(test.numbers(test.pages('', size))) AS length FROM generate_series(1, 7) AS size;
SELECT array_length(string_to_array(test.pages('', 4), ']'), 1) - 1 AS pages, right(test.pages('', 2), 6) IN ('[4 2][', '[2 4][', '4 2][]', '2 4][]') AS closed_last;
SELECT length(test.pages('City IS NOT NULL AND Tenant IS NULL', 2)), right(test.pages('City IS NOT NULL AND Tenant IS NULL', 2), 3);
-- what ended long ago stands in other windows of time
UPDATE hermes.execution_closed SET closed_at = now() - interval '40 days' WHERE id = (SELECT id FROM test.started WHERE n = 4);
SELECT test.pages('CloseTime IS NOT NULL', 1), test.pages('CloseTime IS NOT NULL', 2), test.pages('CloseTime < ''2199-01-01''', 3);
-- counts
SELECT * FROM hermes.count_workflows();
SELECT * FROM hermes.count_workflows('City = ''nowhere''');
SELECT * FROM hermes.count_workflows('', 'ExecutionStatus');
SELECT * FROM hermes.count_workflows(NULL, 'WorkflowType');
SELECT * FROM hermes.count_workflows('', 'City');
SELECT * FROM hermes.count_workflows('ExecutionStatus = ''Running''', 'ExecutionStatus');
SELECT test.try($q$ SELECT hermes.count_workflows('', 'Age') $q$);
SELECT test.try($q$ SELECT hermes.count_workflows('', 'StartTime') $q$);
SELECT test.try($q$ SELECT hermes.count_workflows('', 'Nope') $q$);
-- a verb over all that a filter finds: one statement, one commit
BEGIN;
SELECT s.n, hermes.signal_workflow(l.execution_id, 'paid') FROM hermes.list_workflows('WorkflowType = ''order''') l JOIN test.started s ON s.id = l.execution_id ORDER BY s.n;
SELECT count(hermes.terminate_workflow(l.execution_id, 'all of Berlin')) FROM hermes.list_workflows('City = ''Berlin''') l;
SELECT * FROM hermes.count_workflows('City = ''Berlin''', 'ExecutionStatus');
ROLLBACK;
SELECT * FROM hermes.count_workflows('City = ''Berlin''', 'ExecutionStatus');
SELECT count(*) FROM hermes.workflow_tasks WHERE kind = 'signal';
-- who sees what
SET ROLE regress_visibility;
SELECT test.try($q$ SELECT hermes.create_search_attribute('Mine', 'int') $q$);
SELECT execution_id IS NOT NULL AS listed, tenant FROM hermes.list_workflows('City = ''Berlin''');
SELECT * FROM hermes.count_workflows('City = ''Berlin''');
RESET ROLE;
SELECT hermes.grant_tenant('regress_visibility', 'acme');
SET ROLE regress_visibility;
SELECT * FROM hermes.count_workflows('City = ''Berlin''');
RESET ROLE;
-- a function of a query sees no row that the view would not show
CREATE FUNCTION test.peek(tenant text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'peeked at %', tenant; RETURN true; END $$;
SELECT hermes.revoke_tenant('regress_visibility', 'acme');
SET ROLE regress_visibility;
SELECT count(*) FROM hermes.workflows WHERE test.peek(tenant) AND tenant IS NOT NULL;
RESET ROLE;
-- conditions on equality go by the index
CREATE FUNCTION test.uses_index() RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    line text; found boolean := false;
BEGIN
    FOR line IN EXPLAIN SELECT FROM hermes.execution x LEFT JOIN hermes.execution_attributes a ON a.execution_id = x.id WHERE a.attributes @> '{"City": "Berlin"}' LOOP
        found := found OR line ~ 'execution_attributes_attributes';
    END LOOP;
    RETURN found;
END $$;
SELECT test.uses_index();
-- declared anew with another type: what does not fit is not found, and nothing fails
SELECT hermes.drop_search_attribute('City'), hermes.create_search_attribute('City', 'int');
SELECT test.found('City > 5'), test.found('City = 5'), test.found('City IS NOT NULL');
SELECT hermes.drop_search_attribute('City');
SELECT test.try($q$ SELECT hermes.list_workflows('City = 5') $q$);
-- what is dropped with an archive leaves nothing behind
SELECT hermes.create_partitions() > 0 AS created;
CREATE TABLE test.old AS SELECT overlay(hermes.first_id_at(now() - interval '40 days')::text placing substr(id::text, 20) from 20)::uuid AS id, id AS was FROM test.started WHERE n = 2;
WITH gone AS (DELETE FROM hermes.execution_closed c USING test.old o WHERE c.id = o.was RETURNING c.*)
INSERT INTO hermes.execution_closed SELECT o.id, now() - interval '39 days', type_id, status, tenant, workflow_id, parent_id, input, history FROM gone, test.old o;
UPDATE hermes.execution_attributes a SET execution_id = o.id FROM test.old o WHERE a.execution_id = o.was;
SELECT hermes.create_partitions();
SELECT count(*) FROM hermes.execution_attributes;
SELECT count(*) FROM hermes.drop_old_partitions('30 days', '30 days', '30 days');
SELECT count(*) FROM hermes.execution_attributes;
DROP OWNED BY regress_visibility;
DROP ROLE regress_visibility;
