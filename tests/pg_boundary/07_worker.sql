-- A background worker on the extension's own start-up, iterations and boundary: errors end iterations, never the server.
\ir include/setup.psql
SELECT plan(55);
SELECT 'hermes_cascade boundary test' AS worker \gset

CREATE FUNCTION pg_temp.gone(worker int) RETURNS boolean LANGUAGE sql AS $$
    SELECT boundary_test.wait_until(format('SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)', worker))
$$;
CREATE FUNCTION pg_temp.logged() RETURNS text LANGUAGE sql AS $$
    SELECT pg_read_file(current_setting('unix_socket_directories') || '/log')
$$;
-- The lines of one process, without what stands before the severity.
CREATE FUNCTION pg_temp.logged_by(worker int) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(substring(line FROM '[A-Z]+:  .*'), E'\n' ORDER BY n)
    FROM regexp_split_to_table(pg_temp.logged(), '\n') WITH ORDINALITY AS l (line, n)
    WHERE line LIKE format('%%[%s]%%', worker)
$$;

SELECT start_worker('all') AS pid \gset
SELECT ok(wait_until('SELECT EXISTS (SELECT FROM boundary_test.worker_log WHERE step = ''end'')'), 'the worker reached its end');
SELECT ok(pg_temp.gone(:pid), 'and is gone');
SELECT is((SELECT array_agg(result ORDER BY id) FROM worker_log WHERE step = 'none'), ARRAY['good, live 1', 'good, live 1'],
          'iterations that do not fail, before all others and after them');
SELECT is((SELECT result FROM worker_log WHERE step = kind), split_part(expected, '|', 1) || ' ' || split_part(expected, '|', 2) || ', live 1',
          format('iteration, %s', kind)) FROM kinds;
SELECT is((SELECT result FROM worker_log WHERE step = 'outside'), 'false HCT01, live 1', 'iteration that fails outside a transaction');
SELECT is((SELECT result FROM worker_log WHERE step = 'late'), 'HCT01', 'the failure of an iteration can be read after its memory is gone');
SELECT is((SELECT result FROM worker_log WHERE step = 'held'), 'true, afterwards 0', 'a hold on interrupts lasts over a failed iteration');
SELECT is((SELECT result FROM worker_log WHERE step = 'often'), 'no growth', 'memory after 1,000 failed iterations');
SELECT is((SELECT count(*)::int FROM notes), 2, 'work of failed iterations is rolled back, that of the others stands');
SELECT pg_temp.logged_by(pid) AS lines INTO TEMP logged FROM worker_log WHERE step = 'outside';
SELECT ok((SELECT lines FROM logged) LIKE '%hermes_cascade: test iteration: ' || split_part(expected, '|', 2) || '%', format('logged: %s', kind)) FROM kinds;
SELECT ok((SELECT lines FROM logged) ~ 'LOG:  hermes_cascade: test iteration: planned failure\nDETAIL:  Planned detail, 100%s\.\nHINT:  Planned hint\.',
          'logged with DETAIL and HINT, PostgreSQL error');
SELECT ok((SELECT lines FROM logged) ~ 'LOG:  hermes_cascade: test iteration: own failure\nDETAIL:  Own detail, 100%s\.\nHINT:  Own hint\.',
          'logged with DETAIL and HINT, own error');

-- What leaves the main function ends the process with status 1; the server serves on.
CREATE FUNCTION pg_temp.exit_of(kind text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    worker int;
BEGIN
    IF NOT boundary_test.wait_until(format('SELECT EXISTS (SELECT FROM boundary_test.worker_log WHERE step = ''leaving'' AND result = %L)', kind)) THEN
        RETURN 'the worker did not start';
    END IF;
    SELECT pid INTO worker FROM boundary_test.worker_log WHERE step = 'leaving' AND result = kind;
    PERFORM boundary_test.wait_until(format('SELECT pg_temp.logged() ~ ''\(PID %s\) (exited with|was terminated)''', worker));
    RETURN substring(pg_temp.logged() FROM format('\(PID %s\) ([^\n]*)', worker));
END $$;
SELECT format('DO $$ BEGIN PERFORM boundary_test.start_worker(%L); END $$', kind)
FROM unnest(ARRAY['postgres', 'hc', 'unknown', 'bad_alloc']) kind \gexec
SELECT is(pg_temp.exit_of(kind), 'exited with exit code 1', format('main function left by an exception: %s', kind))
FROM unnest(ARRAY['postgres', 'hc', 'unknown', 'bad_alloc']) kind;
SELECT is((SELECT count(*)::int FROM worker_log WHERE step = 'end'), 1, 'none of them went on to its end');

-- Canceled in the middle of an iteration: the next one follows.
SELECT start_worker('wait') AS pid \gset
SELECT ok(wait_until(format('SELECT wait_event = ''PgSleep'' FROM pg_stat_activity WHERE pid = %s', :pid)) AND pg_cancel_backend(:pid) AND pg_temp.gone(:pid),
          'canceled while it sleeps in an iteration');
SELECT is((SELECT result FROM worker_log WHERE pid = :pid AND step = 'sleep'), '57014 canceling statement due to user request, live 1', 'the iteration failed by the cancel');
SELECT is((SELECT count(*)::int FROM worker_log WHERE pid = :pid AND step = 'end'), 1, 'the worker went on');

-- Terminated in the middle of an iteration.
SELECT start_worker('wait') AS pid \gset
SELECT ok(wait_until(format('SELECT wait_event = ''PgSleep'' FROM pg_stat_activity WHERE pid = %s', :pid)) AND pg_terminate_backend(:pid) AND pg_temp.gone(:pid),
          'terminated while it sleeps in an iteration');
SELECT start_worker('spin') AS pid \gset
SELECT ok(wait_until(format('SELECT EXISTS (SELECT FROM boundary_test.worker_log WHERE step = ''spinning'' AND pid = %s)', :pid))
          AND wait_until(format('SELECT xact_start IS NOT NULL AND query = ''failing'' FROM pg_stat_activity WHERE pid = %s', :pid))
          AND pg_terminate_backend(:pid) AND pg_temp.gone(:pid),
          'terminated while it spins in an iteration');
SELECT is((SELECT count(*)::int FROM notes), 2, 'nothing of the terminated iterations stands');

-- Terminated while it drains.
SELECT start_worker('drain') AS pid \gset
SELECT ok(wait_until('SELECT EXISTS (SELECT FROM boundary_test.worker_log WHERE step = ''draining'')') AND pg_terminate_backend(:pid) AND pg_temp.gone(:pid),
          'terminated while it drains');
SELECT is((SELECT result FROM worker_log WHERE step = 'drained'), 'committed', 'a draining worker commits what it is doing');
SELECT is((SELECT count(*)::int FROM notes), 3, 'and it stands');

-- A worker sees what is committed while its transaction is open.
SELECT start_worker('look') AS pid \gset
SELECT ok(wait_until(format('SELECT query = ''looking on'' FROM pg_stat_activity WHERE pid = %s', :pid)), 'its transaction is open');
INSERT INTO worker_log (pid, step, result) VALUES (0, 'told', '');
SELECT ok(pg_temp.gone(:pid), 'and over');
SELECT is((SELECT result FROM worker_log WHERE step = 'looked'), 'seen', 'what another session commits is seen');
SELECT finish();
