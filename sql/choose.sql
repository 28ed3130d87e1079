-- The key "choose" of a step: by price, and by what was delivered of late; what counts for a provider and what does not.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
\set ECHO none
-- Starts so many cascades; providers of their first attempts, with numbers.
CREATE FUNCTION test.chosen(rule text, n integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[] := ARRAY(SELECT hermes.start_cascades(rule, array_fill('{"to": "x"}'::jsonb, ARRAY[n])));
BEGIN
    RETURN (SELECT string_agg(provider || ' ' || times, ', ' ORDER BY provider) FROM (
        SELECT hermes.cascade_status(id) -> 'attempts' -> 0 ->> 'provider' AS provider, count(*) AS times
        FROM unnest(ids) AS id GROUP BY 1) found);
END
$$;
CREATE FUNCTION test.turns(rule jsonb) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT p.name FROM hermes.dry_run_rule(rule, '{"to": "x"}', '{"channels": {"sms": [{"answer": "next_provider"}]}}') e
        JOIN hermes.provider p ON p.id = (e.attributes ->> 'provider_id')::integer
    WHERE e.event_type = 'SendScheduled' ORDER BY e.event_id
$$;
-- The same, and each first attempt comes to this state.
CREATE PROCEDURE test.come_to(rule text, n integer, status text, more jsonb DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    SELECT array_agg(id) INTO ids FROM hermes.start_cascades(rule, array_fill('{"to": "x"}'::jsonb, ARRAY[n])) AS id;
    PERFORM test.dlr(id, status, 1, more) FROM unnest(ids) AS id;
END
$$;
CREATE VIEW test.shares AS SELECT provider, delivered_share FROM hermes.providers_status WHERE delivered_share IS NOT NULL ORDER BY provider;
\set ECHO all

-- ---- least_cost: the price of a message of one part; the list of a step says who, not in which order ----
SELECT hermes.create_provider('dear', '{"kind": "sandbox", "channel": "sms", "position": 1, "cost": {"per_message": 0.01, "per_part": 0.05}}');
SELECT hermes.create_provider('cheap', '{"kind": "sandbox", "channel": "sms", "position": 3, "cost": {"per_part": 0.04}}');
SELECT hermes.create_provider('middle', '{"kind": "sandbox", "channel": "sms", "position": 2, "cost": {"per_message": 0.05}}');
SELECT hermes.create_cascade_rule('by_position', '{"steps": [{"channel": "sms", "choose": "position"}]}');
SELECT hermes.create_cascade_rule('by_cost', '{"steps": [{"channel": "sms", "choose": "least_cost"}]}');
SELECT hermes.create_cascade_rule('of_two', '{"steps": [{"channel": "sms", "choose": "least_cost", "providers": ["dear", "middle"]}]}');
SELECT test.chosen('by_position', 20), test.chosen('by_cost', 20), test.chosen('of_two', 20);
-- each has a turn, in the order of the prices; what is paused comes last
SELECT string_agg(t, ', ') FROM test.turns('{"steps": [{"channel": "sms", "choose": "least_cost"}]}') AS t;
SELECT string_agg(t, ', ' ORDER BY t) FROM test.turns('{"steps": [{"channel": "sms", "choose": "best_delivery", "providers": ["middle", "cheap"]}]}') AS t;
SELECT hermes.pause_provider('cheap');
SELECT test.chosen('by_cost', 20);
SELECT hermes.resume_provider('cheap');
-- a new price holds at once; a provider without one costs nothing; equal prices share by weight
SELECT hermes.alter_provider('cheap', '{"kind": "sandbox", "channel": "sms", "position": 3, "cost": {"per_part": 0.07}}');
SELECT test.chosen('by_cost', 20), test.chosen('of_two', 20);
SELECT hermes.create_provider('free', '{"kind": "sandbox", "channel": "sms", "position": 4}') > 0 AS created;
SELECT test.chosen('by_cost', 20);
SELECT hermes.drop_provider('free');
SELECT hermes.alter_provider('cheap', '{"kind": "sandbox", "channel": "sms", "position": 3, "cost": {"per_part": 0.02, "per_message": 0.03}}');
SELECT test.chosen('by_cost', 200) ~ '^cheap \d+, middle \d+$' AS both;
SELECT hermes.drop_provider(p) FROM unnest(ARRAY['dear', 'cheap', 'middle']) AS p;

-- ---- best_delivery ----
SELECT hermes.create_provider(p, '{"kind": "sandbox", "channel": "sms"}') > 0 AS created FROM unnest(ARRAY['good', 'poor']) AS p;
SELECT hermes.create_cascade_rule('best', '{"steps": [{"channel": "sms", "choose": "best_delivery", "retry": {"maximum_attempts": 1}}]}');
SELECT hermes.create_cascade_rule(p, format('{"steps": [{"channel": "sms", "providers": [%s], "retry": {"maximum_attempts": 1}}]}', to_json(p))::jsonb) FROM unnest(ARRAY['good', 'poor']) AS p;
-- nothing is known: weight decides
SELECT test.chosen('best', 200) ~ '^good \d+, poor \d+$' AS both;
SELECT * FROM test.shares;
-- of fewer than 20 nothing follows
CALL test.come_to('poor', 19, 'failed');
SELECT * FROM test.shares;
SELECT test.chosen('best', 200) ~ '^good \d+, poor \d+$' AS both;
-- 4 of 24 were delivered; the other is not known, and so among the best
CALL test.come_to('poor', 1, 'expired');
CALL test.come_to('poor', 4, 'delivered');
SELECT * FROM test.shares;
SELECT test.chosen('best', 100);
-- the one that is worse is taken when the other is out
SELECT hermes.pause_provider('good');
SELECT test.chosen('best', 20);
SELECT hermes.resume_provider('good');
-- 20 of 30, which is still better
CALL test.come_to('good', 20, 'read');
CALL test.come_to('good', 10, 'failed', '{"failure_kind": "config"}');
SELECT * FROM test.shares;
SELECT test.chosen('best', 100);
-- what is the address's fault, or anybody's but the provider's, changes nothing
CALL test.come_to('good', 30, 'undeliverable');
CALL test.come_to('good', 30, 'rejected');
CALL test.come_to('good', 30, 'failed', '{"failure_kind": "hard"}');
CALL test.come_to('good', 30, 'sent');
SELECT hermes.cancel_cascade(id) FROM hermes.start_cascade('good', '{"to": "x"}') AS id;
SELECT * FROM test.shares;
-- nor does what is rolled back, with a savepoint or altogether
BEGIN;
CALL test.come_to('poor', 10, 'delivered');
SAVEPOINT a;
CALL test.come_to('good', 100, 'failed');
SAVEPOINT b;
CALL test.come_to('good', 100, 'failed');
RELEASE b;
ROLLBACK TO a;
SAVEPOINT c;
CALL test.come_to('poor', 6, 'delivered');
RELEASE c;
SELECT * FROM test.shares;
COMMIT;
SELECT * FROM test.shares;
BEGIN;
CALL test.come_to('good', 100, 'failed');
ROLLBACK;
SELECT * FROM test.shares;
-- 20 of 40 by now; what is known already is no end of its own, a correction counts
SELECT hermes.start_cascade('poor', '{"to": "x"}') AS id \gset
SELECT test.dlr(:'id', 'failed', 1), test.dlr(:'id', 'failed', 1);
SELECT * FROM test.shares WHERE provider = 'poor';
SELECT test.dlr(:'id', 'delivered', 1), test.dlr(:'id', 'read', 1);
SELECT * FROM test.shares WHERE provider = 'poor';
-- shares are compared in steps of 5 points: 63 and 67 % are one, 70 % is the next
CALL test.come_to('poor', 13, 'delivered');
SELECT * FROM test.shares;
SELECT test.chosen('best', 200) ~ '^good \d+, poor \d+$' AS both;
CALL test.come_to('poor', 12, 'delivered');
SELECT * FROM test.shares;
SELECT test.chosen('best', 100);
-- a provider of this name that is created anew starts afresh
SELECT hermes.drop_provider('good');
SELECT hermes.create_provider('good', '{"kind": "sandbox", "channel": "sms"}') > 0 AS created;
SELECT * FROM test.shares;
SELECT test.chosen('best', 100);
