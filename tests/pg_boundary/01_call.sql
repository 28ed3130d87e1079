-- pg::call: a PostgreSQL error becomes an exception, and PostgreSQL's own state is as before.
\ir include/setup.psql
SELECT plan(27);

-- One statement each, before anything else: a broken one may end the session.
SELECT ok(keeps_stacks(0), 'the error stacks are as before: a call that returns');
SELECT ok(keeps_stacks(1), 'the error stacks are as before: a PostgreSQL error');
SELECT ok(keeps_stacks(2), 'the error stacks are as before: an error below an error context callback');
SELECT ok(keeps_stacks(3), 'the error stacks are as before: a C++ exception passes');
SELECT ok(keeps_stacks(4), 'the error stacks are as before: an error of a boundary inside the boundary');
SELECT ok(empties_error_stack(1), 'no error is left on the error stack: a PostgreSQL error');
SELECT ok(empties_error_stack(2), 'no error is left on the error stack: an error below an error context callback');
SELECT ok(empties_error_stack(4), 'no error is left on the error stack: an error of a boundary inside the boundary');
SELECT is(live(), 0, 'no object is left of caught errors');

SELECT is(call_result(), 17, 'a result passes');
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
