-- What keeps the connector tables sound once the shipped rows are in.

CREATE FUNCTION hermes.connectors_changed() RETURNS trigger
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_connectors_changed';
COMMENT ON FUNCTION hermes.connectors_changed() IS 'Trigger: reads every connector, so that a row that cannot be read is refused, and tells all processes.';

CREATE FUNCTION hermes.refuse_shipped_row() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('row of shipped connector "%s" cannot be changed', to_jsonb(OLD) ->> (CASE TG_TABLE_NAME WHEN 'connector' THEN 'name' ELSE 'connector' END)),
        DETAIL = 'The next upgrade of the extension replaces shipped rows, and dumps do not hold them.',
        HINT = 'Insert a row of the same key with shipped = false: it takes precedence.';
END
$$;
COMMENT ON FUNCTION hermes.refuse_shipped_row() IS 'Trigger: shipped connector rows stay as they are.';

-- Effective rows, an operator's before shipped ones, as one document a connector.
CREATE VIEW hermes.connector_documents AS
SELECT c.name, pg_catalog.jsonb_strip_nulls(c.document || pg_catalog.jsonb_build_object('name', c.name,
    'statuses', (SELECT pg_catalog.jsonb_agg(s.row) FROM (
        SELECT DISTINCT ON (r.status, r.qualifier) pg_catalog.jsonb_build_object('status', r.status, 'qualifier', NULLIF(r.qualifier, ''),
            'disposition', r.disposition, 'state', r.state, 'final', r.final, 'failure_kind', r.failure_kind, 'reason', r.reason,
            'suppress', r.suppress, 'engagement', r.engagement, 'by_code', r.by_code) AS row
        FROM hermes.connector_status r WHERE r.connector = c.name AND NOT r.answer ORDER BY r.status, r.qualifier, r.shipped) s),
    'response_statuses', (SELECT pg_catalog.jsonb_agg(s.row) FROM (
        SELECT DISTINCT ON (r.status, r.qualifier) pg_catalog.jsonb_build_object('status', r.status, 'qualifier', NULLIF(r.qualifier, ''),
            'disposition', r.disposition, 'state', r.state, 'final', r.final, 'failure_kind', r.failure_kind, 'reason', r.reason,
            'suppress', r.suppress, 'engagement', r.engagement, 'by_code', r.by_code) AS row
        FROM hermes.connector_status r WHERE r.connector = c.name AND r.answer ORDER BY r.status, r.qualifier, r.shipped) s),
    'errors', (SELECT pg_catalog.jsonb_agg(e.row) FROM (
        SELECT DISTINCT ON (r.code) pg_catalog.jsonb_build_object('code', r.code, 'disposition', r.disposition, 'state', r.state,
            'final', r.final, 'failure_kind', r.failure_kind, 'reason', r.reason, 'suppress', r.suppress, 'engagement', r.engagement) AS row
        FROM hermes.connector_error r WHERE r.connector = c.name ORDER BY r.code, r.shipped) e))) AS document
FROM (SELECT DISTINCT ON (d.name) d.name, d.document FROM hermes.connector d ORDER BY d.name, d.shipped) c;
COMMENT ON VIEW hermes.connector_documents IS 'Connectors as they are in force: the document of docs/connectors.md, out of the rows of the three connector tables.';

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['connector', 'connector_status', 'connector_error'] LOOP
        EXECUTE pg_catalog.format('CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hermes.%I
            FOR EACH STATEMENT EXECUTE FUNCTION hermes.connectors_changed()', name);
        EXECUTE pg_catalog.format('CREATE TRIGGER shipped BEFORE UPDATE OR DELETE ON hermes.%I
            FOR EACH ROW WHEN (OLD.shipped) EXECUTE FUNCTION hermes.refuse_shipped_row()', name);
    END LOOP;
END
$$;

CREATE FUNCTION hermes.parse_receipts(connector text, payload text, headers jsonb DEFAULT '{}', options jsonb DEFAULT '{}')
    RETURNS TABLE (ordinal integer, disposition text, correlation_id text, client_ref text, recipient text, event_id text,
                   event_time timestamptz, sequence bigint, raw_status text, raw_code text, state text, final boolean,
                   failure_kind text, reason text, suppress text, engagement text)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10 AS 'MODULE_PATHNAME', 'hc_parse_receipts';
COMMENT ON FUNCTION hermes.parse_receipts(text, text, jsonb, jsonb) IS
'Reads what a provider posted, without applying it: one row an element, in order. disposition: apply, ignore (says nothing of a delivery), side_effect_only (suppression or engagement), park (not understood), reject (the payload cannot be read). payload: JSON, a form body, a query string or SMPP deliver_sm text; its kind comes from the content-type header, else it is recognised. options: connector_err_map {"001": ["hard", "unknown_subscriber"]}, connector_status_map {"ACCEPTD": "delivered"}, connector_id_base {"answer": "hex", "receipt": "dec"}, connector_time_zone "Europe/Berlin" (of dates that name none, default UTC), known_ids [..], method "GET", for SMPP esm_class and tlv {"receipted_message_id", "message_state", "network_error_code", "message_payload"}, and for signatures url, the address as the provider called it. Limits: 8 MB, 20000 elements. Errors: 42704 unknown connector, 22023, 54000. Example: SELECT * FROM hermes.parse_receipts(''twilio'', ''MessageSid=SM1&MessageStatus=delivered'');';

CREATE FUNCTION hermes.parse_response(connector text, http_status integer, headers jsonb, body text)
    RETURNS TABLE (ordinal integer, disposition text, correlation_id text, client_ref text, recipient text, event_id text,
                   event_time timestamptz, sequence bigint, raw_status text, raw_code text, state text, final boolean,
                   failure_kind text, reason text, suppress text, engagement text)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1 AS 'MODULE_PATHNAME', 'hc_parse_response';
COMMENT ON FUNCTION hermes.parse_response(text, integer, jsonb, text) IS
'Reads the answer of a provider''s send call: one row a message part, columns as of parse_receipts. Errors: 42704 unknown connector. Example: SELECT state, failure_kind FROM hermes.parse_response(''fcm'', 404, ''{}'', ''{"error": {"details": [{"errorCode": "UNREGISTERED"}]}}'');';

CREATE FUNCTION hermes.verify_signature(scheme text, secret text, headers jsonb, body text, url text DEFAULT NULL,
                                        now timestamptz DEFAULT pg_catalog.clock_timestamp()) RETURNS boolean
    LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'hc_verify_signature';
COMMENT ON FUNCTION hermes.verify_signature(text, text, jsonb, text, text, timestamptz) IS
'Whether a callback is signed by the holder of the secret. scheme: standard_webhooks, or a connector''s name (docs/connectors.md lists them); secret: key, public key or user:password, several separated by white space during a rotation, PEM blocks one after the other, for basic a line each; body: as received, byte for byte; url: as the provider called it, for schemes that sign it. Compared in constant time; where the scheme has a timestamp it must be within 5 minutes of now (receive_receipts: within receipts.window of the provider). Errors: 22023 unknown scheme.';

CREATE FUNCTION hermes.receive_receipts(provider text, payload text, headers jsonb DEFAULT '{}', options jsonb DEFAULT '{}')
    RETURNS TABLE (ordinal integer, cascade_id uuid, attempt integer, state text, failure_kind text,
                   result hermes.signal_result)
    LANGUAGE C VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'hc_receive_receipts';
COMMENT ON FUNCTION hermes.receive_receipts(text, text, jsonb, jsonb) IS
'Takes what a provider posted: verifies the signature when the provider has a receipts secret, reads it by the provider''s connector, finds the attempts, applies every receipt, and returns one row an element in order: result applied, duplicate, stale, corrected, conflict, buffered (its attempt is not stored yet), parked (not understood; see hermes.receipts_parked), unmatched or ignored. All in the caller''s transaction: answer the provider with 2xx after the commit. options as of parse_receipts. The role needs all tenants (grant_tenant with ''*''). Errors: 28000 signature, 42501, 42704 unknown provider, 22023 unreadable payload, 54000. Example: SELECT * FROM hermes.receive_receipts(''twilio_main'', ''MessageSid=SM1&MessageStatus=delivered'');';

CREATE FUNCTION hermes.retry_parked_receipts(provider text, max_receipts integer DEFAULT 1000, after_id bigint DEFAULT 0)
    RETURNS TABLE (ordinal integer, cascade_id uuid, attempt integer, state text, failure_kind text,
                   result hermes.signal_result)
    LANGUAGE C VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'hc_retry_parked_receipts';
COMMENT ON FUNCTION hermes.retry_parked_receipts(text, integer, bigint) IS
'Reads the parked receipts of a provider again, oldest first, after its connector has learned their words: those that are understood now are applied and leave the parking, the others stay and are passed over. One call applies max_receipts (1 to 10000) and looks at 100000; when more are left a NOTICE tells the after_id (the id of hermes.receipts_parked) to go on with. Rows as of receive_receipts. Errors: 42704 unknown provider, 22023, 42501.';
