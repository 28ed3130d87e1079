-- Views: columns, and that every one answers, empty and with rows.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT c.relname, array_to_string(ARRAY(SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum), ', ') AS columns
FROM pg_class c WHERE c.relnamespace = 'hermes'::regnamespace AND c.relkind = 'v' ORDER BY c.relname;
SELECT cascade_id FROM hermes.cascades;
SELECT * FROM hermes.history;
SELECT * FROM hermes.tasks;
SELECT * FROM hermes.timers;
SELECT * FROM hermes.deliveries;
SELECT * FROM hermes.dead_letters;
SELECT * FROM hermes.workers; -- they are switched off here
SELECT name FROM hermes.stats ORDER BY name;

SELECT test.setup();
SELECT hermes.create_cascade_rule('timed', '{"steps": [{"channel": "email", "dispatch_timeout": "1h"}], "validity": "2h"}');
SELECT hermes.create_endpoint(NULL, 'https://hooks.example/');
SELECT hermes.start_cascade('timed', '{}', 'open') AS open \gset
SELECT hermes.start_cascade('three', '{}', 'ended') AS ended \gset
SELECT test.dlr(:'ended', 'delivered', 1);
SELECT rule, key, status, outcome, step, channel, attempts, started_at IS NOT NULL AS started, closed_at IS NOT NULL AS closed, next_timer > clock_timestamp() AS timer, reported_at FROM hermes.cascades ORDER BY key;
SELECT c.key, h.event_id, h.event_type FROM hermes.history h JOIN hermes.cascades c USING (cascade_id) ORDER BY c.key, h.event_id;
SELECT c.key, t.kind, t.claimed, t.incarnation, t.attempt, t.provider, t.endpoint_id, t.claims, t.tries, t.last_error FROM hermes.tasks t JOIN hermes.cascades c USING (cascade_id) ORDER BY c.key, t.kind;
SELECT cascade_id = :'open' AS of_open, due = (SELECT next_timer FROM hermes.cascades WHERE key = 'open') AS same FROM hermes.timers;
SELECT cascade_id = :'ended' AS of_ended, tenant, endpoint_id, url, event_type, failed_tries, in_flight, last_error FROM hermes.deliveries;
SELECT name, value FROM hermes.stats WHERE name IN ('cascades_started', 'cascades_delivered', 'signals') ORDER BY name;
-- filters by id do not read other cascades
CREATE FUNCTION test.plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    SET LOCAL enable_seqscan = off;
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || statement LOOP
        IF line ~ 'Seq Scan on (workflow|closed|task|timer)' THEN RETURN NEXT 'all rows: ' || trim(line); END IF;
    END LOOP;
END
$$;
SELECT test.plan('SELECT * FROM hermes.workflow') IS NOT NULL AS noticed;
SELECT test.plan(format('SELECT * FROM hermes.cascades WHERE cascade_id = %L', :'open'));
SELECT test.plan(format('SELECT * FROM hermes.history WHERE cascade_id = %L', :'open'));
SELECT test.plan(format('SELECT * FROM hermes.tasks WHERE cascade_id = %L', :'open'));
SELECT test.plan('SELECT * FROM hermes.timers ORDER BY due LIMIT 10');
SELECT test.plan('SELECT * FROM hermes.deliveries ORDER BY next_try LIMIT 10');
-- none of them can be written
SELECT relname, left(test.try(format('DELETE FROM hermes.%I', relname)), 11) FROM pg_class WHERE relnamespace = 'hermes'::regnamespace AND relkind = 'v' ORDER BY relname;
