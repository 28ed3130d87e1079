-- Every hermes.* setting is in docs/reference.md with its default and its context, and the manual names no other.
-- Needs: run from the root of the tree; skips when there is no manual. Changes nothing.
BEGIN;
SET LOCAL search_path = public, pg_catalog;
SELECT no_plan();
\set manual `cat docs/reference.md 2>/dev/null`

CREATE TEMP TABLE documented AS
SELECT m[1] AS name, trim(m[2]) AS value, trim(m[3]) AS context, trim(m[4]) AS meaning
FROM regexp_matches(:'manual', '^\| `(hermes\.[a-z_]+)` \|([^|\n]*)\|([^|\n]*)\|([^|\n]*)\|', 'gn') AS m;

SELECT CASE WHEN :'manual' = '' THEN skip('docs/reference.md is not there')
            ELSE cmp_ok((SELECT count(*) FROM documented), '>', 10::bigint, 'the manual has a table of settings') END;
SELECT CASE WHEN :'manual' = '' THEN skip('docs/reference.md is not there')
            ELSE bag_eq($$ SELECT name FROM documented $$, $$ SELECT name FROM pg_settings WHERE name LIKE 'hermes.%' $$, 'the manual lists every setting once, and no other') END;
-- 10d, 5s, 256kB and the like in the unit of the setting
CREATE FUNCTION pg_temp.same(documented text, boot text, unit text) RETURNS boolean LANGUAGE sql AS $$
    SELECT CASE WHEN unit IN ('ms', 's', 'min') THEN replace(documented, 'd', ' days')::interval = (boot || unit)::interval
                WHEN unit = 'kB' THEN pg_size_bytes(documented) = pg_size_bytes(boot || unit)
                ELSE coalesce(documented, '') = coalesce(boot, '') END
$$;
SELECT ok(pg_temp.same(d.value, s.boot_val, s.unit), format('%s: the default in the manual (%s) is the real one (%s%s)', s.name, d.value, s.boot_val, s.unit))
FROM documented d JOIN pg_settings s USING (name) ORDER BY name;
SELECT is(d.context, CASE s.context WHEN 'sighup' THEN 'reload' WHEN 'superuser' THEN 'superuser' WHEN 'user' THEN 'session' WHEN 'postmaster' THEN 'restart' ELSE s.context END,
          format('%s: when it can be changed', name))
FROM documented d JOIN pg_settings s USING (name) ORDER BY name;
SELECT ok(length(d.meaning) > 10, format('%s: the manual says what it does', name)) FROM documented d ORDER BY name;
SELECT ok(s.short_desc <> '', format('%s: has a description', name)) FROM pg_settings s WHERE name LIKE 'hermes.%' ORDER BY name;
-- the prefix is reserved: a misspelt setting is an error, not a silent nothing
SELECT throws_ok('SET hermes.worker = off', '42602', NULL, 'an unknown hermes.* setting is refused');
SELECT throws_ok('SET hermes.outbound = off', '55P02', NULL, 'the kill switch is not a session''s');

SELECT * FROM finish();
ROLLBACK;
