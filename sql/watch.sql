-- Watching tables: which triggers, what is refused, what a dump of them needs. Waiting for them is tested end to end.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE VIEW test.watches AS
SELECT t.tgrelid::regclass::text AS relation, t.tgenabled AS enabled, (t.tgtype & 1) AS for_each_row,
       (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid WHERE d.objid = t.oid AND d.classid = 'pg_trigger'::regclass AND d.deptype = 'x') AS goes_with
FROM pg_trigger t WHERE t.tgname = 'hermes_watch';
CREATE TABLE test.plain (a int);
SELECT hermes.watch_table('test.plain'), hermes.watch_table('test.plain');
SELECT * FROM test.watches;
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'hermes_watch';
-- one that was disabled is enabled again
ALTER TABLE test.plain DISABLE TRIGGER hermes_watch;
SELECT hermes.watch_table('test.plain');
SELECT * FROM test.watches;
SELECT hermes.unwatch_table('test.plain'), hermes.unwatch_table('test.plain');
SELECT count(*) FROM test.watches;
-- partitions
CREATE TABLE test.parted (a int) PARTITION BY RANGE (a);
CREATE TABLE test.parted_1 PARTITION OF test.parted FOR VALUES FROM (0) TO (10);
CREATE TABLE test.parted_2 PARTITION OF test.parted FOR VALUES FROM (10) TO (20) PARTITION BY LIST (a);
CREATE TABLE test.parted_2a PARTITION OF test.parted_2 FOR VALUES IN (10);
SELECT hermes.watch_table('test.parted');
SELECT relation FROM test.watches ORDER BY 1;
CREATE TABLE test.parted_3 PARTITION OF test.parted FOR VALUES FROM (20) TO (30);
SELECT hermes.watch_table('test.parted'), hermes.watch_table('test.parted');
SELECT test.try($q$ SELECT hermes.watch_table('test.parted_2a') $q$);
INSERT INTO test.parted SELECT 10;
TRUNCATE test.parted_2;
ALTER TABLE test.parted DETACH PARTITION test.parted_1;
SELECT hermes.unwatch_table('test.parted');
SELECT relation FROM test.watches ORDER BY 1;
-- what is no table to watch
CREATE VIEW test.view AS SELECT 1 AS a;
CREATE TABLE test.parent (a int);
CREATE TABLE test.child () INHERITS (test.parent);
SELECT test.try(format('SELECT hermes.watch_table(%L)', r)) FROM unnest(ARRAY['test.view', 'test.parent', 'test.child', 'pg_catalog.pg_class', 'test.nothing']) AS r;
SELECT test.try('SELECT hermes.watch_table(NULL)');
SELECT test.try('SELECT hermes.note_change()');
-- rights
CREATE ROLE regress_watch;
GRANT USAGE ON SCHEMA test TO regress_watch;
GRANT hermes_app TO regress_watch;
GRANT CREATE ON SCHEMA test TO regress_watch;
SET ROLE regress_watch;
CREATE TABLE test.mine (a int);
SELECT hermes.watch_table('test.mine');
SELECT test.try($q$ SELECT hermes.watch_table('test.plain') $q$);
SELECT test.try($q$ SELECT hermes.unwatch_table('test.parted_1') $q$);
RESET ROLE;
-- it fires whoever writes, and costs what nobody waits for nothing that is seen
SET session_replication_role = replica;
INSERT INTO test.mine VALUES (1);
RESET session_replication_role;
COPY test.mine FROM STDIN;
2
\.
UPDATE test.mine SET a = 3;
DELETE FROM test.mine;
TRUNCATE test.mine;
SELECT count(*) FROM hermes.condition_waiter;
-- verbs of the body, outside of one
SELECT test.try($q$ SELECT hermes.wait_until('true', '{}') $q$);
SELECT test.try($q$ SELECT hermes.wait_until(NULL, '{}') $q$);
SELECT test.try($q$ SELECT hermes.add_compensation('a', 'SELECT 1') $q$);
SELECT test.try($q$ SELECT hermes.compensate() $q$);
-- the triggers go with the extension
BEGIN;
DROP FUNCTION test.dlr(uuid, text, integer, jsonb, text);
DROP EXTENSION hermes_cascade;
SELECT count(*) FROM pg_trigger WHERE tgname = 'hermes_watch';
ROLLBACK;
DROP OWNED BY regress_watch;
DROP ROLE regress_watch;
