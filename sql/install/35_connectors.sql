-- Connectors: how providers' delivery receipts and answers are read, as data. Shipped rows come with the extension and
-- are replaced by upgrades; an operator's row of the same key takes precedence and is dumped.

CREATE TABLE hermes.connector (
    name     text NOT NULL CHECK (name OPERATOR(pg_catalog.~) '^[a-z0-9_-]{1,63}$'),
    shipped  boolean NOT NULL DEFAULT false,
    document jsonb NOT NULL,
    PRIMARY KEY (name, shipped)
);
COMMENT ON TABLE hermes.connector IS 'Connectors: document holds where the fields of a receipt and of an answer stand (docs/connectors.md), connector_status and connector_error what their words mean. A row with shipped = false takes precedence.';

CREATE TABLE hermes.connector_status (
    connector    text NOT NULL,
    answer       boolean NOT NULL DEFAULT false,
    status       text NOT NULL,
    qualifier    text NOT NULL DEFAULT '',
    shipped      boolean NOT NULL DEFAULT false,
    disposition  text NOT NULL DEFAULT 'apply' CHECK (disposition IN ('apply', 'ignore', 'side_effect_only', 'park')),
    state        text CHECK (state IN ('accepted', 'sent', 'deferred', 'unknown', 'failed', 'expired', 'undeliverable',
                                       'rejected', 'canceled', 'delivered', 'read')),
    final        boolean,
    failure_kind text CHECK (failure_kind IN ('soft', 'hard', 'policy', 'config')),
    reason       text,
    suppress     text CHECK (suppress IN ('none', 'opt_out', 'invalid_address', 'complaint', 'clear_opt_out')),
    engagement   text,
    by_code      boolean,
    note         text,
    PRIMARY KEY (connector, answer, status, qualifier, shipped)
);
COMMENT ON TABLE hermes.connector_status IS 'What a provider''s status word stands for; answer: words of the answer of the send call. A word without a row is parked, never guessed. A row with shipped = false takes precedence.';

CREATE TABLE hermes.connector_error (
    connector    text NOT NULL,
    code         text NOT NULL,
    shipped      boolean NOT NULL DEFAULT false,
    disposition  text CHECK (disposition IN ('apply', 'ignore', 'side_effect_only', 'park')),
    state        text CHECK (state IN ('failed', 'expired', 'undeliverable', 'rejected', 'canceled', 'unknown', 'deferred',
                                       'accepted', 'sent', 'delivered', 'read')),
    final        boolean,
    failure_kind text CHECK (failure_kind IN ('soft', 'hard', 'policy', 'config')),
    reason       text,
    suppress     text CHECK (suppress IN ('none', 'opt_out', 'invalid_address', 'complaint', 'clear_opt_out')),
    engagement   text,
    note         text,
    PRIMARY KEY (connector, code, shipped)
);
COMMENT ON TABLE hermes.connector_error IS 'What a provider''s error code says of a failure; a code ending in * is a prefix, the longest counts. A row with shipped = false takes precedence.';

-- Loads one shipped connector from its document. For install and upgrade scripts.
CREATE FUNCTION hermes.ship_connector(definition jsonb) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- shipped rows are guarded by triggers once the extension is there
    ALTER TABLE hermes.connector DISABLE TRIGGER USER;
    ALTER TABLE hermes.connector_status DISABLE TRIGGER USER;
    ALTER TABLE hermes.connector_error DISABLE TRIGGER USER;
    DELETE FROM hermes.connector WHERE name = definition ->> 'name' AND shipped;
    DELETE FROM hermes.connector_status WHERE connector = definition ->> 'name' AND shipped;
    DELETE FROM hermes.connector_error WHERE connector = definition ->> 'name' AND shipped;
    INSERT INTO hermes.connector (name, shipped, document)
    VALUES (definition ->> 'name', true, definition - 'statuses' - 'response_statuses' - 'errors');
    INSERT INTO hermes.connector_status
    SELECT definition ->> 'name', t.answer, r.status, coalesce(r.qualifier, ''), true, coalesce(r.disposition, 'apply'), r.state,
           r.final, r.failure_kind, r.reason, r.suppress, r.engagement, r.by_code, r.note
    FROM (VALUES (false, definition -> 'statuses'), (true, definition -> 'response_statuses')) AS t (answer, rows),
         jsonb_to_recordset(coalesce(t.rows, '[]')) AS r (status text, qualifier text, disposition text, state text, final boolean,
             failure_kind text, reason text, suppress text, engagement text, by_code boolean, note text);
    INSERT INTO hermes.connector_error
    SELECT definition ->> 'name', r.code, true, r.disposition, r.state, r.final, r.failure_kind, r.reason, r.suppress, r.engagement,
           r.note
    FROM jsonb_to_recordset(coalesce(definition -> 'errors', '[]')) AS r (code text, disposition text, state text, final boolean,
        failure_kind text, reason text, suppress text, engagement text, note text);
    ALTER TABLE hermes.connector ENABLE TRIGGER USER;
    ALTER TABLE hermes.connector_status ENABLE TRIGGER USER;
    ALTER TABLE hermes.connector_error ENABLE TRIGGER USER;
    DELETE FROM hermes.connector WHERE false; -- the whole is checked now, and told
END
$$;
COMMENT ON FUNCTION hermes.ship_connector(jsonb) IS 'Replaces the shipped rows of one connector by those of a document; for install and upgrade scripts.';
