-- Counters per tenant, channel and provider: what one costs, and a transaction that counts more than its notes hold at first.
\ir include/setup.psql
SELECT plan(8);

SELECT series_total() AS before \gset
-- a first round meets each series and takes the memory
SELECT series_cost(10000, 50) AS warm \gset
SELECT series_cost(1000000, 50) AS cost \gset
SELECT diag(format('%s ns an event', :cost));
SELECT cmp_ok(:cost::bigint, '<', 3000::bigint, 'an event is cheap'); -- 60 or so; sanitizers and a busy machine have their share
SELECT is(series_total() - :before, 1010000::bigint, 'and counted once');

-- 700 series by 115 counters: more than the notes of one transaction before equal ones are added up
SELECT series_total() AS before \gset
SELECT series_many(700, 3) AS noted \gset
SELECT is(series_total(), :before::bigint, 'nothing before the end');
SELECT series_publish();
SELECT is(series_total() - :before, :noted::bigint, 'everything at the end');
SELECT cmp_ok(:noted::bigint, '>', 3 * 65536::bigint, 'it was more than the notes hold');

-- the ends of subtransactions: one that is kept goes with its parent, one that is not is forgotten, added up or not
CREATE FUNCTION pg_temp.nested(keep boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    inner_noted bigint;
BEGIN
    PERFORM series_many(600, 1); -- level 1
    BEGIN -- level 2
        inner_noted := series_many(600, 2);
        PERFORM series_end_level(2, keep);
    EXCEPTION WHEN division_by_zero THEN -- makes the block a subtransaction
        NULL;
    END;
    RETURN inner_noted;
END $$;
SELECT series_total() AS before \gset
SELECT pg_temp.nested(false) AS noted \gset
SELECT series_publish();
SELECT is(series_total() - :before, :noted::bigint / 2, 'what a rolled back level counted is gone, and only that');
SELECT series_total() AS before \gset
SELECT pg_temp.nested(true) AS noted \gset
SELECT series_publish();
SELECT is(series_total() - :before, :noted::bigint / 2 * 3, 'what a kept level counted is there');
SELECT series_publish();
SELECT is(series_total() - :before, :noted::bigint / 2 * 3, 'once');
SELECT finish();
