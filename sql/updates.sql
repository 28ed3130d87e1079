-- Updates of workflow functions, results that are waited for, queries with arguments: declaration, verbs and their errors.
-- No worker runs here: their running is tested end to end.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_updates LOGIN IN ROLE hermes_app;
CREATE FUNCTION test.cart(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hermes.set_query_result('items', coalesce(input->'items', '[]'));
    RETURN hermes.wait_update();
END $$;
CREATE FUNCTION test.check_add(args jsonb, state jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION test.total(args jsonb, state jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('count', jsonb_array_length(state->'items'), 'in', args->'currency', 'by', current_user = 'regress_updates') $$;
CREATE FUNCTION test.writes(args jsonb, state jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE test.never (); RETURN NULL; END $$;
-- declarations: what is refused
SELECT n, test.try($q$ SELECT hermes.register_workflow('cart', 'test.cart(jsonb)', $1::jsonb || '{"run_as": "regress_updates"}') $q$, options)
FROM (VALUES (1, '{"updates": []}'::jsonb), (2, '{"updates": {"add": 1}}'), (3, '{"updates": {"add": {"check": "x"}}}'),
             (4, '{"updates": {"add": {"validator": "test.nothing(jsonb, jsonb)"}}}'), (5, '{"updates": {"add": {"validator": "test.total(jsonb, jsonb)"}}}'),
             (6, '{"updates": {"add": {"validator": "not a signature"}}}'), (7, '{"queries": {"total": "test.check_add(jsonb, jsonb)"}}'),
             (8, '{"queries": {"total": {}}}'), (9, '{"queries": {"": "test.total(jsonb, jsonb)"}}')) AS o (n, options);
REVOKE EXECUTE ON FUNCTION test.check_add(jsonb, jsonb) FROM PUBLIC;
SELECT test.try($q$ SELECT hermes.register_workflow('cart', 'test.cart(jsonb)', '{"run_as": "regress_updates", "updates": {"add": {"validator": "test.check_add(jsonb, jsonb)"}}}') $q$);
GRANT EXECUTE ON FUNCTION test.check_add(jsonb, jsonb) TO regress_updates;
SELECT hermes.register_workflow('cart', 'test.cart(jsonb)', '{"run_as": "regress_updates", "updates": {"add": {"validator": "test.check_add(jsonb, jsonb)"}, "drop": {}},
    "queries": {"total": "test.total(jsonb,jsonb)", "writes": "test.writes(jsonb, jsonb)"}}');
SELECT hermes.start_workflow('cart', '{"items": [1, 2]}', 'cart-1') AS id \gset
-- sending
SELECT test.try($q$ SELECT hermes.update_workflow('00000000-0000-7000-8000-000000000000', 'add') $q$);
SELECT test.try($q$ SELECT hermes.update_workflow(NULL, 'add') $q$);
SELECT test.try(format($q$ SELECT hermes.update_workflow(%L, '') $q$, :'id'));
SELECT test.try(format($q$ SELECT hermes.update_workflow(%L, 'add', NULL) $q$, :'id'));
SELECT test.try(format($q$ SELECT hermes.update_workflow(%L, 'add', '{}', '') $q$, :'id'));
SELECT test.try(format($q$ SELECT hermes.update_workflow(%L, 'add', '{}', repeat('u', 201)) $q$, :'id'));
SELECT hermes.update_workflow(:'id', 'add', '{"sku": 12345678901234567890.5}', 'u1'), hermes.update_workflow(:'id', 'add', '{"sku": 2}', 'u1');
SELECT length(hermes.update_workflow(:'id', 'drop')) AS generated;
SELECT hermes.update_workflow(:'id', 'remove', '{}', 'unknown');
SELECT name, stage, content FROM hermes.execution_update WHERE execution_id = :'id' ORDER BY admitted_at;
SELECT kind, count(*) FROM hermes.workflow_tasks WHERE execution_id = :'id' GROUP BY kind ORDER BY kind;
-- what a rolled back caller sent was not sent
BEGIN;
SELECT hermes.update_workflow(:'id', 'add', '{}', 'never');
ROLLBACK;
SELECT test.try(format($q$ SELECT hermes.update_result(%L, 'never', '0') $q$, :'id'));
-- looking
SELECT hermes.update_result(:'id', 'u1', '0');
SELECT hermes.update_result(:'id', 'u1', '20 ms');
SELECT hermes.update_result(:'id', 'unknown');
SELECT test.try(format($q$ SELECT hermes.update_result(%L, 'u1', '-1 s') $q$, :'id'));
SELECT test.try($q$ SELECT hermes.update_result('00000000-0000-7000-8000-000000000000', 'u1') $q$);
-- what cannot be waited for
BEGIN;
SELECT hermes.update_workflow(:'id', 'add', '{}', 'mine');
SELECT test.try(format($q$ SELECT hermes.update_result(%L, 'mine', '0') $q$, :'id'));
SAVEPOINT s;
SELECT hermes.update_result(:'id', 'mine');
ROLLBACK TO s;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT hermes.update_result(:'id', 'unknown') ->> 'stage' AS there_already;
SELECT hermes.update_result(:'id', 'u1', '0') ->> 'stage' AS not_waited_for;
SELECT hermes.update_result(:'id', 'u1', '1 s');
ROLLBACK;
BEGIN;
DECLARE holder CURSOR FOR SELECT relname FROM pg_class;
FETCH 1 FROM holder \gset
SELECT hermes.workflow_result(:'id', '1 s');
ROLLBACK;
SELECT hermes.update_result(:'id', relname, '1 s') FROM (SELECT 'u1' AS relname FROM pg_class LIMIT 1) AS c;
DO $$ BEGIN PERFORM hermes.workflow_result(id, '1 s') FROM hermes.execution; END $$;
-- a wait that is over: the query goes on with a new snapshot
BEGIN;
SELECT hermes.update_result(:'id', 'u1', '20 ms') ->> 'stage' AS stage, (SELECT test.try('SELECT count(*) FROM hermes.execution'));
SELECT count(*) FROM hermes.execution;
COMMIT;
-- results
SELECT test.try(format($q$ SELECT hermes.workflow_result(%L, '0') $q$, :'id'));
\set VERBOSITY sqlstate
SELECT hermes.workflow_result(:'id', '20 ms');
\set VERBOSITY default
SELECT hermes.workflow_result(hermes.start_workflow('cart'));
BEGIN;
SELECT hermes.signal_workflow(:'id', 'x');
SELECT hermes.workflow_result(:'id');
ROLLBACK;
SELECT test.try($q$ SELECT hermes.workflow_result('00000000-0000-7000-8000-000000000000') $q$);
-- the procedure
BEGIN;
CALL hermes.execute_update(:'id', 'add');
ROLLBACK;
CALL hermes.execute_update(:'id', 'add', '{}', 'called', '20 ms');
CALL hermes.execute_update(:'id', 'remove', '{}', 'called too');
DO $$ DECLARE answer jsonb; cart uuid := (SELECT e.id FROM hermes.execution e WHERE workflow_id = 'cart-1'); BEGIN
    CALL hermes.execute_update(cart, 'add', '{}', 'from a block', '20 ms', answer);
    RAISE NOTICE '%', answer;
END $$;
-- the eleventh in flight; a known one is attached to all the same
SELECT hermes.update_workflow(:'id', 'add', '{}', 'n' || n) FROM generate_series(1, 6) AS n;
SELECT test.try(format($q$ SELECT hermes.update_workflow(%L, 'add', '{}', 'one more') $q$, :'id')) ~ '10' AS refused;
SELECT hermes.update_workflow(:'id', 'add', '{}', 'n6');
-- with a start
SELECT u.update_id FROM hermes.update_with_start('cart', 'cart-1', 'add', '{}', '{}', NULL, '{"update_id": "u1"}') AS u WHERE u.execution_id = :'id';
SELECT execution_id AS second, update_id FROM hermes.update_with_start('cart', 'cart-2', 'add', '{"sku": 1}', '{"items": [3]}', NULL, '{"update_id": "s1"}') \gset
SELECT hermes.update_result(:'second', 's1', '0');
SELECT execution_id = :'second' AS same FROM hermes.update_with_start('cart', 'cart-2', 'drop');
-- a retry that knows its update terminates nothing; another one does
SELECT execution_id = :'second' AS same FROM hermes.update_with_start('cart', 'cart-2', 'add', '{}', '{}', NULL, '{"update_id": "s1", "conflict_policy": "terminate_existing"}');
SELECT execution_id <> :'second' AS other FROM hermes.update_with_start('cart', 'cart-2', 'add', '{}', '{}', NULL, '{"update_id": "s2", "conflict_policy": "terminate_existing"}');
SELECT test.try($q$ SELECT hermes.update_with_start('cart', 'cart-2', 'add', '{}', '{}', NULL, '{"conflict_policy": "fail", "update_id": "s3"}') $q$);
SELECT count(*) FROM hermes.execution_update WHERE update_id = 's3';
SELECT n, test.try($q$ SELECT hermes.update_with_start('cart', 'cart-3', 'add', '{}', '{}', NULL, $1) $q$, options)
FROM (VALUES (1, '{"start_delay": "1h"}'::jsonb), (2, '{"update_id": ""}'), (3, '{"key": 1}'), (4, '[]')) AS o (n, options);
SELECT test.try($q$ SELECT hermes.update_with_start('cart', NULL, 'add') $q$);
-- what an execution that has closed left undone
SELECT hermes.update_result(:'second', 's1');
SELECT test.try(format($q$ SELECT hermes.workflow_result(%L) $q$, :'second'));
SELECT test.try(format($q$ SELECT hermes.update_workflow(%L, 'add') $q$, :'second')) ~ 'is closed' AS refused;
SELECT hermes.update_workflow(:'second', 'add', '{}', 's1') AS attached;
UPDATE hermes.execution_update SET stage = 1 WHERE execution_id = :'id' AND update_id = 'u1';
SELECT hermes.update_result(:'id', 'u1', '0');
SELECT hermes.terminate_workflow(:'id', 'enough');
SELECT hermes.update_result(:'id', 'u1');
-- rejections are kept, but not without bound
SELECT hermes.start_workflow('cart', '{}', 'cart-4') AS fourth \gset
INSERT INTO hermes.execution_update (execution_id, update_id, name, admitted_at, stage) SELECT :'fourth', 'r' || n, 'x', now() - n * interval '1 s', 3 FROM generate_series(1, 1200) AS n;
SELECT hermes.update_workflow(:'fourth', 'remove', '{}', 'last');
SELECT count(*), min(update_id) FILTER (WHERE update_id IN ('r1', 'r1000')) AS kept, count(*) FILTER (WHERE update_id = 'r1001') AS forgotten FROM hermes.execution_update WHERE execution_id = :'fourth';
INSERT INTO hermes.execution_update (execution_id, update_id, name, admitted_at, stage) SELECT :'fourth', 'c' || n, 'add', now(), 2 FROM generate_series(1, 2000) AS n;
SELECT test.try(format($q$ SELECT hermes.update_workflow(%L, 'add') $q$, :'fourth')) ~ '2000' AS refused;
-- queries with arguments
SELECT hermes.query_workflow(:'id', 'items'), hermes.query_workflow(:'id', 'total', '{"currency": "EUR"}');
SELECT hermes.query_workflow(:'fourth', 'total');
SELECT test.try(format($q$ SELECT hermes.query_workflow(%L, 'price') $q$, :'id'));
SELECT test.try(format($q$ SELECT hermes.query_workflow(%L, 'writes') $q$, :'id'));
SELECT test.try(format($q$ SELECT hermes.query_workflow(%L, 'items', NULL) $q$, :'id'));
GRANT USAGE ON SCHEMA test TO regress_updates;
SET ROLE regress_updates;
SELECT hermes.query_workflow(:'id', 'total');
SELECT test.try('SELECT count(*) FROM hermes.execution_update');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION test.total(jsonb, jsonb) FROM PUBLIC;
SET ROLE regress_updates;
SELECT test.try(format($q$ SELECT hermes.query_workflow(%L, 'total') $q$, :'id'));
RESET ROLE;
-- verbs of the body, outside of one
SELECT test.try($q$ SELECT hermes.wait_update() $q$);
SELECT test.try($q$ SELECT hermes.complete_update('u1') $q$);
SELECT test.try($q$ SELECT hermes.fail_update('u1', 'no') $q$);
-- retention: updates go with their execution
SELECT hermes.create_partitions() > 0 AS created;
CREATE TABLE test.old AS SELECT overlay(hermes.first_id_at(now() - interval '40 days')::text placing substr(:'id', 20) from 20)::uuid AS id;
WITH gone AS (DELETE FROM hermes.execution_closed c WHERE c.id = :'id' RETURNING *)
INSERT INTO hermes.execution_closed SELECT o.id, now() - interval '39 days', type_id, status, tenant, workflow_id, parent_id, input, history FROM gone, test.old o;
UPDATE hermes.execution_update u SET execution_id = o.id FROM test.old o WHERE u.execution_id = :'id';
SELECT hermes.create_partitions() AS created;
SELECT count(*) > 0 AS there FROM hermes.execution_update u JOIN test.old o ON o.id = u.execution_id;
SELECT count(*) FROM hermes.drop_old_partitions('30 days', '30 days', '30 days');
SELECT count(*) AS there FROM hermes.execution_update u JOIN test.old o ON o.id = u.execution_id;
SELECT count(*) > 0 AS others FROM hermes.execution_update;
DROP OWNED BY regress_updates;
DROP ROLE regress_updates;
