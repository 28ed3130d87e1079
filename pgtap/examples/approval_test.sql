-- How to test a workflow function with pgTAP. Copy this.
-- A function, a wait of three days with its timeout, and signals, in a database that is marked for tests: days go by in
-- moments, and nothing sleeps. Workers see what is committed, so no transaction is put around the test; it gets a
-- database of its own instead:
--   createdb approval_test
--   psql -d approval_test -c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION hermes_cascade'
--   pg_prove -d approval_test approval_test.sql
SELECT plan(11);
SELECT lives_ok('SELECT hermes.test_mode(true)', 'the database is marked for tests');

-- ---- what is tested ----
CREATE SCHEMA app;
CREATE ROLE approval_test LOGIN IN ROLE hermes_app;
GRANT USAGE ON SCHEMA app TO approval_test;
CREATE TABLE app.mail (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL);
GRANT INSERT ON app.mail TO approval_test;
CREATE FUNCTION app.approval(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    PERFORM hermes.step('ask', 'INSERT INTO app.mail (text) VALUES (''please approve '' || ($1->>''what''))', input);
    answer := hermes.wait_signal('approved', '3 days');
    IF answer IS NULL THEN
        PERFORM hermes.step('remind', 'INSERT INTO app.mail (text) VALUES (''too late for '' || ($1->>''what''))', input);
        RETURN '{"approved": false}';
    END IF;
    RETURN jsonb_build_object('approved', true, 'by', answer->'by');
END $$;
SELECT hermes.register_workflow('approval', 'app.approval(jsonb)', '{"run_as": "approval_test"}') AS version \gset

-- ---- approved in time ----
SELECT hermes.start_workflow('approval', '{"what": "a bicycle"}', 'bicycle') AS bicycle \gset
SELECT ok(hermes.test_settle(), 'it was started, and waits');
SELECT results_eq('SELECT text FROM app.mail', ARRAY['please approve a bicycle'], 'somebody was asked');
SELECT ok(hermes.test_advance('2 days') > now(), 'two days go by');
SELECT is(hermes.workflow_status(:'bicycle') ->> 'status', 'Running', 'nothing has happened');
SELECT hermes.signal_workflow(:'bicycle', 'approved', '{"by": "ann"}') AS signaled \gset
SELECT ok(hermes.test_settle(), 'the signal was taken');
SELECT is(hermes.workflow_status(:'bicycle') -> 'result', '{"approved": true, "by": "ann"}', 'and approved the bicycle');

-- ---- nobody answers ----
SELECT hermes.start_workflow('approval', '{"what": "a yacht"}', 'yacht') AS yacht \gset
SELECT ok(hermes.test_advance('3 days') > now(), 'three days go by');
SELECT is(hermes.workflow_status(:'yacht') -> 'result', '{"approved": false}', 'the yacht is not approved');
SELECT results_eq('SELECT text FROM app.mail ORDER BY id DESC LIMIT 1', ARRAY['too late for a yacht'], 'and that was told');
SELECT results_eq($$ SELECT event_type FROM hermes.workflow_history((SELECT execution_id FROM hermes.workflows WHERE workflow_id = 'yacht')) $$,
                  ARRAY['WorkflowExecutionStarted', 'StepCompleted', 'SignalAwaited', 'TimerFired', 'StepCompleted', 'WorkflowExecutionCompleted'],
                  'each of it in its order');
SELECT * FROM finish();
