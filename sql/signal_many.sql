-- Set-based signals: input order, one cascade several times, one error undoes all.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
-- ids in reverse order of their starts; results come back in input order
SELECT array_agg(id ORDER BY n DESC) AS ids FROM hermes.start_cascades('three', ARRAY['{}', '{}', '{}', '{}', '{}']::jsonb[]) WITH ORDINALITY AS s (id, n) \gset
SELECT n, result FROM hermes.signal_cascades(:'ids', ARRAY['dlr', 'dlr', 'clicked', 'dlr', 'dlr'],
    ARRAY['{"status": "delivered", "attempt": 1}', '{"status": "sent", "attempt": 1}', '{}', '{"status": "lost"}', '{"status": "sent", "attempt": 9}']::jsonb[])
    WITH ORDINALITY AS s (result, n);
SELECT n, test.state(id) FROM unnest(:'ids'::uuid[]) WITH ORDINALITY AS u (id, n);
-- the same again: duplicates, but for signals without an id
SELECT n, result FROM hermes.signal_cascades(:'ids', ARRAY['dlr', 'dlr', 'clicked', 'dlr', 'dlr'],
    ARRAY['{"status": "delivered", "attempt": 1}', '{"status": "sent", "attempt": 1}', '{}', '{"status": "lost"}', '{"status": "sent", "attempt": 9}']::jsonb[],
    ARRAY[NULL, NULL, 'c', NULL, NULL]) WITH ORDINALITY AS s (result, n);
-- one cascade several times: one after the other, over its end
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT n, result FROM hermes.signal_cascades(array_fill(:'id'::uuid, ARRAY[8]), array_fill('dlr'::text, ARRAY[7]) || 'clicked'::text,
    ARRAY['{"status": "sent", "attempt": 1}', '{"status": "undeliverable", "attempt": 1}', '{"status": "sent", "attempt": 2}', '{"status": "accepted", "attempt": 2}',
          '{"status": "delivered", "attempt": 2}', '{"status": "delivered", "attempt": 2}', '{"status": "failed", "attempt": 2}', '{}']::jsonb[])
    WITH ORDINALITY AS s (result, n);
SELECT test.state(:'id');
SELECT test.history(:'id');
SELECT count(*) FROM hermes.tasks WHERE cascade_id = :'id';
-- attempts put and dropped within one call leave no task behind
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT n, result FROM hermes.signal_cascades(array_fill(:'id'::uuid, ARRAY[3]), array_fill('dlr'::text, ARRAY[3]),
    (SELECT array_agg(jsonb_build_object('status', 'undeliverable', 'attempt', n)) FROM generate_series(1, 3) n)) WITH ORDINALITY AS s (result, n);
SELECT test.state(:'id');
SELECT count(*) FROM hermes.tasks WHERE cascade_id = :'id';

-- one member that fails undoes all
SELECT array_agg(id) AS ids FROM hermes.start_cascades('three', ARRAY['{}', '{}']::jsonb[]) AS id \gset
SELECT what, test.try(format('SELECT hermes.signal_cascades(%s)', replace(arguments, 'IDS', quote_literal(:'ids'))))
FROM (VALUES
    ('unknown cascade', 'IDS::uuid[] || ''00000000-0000-0000-0000-000000000000''::uuid, array_fill(''dlr''::text, ARRAY[3]), array_fill(''{"status": "delivered"}''::jsonb, ARRAY[3])'),
    ('bad payload', 'IDS, ARRAY[''dlr'', ''dlr''], ARRAY[''{"status": "delivered"}'', ''{}'']::jsonb[]'),
    ('signals too few', 'IDS, ARRAY[''dlr''], ARRAY[''{"status": "sent"}'', ''{"status": "sent"}'']::jsonb[]'),
    ('payloads too many', 'IDS, ARRAY[''dlr'', ''dlr''], array_fill(''{"status": "sent"}''::jsonb, ARRAY[3])'),
    ('signal ids too few', 'IDS, ARRAY[''dlr'', ''dlr''], array_fill(''{"status": "sent"}''::jsonb, ARRAY[2]), ARRAY[''a'']'),
    ('signal ids empty', 'IDS, ARRAY[''dlr'', ''dlr''], array_fill(''{"status": "sent"}''::jsonb, ARRAY[2]), ''{}''::text[]'),
    ('ids NULL', 'NULL, ARRAY[''dlr''], ARRAY[''{}'']::jsonb[]'),
    ('a NULL id', 'ARRAY[NULL]::uuid[], ARRAY[''dlr''], ARRAY[''{"status": "sent"}'']::jsonb[]'),
    ('a NULL signal', 'IDS, ARRAY[''dlr'', NULL], array_fill(''{"status": "sent"}''::jsonb, ARRAY[2])'),
    ('a NULL payload', 'IDS, ARRAY[''dlr'', ''dlr''], ARRAY[''{"status": "sent"}'', NULL]::jsonb[]'),
    ('an empty signal id', 'IDS, ARRAY[''dlr'', ''dlr''], array_fill(''{"status": "sent"}''::jsonb, ARRAY[2]), ARRAY[''a'', '''']'),
    ('two dimensions', 'ARRAY[IDS::uuid[]], ARRAY[''dlr'', ''dlr''], array_fill(''{"status": "sent"}''::jsonb, ARRAY[2])'),
    ('too many', 'array_fill((IDS::uuid[])[1], ARRAY[100001]), array_fill(''x''::text, ARRAY[100001]), array_fill(''{}''::jsonb, ARRAY[100001])')
) AS v (what, arguments);
SELECT test.state(id) FROM unnest(:'ids'::uuid[]) AS id;
SELECT count(*) FROM hermes.signal_cascades('{}', '{}', '{}');
