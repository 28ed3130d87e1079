-- All verbs take effect if and only if the caller commits.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SELECT test.rows() AS empty \gset

-- ---- rollback leaves nothing ----
BEGIN;
SELECT hermes.start_cascade('three', '{}', 'k') AS id \gset
SELECT test.dlr(:'id', 'delivered', 1);
SELECT test.rows();
ROLLBACK;
SELECT test.rows() = :'empty' AS nothing;
SELECT test.try(format('SELECT hermes.cascade_status(%L)', :'id'));
-- the key is free again
BEGIN;
SELECT hermes.start_cascade('three', '{}', 'k') AS again \gset
SELECT :'again' <> :'id' AS another;
ROLLBACK;
-- definitions too: the session must not remember what was never committed
BEGIN;
SELECT hermes.create_provider('fax_a', '{"kind": "sandbox", "channel": "fax"}') > 0;
SELECT hermes.create_cascade_rule('faxes', '{"steps": [{"channel": "fax"}]}');
SELECT hermes.start_cascade('faxes', '{}') AS id \gset
SELECT test.state(:'id');
ROLLBACK;
SELECT test.try('SELECT hermes.start_cascade(''faxes'', ''{}'')');
SELECT test.try('SELECT hermes.create_cascade_rule(''faxes'', ''{"steps": [{"channel": "fax"}]}'')');

-- ---- savepoints ----
BEGIN;
SELECT hermes.start_cascade('three', '{}', 'outer') AS outer_id \gset
SAVEPOINT a;
SELECT hermes.start_cascade('three', '{}', 'inner') AS inner_id \gset
SELECT test.dlr(:'outer_id', 'delivered', 1);
SELECT hermes.alter_cascade_rule('three', '{"steps": [{"channel": "push"}]}');
SELECT hermes.start_cascade('three', '{}') AS changed \gset
SELECT test.state(:'changed');
ROLLBACK TO a;
SELECT hermes.start_cascade('three', '{}') AS unchanged \gset
SELECT test.state(:'unchanged');
COMMIT;
SELECT test.state(:'outer_id');
SELECT test.try(format('SELECT hermes.cascade_status(%L)', :'inner_id'));
SELECT test.rows();

-- a function with an EXCEPTION block
CREATE FUNCTION test.guarded(key text, fail boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hermes.start_cascade('three', '{}', key);
    IF fail THEN RAISE EXCEPTION 'no'; END IF;
    RETURN 'started';
EXCEPTION WHEN OTHERS THEN
    RETURN 'undone: ' || SQLERRM;
END
$$;
SELECT test.guarded('g1', true), test.guarded('g2', false), test.guarded('g3', true);
SELECT key FROM hermes.cascades WHERE key LIKE 'g%';
-- an error of a verb leaves the transaction usable behind a savepoint, and the verbs too
BEGIN;
SAVEPOINT a;
SELECT hermes.start_cascade('nobody', '{}');
ROLLBACK TO a;
SELECT hermes.start_cascade('once', '{}', 'after error') IS NOT NULL;
COMMIT;
SELECT count(*) FROM hermes.cascades WHERE key = 'after error';

-- ---- start and signal in one transaction, in one statement, and a cascade that begins and ends in it ----
BEGIN;
SELECT hermes.start_cascade('three', '{}', 'both') AS id \gset
SELECT test.dlr(:'id', 'sent', 1);
SELECT test.dlr(:'id', 'delivered', 1);
COMMIT;
SELECT test.state(:'id');
SELECT count(*) FROM hermes.tasks WHERE cascade_id = :'id';
SELECT hermes.signal_cascade(hermes.start_cascade('three', '{}', 'one statement'), 'dlr', '{"status": "delivered", "attempt": 1}');
SELECT status, outcome FROM hermes.cascades WHERE key = 'one statement';

-- ---- triggers, INSERT ... SELECT ----
CREATE TABLE test.orders (id integer PRIMARY KEY, address text NOT NULL, cascade_id uuid);
CREATE FUNCTION test.on_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.cascade_id := hermes.start_cascade('three', jsonb_build_object('to', NEW.address), 'order-' || NEW.id, 'shop');
    RETURN NEW;
END
$$;
CREATE TRIGGER send BEFORE INSERT ON test.orders FOR EACH ROW EXECUTE FUNCTION test.on_order();
INSERT INTO test.orders SELECT n, 'a' || n || '@example.com' FROM generate_series(1, 5) n;
-- an order refused takes its cascade with it
\set VERBOSITY terse
INSERT INTO test.orders VALUES (6, 'b@example.com'), (6, 'c@example.com');
\set VERBOSITY default
SELECT o.id, c.key, c.status, w.message FROM test.orders o JOIN hermes.cascades c USING (cascade_id) JOIN hermes.workflow w ON w.id = o.cascade_id ORDER BY o.id;
SELECT count(*) FROM hermes.cascades WHERE tenant = 'shop';
CREATE TABLE test.log (n integer, id uuid);
INSERT INTO test.log SELECT n, hermes.start_cascade('three', jsonb_build_object('n', n)) FROM generate_series(1, 50) n;
SELECT count(*) FROM test.log l JOIN hermes.workflow w USING (id) WHERE (w.message ->> 'n')::integer = l.n;
-- a deferred constraint trigger, at commit
CREATE FUNCTION test.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hermes.start_cascade('three', '{}', 'deferred');
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON test.log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test.at_commit();
INSERT INTO test.log VALUES (51, NULL);
SELECT count(*) FROM hermes.cascades WHERE key = 'deferred';

-- ---- two-phase commit ----
BEGIN;
SELECT hermes.start_cascade('three', '{}', 'prepared') AS id \gset
PREPARE TRANSACTION 'hermes_regress';
SELECT test.try(format('SELECT hermes.cascade_status(%L)', :'id'));
COMMIT PREPARED 'hermes_regress';
SELECT test.state(:'id');
BEGIN;
SELECT test.dlr(:'id', 'delivered', 1);
PREPARE TRANSACTION 'hermes_regress';
SELECT test.state(:'id');
ROLLBACK PREPARED 'hermes_regress';
SELECT test.state(:'id');
BEGIN;
SELECT hermes.cancel_cascade(:'id', 'prepared');
SELECT hermes.create_cascade_rule('later', '{"steps": [{"channel": "push"}]}');
PREPARE TRANSACTION 'hermes_regress';
COMMIT PREPARED 'hermes_regress';
SELECT test.state(:'id');
SELECT hermes.start_cascade('later', '{}') IS NOT NULL;

-- ---- isolation levels, read-only ----
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT hermes.start_cascade('three', '{}', 'rr') AS id \gset
SELECT hermes.start_cascade('three', '{}', 'rr') = :'id';
SELECT test.dlr(:'id', 'delivered', 1), test.dlr(:'id', 'failed', 1);
COMMIT;
SELECT test.state(:'id');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT hermes.start_cascade('three', '{}', 'ser') AS id \gset
SELECT hermes.start_cascade('three', '{}', 'ser') = :'id';
SELECT test.dlr(:'id', 'delivered', 1), test.dlr(:'id', 'failed', 1);
COMMIT;
SELECT test.state(:'id');
BEGIN READ ONLY;
SELECT test.state(:'id');
SELECT event_type FROM hermes.cascade_history(:'id') ORDER BY event_id LIMIT 1;
SELECT count(*) FROM hermes.cascades WHERE key = 'ser';
SAVEPOINT a;
SELECT hermes.start_cascade('three', '{}');
ROLLBACK TO a;
SELECT test.dlr(:'id', 'delivered', 1);
ROLLBACK TO a;
SELECT hermes.cancel_cascade(:'id');
ROLLBACK TO a;
SELECT hermes.create_cascade_rule('three', '{"steps": [{"channel": "push"}]}');
ROLLBACK;
SELECT test.state(:'id');

-- ---- counters follow commits, of savepoints too ----
SELECT value AS before FROM hermes.stats WHERE name = 'cascades_started' \gset
BEGIN;
SELECT hermes.start_cascade('three', '{}') IS NOT NULL;
ROLLBACK;
SELECT value - :before FROM hermes.stats WHERE name = 'cascades_started';
BEGIN;
SELECT count(*) FROM hermes.start_cascades('three', ARRAY['{}', '{}']::jsonb[]);
SAVEPOINT a;
SELECT count(*) FROM hermes.start_cascades('three', ARRAY['{}', '{}', '{}']::jsonb[]);
SAVEPOINT b;
SELECT count(*) FROM hermes.start_cascades('three', ARRAY['{}']::jsonb[]);
RELEASE b;
ROLLBACK TO a;
SELECT test.guarded('counted', true), test.guarded('counted', false);
COMMIT;
SELECT value - :before FROM hermes.stats WHERE name = 'cascades_started';

-- ---- nothing crosses the sessions' own settings: the search_path of the session stays, also after an error ----
SET search_path = '';
SELECT hermes.start_cascade('three', '{}') IS NOT NULL;
SELECT current_setting('search_path') = '""' AS kept;
SELECT hermes.start_cascade('nobody', '{}');
SELECT current_setting('search_path') = '""' AS kept;
RESET search_path;
