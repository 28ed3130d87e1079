-- Containers over memory contexts, and that errors leave no memory behind.
\ir include/setup.psql
SELECT plan(52);

SELECT ok(alignment(n), format('blocks aligned to %s', n)) FROM unnest(ARRAY[1, 2, 4, 8, 16, 32, 64, 256, 4096]) n;
SELECT ok(wide_vector(), 'a vector of elements aligned to 64');
SELECT is(refused_sizes(), 'all refused', 'sizes beyond a context''s limit are bad_alloc');
SELECT ok(large_size(), 'sizes beyond 1 GB are not');
SELECT ok(starved_container(), 'a context without memory is bad_alloc');
SELECT ok(equality(), 'resources are equal over one context only');
SELECT ok(moves(), 'containers move between equal resources and copy between different ones');
SELECT is(live(), 0, 'every element destroyed');

-- Containers die before their contexts, on every way out.
SELECT ok(container('none'), 'containers in nested contexts');
SELECT is(outcome(format('SELECT boundary_test.container(%L)', kind)), expected, format('containers when a failure passes: %s', kind)) FROM kinds;
SELECT is(live(), 0, 'every element destroyed after failures');
SELECT is(contexts_named('hermes boundary container'), 0, 'every context gone after failures');

-- Volume: 1,000 and 10,000 failures swallowed in one transaction.
CREATE FUNCTION pg_temp.used(context text) RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(sum(used_bytes), 0)::bigint FROM pg_backend_memory_contexts WHERE name = context OR context = ''
$$;
SELECT is(catch_many(1000, kind), 1000, format('1,000 failures in one transaction, %s', kind))
FROM unnest(ARRAY['postgres', 'builtin', 'hc', 'unknown', 'huge', 'spi', 'second', 'in_destructor']) kind;
SELECT is(live(), 0, 'every object destroyed after thousands');

-- A plan of PL/pgSQL or a cache entry may still be made: what must not grow does so by megabytes when each failure leaves a bit.
SELECT pg_temp.used('TopMemoryContext') AS top, pg_temp.used('') AS everything, pg_temp.used('ErrorContext') AS errors \gset
SELECT is(catch_many(10000, kind), 10000, format('10,000 failures in one statement, %s', kind)) FROM unnest(ARRAY['postgres', 'hc']) kind;
SELECT cmp_ok(pg_temp.used('TopMemoryContext'), '<=', (:top + 16384)::bigint, 'TopMemoryContext has not grown');
SELECT cmp_ok(pg_temp.used('ErrorContext'), '<=', (:errors + 16384)::bigint, 'ErrorContext has not grown');
SELECT cmp_ok(pg_temp.used(''), '<=', (:everything + 1048576)::bigint, 'all contexts together have not grown');

CREATE FUNCTION pg_temp.catch_in_blocks(n int, kind text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    caught int := 0;
BEGIN
    FOR i IN 1 .. n LOOP
        BEGIN
            PERFORM boundary_test.fail(kind);
        EXCEPTION WHEN others THEN
            caught := caught + 1;
        END;
    END LOOP;
    RETURN caught;
END $$;
SELECT is(pg_temp.catch_in_blocks(100, 'postgres'), 100, '100 failures in exception blocks, to warm up');
SELECT pg_temp.used('TopMemoryContext') AS top \gset
SELECT is(pg_temp.catch_in_blocks(10000, kind), 10000, format('10,000 failures in exception blocks, %s', kind)) FROM unnest(ARRAY['postgres', 'hc']) kind;
SELECT cmp_ok(pg_temp.used('TopMemoryContext'), '<=', (:top + 16384)::bigint, 'TopMemoryContext has not grown by exception blocks');
SELECT is(live(), 0, 'nothing is left at the end');
SELECT finish();
