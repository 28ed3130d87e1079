-- Rows that are written without the executor: what stands on the tables counts all the same.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SELECT hermes.create_partitions() > 0;

-- Triggers of rows, before and after.
CREATE TABLE test.seen (number bigint GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION test.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    ASSERT current_setting('search_path') = 'pg_catalog, pg_temp', 'it runs as in a statement of ours';
    INSERT INTO test.seen (what) VALUES (concat_ws(' ', TG_WHEN, TG_OP, regexp_replace(TG_TABLE_NAME, '_p[0-9]{8}$', '')));
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['workflow', 'task', 'closed'] LOOP
        EXECUTE format('CREATE TRIGGER see_after AFTER INSERT OR UPDATE OR DELETE ON hermes.%I FOR EACH ROW EXECUTE FUNCTION test.see()', name);
    END LOOP;
    CREATE TRIGGER see_before BEFORE INSERT OR UPDATE OR DELETE ON hermes.workflow FOR EACH ROW EXECUTE FUNCTION test.see();
END
$$;
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT what FROM test.seen ORDER BY number;
TRUNCATE test.seen;
SELECT test.dlr(:'id', 'undeliverable', 1);
SELECT what FROM test.seen ORDER BY number;
TRUNCATE test.seen;
SELECT test.dlr(:'id', 'delivered', 2);
SELECT what FROM test.seen ORDER BY number;
SELECT test.state(:'id');
DROP TRIGGER see_after ON hermes.workflow;
DROP TRIGGER see_before ON hermes.workflow;
DROP TRIGGER see_after ON hermes.task;
DROP TRIGGER see_after ON hermes.closed;

-- Constraints.
ALTER TABLE hermes.workflow ADD CONSTRAINT no_such_tenant CHECK (tenant IS DISTINCT FROM 'refused');
SELECT test.try($$SELECT hermes.start_cascade('three', '{}', NULL, 'refused')$$);
SELECT count(*) FROM hermes.workflow WHERE tenant = 'refused';
ALTER TABLE hermes.workflow DROP CONSTRAINT no_such_tenant;

-- A foreign key to a row of ours is checked when the row goes.
CREATE TABLE test.child (id uuid REFERENCES hermes.workflow);
SELECT hermes.start_cascade('three', '{}') AS id \gset
INSERT INTO test.child VALUES (:'id');
SELECT test.try(format($$SELECT hermes.terminate_cascade(%L)$$, :'id'));
SELECT test.state(:'id');
DROP TABLE test.child;
SELECT hermes.terminate_cascade(:'id');

-- Indexes of others: unique, on an expression, partial.
CREATE UNIQUE INDEX one_a_tenant ON hermes.workflow ((upper(tenant))) WHERE tenant LIKE 'one%';
SELECT test.try($$SELECT hermes.start_cascade('three', '{}', NULL, 'one')$$);
SELECT test.try($$SELECT hermes.start_cascade('three', '{}', NULL, 'one')$$);
SELECT test.try($$SELECT hermes.start_cascade('three', '{}', NULL, 'two')$$);
SELECT test.try($$SELECT hermes.start_cascade('three', '{}', NULL, 'two')$$);
DROP INDEX hermes.one_a_tenant;

-- Many rows at once go into pages together: all of them stand in all indexes, also in those of others, whatever their sizes;
-- what one row breaks, all are taken back for; row triggers see each.
CREATE FUNCTION test.start_set(count integer, twice integer DEFAULT 0) RETURNS text LANGUAGE sql AS $$
    SELECT count(*)::text FROM hermes.start_cascades('three', ARRAY(SELECT jsonb_build_object('n', CASE WHEN n = twice THEN 1 ELSE n END, 'text', repeat('x', n * 7 % 3000))
                                                             FROM generate_series(1, count) n), NULL, 'set')
$$;
CREATE UNIQUE INDEX one_a_number ON hermes.workflow ((message ->> 'n')) WHERE tenant = 'set';
CREATE INDEX by_length ON hermes.workflow (length(message ->> 'text')) WHERE tenant = 'set';
SELECT test.start_set(200);
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT message ->> 'n') FROM hermes.workflow WHERE tenant = 'set' AND length(message ->> 'text') >= 0;
SELECT count(*) FROM hermes.workflow w JOIN hermes.task t ON t.workflow_id = w.id WHERE w.tenant = 'set' AND w.message ->> 'n' = '130';
SELECT test.try('SELECT test.start_set(130)');
TRUNCATE hermes.workflow, hermes.timer, hermes.task CASCADE;
SELECT test.try('SELECT test.start_set(130, 100)');
SELECT test.try('SELECT test.start_set(130, 2)');
SELECT (SELECT count(*) FROM hermes.workflow) AS workflows, (SELECT count(*) FROM hermes.task) AS tasks;
TRUNCATE test.seen;
CREATE TRIGGER see_before BEFORE INSERT ON hermes.task FOR EACH ROW EXECUTE FUNCTION test.see();
SELECT test.start_set(70);
DROP TRIGGER see_before ON hermes.task;
SELECT what, count(*) FROM test.seen GROUP BY what;
RESET enable_seqscan;
DROP INDEX hermes.one_a_number, hermes.by_length;
SELECT count(hermes.terminate_cascade(id)) FROM (SELECT id FROM hermes.workflow WHERE tenant = 'set') w;
SELECT hermes.start_cascade('three', '{}') AS id \gset

-- Transactions that must not write.
BEGIN READ ONLY;
SELECT test.try($$SELECT hermes.start_cascade('three', '{}')$$);
SELECT test.try(format($$SELECT hermes.signal_cascade(%L, 'dlr', '{"status": "delivered", "attempt": 1}')$$, :'id'));
ROLLBACK;

-- A column that the library does not know: nulls, and a clear refusal when it may not be null.
ALTER TABLE hermes.task ADD COLUMN note text;
SELECT test.try($$SELECT hermes.start_cascade('three', '{}')$$);
ALTER TABLE hermes.task ADD COLUMN must integer NOT NULL DEFAULT 1;
SELECT test.try($$SELECT hermes.start_cascade('three', '{}')$$);
ALTER TABLE hermes.task DROP COLUMN must, DROP COLUMN note;
SELECT test.try($$SELECT hermes.start_cascade('three', '{}')$$);

-- Tables are found by their names, also when another one has got the name: in the transaction, and not after it.
BEGIN;
SAVEPOINT before;
ALTER TABLE hermes.task RENAME TO task_away;
SELECT test.try($$SELECT hermes.start_cascade('three', '{}')$$);
CREATE TABLE hermes.task (note text, LIKE hermes.task_away INCLUDING ALL);
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT (SELECT count(*) FROM hermes.task WHERE workflow_id = :'id') AS here, (SELECT count(*) FROM hermes.task_away WHERE workflow_id = :'id') AS away;
SELECT hermes.terminate_cascade(:'id');
ROLLBACK TO before;
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT count(*) FROM hermes.task WHERE workflow_id = :'id';
COMMIT;
-- Likewise schemas, and labels of types.
BEGIN;
ALTER SCHEMA hermes RENAME TO hermes_away;
SELECT test.try($$SELECT hermes_away.start_cascade('three', '{}')$$);
ROLLBACK;
SELECT hermes.signal_cascade(:'id', 'go', '{}', 'once');
SELECT hermes.signal_cascade(:'id', 'go', '{}', 'once');
BEGIN;
ALTER TYPE hermes.signal_result RENAME VALUE 'duplicate' TO 'known';
SELECT test.try(format($$SELECT hermes.signal_cascade(%L, 'go', '{}', 'once')$$, :'id'));
ROLLBACK;
SELECT hermes.signal_cascade(:'id', 'go', '{}', 'once');

-- One lock of a table from the lock of a row on, and indexes stay locked with their table.
BEGIN;
SELECT hermes.terminate_cascade(:'id');
SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN ('hermes.workflow'::regclass, 'hermes.workflow_pkey'::regclass) ORDER BY 1, 2;
COMMIT;

-- Without a partition of its day: the default one.
CREATE TABLE test.moved AS SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'hermes.closed'::regclass AND c.relname <> 'closed_default';
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT m.name FROM test.moved m LOOP
        EXECUTE format('ALTER TABLE hermes.closed DETACH PARTITION hermes.%I', name);
    END LOOP;
END
$$;
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT hermes.terminate_cascade(:'id');
SELECT tableoid::regclass FROM hermes.closed WHERE id = :'id';

-- The extension anew in the same session: all its tables and types are other ones.
SET client_min_messages = warning;
DROP EXTENSION hermes_cascade CASCADE;
CREATE EXTENSION hermes_cascade;
RESET client_min_messages;
SELECT test.setup();
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT hermes.terminate_cascade(:'id');
SELECT hermes.terminate_cascade(:'id');
SELECT count(*) FROM hermes.closed WHERE id = :'id';
