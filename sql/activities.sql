-- Activities: definition, queues, verbs of workers and their errors. Their running is tested end to end.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
-- definition: what it refuses
SELECT n, test.try($q$ SELECT hermes.register_activity('charge', $1) $q$, options)
FROM (VALUES (1, '[]'::jsonb), (2, '{"kind": "sql"}'), (3, '{"kind": "http"}'), (4, '{"kind": "http", "provider": "nobody"}'), (5, '{"provider": "p"}'),
             (6, '{"start_to_close": "0s"}'), (7, '{"start_to_close": -5}'), (8, '{"priority": 6}'), (9, '{"retry": {"max_attempts": -1}}'),
             (10, '{"retry": {"max_interval": "1s", "initial_interval": "2s"}}'), (11, '{"fairness_weight": 0}'), (12, '{"cancellation": "never"}'),
             (13, '{"activity_id": "a"}'), (14, '{"timeout": "1s"}')) AS o (n, options);
SELECT test.try($q$ SELECT hermes.register_activity('', '{}') $q$);
SELECT hermes.register_activity('charge', '{"queue": "payments", "start_to_close": "30s"}');
SELECT hermes.register_activity('charge', '{"queue": "payments", "start_to_close": "20s"}');
SELECT name, options FROM hermes.activity_type;
SELECT test.try($q$ SELECT hermes.drop_activity('nothing') $q$);
-- queues
SELECT n, test.try($q$ SELECT hermes.alter_activity_queue('payments', $1) $q$, options)
FROM (VALUES (1, '{"rate": -1}'::jsonb), (2, '{"burst": 0}'), (3, '{"speed": 1}'), (4, '{"rate": "fast"}')) AS o (n, options);
SELECT hermes.alter_activity_queue('payments', '{"rate": 2.5, "burst": 5}');
SELECT hermes.pause_activity_queue('payments');
SELECT queue, rate, burst, paused_at IS NOT NULL AS paused, waiting, backing_off, started FROM hermes.activity_queues;
SELECT hermes.resume_activity_queue('payments');
SELECT hermes.alter_activity_queue('payments', '{}');
SELECT queue, rate, burst, paused_at FROM hermes.activity_queues;
SELECT test.try($q$ SELECT hermes.resume_activity_queue('nobody') $q$);
-- polling
SELECT count(*) FROM hermes.poll_tasks('nobody has this queue');
SELECT n, test.try(q) FROM (VALUES (1, $q$ SELECT hermes.poll_tasks('payments', NULL, 0) $q$), (2, $q$ SELECT hermes.poll_tasks('payments', NULL, 1001) $q$),
    (3, $q$ SELECT hermes.poll_tasks('payments', '') $q$), (4, $q$ SELECT hermes.poll_tasks('payments', 'w', 1, '1 ms') $q$),
    (5, $q$ SELECT hermes.poll_tasks(NULL) $q$)) AS o (n, q);
-- an activity as a turn would have scheduled it
CREATE ROLE regress_activities LOGIN IN ROLE hermes_app;
CREATE FUNCTION test.shop(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN hermes.execute_activity('charge', input); END $$;
SELECT hermes.register_workflow('shop', 'test.shop(jsonb)', '{"run_as": "regress_activities"}');
SELECT hermes.start_workflow('shop') AS id \gset
CREATE FUNCTION test.schedule(execution uuid, command integer, options jsonb) RETURNS void LANGUAGE sql AS $$
INSERT INTO hermes.activity (execution_id, number, queue_id, state, priority, attempt, place, scheduled_at, due, type, options, input)
SELECT execution, command, q.id, 1, 3, 1, command, now(), now(), 'charge', '{"start_to_close": "20s", "queue": "payments"}'::jsonb || options, '{"amount": 30}'
FROM hermes.activity_queue q WHERE q.name = 'payments' $$;
SELECT test.schedule(:'id', 1, '{"activity_id": "first", "retry": {"initial_interval": "1h"}}'), test.schedule(:'id', 2, '{}'), test.schedule(:'id', 3, '{}');
SELECT activity, activity_id, queue, state, attempt, deadline, input FROM hermes.activities ORDER BY activity_id COLLATE "C";
SELECT token AS first, activity, input, attempt, activity_id, deadline - now() > '19 s' AS bounded, heartbeat, last_failure FROM hermes.poll_tasks('payments', 'w1') \gset
SELECT :'activity' AS activity, :'input' AS input, :'attempt' AS attempt, :'activity_id' AS activity_id, :'bounded' AS bounded, length(:'first') AS length;
SELECT state, worker, deadline IS NOT NULL AS bounded FROM hermes.activities WHERE activity_id = 'first';
-- answers: what they refuse
SELECT n, test.try(q, jsonb_build_object('token', :'first')) FROM (VALUES
    (1, $q$ SELECT hermes.complete_task('no token') $q$),
    (2, $q$ SELECT hermes.complete_task(reverse($1::jsonb->>'token')) $q$),
    (3, $q$ SELECT hermes.complete_task(NULL) $q$),
    (4, $q$ SELECT hermes.fail_task($1::jsonb->>'token', '{}') $q$),
    (5, $q$ SELECT hermes.fail_task($1::jsonb->>'token', '{"message": "m", "sqlstate": "00000"}') $q$),
    (6, $q$ SELECT hermes.fail_task($1::jsonb->>'token', '{"message": "m", "retry": true}') $q$),
    (7, $q$ SELECT hermes.cancel_task($1::jsonb->>'token') $q$)) AS o (n, q);
SELECT * FROM hermes.heartbeat_task(:'first', '{"done": 3}');
SELECT hermes.fail_task(:'first', '{"message": "no", "type": "Busy", "details": [1]}');
SELECT state, attempt, heartbeat, last_failure, worker, due - now() > '59 min' AS later, deadline FROM hermes.activities WHERE activity_id = 'first';
SELECT test.try($q$ SELECT hermes.complete_task($1::jsonb->>'token') $q$, jsonb_build_object('token', :'first'));
SELECT test.try($q$ SELECT hermes.heartbeat_task($1::jsonb->>'token') $q$, jsonb_build_object('token', :'first'));
-- control
SELECT hermes.pause_activity(:'id', 'first');
SELECT n, test.try(q, jsonb_build_object('id', :'id')) FROM (VALUES
    (1, $q$ SELECT hermes.pause_activity(($1::jsonb->>'id')::uuid, 'first') $q$),
    (2, $q$ SELECT hermes.pause_activity(($1::jsonb->>'id')::uuid, 'unknown') $q$),
    (3, $q$ SELECT hermes.pause_activity('00000000-0000-0000-0000-000000000000', 'first') $q$),
    (4, $q$ SELECT hermes.resume_activity(($1::jsonb->>'id')::uuid, '2') $q$),
    (5, $q$ SELECT hermes.reset_activity(($1::jsonb->>'id')::uuid, 'first', '{"jitter": 1}') $q$),
    (6, $q$ SELECT hermes.update_activity_options(($1::jsonb->>'id')::uuid, 'first', '{"start_to_close": null}') $q$),
    (7, $q$ SELECT hermes.update_activity_options(($1::jsonb->>'id')::uuid, 'first', '{"activity_id": "x"}') $q$)) AS o (n, q);
SELECT hermes.reset_activity(:'id', 'first', '{"keep_paused": true, "reset_heartbeat": true}');
SELECT state, attempt, heartbeat FROM hermes.activities WHERE activity_id = 'first';
SELECT hermes.resume_activity(:'id', 'first');
SELECT hermes.update_activity_options(:'id', 'first', '{"priority": 1, "schedule_to_close": "1h", "queue": "other"}');
SELECT queue, state, priority, options->'schedule_to_close' AS schedule_to_close, options->'schedule_to_start' AS schedule_to_start FROM hermes.activities WHERE activity_id = 'first';
-- by id; poll, work and answer in one transaction
SELECT hermes.fail_activity(:'id', '2', '{"message": "never mind", "non_retryable": true}');
SELECT hermes.complete_activity(:'id', 'first', '{"by": "hand"}');
BEGIN;
SELECT hermes.complete_task(token, '{"receipt": 7}') FROM hermes.poll_tasks('payments');
COMMIT;
SELECT count(*) FROM hermes.activities;
SELECT (detail::jsonb)->>'command' AS command, (detail::jsonb)->>'end' AS event, (detail::jsonb)->>'payload' AS payload, (detail::jsonb)->>'text' AS text
FROM hermes.task WHERE workflow_id = :'id' AND kind = 14 ORDER BY number;
-- a worker of other tenants; an execution that is over
SELECT hermes.start_workflow('shop', '{}', NULL, 'acme') AS other \gset
SELECT test.schedule(:'other', 1, '{}');
UPDATE hermes.activity SET tenant = 'acme' WHERE execution_id = :'other';
SET ROLE regress_activities;
SELECT count(*) FROM hermes.poll_tasks('payments');
SELECT count(*) FROM hermes.activities;
SELECT test.try($q$ SELECT hermes.register_activity('mine', '{}') $q$);
RESET ROLE;
SELECT token FROM hermes.poll_tasks('payments') \gset
SELECT hermes.terminate_workflow(:'other');
SELECT test.try($q$ SELECT hermes.complete_task($1::jsonb->>'token') $q$, jsonb_build_object('token', :'token'));
-- verbs of the body, outside of one
SELECT test.try($q$ SELECT hermes.start_activity('charge') $q$);
SELECT test.try($q$ SELECT hermes.execute_activity('charge') $q$);
SELECT test.try($q$ SELECT hermes.cancel(1) $q$);
SELECT hermes.drop_activity('charge');
SELECT hermes.terminate_workflow(:'id');
SELECT hermes.drop_workflow('shop');
DROP OWNED BY regress_activities;
DROP ROLE regress_activities;
