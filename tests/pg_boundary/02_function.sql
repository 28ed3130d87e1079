-- The boundary of SQL-callable functions: each failure ends as an error with its fields, and every object is destroyed.
\ir include/setup.psql
SELECT plan(89);

SELECT is(outcome('SELECT boundary_test.fail(''none'')'), 'ok', 'a function that does not fail');

SELECT is(outcome(format('SELECT boundary_test.fail(%L)', kind)), expected, format('function, %s: the error', kind)) FROM kinds;
SELECT is(live(), 0, 'function: every object destroyed');

CREATE FUNCTION pg_temp.left_by(kind text, form text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    before int := live();
BEGIN
    PERFORM outcome(format(form, kind));
    RETURN live() - before;
END $$;
SELECT is(pg_temp.left_by(kind, 'SELECT boundary_test.fail(%L)'), 0, format('function, %s: objects left', kind)) FROM kinds;
SELECT is(outcome(format('SELECT * FROM boundary_test.fail_set(%L)', kind)), expected, format('set, %s: the error', kind)) FROM kinds;
SELECT is(pg_temp.left_by(kind, 'SELECT * FROM boundary_test.fail_set(%L)'), 0, format('set, %s: objects left', kind)) FROM kinds;
SELECT results_eq('SELECT * FROM boundary_test.fail_set(''none'')', ARRAY[1, 2, 3], 'a set that does not fail');

-- CONTEXT and the fields of constraint errors pass unchanged through C++ and back.
CREATE FUNCTION pg_temp.diagnostics(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    context text; schema_name text; table_name text; column_name text; constraint_name text;
BEGIN
    EXECUTE statement;
    RETURN 'ok';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT, schema_name = SCHEMA_NAME, table_name = TABLE_NAME,
        column_name = COLUMN_NAME, constraint_name = CONSTRAINT_NAME;
    RETURN concat_ws('|', schema_name, table_name, column_name, constraint_name, context);
END $$;
SELECT matches(pg_temp.diagnostics('SELECT boundary_test.fail(''postgres'')'), '\|planned context\nSQL statement "SELECT boundary_test\.fail[^\n]*\nPL/pgSQL function [^\n]*$',
               'CONTEXT of a PostgreSQL error: its own line, then each caller once');
SELECT matches(pg_temp.diagnostics('SELECT boundary_test.fail(''spi'')'),
               '\|planned context\nSQL statement "SELECT boundary_test\.fail\(\$1\)"\nSQL statement [^\n]*\nPL/pgSQL function [^\n]*$',
               'CONTEXT through two boundaries: each caller once');
SELECT matches(pg_temp.diagnostics('SELECT boundary_test.fail(''hc'')'), '^\|\|\|\|SQL statement "SELECT boundary_test\.fail[^\n]*\nPL/pgSQL function [^\n]*$',
               'CONTEXT of an error of our own: its callers');
SELECT matches(pg_temp.diagnostics('SELECT boundary_test.statement(''unique'')'), '^boundary_test\|keys\|\|keys_only_once\|',
               'schema, table and constraint of a constraint error');
SELECT matches(pg_temp.diagnostics('SELECT boundary_test.statement(''null_key'')'), '^boundary_test\|keys\|key\|\|',
               'the column of a constraint error');

-- Texts longer than the fixed buffers end between two characters. 1023 bytes fit for message and detail, 511 for a hint.
CREATE FUNCTION pg_temp.reported(place text, content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text; result text;
BEGIN
    PERFORM boundary_test.fail_text(place, content);
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    result := CASE place WHEN 'detail' THEN detail WHEN 'hint' THEN hint ELSE message END;
    BEGIN
        RETURN convert_from(convert_to(result, 'UTF8'), 'UTF8');
    EXCEPTION WHEN others THEN
        RETURN 'a text of ' || octet_length(result) || ' bytes that is not UTF-8';
    END;
END $$;
SELECT is(pg_temp.reported(place, content), fitting(content, CASE place WHEN 'hint' THEN 511 ELSE 1023 END),
          format('a long %s of %s-byte characters, shifted by %s', place, octet_length(unit), shift))
FROM unnest(ARRAY['message', 'detail', 'hint', 'std']) place, unnest(ARRAY['é', '😀']) unit, generate_series(0, 1) shift,
     LATERAL (SELECT repeat('x', shift) || repeat(unit, 1200) AS content) c;
SELECT is(pg_temp.reported(place, repeat('€', 600)), fitting(repeat('€', 600), CASE place WHEN 'hint' THEN 511 ELSE 1023 END),
          format('a long %s of 3-byte characters', place)) FROM unnest(ARRAY['message', 'detail', 'hint', 'std']) place;
SELECT is(pg_temp.reported('message', left(repeat('x ', 600), n)), left(repeat('x ', 600), least(n, 1023)), format('a message of %s bytes', n))
FROM unnest(ARRAY[1, 1022, 1023, 1024]) n;
SELECT is(live(), 0, 'nothing is left at the end');
SELECT finish();
