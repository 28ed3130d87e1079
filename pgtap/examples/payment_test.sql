-- How to test a workflow function that uses activities: without a worker, an answer an attempt, and hours that go by in
-- moments. Copy this; see approval_test.sql for how to run it.
SELECT plan(12);
SELECT lives_ok('SELECT hermes.test_mode(true)', 'the database is marked for tests');

-- ---- what is tested ----
CREATE SCHEMA app;
CREATE ROLE payment_test LOGIN IN ROLE hermes_app;
GRANT USAGE ON SCHEMA app TO payment_test;
CREATE TABLE app.refused (customer text NOT NULL, reason text NOT NULL);
GRANT INSERT ON app.refused TO payment_test;
CREATE FUNCTION app.payment(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN hermes.execute_activity('charge', input, '{"start_to_close": "1m", "retry": {"initial_interval": "1h", "max_attempts": 3}}');
EXCEPTION WHEN SQLSTATE 'K0001' OR SQLSTATE 'WF024' THEN
    PERFORM hermes.step('refuse', 'INSERT INTO app.refused VALUES ($1->>''customer'', $1->>''reason'')', input || jsonb_build_object('reason', SQLERRM));
    RETURN '"refused"';
END $$;
SELECT hermes.register_workflow('payment', 'app.payment(jsonb)', '{"run_as": "payment_test"}') AS version \gset

-- ---- it is paid ----
SELECT lives_ok($$ SELECT hermes.fake_activity('charge', '{"result": {"receipt": 7}}') $$, 'an activity is faked');
SELECT hermes.start_workflow('payment', '{"customer": "ann"}') AS ann \gset
SELECT ok(hermes.test_settle(), 'it was answered');
SELECT is(hermes.workflow_status(:'ann') -> 'result', '{"receipt": 7}', 'ann has paid');

-- ---- it fails twice ----
SELECT lives_ok($$ SELECT hermes.fake_activity('charge', '[{"failure": {"message": "busy"}}, {"failure": {"message": "busy"}}, {"result": {"receipt": 8}}]') $$,
                'an answer for each attempt');
SELECT hermes.start_workflow('payment', '{"customer": "bob"}') AS bob \gset
SELECT ok(hermes.test_settle(), 'the first attempt has failed');
SELECT is((SELECT array_agg(ROW(a.attempt, a.last_failure ->> 'message')::text) FROM hermes.activities a WHERE a.execution_id = :'bob'), ARRAY['(2,busy)'],
          'the second one waits for its time');
SELECT ok(hermes.test_advance('4 hours') > now(), 'hours go by');
SELECT is(hermes.workflow_status(:'bob') -> 'result', '{"receipt": 8}', 'bob has paid');

-- ---- it is refused, or answered too late ----
CREATE FUNCTION app.fake_charge(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no card of %', input ->> 'customer' USING ERRCODE = 'K0001';
END $$;
SELECT lives_ok($$ SELECT hermes.fake_activity('charge', '[{"failure": {"message": "busy"}}, {"failure": {"message": "busy"}}, {"function": "app.fake_charge(jsonb)"}]') $$,
                'a function answers');
SELECT hermes.start_workflow('payment', '{"customer": "cyd"}') AS cyd \gset
SELECT hermes.test_advance('4 hours') AS later \gset
SELECT hermes.fake_activity('charge', '{"result": null, "delay": "1h"}') AS faked \gset
SELECT hermes.start_workflow('payment', '{"customer": "dan"}') AS dan \gset
SELECT hermes.test_advance('4 hours') AS later \gset
SELECT results_eq('SELECT customer, reason FROM app.refused ORDER BY customer', $$ VALUES ('cyd', 'no card of cyd'), ('dan', 'activity timed out: StartToClose') $$,
                  'both were refused');
SELECT is(hermes.workflow_status(:'dan') -> 'result', '"refused"', 'and that is what dan is told');
SELECT * FROM finish();
