-- Programs outside of the database: options, polls, answers and their refusals.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_programs LOGIN;
GRANT hermes_app TO regress_programs;
CREATE FUNCTION test.waits(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN hermes.wait_signal('go'); END $$;
-- options of a type
SELECT n, test.try($q$ SELECT hermes.register_workflow_program('outside', $1) $q$, options)
FROM (VALUES (1, '{}'::jsonb), (2, '{"task_queue": ""}'), (3, '{"task_queue": 7}'), (4, '{"task_queue": "q", "run_as": "me"}'),
             (5, '{"task_queue": "q", "updates": {"add": {"validator": "app.f(jsonb, jsonb)"}}}'), (6, '{"task_queue": "q", "queries": {"a": "app.none(jsonb, jsonb)"}}'),
             (7, '{"task_queue": "q", "in_place": true}'), (8, '{"task_queue": "q", "task_timeout": "1h"}')) AS o (n, options);
SELECT test.try($q$ SELECT hermes.register_workflow('waits', 'test.waits(jsonb)', '{"task_queue": "q"}') $q$);
SELECT hermes.register_workflow_program('outside', '{"task_queue": "q", "run_timeout": "1h"}') AS version;
SELECT test.try($q$ SELECT hermes.register_workflow_program('outside', '{"task_queue": "other", "in_place": true}') $q$);
SELECT hermes.register_workflow_program('outside', '{"task_queue": "q", "run_timeout": "2h", "in_place": true}') AS same_version,
       hermes.register_workflow_program('outside', '{"task_queue": "q", "run_timeout": "2h"}') AS next_version;
-- polls that are wrong, and of what there is not
SELECT n, test.try(q) FROM (VALUES (1, $q$ SELECT hermes.poll_workflow_tasks(NULL) $q$), (2, $q$ SELECT hermes.poll_workflow_tasks('q', 'w', 0) $q$),
    (3, $q$ SELECT hermes.poll_workflow_tasks('q', '') $q$), (4, $q$ SELECT hermes.poll_workflow_tasks('q', 'w', 1, '1 ms') $q$),
    (5, $q$ SELECT hermes.poll_workflow_tasks('q', 'w', 1, NULL, '{"history": "old"}') $q$)) AS o (n, q);
SELECT count(*) FROM hermes.poll_workflow_tasks('nobody has this queue');
-- a task, and what its view shows
SELECT hermes.start_workflow('outside', '{"n": 1.50}', 'w-1', 'acme', '{"memo": {"by": "test"}}') AS id \gset
SELECT token AS first, workflow_type, version, workflow_id, tenant, attempt, previous_event, updates, deadline - clock_timestamp() BETWEEN '9 s' AND '10 s' AS bounded,
       history - 'execution_id' - 'events' AS history, jsonb_path_query_array(history, '$.events[*].type') AS events
FROM hermes.poll_workflow_tasks('q', 'worker-1', 5) \gset t_
\echo :t_workflow_type :t_version :t_workflow_id :t_tenant :t_attempt :t_previous_event :t_updates :t_bounded
\echo :t_history
\echo :t_events
SELECT kind, claimed, tries, worker FROM hermes.workflow_tasks WHERE execution_id = :'id' ORDER BY kind;
SELECT count(*) FROM hermes.poll_workflow_tasks('q');
-- answers that are not taken
SELECT n, test.try($q$ SELECT outcome FROM hermes.complete_workflow_task($1::jsonb ->> 0) $q$, to_jsonb(ARRAY[token]))
FROM (VALUES (1, ''), (2, 'x'), (3, repeat('0', 56)), (4, overlay(:'t_first' placing 'ffff' from 50)), (5, overlay(:'t_first' placing '1' from 33))) AS o (n, token);
SELECT test.try(format($q$ SELECT hermes.fail_workflow_task(%L, '{}') $q$, :'t_first'));
SELECT outcome, failure FROM hermes.complete_workflow_task(:'t_first', '[{"type": "start_timer", "duration": "1d"}, {"type": "launch"}]');
SELECT event_type, attributes FROM hermes.workflow_history(:'id') WHERE event_id > 1;
SELECT kind, due > now() AS later, tries, last_error FROM hermes.workflow_tasks WHERE execution_id = :'id' AND kind = 'turn';
SELECT test.try(format($q$ SELECT outcome FROM hermes.complete_workflow_task(%L) $q$, :'t_first'));
-- what has come is not held up by the failure; all commands of an answer are taken
SELECT hermes.signal_workflow(:'id', 'hurry', '{"a": 1}');
SELECT token, attempt FROM hermes.poll_workflow_tasks('q', 'worker-1') \gset t_
SELECT hermes.create_search_attribute('Stage', 'keyword');
SELECT outcome, failure FROM hermes.complete_workflow_task(:'t_token', '[{"type": "start_timer", "duration": "1d", "command": 1},
    {"type": "record_marker", "name": "m", "value": 12345678901234567890.50}, {"type": "record_version", "change": "c", "version": 1},
    {"type": "set_attributes", "attributes": {"Stage": "paid"}}, {"type": "set_memo", "fields": {"n": 1}}, {"type": "set_query_result", "name": "stage", "value": "paid"},
    {"type": "start_activity", "activity": "a", "input": 7, "options": {"queue": "acts", "start_to_close": "1m", "activity_id": "a-1"}},
    {"type": "cancel_timer", "handle": 1}]');
SELECT event_id, event_type, attributes - 'due' AS attributes FROM hermes.workflow_history(:'id') WHERE event_id > 3 ORDER BY event_id;
SELECT search_attributes, memo FROM hermes.workflows WHERE execution_id = :'id';
SELECT hermes.query_workflow(:'id', 'stage');
SELECT activity, activity_id, queue, input FROM hermes.activities WHERE execution_id = :'id';
SELECT kind FROM hermes.workflow_tasks WHERE execution_id = :'id';
SELECT count(*) FROM hermes.poll_workflow_tasks('q');
-- updates: any name while none is declared
SELECT hermes.update_workflow(:'id', 'add', '{"n": 1}', 'u-1');
SELECT token, updates FROM hermes.poll_workflow_tasks('q', 'worker-1', 1, NULL, '{"history": "new"}') \gset t_
\echo :t_updates
SELECT outcome FROM hermes.complete_workflow_task(:'t_token', '[{"type": "accept_update", "update_id": "u-1"}, {"type": "complete_update", "update_id": "u-1", "result": 2}]');
SELECT hermes.update_result(:'id', 'u-1', '0') - 'update_id' AS result;
-- functions do not replay it, and no execution is moved to or from it
SELECT hermes.register_workflow('outside', 'test.waits(jsonb)', '{"run_as": "regress_programs"}') AS version;
SELECT test.try($q$ SELECT hermes.move_workflows('outside', 2, 'true') $q$);
SELECT test.try($q$ SELECT hermes.move_workflows('outside', 3, 'true') $q$);
-- the end
SELECT hermes.signal_workflow(:'id', 'more');
SELECT token FROM hermes.poll_workflow_tasks('q', 'worker-1') \gset t_
SELECT outcome FROM hermes.complete_workflow_task(:'t_token', '[{"type": "complete_workflow", "result": {"done": true}}]');
SELECT s ->> 'status' AS status, s -> 'result' AS result FROM hermes.workflow_status(:'id') AS s;
SELECT (SELECT count(*) FROM hermes.program_task) AS tasks, (SELECT count(*) FROM hermes.activity) AS activities, (SELECT count(*) FROM hermes.task) AS waiting;
SELECT hermes.drop_workflow('outside');
DROP OWNED BY regress_programs;
DROP ROLE regress_programs;
