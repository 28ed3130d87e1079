-- Cancel and terminate in the middle of C++, from another session and by time-out. The peers are reached by dblink.
\ir include/setup.psql
CREATE EXTENSION IF NOT EXISTS dblink SCHEMA public;
SELECT plan(42);
SELECT 'boundary_other'::regrole::oid::bigint AS other \gset

SET statement_timeout = '150ms';
SELECT is(outcome(statement), '57014|canceling statement due to statement timeout||', format('statement_timeout: %s', statement))
FROM unnest(ARRAY['SELECT boundary_test.fail(''sleep'')']) statement;
SELECT is(outcome('SELECT boundary_test.fail(''spin'')'), '57014|canceling statement due to statement timeout||', 'statement_timeout: spin');
SELECT is(outcome(format('SELECT boundary_test.run_subtransaction(''sleep'', %s)', :other)),
          '57014|canceling statement due to statement timeout||', 'statement_timeout: in a subtransaction');
SELECT is(outcome(format('SELECT boundary_test.nested_subtransactions(5, ''spin'')', :other)),
          '57014|canceling statement due to statement timeout||', 'statement_timeout: in nested subtransactions');
SELECT is(outcome('SELECT * FROM boundary_test.fail_set(''spin'')'), '57014|canceling statement due to statement timeout||', 'statement_timeout: in a set');
SELECT is(outcome('SELECT boundary_test.container(''sleep'')'), '57014|canceling statement due to statement timeout||', 'statement_timeout: with containers');
RESET statement_timeout;
SELECT is(live(), 0, 'statement_timeout: every object destroyed');

-- Starts a statement in another session and waits until it is in the middle of it: it holds an advisory lock, and sleeps or spins.
CREATE FUNCTION pg_temp.begin_in_peer(statement text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    peer int;
BEGIN
    PERFORM dblink_connect('peer', boundary_test.connection());
    SELECT pid INTO peer FROM dblink('peer', 'SELECT pg_backend_pid()') AS t (pid int);
    PERFORM dblink_exec('peer', 'SET search_path = public, boundary_test');
    PERFORM dblink_send_query('peer', 'SELECT ''x'' FROM (SELECT pg_advisory_lock(4711) OFFSET 0) l, LATERAL (' || statement || ' OFFSET 0) s');
    IF NOT boundary_test.wait_until(format('SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = ''advisory'' AND pid = %s AND granted)', peer)) THEN
        RAISE EXCEPTION 'the peer did not start';
    END IF;
    IF statement ~ 'sleep' AND NOT boundary_test.wait_until(format('SELECT wait_event = ''PgSleep'' FROM pg_stat_activity WHERE pid = %s', peer)) THEN
        RAISE EXCEPTION 'the peer does not sleep';
    END IF;
    RETURN peer;
END $$;

CREATE FUNCTION pg_temp.cancel_peer(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    peer int := pg_temp.begin_in_peer(statement);
    message text; left_over int;
BEGIN
    PERFORM pg_cancel_backend(peer);
    PERFORM * FROM dblink_get_result('peer', false) AS t (x text);
    message := split_part(dblink_error_message('peer'), E'\n', 1);
    PERFORM * FROM dblink_get_result('peer', false) AS t (x text);
    SELECT n INTO left_over FROM dblink('peer', 'SELECT boundary_test.live()') AS t (n int);
    PERFORM dblink_disconnect('peer');
    RETURN format('%s, %s left', message, left_over);
END $$;

-- After a termination the peer is gone, and the server has not restarted: that would have ended this session too.
CREATE FUNCTION pg_temp.terminate_peer(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    peer int := pg_temp.begin_in_peer(statement);
    message text;
BEGIN
    PERFORM pg_terminate_backend(peer);
    PERFORM * FROM dblink_get_result('peer', false) AS t (x text);
    message := split_part(dblink_error_message('peer'), E'\n', 1);
    PERFORM dblink_disconnect('peer');
    IF NOT boundary_test.wait_until(format('SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)', peer)) THEN
        RETURN 'still there';
    END IF;
    RETURN message;
END $$;

SET client_min_messages = error;
CREATE TEMP TABLE statements (name text, statement text);
INSERT INTO statements
SELECT format('%s, %s', k, kind), replace(form, 'KIND', kind)
FROM unnest(ARRAY['sleep', 'spin']) kind, (VALUES
    ('function', 'SELECT boundary_test.fail(''KIND'')'),
    ('set', 'SELECT * FROM fail_set(''KIND'')'),
    ('containers', 'SELECT container(''KIND'')'),
    ('subtransaction', format('SELECT run_subtransaction(''KIND'', %s)', :other)),
    ('nested subtransactions', 'SELECT nested_subtransactions(3, ''KIND'')'),
    ('scopes', format('SELECT fail_in_scopes(''KIND'', %s)', :other)),
    ('swallowed many times', 'SELECT catch_many(10, ''KIND'')')) AS f (k, form);
SELECT is(pg_temp.cancel_peer(statement), 'ERROR:  canceling statement due to user request, 0 left', format('pg_cancel_backend: %s', name)) FROM statements;
SELECT matches(pg_temp.terminate_peer(statement), 'terminating connection due to administrator command|server closed the connection', format('pg_terminate_backend: %s', name))
FROM statements;

-- Nothing of the peers is left.
SELECT is((SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'psql' AND datname = current_database() AND pid <> pg_backend_pid()), 0,
          'no peer is left');
SELECT is((SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711), 0, 'no lock of a peer is left');
SELECT is((SELECT count(*)::int FROM notes), 0, 'no work of a peer is left');
SELECT ok(wait_until('SELECT NOT pg_is_in_recovery()'), 'the server serves');

-- The others go on.
SELECT is(outcome('SELECT boundary_test.fail(''postgres'')'), 'HCT01|planned failure|Planned detail, 100%s.|Planned hint.', 'this session fails as before');
SELECT is(live(), 0, 'nothing is left at the end');
SELECT is(interrupt_holds(), 0, 'interrupts are not held');
SELECT finish();
