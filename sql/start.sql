-- Starting one cascade: what it leaves, keys, tenants, bad input.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();

-- one start: a row, its send and nothing else; the id is a UUIDv7 of now
SELECT hermes.start_cascade('three', '{"to": "a@example.com"}') AS id \gset
SELECT test.rows();
SELECT test.state(:'id');
SELECT test.history(:'id');
SELECT substr(:'id', 15, 1) AS uuid_version, hermes.time_of_id(:'id') BETWEEN now() - interval '1 minute' AND clock_timestamp() AS of_now;
SELECT kind, attempt, provider, claimed, claims, tries, due <= clock_timestamp() AS due FROM hermes.tasks WHERE cascade_id = :'id';
SELECT message FROM hermes.workflow WHERE id = :'id';
-- two starts without key are two cascades
SELECT hermes.start_cascade('three', '{}') <> hermes.start_cascade('three', '{}');

-- ---- keys ----
SELECT hermes.start_cascade('three', '{"n": 1, "m": 2}', 'order-1') AS k1 \gset
SELECT count(*) FROM hermes.workflow;
-- the same key: the same id and nothing new; key order and white space of the message do not matter
SELECT hermes.start_cascade('three', '{"m": 2,   "n": 1}', 'order-1') = :'k1' AS same;
SELECT hermes.start_cascade('three', '{"m": 2, "n": 1}', 'order-1', NULL, '{"on_conflict": "return"}') = :'k1' AS same;
SELECT hermes.start_cascade('three', '{"m": 2, "n": 1}', 'order-1', NULL, '{"on_conflict": "error"}') = :'k1' AS same;
SELECT count(*) FROM hermes.workflow;
-- another message, another rule: the same id with a NOTICE, or an error
\set VERBOSITY terse
SELECT hermes.start_cascade('three', '{"n": 2}', 'order-1') = :'k1' AS same;
SELECT hermes.start_cascade('once', '{"n": 1, "m": 2}', 'order-1') = :'k1' AS same;
\set VERBOSITY default
SELECT test.try('SELECT hermes.start_cascade(''three'', ''{"n": 2}'', ''order-1'', NULL, ''{"on_conflict": "error"}'')');
SELECT test.try('SELECT hermes.start_cascade(''once'', ''{"n": 1, "m": 2}'', ''order-1'', options => ''{"on_conflict": "error"}'')');
SELECT count(*) FROM hermes.workflow;
-- the scope of a key is the tenant; NULL is equal to NULL
SELECT hermes.start_cascade('three', '{"n": 1, "m": 2}', 'order-1', 'acme') AS k2 \gset
SELECT :'k1' <> :'k2' AS another;
SELECT hermes.start_cascade('three', '{"n": 1, "m": 2}', 'order-1', 'acme') = :'k2' AS same;
SELECT hermes.start_cascade('three', '{"n": 1, "m": 2}', 'order-1', 'beta') NOT IN (:'k1', :'k2') AS another;
-- the bucket in the id comes from the key: a router can place it without a look-up
SELECT hermes.start_cascade('three', '{}', 'routed', 'acme') AS r \gset
SELECT (('x' || substr(:'r', 16, 3))::bit(12))::text = substr((('x' || encode(sha256(convert_to('acme' || E'\x1f' || 'routed', 'UTF8')), 'hex'))::bit(12))::text, 1, 12) AS bucket;
-- a key is held after the end of its cascade too
SELECT hermes.cancel_cascade(:'k2');
SELECT hermes.start_cascade('three', '{"n": 1, "m": 2}', 'order-1', 'acme') = :'k2' AS same;
SELECT test.state(:'k2');
-- keys are exact
SELECT count(DISTINCT hermes.start_cascade('three', '{}', key)) FROM (VALUES ('a'), ('A'), (' a'), ('a '), (U&'\00e4'), (U&'a\0308')) AS v (key);
SELECT count(*) FROM (SELECT hermes.start_cascade('three', '{}', 'in one statement') FROM generate_series(1, 10)) AS s (id);
SELECT count(*) FROM hermes.cascades WHERE key = 'in one statement';

-- ---- bad input: nothing changes ----
SELECT test.rows() AS before \gset
SELECT what, test.try(format('SELECT hermes.start_cascade(%L, %L, %L, %L, %L)', rule, message, key, tenant, options))
FROM (VALUES
    ('rule NULL', NULL, '{}', NULL, NULL, '{}'),
    ('rule unknown', 'nobody', '{}', NULL, NULL, '{}'),
    ('rule empty', '', '{}', NULL, NULL, '{}'),
    ('rule in upper case', 'THREE', '{}', NULL, NULL, '{}'),
    ('message NULL', 'three', NULL, NULL, NULL, '{}'),
    ('message an array', 'three', '[{}]', NULL, NULL, '{}'),
    ('message a string', 'three', '"x"', NULL, NULL, '{}'),
    ('message a number', 'three', '1', NULL, NULL, '{}'),
    ('message null', 'three', 'null', NULL, NULL, '{}'),
    ('message broken', 'three', '{"a": ', NULL, NULL, '{}'),
    ('NUL escape', 'three', '{"a": "\u0000"}', NULL, NULL, '{}'),
    ('half a surrogate pair', 'three', '{"a": "\ud800"}', NULL, NULL, '{}'),
    ('key empty', 'three', '{}', '', NULL, '{}'),
    ('key with a control character', 'three', '{}', E'a\x1fb', NULL, '{}'),
    ('key too long', 'three', '{}', repeat('k', 256), NULL, '{}'),
    ('tenant empty', 'three', '{}', NULL, '', '{}'),
    ('tenant with a control character', 'three', '{}', NULL, E'a\nb', '{}'),
    ('tenant too long', 'three', '{}', NULL, repeat('t', 256), '{}'),
    ('options NULL', 'three', '{}', NULL, NULL, NULL),
    ('options an array', 'three', '{}', NULL, NULL, '[]'),
    ('option unknown', 'three', '{}', NULL, NULL, '{"on_conflct": "error"}'),
    ('on_conflict unknown', 'three', '{}', NULL, NULL, '{"on_conflict": "replace"}'),
    ('on_conflict null', 'three', '{}', NULL, NULL, '{"on_conflict": null}')
) AS v (what, rule, message, key, tenant, options);
-- a message of 10 MB
SELECT test.try(format('SELECT hermes.start_cascade(''three'', %L)', jsonb_build_object('text', repeat('x', 10 * 1024 * 1024))));
-- nesting that PostgreSQL's own parser refuses; options nested deeply
SELECT left(test.try(format('SELECT hermes.start_cascade(''three'', %L)', '{"a":' || repeat('[', 1000000) || repeat(']', 1000000) || '}')), 11);
SELECT test.try(format('SELECT hermes.start_cascade(''three'', ''{}'', options => %L)', '{"on_conflict":' || repeat('[', 500) || repeat(']', 500) || '}'));
SELECT test.rows() = :'before' AS nothing_changed;
-- the cap is a setting; at the cap is allowed
SET hermes.max_message_size = '1kB';
SELECT test.try(format('SELECT hermes.start_cascade(''three'', %L) IS NOT NULL', jsonb_build_object('t', repeat('x', 1024))));
SELECT test.try(format('SELECT hermes.start_cascade(''three'', %L) IS NOT NULL', jsonb_build_object('t', repeat('x', 990))));
RESET hermes.max_message_size;
-- a message may be nested as deeply as PostgreSQL allows, and compressible
SELECT test.try(format('SELECT hermes.start_cascade(''three'', %L) IS NOT NULL', '{"a":' || repeat('[', 500) || repeat(']', 500) || '}'));
SELECT test.try(format('SELECT hermes.start_cascade(''three'', %L) IS NOT NULL', jsonb_build_object('t', repeat('x', 200 * 1024))));
SELECT test.try(format('SELECT hermes.start_cascade(''three'', ''{}'', %L, %L) IS NOT NULL', repeat('k', 255), repeat('t', 255)));

-- a rule whose providers have all been dropped ends at once, with one outcome and no task
SELECT hermes.drop_provider('sms_a');
SELECT hermes.start_cascade('once', '{}') AS dead \gset
SELECT test.state(:'dead');
SELECT test.history(:'dead');
SELECT count(*) FROM hermes.tasks WHERE cascade_id = :'dead';
-- a key that names a cascade already is under no limit
SELECT hermes.set_tenant_limits('limited', '{"rate": {"per_second": 0.001, "burst": 1}}');
SELECT hermes.start_cascade('three', '{"to": "x"}', 'limited-1', 'limited') AS id \gset
SELECT hermes.start_cascade('three', '{"to": "x"}', 'limited-1', 'limited') = :'id' AS same;
SELECT array_agg(i = :'id') AS same FROM hermes.start_cascades('three', ARRAY['{"to": "x"}'::jsonb, '{"to": "x"}'], ARRAY['limited-1', 'limited-1'], 'limited') AS i;
SELECT left(test.try('SELECT hermes.start_cascade(''three'', ''{"to": "x"}'', ''limited-2'', ''limited'')'), 60);
