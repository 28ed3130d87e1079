-- Set-based starts: order, keys, duplicates inside one array, limits.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();

-- ids in input order
SELECT count(*), count(DISTINCT id) FROM hermes.start_cascades('three', (SELECT array_agg(jsonb_build_object('n', n)) FROM generate_series(1, 1000) n)) AS id;
CREATE TEMP TABLE started AS
SELECT n, id FROM hermes.start_cascades('three', (SELECT array_agg(jsonb_build_object('n', n) ORDER BY n) FROM generate_series(1, 200) n))
    WITH ORDINALITY AS s (id, n);
SELECT count(*) FROM started JOIN hermes.workflow w USING (id) WHERE (w.message ->> 'n')::integer = n;
SELECT test.rows();

-- keys: some, none, known ones, duplicates inside one array get one id
SELECT array_agg(id ORDER BY n) AS ids FROM hermes.start_cascades('three',
    ARRAY['{"n": 1}', '{"n": 2}', '{"n": 3}', '{"n": 1}']::jsonb[], ARRAY['a', NULL, 'b', 'a'], 'acme') WITH ORDINALITY AS s (id, n) \gset
SELECT (:'ids'::uuid[])[1] = (:'ids'::uuid[])[4] AS one_id, cardinality(ARRAY(SELECT DISTINCT unnest(:'ids'::uuid[]))) AS different;
SELECT id = (:'ids'::uuid[])[n] AS same FROM hermes.start_cascades('three',
    ARRAY['{"n": 1}', '{"n": 2}', '{"n": 3}']::jsonb[], ARRAY['a', NULL, 'b'], 'acme') WITH ORDINALITY AS s (id, n);
SELECT tenant, key, rule FROM hermes.cascades WHERE key IS NOT NULL ORDER BY key;
-- a duplicate with another message: NOTICE, and the first one counts; or an error, and nothing starts
\set VERBOSITY terse
SELECT count(DISTINCT id) FROM hermes.start_cascades('three', ARRAY['{"n": 1}', '{"n": 2}']::jsonb[], ARRAY['c', 'c']) AS id;
SELECT id = (:'ids'::uuid[])[1] AS same FROM hermes.start_cascades('three', ARRAY['{"n": 9}']::jsonb[], ARRAY['a'], 'acme') AS id;
\set VERBOSITY default
SELECT message FROM hermes.workflow WHERE key = 'c';
SELECT test.rows() AS before \gset
SELECT test.try('SELECT hermes.start_cascades(''three'', ARRAY[''{"n": 1}'', ''{"n": 2}'']::jsonb[], ARRAY[''d'', ''d''], options => ''{"on_conflict": "error"}'')');
SELECT test.try('SELECT hermes.start_cascades(''three'', ARRAY[''{"n": 0}'', ''{"n": 2}'']::jsonb[], ARRAY[''new'', ''a''], ''acme'', ''{"on_conflict": "error"}'')');

-- bad arrays: nothing starts, not even the good members
SELECT what, test.try('SELECT count(*) FROM hermes.start_cascades(''three'', ' || arguments || ')')
FROM (VALUES
    ('messages NULL', 'NULL'),
    ('a NULL message', 'ARRAY[''{}'', NULL]::jsonb[]'),
    ('an array among messages', 'ARRAY[''{}'', ''[]'']::jsonb[]'),
    ('two dimensions', 'ARRAY[[''{}''], [''{}'']]::jsonb[]'),
    ('keys too short', 'ARRAY[''{}'', ''{}'']::jsonb[], ARRAY[''x'']'),
    ('keys too long', 'ARRAY[''{}'']::jsonb[], ARRAY[''x'', ''y'']'),
    ('keys empty', 'ARRAY[''{}'', ''{}'']::jsonb[], ''{}''::text[]'),
    ('an empty key', 'ARRAY[''{}'', ''{}'']::jsonb[], ARRAY[''x'', '''']'),
    ('empty tenant', 'ARRAY[''{}'']::jsonb[], NULL, '''''),
    ('options NULL', 'ARRAY[''{}'']::jsonb[], NULL, NULL, NULL'),
    ('option unknown', 'ARRAY[''{}'']::jsonb[], NULL, NULL, ''{"x": 1}''')
) AS v (what, arguments);
SELECT test.try('SELECT hermes.start_cascades(NULL, ARRAY[''{}'']::jsonb[])');
SELECT test.try('SELECT hermes.start_cascades(''nobody'', ARRAY[''{}'']::jsonb[])');
SELECT test.try(format('SELECT hermes.start_cascades(''three'', ARRAY[''{}'', %L]::jsonb[])', jsonb_build_object('text', repeat('x', 10 * 1024 * 1024))));
SELECT test.try('SELECT hermes.start_cascades(''three'', array_fill(''{}''::jsonb, ARRAY[100001]))');
SELECT test.rows() = :'before' AS nothing_changed;
-- nothing to start is no error; arrays need not begin at 1
SELECT count(*) FROM hermes.start_cascades('three', '{}');
SELECT count(*) FROM hermes.start_cascades('three', '{}', '{}');
SELECT count(*) FROM hermes.start_cascades('three', '[5:6]={"{}","{}"}'::jsonb[], '[0:1]={x,y}'::text[]);
SELECT count(*) FROM hermes.start_cascades('three', ARRAY['{}', '{}']::jsonb[], NULL, 'acme', '{}');
