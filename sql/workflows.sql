-- Workflow functions: definition, verbs and their errors, what is shown. Their running is tested end to end.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_workflows LOGIN;
CREATE FUNCTION test.payment(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN hermes.wait_signal('paid'); END $$;
CREATE FUNCTION test.no_result(input jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION test.wrong(a integer) RETURNS jsonb LANGUAGE sql AS $$ SELECT NULL::jsonb $$;
CREATE FUNCTION test.several(input jsonb) RETURNS SETOF jsonb LANGUAGE sql AS $$ SELECT input $$;
-- registration: what it refuses
SELECT test.try($q$ SELECT hermes.register_workflow('payment', 'test.payment(jsonb)') $q$);
SELECT test.try($q$ SELECT hermes.register_workflow('payment', 'test.payment(jsonb)', '{"run_as": "nobody here"}') $q$);
SELECT test.try($q$ SELECT hermes.register_workflow('payment', 'test.payment(jsonb)', '{"run_as": "regress_workflows"}') $q$);
GRANT hermes_app TO regress_workflows;
REVOKE EXECUTE ON FUNCTION test.payment(jsonb) FROM PUBLIC;
SELECT test.try($q$ SELECT hermes.register_workflow('payment', 'test.payment(jsonb)', '{"run_as": "regress_workflows"}') $q$);
GRANT EXECUTE ON FUNCTION test.payment(jsonb) TO regress_workflows;
SELECT test.try($q$ SELECT hermes.register_workflow('payment', 'test.wrong(integer)', '{"run_as": "regress_workflows"}') $q$);
SELECT test.try($q$ SELECT hermes.register_workflow('payment', 'test.several(jsonb)', '{"run_as": "regress_workflows"}') $q$);
SELECT test.try($q$ SELECT hermes.register_workflow('', 'test.payment(jsonb)') $q$);
SELECT test.try($q$ SELECT hermes.register_workflow(NULL, 'test.payment(jsonb)') $q$);
SELECT n, test.try($q$ SELECT hermes.register_workflow('payment', 'test.payment(jsonb)', $1) $q$, options)
FROM (VALUES (1, '[]'::jsonb), (2, '{"runas": "x"}'), (3, '{"task_timeout": "1h"}'), (4, '{"step_timeout": "-1s"}'), (5, '{"run_timeout": 0}'),
             (6, '{"in_place": 1}'), (7, '{"run_as": "regress_workflows", "in_place": true}')) AS o (n, options);
-- versions; the first definition of a database, whatever it is, makes it this system's
DELETE FROM hermes.fence;
SELECT hermes.register_workflow('payment', 'test.payment(jsonb)', '{"run_as": "regress_workflows", "run_timeout": "30d"}');
SELECT count(*) FROM hermes.fence;
SELECT hermes.register_workflow('payment', 'test.no_result(jsonb)', '{"run_as": "regress_workflows"}');
SELECT hermes.register_workflow('payment', 'test.payment(jsonb)', '{"run_as": "regress_workflows"}');
SELECT hermes.register_workflow('payment', 'test.payment(jsonb)', '{"run_as": "regress_workflows", "in_place": true}');
SELECT version, current, function FROM hermes.workflow_type ORDER BY version;
-- starting
SELECT test.try($q$ SELECT hermes.start_workflow('nothing') $q$);
SELECT test.try($q$ SELECT hermes.start_workflow('payment', NULL) $q$);
SELECT test.try($q$ SELECT hermes.start_workflow('payment', '{}', '') $q$);
SELECT test.try($q$ SELECT hermes.start_workflow('payment', '{}', 'x', '*') $q$);
SELECT n, test.try($q$ SELECT hermes.start_workflow('payment', '{}', 'x', NULL, $1) $q$, options)
FROM (VALUES (1, '{"key": 1}'::jsonb), (2, '{"conflict_policy": "ask"}'), (3, '{"reuse_policy": "reject_duplicate", "conflict_policy": "terminate_existing"}'),
             (4, '{"start_delay": "101y"}'), (5, '{"request_id": ""}')) AS o (n, options);
SELECT hermes.start_workflow('payment', '{"order": 7}', 'order-7') AS id \gset
SELECT test.try($q$ SELECT hermes.start_workflow('payment', '{}', 'order-7') $q$);
SELECT hermes.start_workflow('payment', '{}', 'order-7', NULL, '{"conflict_policy": "use_existing"}') = :'id' AS same;
SELECT hermes.start_workflow('payment', '{}', 'order-7', 'acme') <> :'id' AS other_tenant;
-- acting
SELECT hermes.signal_workflow(:'id', 'paid', '{"amount": 12345678901234567890.5}', 'r1');
SELECT hermes.cancel_workflow(:'id', 'not needed');
SELECT test.try($q$ SELECT hermes.signal_workflow('00000000-0000-7000-8000-000000000000', 'paid') $q$);
SELECT test.try($q$ SELECT hermes.cancel_workflow('00000000-0000-7000-8000-000000000000') $q$);
SELECT test.try($q$ SELECT hermes.terminate_workflow('00000000-0000-7000-8000-000000000000') $q$);
SELECT test.try($q$ SELECT hermes.workflow_status('00000000-0000-7000-8000-000000000000') $q$);
SELECT test.try(format($q$ SELECT hermes.signal_workflow(%L, '') $q$, :'id'));
SELECT test.try(format($q$ SELECT hermes.signal_workflow(%L, 'x', '{}', '') $q$, :'id'));
SELECT test.try($q$ SELECT hermes.signal_workflow(NULL, 'x') $q$);
SELECT kind, tries FROM hermes.workflow_tasks WHERE execution_id = :'id' ORDER BY kind;
SELECT hermes.workflow_status(:'id') - 'execution_id' - 'started_at' - 'waiting' AS status;
-- signal_with_start reaches the open one, or starts one
SELECT hermes.signal_with_start('payment', 'order-7', 'paid', '1') = :'id' AS same;
SELECT hermes.signal_with_start('payment', 'order-8', 'paid', '2', '{"order": 8}', NULL, '{"signal_request_id": "s1"}') AS other \gset
SELECT kind, count(*) FROM hermes.workflow_tasks WHERE execution_id IN (:'id', :'other') GROUP BY kind ORDER BY kind;
SELECT test.try($q$ SELECT hermes.signal_with_start('payment', NULL, 'paid') $q$);
SELECT test.try($q$ SELECT hermes.signal_with_start('payment', 'order-9', '') $q$);
SELECT test.try($q$ SELECT hermes.signal_with_start('payment', 'order-9', 'paid', '{}', '{}', NULL, '{"conflict_policy": "fail"}') $q$);
-- verbs of the body, outside of one
SELECT test.try($q$ SELECT hermes.await(1) $q$);
SELECT test.try($q$ SELECT hermes.start_child('payment') $q$);
SELECT test.try($q$ SELECT hermes.step('a', 'SELECT 1') $q$);
SELECT test.try($q$ SELECT hermes.sleep('1 s') $q$);
SELECT test.try($q$ SELECT hermes.now() $q$);
-- what a role sees
SET ROLE regress_workflows;
SELECT count(*) FROM hermes.workflows;
SELECT count(*) FROM hermes.workflows WHERE tenant = 'acme';
SELECT test.try($q$ SELECT hermes.start_workflow('payment', '{}', 'x', 'acme') $q$);
SELECT test.try($q$ SELECT hermes.register_workflow('mine', 'test.payment(jsonb)') $q$);
SELECT test.try($q$ SELECT count(*) FROM hermes.execution $q$);
RESET ROLE;
-- ending
SELECT hermes.terminate_workflow(:'other');
SELECT hermes.terminate_workflow(:'id', 'enough'), hermes.terminate_workflow(:'id'), hermes.signal_workflow(:'id', 'paid'), hermes.cancel_workflow(:'id');
SELECT hermes.workflow_status(:'id') ->> 'status' AS status, hermes.workflow_status(:'id') ->> 'closed_at' IS NOT NULL AS closed;
SELECT event_id, event_type, attributes FROM hermes.workflow_history(:'id');
SELECT workflow_type, version, workflow_id, status, closed_at IS NOT NULL AS closed FROM hermes.workflows WHERE execution_id = :'id';
SELECT count(*) FROM hermes.workflow_tasks WHERE execution_id = :'id';
SELECT test.try($q$ SELECT hermes.start_workflow('payment', '{}', 'order-7', NULL, '{"reuse_policy": "reject_duplicate"}') $q$);
SELECT hermes.drop_workflow('payment');
SELECT test.try($q$ SELECT hermes.drop_workflow('payment') $q$);
SELECT test.try($q$ SELECT hermes.start_workflow('payment') $q$);
-- retention: a workflow id goes with its execution
SELECT hermes.create_partitions() > 0 AS created;
SELECT count(*) FROM hermes.execution_closed_default;
SELECT count(*) FROM hermes.execution_current;
CREATE TABLE test.old AS SELECT overlay(hermes.first_id_at(now() - interval '40 days')::text placing substr(:'id', 20) from 20)::uuid AS id;
WITH gone AS (DELETE FROM hermes.execution_closed c WHERE c.id = :'id' RETURNING *)
INSERT INTO hermes.execution_closed SELECT o.id, now() - interval '39 days', type_id, status, tenant, workflow_id, parent_id, input, history FROM gone, test.old o;
UPDATE hermes.execution_current SET execution_id = (SELECT id FROM test.old) WHERE execution_id = :'id';
SELECT hermes.create_partitions();
SELECT count(*) FROM hermes.drop_old_partitions('1 year', '1 year', '1 year');
SELECT regexp_replace(name, '[0-9]{8}', '<day>') FROM hermes.drop_old_partitions('30 days', '30 days', '30 days') AS name;
SELECT count(*) FROM hermes.execution_current;
DROP OWNED BY regress_workflows;
DROP ROLE regress_workflows;
