-- Partitions: created ahead and dropped by the supervisor. Functions of this file run as the extension owner.

CREATE FUNCTION hermes.first_id_at(at timestamptz) RETURNS uuid
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hc_first_id_at';
COMMENT ON FUNCTION hermes.first_id_at(timestamptz) IS
'Smallest cascade id of a start time: lower bound of id ranges. Example: SELECT count(*) FROM hermes.cascades WHERE cascade_id >= hermes.first_id_at(now() - interval ''1 hour'');';

CREATE FUNCTION hermes.time_of_id(id uuid) RETURNS timestamptz
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hc_time_of_id';
COMMENT ON FUNCTION hermes.time_of_id(uuid) IS 'Start time (millisecond precision) held in a cascade id.';

CREATE FUNCTION hermes.create_day_partition(parent regclass, day timestamptz) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
    SET lock_timeout = '200ms' AS $$
DECLARE
    parent_name text := (SELECT c.relname FROM pg_catalog.pg_class c WHERE c.oid = parent);
    partition   text := pg_catalog.format('%s_p%s', parent_name, pg_catalog.to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD'));
    by_id       boolean := parent IN ('hermes.closed'::pg_catalog.regclass, 'hermes.execution_closed'::pg_catalog.regclass);
    time_column text := CASE parent_name WHEN 'delivery' THEN 'at' WHEN 'receipt' THEN 'received_at' ELSE 'created_at' END;
    index       text;
    low         text;
    high        text;
    predicate   text;
BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('hermes.%I', partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF by_id THEN
        low := hermes.first_id_at(day)::text;
        high := hermes.first_id_at(day + interval '1 day')::text;
        predicate := pg_catalog.format('id >= %L AND id < %L', low, high);
    ELSE
        low := day::text;
        high := (day + interval '1 day')::text;
        predicate := pg_catalog.format('%1$I >= %2$L AND %1$I < %3$L', time_column, low, high);
    END IF;
    -- standalone with CHECK, then ATTACH: no scan of the new table, and a short lock on the parent
    -- closed rows get late receipts and the time of their report; the others are never updated
    EXECUTE pg_catalog.format('CREATE TABLE hermes.%I (LIKE %s INCLUDING STORAGE, CONSTRAINT range CHECK (%s)) '
                              'WITH (fillfactor = %s)', partition, parent, predicate, CASE WHEN by_id THEN 90 ELSE 100 END);
    -- rows stand in the order of closed_at and received_at: their block ranges cost next to nothing
    FOREACH index IN ARRAY CASE replace(parent_name, 'execution_', '')
        WHEN 'closed' THEN ARRAY['ALTER TABLE hermes.%I ADD PRIMARY KEY (id)',
                                 'CREATE INDEX ON hermes.%I USING brin (closed_at) WITH (pages_per_range = 32)']
        WHEN 'delivery' THEN ARRAY['CREATE INDEX ON hermes.%I (cascade_id)', 'CREATE INDEX ON hermes.%I (endpoint_id, at)']
        WHEN 'receipt' THEN ARRAY['CREATE INDEX ON hermes.%I USING brin (received_at) WITH (pages_per_range = 32)']
        ELSE ARRAY['CREATE INDEX ON hermes.%I (hash)'] END
    LOOP
        EXECUTE pg_catalog.format(index, partition);
    END LOOP;
    EXECUTE pg_catalog.format('LOCK TABLE hermes.%I IN ACCESS EXCLUSIVE MODE', parent_name || '_default');
    EXECUTE pg_catalog.format('WITH moved AS (DELETE FROM hermes.%I WHERE %s RETURNING *) INSERT INTO hermes.%I '
                              'SELECT * FROM moved', parent_name || '_default', predicate, partition);
    EXECUTE pg_catalog.format('ALTER TABLE %s ATTACH PARTITION hermes.%I FOR VALUES FROM (%L) TO (%L)',
                              parent, partition, low, high);
    -- the bounds say the same, and a row that is put where they are need not be checked for it again
    EXECUTE pg_catalog.format('ALTER TABLE hermes.%I DROP CONSTRAINT range', partition);
    RETURN true;
END
$$;
COMMENT ON FUNCTION hermes.create_day_partition(regclass, timestamptz) IS
'Creates the partition of hermes.closed, hermes.execution_closed, hermes.attempt, hermes.delivery or hermes.receipt for the UTC day that starts at the given time, moving rows out of the default partition. Returns false when it exists. Called by the supervisor.';

CREATE FUNCTION hermes.missing_partitions() RETURNS TABLE (parent regclass, day timestamptz)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT w.parent, w.day
    FROM (SELECT p.parent, date_trunc('day', clock_timestamp(), 'UTC') + ahead * interval '1 day' AS day
          FROM (VALUES ('hermes.closed'::regclass), ('hermes.execution_closed'::regclass), ('hermes.attempt'::regclass), ('hermes.delivery'::regclass), ('hermes.receipt'::regclass)) p (parent),
               generate_series(0, 2) ahead
          -- the log of receipts is off as a rule
          WHERE p.parent <> 'hermes.receipt'::regclass OR coalesce(current_setting('hermes.receipt_log_retention', true), '0') <> '0'
          UNION
          -- rows of a day that had no partition, or has none any more
          SELECT 'hermes.closed'::regclass, d.day
          FROM (SELECT DISTINCT date_trunc('day', hermes.time_of_id(c.id), 'UTC') AS day FROM hermes.closed_default c LIMIT 100) d
          UNION
          SELECT 'hermes.execution_closed'::regclass, d.day
          FROM (SELECT DISTINCT date_trunc('day', hermes.time_of_id(c.id), 'UTC') AS day FROM hermes.execution_closed_default c LIMIT 100) d
          UNION
          SELECT 'hermes.attempt'::regclass, d.day
          FROM (SELECT DISTINCT date_trunc('day', a.created_at, 'UTC') AS day FROM hermes.attempt_default a LIMIT 100) d
          UNION
          SELECT 'hermes.delivery'::regclass, d.day
          FROM (SELECT DISTINCT date_trunc('day', l.at, 'UTC') AS day FROM hermes.delivery_default l LIMIT 100) d
          UNION
          SELECT 'hermes.receipt'::regclass, d.day
          FROM (SELECT DISTINCT date_trunc('day', r.received_at, 'UTC') AS day FROM hermes.receipt_default r LIMIT 100) d) w
         JOIN pg_class c ON c.oid = w.parent
    WHERE to_regclass(format('hermes.%I', c.relname || '_p' || to_char(w.day, 'YYYYMMDD'))) IS NULL
    ORDER BY w.day, w.parent::text
$$;
COMMENT ON FUNCTION hermes.missing_partitions() IS
'Day partitions to be created: today (UTC), the next two days, and days whose rows wait in a default partition. The supervisor creates each in a transaction of its own.';

CREATE FUNCTION hermes.create_partitions() RETURNS integer
    LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(hermes.create_day_partition(m.parent, m.day)::integer), 0)::integer FROM hermes.missing_partitions() m
$$;
COMMENT ON FUNCTION hermes.create_partitions() IS 'Creates all missing day partitions at once (the supervisor does it one by one). Returns how many were created.';

CREATE FUNCTION hermes.drop_old_partitions(history_age interval, attempt_age interval, key_age interval,
                                           delivery_age interval DEFAULT '7 days', receipt_age interval DEFAULT '0') RETURNS SETOF text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
    SET lock_timeout = '200ms' AS $$
DECLARE
    part  record;
    newest timestamptz;
BEGIN
    FOR part IN
        SELECT i.inhparent::pg_catalog.regclass AS parent, pg_catalog.format('hermes.%I', c.relname) AS name,
               pg_catalog.to_timestamp(pg_catalog.right(c.relname, 8) || '+00', 'YYYYMMDDTZH') AS day
        FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('hermes.closed'::pg_catalog.regclass, 'hermes.execution_closed'::pg_catalog.regclass, 'hermes.attempt'::pg_catalog.regclass,
                              'hermes.delivery'::pg_catalog.regclass, 'hermes.receipt'::pg_catalog.regclass)
          AND c.relname ~ '_p[0-9]{8}$'
        ORDER BY c.relname
    LOOP
        IF part.parent = 'hermes.attempt'::pg_catalog.regclass THEN
            CONTINUE WHEN part.day + interval '1 day' > pg_catalog.clock_timestamp() - attempt_age;
        ELSIF part.parent = 'hermes.delivery'::pg_catalog.regclass THEN
            CONTINUE WHEN part.day + interval '1 day' > pg_catalog.clock_timestamp() - delivery_age;
        ELSIF part.parent = 'hermes.receipt'::pg_catalog.regclass THEN
            CONTINUE WHEN part.day + interval '1 day' > pg_catalog.clock_timestamp() - receipt_age;
        ELSE
            -- retention counts from the newest close, and a key must outlive its closed cascade
            CONTINUE WHEN part.day + interval '1 day' > pg_catalog.clock_timestamp() - greatest(history_age, key_age);
            EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', part.name); -- no closer from here on
            EXECUTE pg_catalog.format('SELECT pg_catalog.max(closed_at) FROM %s', part.name) INTO newest;
            CONTINUE WHEN newest > pg_catalog.clock_timestamp() - greatest(history_age, key_age);
            EXECUTE pg_catalog.format(CASE part.parent WHEN 'hermes.closed'::pg_catalog.regclass
                THEN 'DELETE FROM hermes.execution_key k USING %s c WHERE k.workflow_id = c.id'
                ELSE 'DELETE FROM hermes.execution_current k USING %s c WHERE k.execution_id = c.id' END, part.name);
            IF part.parent = 'hermes.execution_closed'::pg_catalog.regclass THEN
                EXECUTE pg_catalog.format('DELETE FROM hermes.execution_update u USING %s c WHERE u.execution_id = c.id', part.name);
                EXECUTE pg_catalog.format('DELETE FROM hermes.execution_attributes a USING %s c WHERE a.execution_id = c.id', part.name);
            END IF;
        END IF;
        EXECUTE pg_catalog.format('ALTER TABLE %s DETACH PARTITION %s', part.parent, part.name);
        EXECUTE pg_catalog.format('DROP TABLE %s', part.name);
        RETURN NEXT part.name;
    END LOOP;
END
$$;
COMMENT ON FUNCTION hermes.drop_old_partitions(interval, interval, interval, interval, interval) IS
'Drops partitions of closed cascades and executions, attempts, webhook tries and logged receipts past their retention (logged receipts of past days at once when it is 0), with the idempotency keys of the cascades and the workflow ids, search attributes and memos of the executions dropped. Returns their names. Called by the supervisor under a short lock_timeout.';
