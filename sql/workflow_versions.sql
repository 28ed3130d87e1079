-- Versions of workflow functions: arguments and errors of replay checks, moves, resets and exports. Their running is tested end to end.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_versions LOGIN IN ROLE hermes_app;
CREATE FUNCTION test.first(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN hermes.wait_signal('go'); END $$;
CREATE FUNCTION test.second(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN hermes.wait_signal('come'); END $$;
CREATE FUNCTION test.wrong(a integer) RETURNS jsonb LANGUAGE sql AS $$ SELECT NULL::jsonb $$;
SELECT hermes.register_workflow('versions', 'test.first(jsonb)', '{"run_as": "regress_versions"}');
SELECT hermes.start_workflow('versions', '{"n": 1.50}', 'v-1') AS id \gset
SELECT hermes.start_workflow('versions', '{}', 'v-2', 'acme') AS other \gset
-- replay check: of executions that have not begun anything goes, but faults of the code
SELECT workflow_id, status, ok, problem, event_id, command FROM hermes.replay_check('test.second(jsonb)', 'versions') ORDER BY workflow_id;
CREATE FUNCTION test.faulty(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN input -> 'n' / 0; END $$;
SELECT workflow_id, ok, problem, event_id, command FROM hermes.replay_check('test.faulty(jsonb)', 'versions', 'tenant = ''acme''');
SELECT count(*) FROM hermes.replay_check('test.first(jsonb)', 'versions', 'closed_at IS NOT NULL');
SELECT count(*) FROM hermes.replay_check('test.first(jsonb)', 'versions', 'true', 1);
SELECT test.try($q$ SELECT * FROM hermes.replay_check('test.first(jsonb)', 'nothing') $q$);
SELECT test.try($q$ SELECT * FROM hermes.replay_check('test.wrong(integer)', 'versions') $q$);
SELECT test.try($q$ SELECT * FROM hermes.replay_check(NULL, 'versions') $q$);
SELECT n, test.try(format($q$ SELECT * FROM hermes.replay_check('test.first(jsonb)', 'versions', %L) $q$, predicate))
FROM (VALUES (1, ''), (2, 'true) OR (true'), (3, 'true; SELECT 1'), (4, '$1'), (5, 'no_such_column'), (6, '1'), (7, 'workflow_id = ''x'' -- a comment')) AS p (n, predicate);
SELECT test.try($q$ SELECT * FROM hermes.replay_check('test.first(jsonb)', 'versions', 'true', 100001) $q$);
-- moves
SELECT hermes.register_workflow('versions', 'test.second(jsonb)', '{"run_as": "regress_versions"}');
SELECT test.try($q$ SELECT hermes.move_workflows('versions', 3) $q$);
SELECT test.try($q$ SELECT hermes.move_workflows('versions', 2, 'true', '{"max_executions": 0}') $q$);
SELECT test.try($q$ SELECT hermes.move_workflows('versions', 2, 'true', '{"max_executions": 1}') $q$);
SELECT hermes.move_workflows('versions', 2, 'workflow_id = ''v-1''', '{"reason": "a trial"}');
SELECT workflow_id, version FROM hermes.workflows ORDER BY workflow_id;
SELECT event_id, event_type, attributes FROM hermes.workflow_history(:'id');
CREATE OR REPLACE FUNCTION test.second(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
SELECT test.try($q$ SELECT hermes.move_workflows('versions', 2) $q$);
-- resets
SELECT n, test.try(format($q$ SELECT hermes.reset_workflow(%L, %s, NULL, %L) $q$, :'id', event_id, options))
FROM (VALUES (1, 0, '{}'), (2, 3, '{}'), (3, 1, '{"reapply": "everything"}'), (4, 1, '{"version": 7}'), (5, 1, '[]'), (6, 9223372036854775807, '{}')) AS r (n, event_id, options);
SELECT test.try($q$ SELECT hermes.reset_workflow('00000000-0000-7000-8000-000000000000') $q$);
SELECT hermes.signal_workflow(:'id', 'go', '7', 'r1');
SELECT hermes.reset_workflow(:'id', 1, 'once more', '{"request_id": "q1", "run_timeout": "1h", "version": 1}') AS next \gset
SELECT hermes.reset_workflow(:'id', 2, NULL, '{"request_id": "q1"}') = :'next' AS same;
SELECT replace(replace(hermes.workflow_status(:'id')::text, :'next', '<next>'), :'id', '<id>')::jsonb - 'started_at' - 'closed_at' AS status;
SELECT event_id, event_type, replace(attributes::text, :'id', '<id>') AS attributes FROM hermes.workflow_history(:'next');
SELECT workflow_id, version, status FROM hermes.workflows WHERE execution_id = :'next';
SELECT kind, count(*) FROM hermes.workflow_tasks WHERE execution_id = :'next' GROUP BY kind ORDER BY kind;
SELECT test.try($q$ SELECT hermes.start_workflow('versions', '{}', 'v-1') $q$);
-- of one that is not the newest of its workflow id: the newest is ended
SELECT hermes.reset_workflow(:'id', NULL, NULL, '{"reapply": "none"}') AS third \gset
SELECT hermes.workflow_status(:'next') ->> 'status' AS next, hermes.workflow_status(:'third') ->> 'status' AS third;
SELECT kind, count(*) FROM hermes.workflow_tasks WHERE execution_id = :'third' GROUP BY kind ORDER BY kind;
-- exports
SELECT jsonb_pretty(replace(hermes.export_history(:'other')::text, :'other', '<other>')::jsonb - 'events' - 'digest') AS document;
SELECT jsonb_object_keys(e) FROM jsonb_array_elements(hermes.export_history(:'id') -> 'events') e GROUP BY 1 ORDER BY 1;
SELECT * FROM hermes.replay_history('test.first(jsonb)', hermes.export_history(:'id'));
SELECT * FROM hermes.replay_history('test.faulty(jsonb)', hermes.export_history(:'id'));
SELECT n, test.try($q$ SELECT count(*) FROM hermes.replay_history('test.first(jsonb)', $1) $q$, document)
FROM (VALUES (1, NULL::jsonb), (2, '[]'), (3, '{"format": 2}'), (4, '{"format": 1, "execution_id": "00000000-0000-7000-8000-000000000000", "input": {}, "events": [{"type": "?"}]}')) AS d (n, document);
SELECT test.try($q$ SELECT * FROM hermes.replay_history('test.first(jsonb)', '{}', '3 minutes') $q$);
-- drops of versions
SELECT version, count(*) FROM hermes.workflows WHERE workflow_type = 'versions' AND closed_at IS NULL GROUP BY version ORDER BY version;
SELECT n, test.try(format('SELECT hermes.drop_workflow(%L, %s)', name, version))
FROM (VALUES (1, 'versions', '1'), (2, 'versions', '3'), (3, 'nothing', '1'), (4, 'versions', '0')) AS d (n, name, version);
SELECT hermes.register_workflow('dropped', 'test.first(jsonb)', '{"run_as": "regress_versions"}');
SELECT hermes.start_workflow('dropped') AS old \gset
SELECT hermes.register_workflow('dropped', 'test.second(jsonb)', '{"run_as": "regress_versions"}');
SELECT test.try($q$ SELECT hermes.drop_workflow('dropped', 1) $q$);
SELECT hermes.terminate_workflow(:'old');
SELECT hermes.drop_workflow('dropped', 1);
SELECT test.try($q$ SELECT hermes.drop_workflow('dropped', 1) $q$);
SELECT test.try($q$ SELECT hermes.move_workflows('dropped', 1) $q$);
SELECT test.try(format('SELECT hermes.reset_workflow(%L)', :'old'));
SELECT test.try(format('SELECT hermes.reset_workflow(%L, NULL, NULL, %L)', :'old', '{"version": 1}'));
SELECT hermes.reset_workflow(:'old', NULL, NULL, '{"version": 2}') AS again \gset
SELECT event_type FROM hermes.workflow_history(:'old');
SELECT hermes.workflow_status(:'old') ->> 'workflow_type' AS type, hermes.workflow_status(:'old') -> 'version' AS version;
SELECT hermes.terminate_workflow(:'again');
SELECT hermes.drop_workflow('dropped', 2);
SELECT test.try($q$ SELECT hermes.start_workflow('dropped') $q$);
SELECT test.try($q$ SELECT hermes.drop_workflow('dropped') $q$);
SELECT hermes.register_workflow('dropped', 'test.first(jsonb)', '{"run_as": "regress_versions"}');
SELECT version, current, dropped_at IS NOT NULL AS dropped FROM hermes.workflow_type WHERE name = 'dropped' ORDER BY version;
-- imports: of what was exported, under another id; the same again; what does not fit
SELECT replace(hermes.export_history(:'id')::text, :'id', '01900000-0000-7000-8000-0000000000aa')::jsonb AS doc \gset
SELECT hermes.import_history(:'doc') = hermes.import_history(:'doc') AS same;
SELECT workflow_type, version, workflow_id, status, started_at < '2025-01-01' AS long_ago FROM hermes.workflows WHERE execution_id = '01900000-0000-7000-8000-0000000000aa';
SELECT hermes.export_history('01900000-0000-7000-8000-0000000000aa') = :'doc'::jsonb AS equal;
SELECT n, test.try($q$ SELECT hermes.import_history($1) $q$, doc)
FROM (VALUES (1, '{}'::jsonb), (2, :'doc'::jsonb #- '{events,-1}'), (3, jsonb_set(:'doc', '{workflow_type}', '"nobody"')), (4, jsonb_set(:'doc', '{input}', '{"other": 1}')),
             (5, jsonb_set(:'doc', '{events,-1,time}', '"2035-01-01T00:00:00Z"')), (6, jsonb_set(:'doc', '{execution_id}', '"00000000-0000-4000-8000-0000000000aa"')),
             (7, jsonb_insert(:'doc', '{events,1}', :'doc'::jsonb #> '{events,0}' || '{"event_id": 2}') #- '{events,2}')) AS o (n, doc);
SELECT test.try(format($q$ SELECT hermes.import_history(%L) $q$, hermes.export_history(:'other')));
DELETE FROM hermes.execution_closed WHERE id = '01900000-0000-7000-8000-0000000000aa';
-- what a role may
SET ROLE regress_versions;
SELECT test.try($q$ SELECT hermes.move_workflows('versions', 1) $q$);
SELECT test.try($q$ SELECT hermes.reset_workflow('00000000-0000-7000-8000-000000000000') $q$);
SELECT workflow_id, ok FROM hermes.replay_check('test.first(jsonb)', 'versions', 'closed_at IS NULL');
SELECT test.try(format($q$ SELECT hermes.export_history(%L) $q$, :'other'));
RESET ROLE;
REVOKE EXECUTE ON FUNCTION test.first(jsonb) FROM PUBLIC;
SET ROLE regress_versions;
SELECT test.try($q$ SELECT * FROM hermes.replay_check('test.first(jsonb)', 'versions') $q$);
RESET ROLE;
DROP OWNED BY regress_versions;
DROP ROLE regress_versions;
