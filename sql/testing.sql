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
-- fakes of activities
SELECT hermes.test_mode(true);
CREATE FUNCTION test.doubled(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb((input ->> 'n')::int * 2) $$;
CREATE FUNCTION test.of_text(input text) RETURNS jsonb LANGUAGE sql AS $$ SELECT NULL::jsonb $$;
SELECT hermes.fake_activity('charge', '{"result": 123456789012345678901234567890.5}');
SELECT hermes.fake_activity('charge', '[{"failure": {"message": "busy"}}, {"function": "test.doubled(jsonb)", "delay": "1m"}]');
SELECT name, answers, delays, role = current_user AS mine FROM hermes.fake_activity;
SELECT n, test.try(format('SELECT hermes.fake_activity(%L, %L)', name, answers))
FROM (VALUES (1, NULL, '{"result": 1}'), (2, '', '{"result": 1}'), (3, repeat('x', 201), '{"result": 1}'), (4, 'x', NULL), (5, 'x', '{}'), (6, 'x', '[]'),
             (7, 'x', '{"result": 1, "failure": {"message": "x"}}'), (8, 'x', '[{"result": 1}, {"failure": {}}]'), (9, 'x', '{"function": "test.nobody(jsonb)"}'),
             (10, 'x', '{"function": "test.of_text(text)"}'), (11, 'x', '{"function": "1; drop"}'), (12, 'x', '{"result": 1, "delay": "-1s"}')) AS a (n, name, answers);
REVOKE EXECUTE ON FUNCTION test.doubled(jsonb) FROM PUBLIC;
CREATE ROLE regress_testing_admin IN ROLE hermes_admin;
GRANT USAGE ON SCHEMA test TO regress_testing_admin;
SET ROLE regress_testing_admin;
SELECT test.try($q$ SELECT hermes.fake_activity('charge', '{"function": "test.doubled(jsonb)"}') $q$);
SELECT hermes.fake_activity('other', '{"result": 1}');
SELECT hermes.drop_fake_activity('other');
RESET ROLE;
SELECT hermes.drop_fake_activity('charge');
SELECT test.try($q$ SELECT hermes.drop_fake_activity('charge') $q$);
SELECT hermes.test_mode(false);
SELECT test.try($q$ SELECT hermes.fake_activity('charge', '{"result": 1}') $q$);
SELECT test.try($q$ SELECT hermes.drop_fake_activity('charge') $q$);
DROP OWNED BY regress_testing_admin;
DROP ROLE regress_testing_admin;
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
SELECT test.try($q$ SELECT hermes.fake_activity('charge', '{"result": 1}') $q$);
RESET ROLE;
DROP OWNED BY regress_testing_runs;
DROP ROLE regress_testing, regress_testing_runs;
