-- An assignment of PL/pgSQL that an error left is evaluated again in its transaction: by a statement of its own, unless it
-- was told that its evaluation has ended.
\ir include/setup.psql
SELECT plan(19);

-- How deep each evaluation of one assignment was, of which all but the last fail.
CREATE FUNCTION pg_temp.depths(tells boolean, kind text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
    items  text[] := ARRAY['a', 'b'];
    depths int[];
BEGIN
    FOR i IN 1..4 LOOP
        BEGIN
            CASE kind
                WHEN 'assignment' THEN answer := boundary_test.leave('v' || i, i < 4, tells);
                WHEN 'expression' THEN answer := upper(items[1]) || boundary_test.leave('v' || i, i < 4, tells) || array_length(items || i::text, 1);
                WHEN 'element' THEN items[2] := boundary_test.leave('v' || i, i < 4, tells);
                WHEN 'perform' THEN PERFORM boundary_test.leave('v' || i, i < 4, tells);
                WHEN 'condition' THEN IF boundary_test.leave('v' || i, i < 4, tells) = 'v4' THEN answer := 'v4'; END IF;
                WHEN 'query' THEN SELECT boundary_test.leave('v' || i, i < 4, tells) INTO answer;
            END CASE;
        EXCEPTION WHEN SQLSTATE 'WF001' THEN
            NULL;
        END;
        depths := depths || boundary_test.left_depth();
    END LOOP;
    RETURN concat_ws(' ', coalesce(nullif(items[2], 'b'), answer), CASE WHEN depths[2] = depths[1] THEN 'same' ELSE depths[2] - depths[1] || ' deeper' END,
                     depths[2] = depths[3] AND depths[3] = depths[4]);
END $$;
SELECT is(pg_temp.depths(true, 'assignment'), 'v4 same t', 'told: no statement, the right value');
SELECT is(pg_temp.depths(false, 'assignment'), 'v4 1 deeper t', 'not told: a statement');
SELECT is(pg_temp.depths(true, 'expression'), 'Av43 same t', 'in the middle of an expression');
SELECT is(pg_temp.depths(false, 'expression'), 'Av43 1 deeper t', 'likewise, not told');
SELECT is(pg_temp.depths(true, 'element'), 'v4 same t', 'an element of an array');
SELECT is(pg_temp.depths(true, 'perform'), 'same t', 'PERFORM is a statement each time');
SELECT is(pg_temp.depths(true, 'query'), 'v4 same t', 'and so is a query');
SELECT is(pg_temp.depths(true, 'condition'), 'v4 1 deeper t', 'a condition is left as it was');
-- The next transaction begins anew, and so does one in which the function ran to its end before.
SELECT is(pg_temp.depths(false, 'assignment'), 'v4 1 deeper t', 'again, not told');
SELECT is(pg_temp.depths(true, 'assignment'), 'v4 same t', 'again, told');

-- Not in PL/pgSQL, or not directly.
CREATE FUNCTION pg_temp.by_sql(fails boolean) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT boundary_test.leave('s', fails, true) LIMIT 1 $$;
CREATE FUNCTION pg_temp.through_sql() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    FOR i IN 1..3 LOOP
        BEGIN
            answer := pg_temp.by_sql(i < 3);
        EXCEPTION WHEN SQLSTATE 'WF001' THEN NULL;
        END;
    END LOOP;
    RETURN answer;
END $$;
SELECT throws_ok($$SELECT boundary_test.leave('x', true, true)$$, 'WF001', 'left', 'in no function at all');
SELECT throws_ok($$SELECT pg_temp.by_sql(true)$$, 'WF001', 'left', 'in a function in SQL');
SELECT is(pg_temp.through_sql(), 's', 'in a function in SQL that an assignment calls');
CREATE FUNCTION pg_temp.initial(fails boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text := boundary_test.leave('i', fails, true);
BEGIN
    RETURN answer;
END $$;
SELECT throws_ok($$SELECT pg_temp.initial(true)$$, 'WF001', 'left', 'in an initial value');
SELECT is(pg_temp.initial(false), 'i', 'which is evaluated again');

-- Functions that call each other and themselves, each left in the middle.
CREATE FUNCTION pg_temp.inner_one(n int, fails boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    IF n > 0 THEN
        answer := n || pg_temp.inner_one(n - 1, fails);
    ELSE
        answer := boundary_test.leave('end', fails, true);
    END IF;
    RETURN answer;
END $$;
CREATE FUNCTION pg_temp.outer_one(rounds int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    FOR i IN 1..rounds LOOP
        BEGIN
            answer := 'o' || pg_temp.inner_one(4, i < rounds);
        EXCEPTION WHEN SQLSTATE 'WF001' THEN NULL;
        END;
    END LOOP;
    RETURN answer;
END $$;
SELECT is(pg_temp.outer_one(1), 'o4321end', 'recursion');
SELECT is(pg_temp.outer_one(50), 'o4321end', 'recursion left again and again');
SELECT is((SELECT string_agg(pg_temp.outer_one(n), ' ' ORDER BY n) FROM generate_series(2, 4) n), 'o4321end o4321end o4321end', 'and in one statement');
DO $$
DECLARE
    answer text;
BEGIN
    FOR i IN 1..3 LOOP
        BEGIN
            answer := boundary_test.leave('d' || i, i < 3, true);
        EXCEPTION WHEN SQLSTATE 'WF001' THEN NULL;
        END;
    END LOOP;
    INSERT INTO boundary_test.notes VALUES (answer);
END $$;
SELECT is((SELECT note FROM boundary_test.notes), 'd3', 'a DO block');
SELECT * FROM finish();
