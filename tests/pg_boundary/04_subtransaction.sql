-- Subtransactions: ours, PL/pgSQL's exception blocks and the user's savepoints. The session goes on as if nothing had been.
\ir include/setup.psql
SELECT plan(74);
SELECT 'boundary_other'::regrole::oid::bigint AS other \gset

SELECT is(run_subtransaction('none', :other), 'stands, same', 'a subtransaction that does not fail');
SELECT results_eq('SELECT note FROM notes ORDER BY ctid', ARRAY['before', 'inner', 'after'], 'its work stands');
TRUNCATE boundary_test.notes;

SELECT is(run_subtransaction(kind, :other), split_part(expected, '|', 1) || ' ' || split_part(expected, '|', 2) || ', same',
          format('swallowed and as before: %s', kind)) FROM kinds WHERE kind <> 'canceled';
SELECT is((SELECT string_agg(DISTINCT note, ' ' ORDER BY note) FROM notes), 'after before', 'the work of failed subtransactions is gone, that around them stands');
SELECT is((SELECT count(*)::int FROM notes), 26, 'around each of them');
SELECT is(live(), 0, 'every object destroyed');

-- A cancel is passed on.
SELECT is(outcome(format('SELECT boundary_test.run_subtransaction(''canceled'', %s)', :other)), '57014|planned cancel||', 'a cancel passes through a subtransaction');
SELECT is(live(), 0, 'every object destroyed by it');

SELECT is(nested_subtransactions(20, kind), '20 failed, same', format('20 subtransactions in each other, %s', kind))
FROM kinds WHERE kind <> 'canceled';

SELECT is(reused_failure('std'), 'standard failure, 100%s||', 'a record used again, standard exception: no DETAIL, no HINT of the failure before');
SELECT is(reused_failure('bad_alloc'), 'out of memory||', 'a record used again, bad_alloc: no DETAIL, no HINT of the failure before');

-- PL/pgSQL's exception blocks around a boundary with all scopes open.
CREATE FUNCTION pg_temp.surroundings() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', current_user, current_setting('search_path'), current_setting('enable_seqscan'), boundary_test.live(), boundary_test.interrupt_holds())
$$;
SELECT pg_temp.surroundings() AS surroundings \gset
CREATE FUNCTION pg_temp.in_block(kind text, role bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM boundary_test.fail_in_scopes(kind, role);
    EXCEPTION WHEN query_canceled OR others THEN
        RETURN pg_temp.surroundings();
    END;
    RETURN 'did not fail';
END $$;
SELECT is(pg_temp.in_block(kind, :other), :'surroundings', format('user, search_path and settings in an exception block, %s', kind)) FROM kinds;

-- The user's savepoints.
TRUNCATE boundary_test.notes;
BEGIN;
INSERT INTO boundary_test.notes VALUES ('outer');
SAVEPOINT one;
\set ON_ERROR_STOP off
SELECT boundary_test.fail_in_scopes('postgres', :other);
ROLLBACK TO SAVEPOINT one;
SELECT boundary_test.fail_in_scopes('hc', :other);
ROLLBACK TO SAVEPOINT one;
SAVEPOINT two;
SELECT boundary_test.run_subtransaction('unknown', :other);
SELECT boundary_test.fail_in_scopes('spi_hc', :other);
ROLLBACK TO SAVEPOINT one;
\set ON_ERROR_STOP on
SELECT is(pg_temp.surroundings(), :'surroundings', 'user, search_path and settings after ROLLBACK TO SAVEPOINT');
RELEASE SAVEPOINT one;
INSERT INTO boundary_test.notes VALUES ('later');
COMMIT;
SELECT results_eq('SELECT note FROM notes ORDER BY ctid', ARRAY['outer', 'later'], 'the transaction around the savepoints commits');

-- A statement that fails as a whole.
\set ON_ERROR_STOP off
SELECT boundary_test.fail_in_scopes('postgres', :other);
SELECT boundary_test.fail_in_scopes('std', :other);
\set ON_ERROR_STOP on
SELECT is(pg_temp.surroundings(), :'surroundings', 'user, search_path and settings after a failed statement');

-- Scopes without a subtransaction.
-- search_path is set again by hand, so that one not restored is a failed test and not an unknown function.
\set path 'public, boundary_test'
SELECT boundary_test.scopes('finish', :other) AS finished, set_config('search_path', :'path', false) \gset
SELECT boundary_test.scopes('throw', :other) AS thrown, set_config('search_path', :'path', false) \gset
SET search_path = pg_catalog, pg_temp;
SELECT boundary_test.scopes('finish', :other) AS pinned \gset
SET search_path = :path;
SELECT is(:'finished'::text, 'entered, same', 'scopes that finish');
SELECT is(:'thrown'::text, 'entered, same', 'scopes left by a C++ exception after finish');
SELECT is(:'pinned'::text, 'entered, same', 'scopes where search_path is pinned already');

SELECT is(outcome(format('SELECT boundary_test.held_interrupts(%L)', kind)), '57014|canceling statement due to user request||',
          format('a held cancel waits over a swallowed failure and is then served, %s', kind))
FROM unnest(ARRAY['none', 'postgres', 'hc', 'unknown']) kind;
SELECT is(holds_after_error(), 0, 'an error that passes a hold ends it once');
SELECT is(live(), 0, 'every object destroyed by it');
SELECT is(interrupt_holds(), 0, 'interrupts are not held afterwards');

-- Statements.
SELECT is(outcome(format('SELECT boundary_test.statement(%L)', mode)), expected, format('statement, %s', mode)) FROM (VALUES
    ('syntax', '42601|syntax error at or near "SELEC"||'),
    ('missing', '42P01|relation "boundary_test.there_is_no_such_table" does not exist||'),
    ('columns', 'XX000|statement returned 2 columns where 1 were expected||'),
    ('null', 'XX000|unexpected null in a system row of hermes_cascade||'),
    ('zero', '22012|division by zero||'),
    ('unique', '23505|duplicate key value violates unique constraint "keys_only_once"|Key (key)=(1) already exists.|'),
    ('late', '22012|division by zero||'),
    ('zero', '22012|division by zero||'),
    ('good', 'ok')) AS m (mode, expected);
SELECT ok(planner_settings(), 'the settings for planning are put back after a failure and after success');
SELECT is(nested_statements(), '1:1 2:2 3:3 4:4 ', 'a statement within the rows of another');
SELECT is(live(), 0, 'nothing is left at the end');
SELECT finish();
