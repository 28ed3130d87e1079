-- How to test what takes months: twelve renewals of a subscription in seconds. Copy this; see approval_test.sql for how to run it.
SELECT plan(7);
SELECT lives_ok('SELECT hermes.test_mode(true)', 'the database is marked for tests');

-- ---- what is tested ----
CREATE SCHEMA app;
CREATE ROLE subscription_test LOGIN IN ROLE hermes_app;
GRANT USAGE ON SCHEMA app TO subscription_test;
CREATE TABLE app.invoice (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, due timestamptz NOT NULL);
GRANT INSERT ON app.invoice TO subscription_test;
CREATE FUNCTION app.subscription(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        PERFORM hermes.step('invoice', 'INSERT INTO app.invoice (customer, due) VALUES ($1->>''customer'', ($1->>''due'')::timestamptz)',
                            input || jsonb_build_object('due', hermes.now()));
        EXIT WHEN hermes.wait_signal('cancel', '30 days') IS NOT NULL;
    END LOOP;
    RETURN '"canceled"';
END $$;
SELECT hermes.register_workflow('subscription', 'app.subscription(jsonb)', '{"run_as": "subscription_test"}') AS version \gset

-- ---- a year ----
SELECT hermes.start_workflow('subscription', '{"customer": "ann"}', 'ann') AS ann \gset
SELECT ok(hermes.test_advance('335 days') > now() + interval '334 days', 'eleven months go by');
SELECT is((SELECT count(*) FROM app.invoice), 12::bigint, 'there are twelve invoices');
SELECT is((SELECT count(*) FROM (SELECT due - lag(due) OVER (ORDER BY id) AS apart FROM app.invoice) i WHERE apart < '30 days' OR apart > '30 days 1 minute'), 0::bigint,
          'thirty days lie between any two');

-- ---- the end ----
SELECT hermes.signal_workflow(:'ann', 'cancel') AS signaled \gset
SELECT ok(hermes.test_settle(), 'the signal was taken');
SELECT is(hermes.workflow_status(:'ann') ->> 'result', 'canceled', 'it has ended');
SELECT ok(hermes.test_advance('1 year') IS NOT NULL AND (SELECT count(*) = 12 FROM app.invoice), 'and nobody gets an invoice any more');
SELECT * FROM finish();
