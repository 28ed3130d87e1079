-- Waiting for what changes in tables.

CREATE FUNCTION hermes.wait_until(condition text, tables regclass[], args jsonb DEFAULT '{}', timeout interval DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_body_wait_until';
COMMENT ON FUNCTION hermes.wait_until(text, regclass[], jsonb, interval) IS
'In a workflow function: waits until a condition on tables holds. condition: a boolean SQL expression or query with $1 = args, read-only, as the role of the function. It is looked at now, after each commit that changes one of the tables, which hermes.watch_table must know, and every minute. True: it was seen to hold; false: the timeout came first. Errors: 22023, 42804, 55000 (a table is not watched), WF020. Example: PERFORM hermes.wait_until(''EXISTS (SELECT FROM app.invoice WHERE id = ($1->>''''id'''')::int AND paid)'', ''{app.invoice}'', input);';

CREATE FUNCTION hermes.note_change() RETURNS trigger
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_note_change';
COMMENT ON FUNCTION hermes.note_change() IS 'Trigger of hermes.watch_table: notes in this process that the table has changed, for the commit.';

CREATE FUNCTION hermes.watch_table(relation regclass) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind "char"; partition boolean;
    part regclass;
    changed boolean := false;
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION 'argument "relation" must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    SELECT c.relkind, c.relispartition INTO kind, partition FROM pg_class c WHERE c.oid = relation;
    IF kind IS NULL OR kind NOT IN ('r', 'p') THEN
        RAISE EXCEPTION '"%" is not a table', relation USING ERRCODE = 'wrong_object_type';
    ELSIF partition THEN
        RAISE EXCEPTION 'table "%" is a partition', relation
            USING ERRCODE = 'wrong_object_type', HINT = format('Watch %s, which watches all of its partitions.', pg_partition_root(relation));
    ELSIF kind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE relation IN (i.inhrelid, i.inhparent)) THEN
        RAISE EXCEPTION 'table "%" has inheritance other than that of partitions', relation USING ERRCODE = 'feature_not_supported';
    END IF;
    FOR part IN SELECT relation UNION SELECT t.relid FROM pg_partition_tree(relation) t LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = part AND t.tgname = 'hermes_watch' AND t.tgenabled = 'A');
        IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = part AND t.tgname = 'hermes_watch') THEN
            EXECUTE format('CREATE TRIGGER hermes_watch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION hermes.note_change()', part);
            EXECUTE format('ALTER TRIGGER hermes_watch ON %s DEPENDS ON EXTENSION hermes_cascade', part);
        END IF;
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER hermes_watch', part);
        changed := true;
    END LOOP;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION hermes.watch_table(regclass) IS
'Lets workflow functions wait for changes of a table (hermes.wait_until): gives it, and each of its partitions, a statement trigger that only notes that there was a change. Call it again when partitions were attached: until then what is written into them by their own name is seen within a minute; so is what logical replication applies, and what a prepared transaction commits. Needs the ownership of the table. False: it was watched already. Errors: 0A000 (inheritance), 22004, 42501, 42809 (no table, or a partition). Example: SELECT hermes.watch_table(''app.invoice'');';

CREATE FUNCTION hermes.unwatch_table(relation regclass) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part regclass;
    changed boolean := false;
BEGIN
    FOR part IN SELECT t.tgrelid FROM pg_trigger t WHERE t.tgname = 'hermes_watch'
                AND (t.tgrelid = relation OR t.tgrelid IN (SELECT p.relid FROM pg_partition_tree(relation) p)) LOOP
        EXECUTE format('DROP TRIGGER hermes_watch ON %s', part);
        changed := true;
    END LOOP;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION hermes.unwatch_table(regclass) IS
'Takes away what hermes.watch_table gave a table and its partitions. Functions that wait for it look at their conditions once a minute from then on. False: it was not watched. Errors: 42501.';
