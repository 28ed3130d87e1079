-- Databases for tests: their mark. How time goes by in one is tested end to end; here no workers run.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_testing IN ROLE hermes_app;
CREATE FUNCTION test.nothing(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
-- any other database is left alone
SELECT test.try($q$ SELECT hermes.test_advance('1 day') $q$);
SELECT test.try($q$ SELECT hermes.test_settle() $q$);
SELECT test.try($q$ SELECT hermes.test_mode(NULL) $q$);
SELECT hermes.test_mode(false);
-- the mark
SELECT hermes.test_mode(true);
SELECT hermes.test_mode(true);
SELECT single, ahead FROM hermes.test_clock;
SELECT test.try($q$ SELECT hermes.test_settle() $q$);
SELECT test.try($q$ SELECT hermes.test_advance('1 day') $q$);
SELECT n, test.try(replace('SELECT hermes.test_advance($1)', '$1', argument))
FROM (VALUES (1, 'NULL'), (2, '''-1 second'''), (3, '''200 years'''), (4, '''1 day'', ''-1 second'''), (5, '''1 day'', NULL')) AS a (n, argument);
SELECT ahead FROM hermes.test_clock;
SELECT hermes.test_mode(false);
SELECT count(*) FROM hermes.test_clock;
-- a clock that was moved is not taken back
SELECT hermes.test_mode(true);
UPDATE hermes.test_clock SET ahead = 1;
SELECT test.try($q$ SELECT hermes.test_mode(false) $q$);
DELETE FROM hermes.test_clock;
-- not where something runs, or has run
CREATE ROLE regress_testing_runs LOGIN IN ROLE hermes_app;
SELECT hermes.register_workflow('nothing', 'test.nothing(jsonb)', '{"run_as": "regress_testing_runs"}');
SELECT hermes.start_workflow('nothing') AS id \gset
SELECT test.try($q$ SELECT hermes.test_mode(true) $q$);
SELECT hermes.terminate_workflow(:'id');
SELECT test.try($q$ SELECT hermes.test_mode(true) $q$);
DELETE FROM hermes.execution_closed;
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.try($q$ SELECT hermes.test_mode(true) $q$);
-- who may
SET ROLE regress_testing;
SELECT test.try($q$ SELECT hermes.test_mode(true) $q$);
SELECT test.try($q$ SELECT hermes.test_settle() $q$);
SELECT test.try($q$ SELECT hermes.test_advance('1 day') $q$);
RESET ROLE;
DROP OWNED BY regress_testing_runs;
DROP ROLE regress_testing, regress_testing_runs;
