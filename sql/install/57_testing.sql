-- Databases for tests: a clock that can be put ahead.

CREATE TABLE hermes.test_clock (
    single    boolean PRIMARY KEY DEFAULT true CHECK (single),
    ahead     bigint NOT NULL DEFAULT 0,
    marked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE hermes.test_clock IS 'One row in a database that is marked for tests, none in any other. ahead: by how many microseconds the engine''s clock goes ahead of the server''s.';

CREATE FUNCTION hermes.test_mode(marked boolean) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_test_mode';
COMMENT ON FUNCTION hermes.test_mode(boolean) IS
'Marks this database for tests, or takes the mark back: only in a marked one can time be moved. For the owner of the extension. Refused in a database that has cascades or executions already, and taken back only while the clock has not been moved. The same again changes nothing. Errors: 55000. Example: SELECT hermes.test_mode(true);';

CREATE FUNCTION hermes.test_advance(by interval, timeout interval DEFAULT '60 seconds') RETURNS timestamptz
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_test_advance';
COMMENT ON FUNCTION hermes.test_advance(interval, interval) IS
'In a database for tests: lets time go by. The engine''s clock goes from one thing that is due to the next, timers, timeouts, retries and schedules alike, and waits each time until the workers have done it and all that follows; in the end it shows the time asked for, which is returned. The server''s own now() stays as it is. timeout: of real time; past it an error says what is not done. Not in a transaction that has written: workers see what is committed. Errors: 22023, 25001, 55000. Example: SELECT hermes.test_advance(''3 days'');';

CREATE FUNCTION hermes.test_settle(timeout interval DEFAULT '60 seconds') RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_test_settle';
COMMENT ON FUNCTION hermes.test_settle(interval) IS
'In a database for tests: waits until nothing is due and no worker is at work; false: it was not so within the timeout. Time is not moved. Not in a transaction that has written. Errors: 22023, 25001, 55000. Example: SELECT hermes.test_settle();';

CREATE TABLE hermes.fake_activity (
    name    text PRIMARY KEY,
    answers jsonb NOT NULL,
    delays  bigint[] NOT NULL,
    role    text NOT NULL
);
COMMENT ON TABLE hermes.fake_activity IS 'In a database for tests: types of activities that no worker and no provider gets, but are answered. answers: one an attempt; delays: microseconds, as many; role: that has made it, as which its functions are called.';

CREATE FUNCTION hermes.fake_activity(name text, answers jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_fake_activity';
COMMENT ON FUNCTION hermes.fake_activity(text, jsonb) IS
'In a database for tests: activities of a type that are scheduled from now on are answered without a worker or a provider; of one that is faked already the answers are replaced. answers: an object, or an array of up to 100 of them, one an attempt, the last one for all after it. An answer is one of {"result": <any JSON>}, {"failure": ..} as of hermes.fail_task, with what that means for a further attempt, and {"function": "app.fake_charge(jsonb)"}: the result that the function computes from the input; it is called read-only as the role that has made the fake, for at most 10 s, and what it raises is a failure. delay, beside it: how long the attempt takes, by the clock of the test; timeouts pass meanwhile. Histories name the worker "fake". Errors: 22023, 42501, 54000, 55000 in any other database. Example: SELECT hermes.fake_activity(''charge'', ''[{"failure": {"message": "busy"}}, {"result": {"receipt": 7}, "delay": "2s"}]'');';

CREATE FUNCTION hermes.drop_fake_activity(name text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_fake_activity';
COMMENT ON FUNCTION hermes.drop_fake_activity(text) IS
'In a database for tests: ends hermes.fake_activity. Activities that were pending go to their workers or provider when their next attempt is due. Errors: 42704, 55000.';
