-- Day partitions: creation, moving of waiting rows, retention.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SET TimeZone = 'UTC';
SELECT test.setup();
-- a cascade of a given time, closed `ago`, with its key; the id is set as its start would have
CREATE FUNCTION test.closed(new_key text, start_age interval, close_age interval) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    old_id uuid := hermes.start_cascade('three', '{}', new_key);
    new_id uuid := overlay(hermes.first_id_at(now() - start_age)::text placing substr(old_id::text, 20) from 20)::uuid;
BEGIN
    PERFORM hermes.cancel_cascade(old_id);
    WITH gone AS (DELETE FROM hermes.closed c WHERE c.id = old_id RETURNING *)
    INSERT INTO hermes.closed SELECT new_id, now() - close_age, reported_at, rule_id, outcome, tenant, key, history FROM gone;
    UPDATE hermes.execution_key SET workflow_id = new_id WHERE workflow_id = old_id;
    RETURN new_id;
END
$$;
CREATE FUNCTION test.day(ago interval) RETURNS timestamptz LANGUAGE sql AS $$ SELECT date_trunc('day', now() - ago, 'UTC') $$;
-- name of a partition with its day as an offset from today
CREATE FUNCTION test.name(partition text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(partition, '[0-9]{8}$', '') || coalesce((to_date(substring(partition FROM '[0-9]{8}$'), 'YYYYMMDD') - (now() AT TIME ZONE 'UTC')::date)::text, '')
$$;
CREATE VIEW test.partitions AS
SELECT test.name(inhrelid::regclass::text) AS name, c.reloptions, pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AS is_default,
       (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes, (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND indisprimary) AS keys,
       (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND contype = 'c') AS checks, c.relowner = (SELECT relowner FROM pg_class WHERE oid = 'hermes.workflow'::regclass) AS owner
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent IN ('hermes.closed'::regclass, 'hermes.attempt'::regclass, 'hermes.delivery'::regclass, 'hermes.receipt'::regclass);
SELECT * FROM test.partitions ORDER BY name;

-- rows that wait in the default partitions: today, two old days; an attempt
SELECT test.closed('today', '0', '0') AS today \gset
SELECT test.closed('old', '40 days', '39 days') AS old \gset
SELECT test.closed('older, closed lately', '50 days', '1 day') AS lately \gset
INSERT INTO hermes.attempt VALUES (1, now(), :'today', 1), (2, now() - interval '20 days', :'old', 1), (3, now() - interval '5 days', :'old', 2);
INSERT INTO hermes.delivery (at, cascade_id, endpoint_id, sequence, try, result, event)
SELECT now() - age * interval '1 day', :'today', age, 1, 1, 2, 'message.delivered' FROM unnest(ARRAY[0, 3, 20]) AS age;
INSERT INTO hermes.receipt SELECT now() - age * interval '1 day', 1, age, '{}', 'as it came' FROM unnest(ARRAY[0, 3, 20]) AS age;
SELECT DISTINCT tableoid::regclass FROM hermes.closed;
-- one call creates today and two days ahead, and the days of what waits
SELECT hermes.create_partitions();
SELECT hermes.create_partitions();
SELECT * FROM test.partitions ORDER BY name;
SELECT c.key, test.name(c.tableoid::regclass::text) FROM hermes.closed c ORDER BY key;
SELECT a.hash, test.name(a.tableoid::regclass::text) FROM hermes.attempt a ORDER BY hash;
SELECT d.endpoint_id, test.name(d.tableoid::regclass::text) FROM hermes.delivery d ORDER BY endpoint_id;
SELECT r.receipts, test.name(r.tableoid::regclass::text) FROM hermes.receipt r ORDER BY receipts;
SELECT count(*) FROM hermes.closed_default, hermes.attempt_default, hermes.delivery_default, hermes.receipt_default;
-- moved cascades are found by id, and take late receipts
SELECT test.state(:'old');
SELECT test.dlr(:'old', 'delivered', 1);
SELECT test.state(:'old');
SELECT hermes.start_cascade('three', '{}', 'old') = :'old' AS same;
-- a cascade ends straight into its day
SELECT hermes.start_cascade('three', '{}', 'now') AS now \gset
SELECT hermes.cancel_cascade(:'now');
SELECT test.name(tableoid::regclass::text) FROM hermes.closed WHERE id = :'now';
-- one day by hand: false when it exists; ids prune to one partition
SELECT hermes.create_day_partition('hermes.closed', test.day('60 days')), hermes.create_day_partition('hermes.closed', test.day('60 days'));
SELECT hermes.create_day_partition('hermes.attempt', test.day('60 days')), hermes.create_day_partition('hermes.attempt', test.day('0'));
CREATE FUNCTION test.scans(id uuid) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE format('EXPLAIN (COSTS off) SELECT * FROM hermes.closed WHERE id = %L', id) LOOP
        IF line ~ ' on ' THEN RETURN NEXT test.name(substring(line FROM ' on (closed_\w+)')); END IF;
    END LOOP;
END
$$;
SELECT test.scans(:'today');
SELECT test.scans(:'old');
-- days are days of UTC wherever the session is, over changes to and from daylight saving time too
SET TimeZone = 'America/New_York';
SELECT day, hermes.create_day_partition('hermes.attempt', day::timestamptz), hermes.create_day_partition('hermes.closed', day::timestamptz)
FROM unnest(ARRAY['2035-11-03 00:00+00', '2035-11-04 00:00+00', '2035-11-05 00:00+00', '2035-03-10 00:00+00', '2035-03-11 00:00+00', '2035-03-12 00:00+00']) AS day;
SET TimeZone = 'UTC';
SELECT relname, substring(pg_get_expr(relpartbound, oid) FROM 'FROM .*') AS bounds FROM pg_class WHERE relname ~ '^attempt_p2035' AND relkind = 'r' ORDER BY relname;
SELECT relname, hermes.time_of_id(substring(pg_get_expr(relpartbound, oid) FROM 'FROM ..([-0-9a-f]{36})')::uuid) AS low,
       hermes.time_of_id(substring(pg_get_expr(relpartbound, oid) FROM 'TO ..([-0-9a-f]{36})')::uuid) AS high
FROM pg_class WHERE relname ~ '^closed_p2035' AND relkind = 'r' ORDER BY relname;
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT oid::regclass FROM pg_class WHERE relname ~ '_p2035' AND relkind = 'r' LOOP
        EXECUTE 'DROP TABLE ' || name;
    END LOOP;
END
$$;
-- other tables have no days
SELECT left(test.try('SELECT hermes.create_day_partition(''hermes.task'', now())'), 11);
SELECT left(test.try('SELECT hermes.create_day_partition(NULL, now())'), 5);

-- ---- retention ----
-- nothing is older than a year
SELECT hermes.drop_old_partitions('1 year', '1 year', '1 year', '1 year', '1 year');
-- logged receipts by their own age; none of a day that is over while they are not logged
SELECT test.name(name) FROM hermes.drop_old_partitions('1 year', '1 year', '1 year', '1 year', '10 days') AS name;
SELECT test.name(name) FROM hermes.drop_old_partitions('1 year', '1 year', '1 year', '1 year') AS name;
SELECT receipts FROM hermes.receipt;
-- a key must outlive its cascade: key_age holds a closed partition too
SELECT test.name(name) FROM hermes.drop_old_partitions('30 days', '1 year', '1 year', '1 year') AS name;
-- 30 days: the empty day and the old one go, the one with a late close stays; keys of what is dropped go with it
SELECT test.name(name) FROM hermes.drop_old_partitions('30 days', '1 year', '7 days', '1 year') AS name ORDER BY 1;
SELECT key FROM hermes.closed ORDER BY key;
SELECT count(*) FROM hermes.execution_key;
SELECT test.try(format('SELECT hermes.cascade_status(%L)', :'old'));
SELECT hermes.start_cascade('three', '{}', 'old') <> :'old' AS started_again;
SELECT hermes.start_cascade('three', '{}', 'older, closed lately') = :'lately' AS kept;
-- attempts by their own age
SELECT test.name(name) FROM hermes.drop_old_partitions('1 year', '10 days', '7 days', '1 year') AS name ORDER BY 1;
SELECT hash FROM hermes.attempt ORDER BY hash;
-- tries of webhooks by theirs; 7 days when nothing else is said
SELECT test.name(name) FROM hermes.drop_old_partitions('1 year', '1 year', '1 year') AS name ORDER BY 1;
SELECT endpoint_id FROM hermes.delivery ORDER BY endpoint_id;
-- the newest: today's partition is never dropped before its day is over
SELECT test.name(name) FROM hermes.drop_old_partitions('0', '0', '0', '0') AS name ORDER BY 1;
SELECT name FROM test.partitions ORDER BY name;
SELECT count(*) AS orphans FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind = 'r' AND relname ~ '_p[0-9]{8}$' AND NOT relispartition;

-- a cascade that outlived its day's partition: waits in the default one, is moved, is dropped when its time has come
SELECT test.closed('very long', '70 days', '35 days') AS long \gset
SELECT test.name(tableoid::regclass::text) FROM hermes.closed WHERE id = :'long';
SELECT hermes.create_partitions();
SELECT test.name(tableoid::regclass::text) FROM hermes.closed WHERE id = :'long';
SELECT test.name(name) FROM hermes.drop_old_partitions('30 days', '10 days', '7 days') AS name ORDER BY 1;
-- partitions are no members of the extension (they are dumped as ordinary tables)
SELECT count(*) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND c.relname ~ '_p[0-9]{8}$';
-- privileges: none on them
SELECT DISTINCT relacl FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relname ~ '_p[0-9]{8}$';
-- and go with it, though not members
DROP VIEW test.partitions;
DROP FUNCTION test.dlr(uuid, text, integer, jsonb, text);
DROP EXTENSION hermes_cascade;
SELECT count(*) FROM pg_class WHERE relnamespace = 'hermes'::regnamespace;
