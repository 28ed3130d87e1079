-- pg::call: a PostgreSQL error becomes an exception, and PostgreSQL's own state is as before.
\ir include/setup.psql
SELECT plan(26);

SELECT is(call_result(), 17, 'a result passes');

SELECT ok(keeps_stacks(mode), format('the error stacks are as before: %s', mode))
FROM unnest(ARRAY['return', 'postgres', 'callback', 'throw', 'nested']) mode;

SELECT ok(empties_error_stack(mode), format('no error is left on the error stack: %s', mode))
FROM unnest(ARRAY['postgres', 'callback', 'nested']) mode;

SELECT ok(returns_home(), 'a caught error leaves the memory context of the boundary current');

SELECT is(seen_error(), 'HCT01|planned failure|Planned detail, 100%s.|Planned hint.|planned context' || E'\n' || 'of the test''s callback',
          'C++ sees SQLSTATE, message, DETAIL, HINT and CONTEXT');

SELECT is(outcome('SELECT boundary_test.fail_uncopyable()'), '53200|out of memory||',
          'an error that cannot be copied is reported as out of memory');
SELECT is(live(), 0, 'no object is left after it');
SELECT is(outcome('SELECT boundary_test.fail(''postgres'')'), 'HCT01|planned failure|Planned detail, 100%s.|Planned hint.',
          'the next error is copied again');

-- An error ends statements, never the session; five are the depth of PostgreSQL's error stack.
SELECT is(outcome(format('SELECT boundary_test.fail(%L)', 'second')), '22000|second failure||', format('a second error while one is handled, %s', i))
FROM generate_series(1, 10) i;
SELECT is(live(), 0, 'no object is left of ten nested errors');
SELECT ok(made() > 100, 'objects were made on the way');

SELECT finish();
