-- The boundaries of hooks (they may raise) and of callbacks at the end of a transaction (they must not).
\ir include/setup.psql
SELECT plan(68);
SELECT install_hook();

SELECT is(outcome(format('LISTEN fail_%s', kind)), expected, format('hook, %s: the error', kind)) FROM kinds;
SELECT is(live(), 0, 'hook: every object destroyed');
SELECT is(outcome('LISTEN fail_none'), 'ok', 'a hook that does not fail');
SELECT is(outcome('LISTEN other'), 'ok', 'the next hook is called');

-- Each of these transactions commits, whatever its callback meets.
CREATE OR REPLACE PROCEDURE boundary_test.end_with(event text, kind text) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO boundary_test.notes VALUES (event || ' ' || kind);
    PERFORM boundary_test.fail_at(event, kind);
    IF event = 'abort' THEN
        ROLLBACK;
    ELSE
        COMMIT;
    END IF;
    INSERT INTO boundary_test.worker_log (step, result) VALUES (event || ' ' || kind, boundary_test.after_end());
END $$;
SELECT format('CALL boundary_test.end_with(%L, %L)', event, kind)
FROM unnest(ARRAY['pre-commit', 'commit', 'abort']) event, unnest(ARRAY['postgres', 'hc', 'std', 'unknown', 'bad_alloc', 'huge', 'in_destructor', 'second']) kind \gexec
DROP PROCEDURE boundary_test.end_with;

SELECT is((SELECT result FROM worker_log WHERE step = event || ' ' || kind), 'ran', format('callback at %s, %s', event, kind))
FROM unnest(ARRAY['pre-commit', 'commit', 'abort']) event, unnest(ARRAY['postgres', 'hc', 'std', 'unknown', 'bad_alloc', 'huge', 'in_destructor', 'second']) kind;
SELECT is((SELECT count(*)::int FROM notes WHERE note = event || ' ' || kind), CASE event WHEN 'abort' THEN 0 ELSE 1 END,
          format('the transaction ended as it should, callback at %s, %s', event, kind))
FROM unnest(ARRAY['pre-commit', 'commit', 'abort']) event, unnest(ARRAY['postgres', 'hc', 'std', 'unknown', 'bad_alloc', 'huge', 'in_destructor', 'second']) kind;
SELECT is(live(), 0, 'callbacks: every object destroyed');
SELECT is(interrupt_holds(), 0, 'interrupts are not held after callbacks');

-- The session can still be canceled.
SET statement_timeout = '100ms';
SELECT is(outcome('SELECT boundary_test.fail(''sleep'')'), '57014|canceling statement due to statement timeout||', 'a cancel is served after callbacks');
RESET statement_timeout;

SELECT finish();
