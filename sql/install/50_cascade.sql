-- Verbs on cascades. All take effect if and only if the caller commits.

CREATE FUNCTION hermes.start_cascade(rule text, message jsonb, key text DEFAULT NULL, tenant text DEFAULT NULL,
                                     options jsonb DEFAULT '{}') RETURNS uuid
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_start_cascade';
COMMENT ON FUNCTION hermes.start_cascade(text, jsonb, text, text, jsonb) IS
'Starts a cascade of the current version of a rule and returns its id. The same (tenant, key) returns the same id, with a NOTICE when rule or message differ; options {"on_conflict": "error"} makes that error WF002. Errors: 42704 unknown rule, 54000 message over hermes.max_message_size, 42501 tenant not granted. Example: SELECT hermes.start_cascade(''welcome'', ''{"to": "a@example.com", "text": "hello"}'', ''order-17'');';

CREATE FUNCTION hermes.start_cascades(rule text, messages jsonb[], keys text[] DEFAULT NULL, tenant text DEFAULT NULL,
                                      options jsonb DEFAULT '{}') RETURNS SETOF uuid
    LANGUAGE C VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'hc_start_cascades';
COMMENT ON FUNCTION hermes.start_cascades(text, jsonb[], text[], text, jsonb) IS
'Starts many cascades in one call and returns their ids in input order. keys is NULL or as long as messages; equal keys get one id. At most 100000 messages a call.';

CREATE FUNCTION hermes.signal_cascade(cascade_id uuid, signal text, payload jsonb DEFAULT '{}', signal_id text DEFAULT NULL)
    RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_signal_cascade';
COMMENT ON FUNCTION hermes.signal_cascade(uuid, text, jsonb, text) IS
'Delivers a signal and tells what became of it. Signal dlr is a delivery report: {"status": "delivered", "attempt": 1, "provider_message_id": "..", "error_code": "..", "failure_kind": "soft|hard|policy|config", "timestamp": "2026-01-01T00:00:00Z", "sequence": 1}; only status is required (queued accepted sent deferred unknown failed expired undeliverable rejected canceled delivered read; anything else is parked). Without attempt and provider_message_id it applies only while the cascade has had one attempt. signal_id makes repetition a duplicate. Errors: WF001 unknown cascade, 22023 bad payload. Example: SELECT hermes.signal_cascade(id, ''dlr'', ''{"status": "delivered", "attempt": 1}'');';

CREATE FUNCTION hermes.signal_cascades(cascade_ids uuid[], signals text[], payloads jsonb[], signal_ids text[] DEFAULT NULL)
    RETURNS SETOF hermes.signal_result
    LANGUAGE C VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'hc_signal_cascades';
COMMENT ON FUNCTION hermes.signal_cascades(uuid[], text[], jsonb[], text[]) IS
'Delivers many signals in one call; results in input order. Locks cascades in the order of their ids. An error of one undoes all.';

CREATE FUNCTION hermes.apply_receipt(provider text, provider_message_id text, payload jsonb) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_apply_receipt';
COMMENT ON FUNCTION hermes.apply_receipt(text, text, jsonb) IS
'Delivers a report known only by the provider''s message id; payload as for signal dlr. A report that comes before its attempt is stored waits in the inbox and is applied as soon as it is (result buffered). A provider''s reports may belong to any tenant, so the role needs all of them (grant_tenant with ''*''). Errors: 42501, 42704 unknown provider, 22023 bad payload.';

CREATE FUNCTION hermes.cancel_cascade(cascade_id uuid, reason text DEFAULT NULL) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_cancel_cascade';
COMMENT ON FUNCTION hermes.cancel_cascade(uuid, text) IS
'Ends a cascade with outcome CANCELED. Certain before a request has left; after that the history is flagged contacted. Returns applied, or closed when it had ended. Errors: WF001.';

CREATE FUNCTION hermes.terminate_cascade(cascade_id uuid, reason text DEFAULT NULL) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_terminate_cascade';
COMMENT ON FUNCTION hermes.terminate_cascade(uuid, text) IS
'An operator''s forced end: like cancel_cascade, recorded as Terminated. Returns applied or closed. Errors: WF001.';

CREATE FUNCTION hermes.cascade_status(cascade_id uuid) RETURNS jsonb
    LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'hc_cascade_status';
COMMENT ON FUNCTION hermes.cascade_status(uuid) IS
'Where a cascade stands: status, outcome, step, channel, attempts with their receipts, next timer, report state. Read-only; works on a standby. Errors: WF001.';

CREATE FUNCTION hermes.cascade_history(cascade_id uuid)
    RETURNS TABLE (event_id integer, event_time timestamptz, event_type text, attributes jsonb)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20 AS 'MODULE_PATHNAME', 'hc_cascade_history';
COMMENT ON FUNCTION hermes.cascade_history(uuid) IS
'All events of a cascade in order, also after its end. Read-only. Errors: WF001. Example: SELECT * FROM hermes.cascade_history(id);';

CREATE FUNCTION hermes.dry_run(rule text, message jsonb, script jsonb DEFAULT '{}')
    RETURNS TABLE (event_id integer, event_time timestamptz, event_type text, attributes jsonb)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20 AS 'MODULE_PATHNAME', 'hc_dry_run';
COMMENT ON FUNCTION hermes.dry_run(text, jsonb, jsonb) IS
'The whole course that a cascade of the current version of a rule would take, without a row written or a request sent. script: {"channels": {"email": [{"answer": "accepted", "receipts": [{"status": "failed", "after": "5s"}]}]}, "conditions": {"2": false}, "start_at": "2026-12-01T22:15:00Z", "cancel_after": "10m"}, all optional: channels answer as a sandbox provider would, those not named deliver at once. Errors: 42704, 22023 with the JSON path, 54000 when it does not end. Example: SELECT * FROM hermes.dry_run(''welcome'', ''{"to": "a@example.com"}'', ''{"channels": {"email": [{"receipts": []}]}}'');';

CREATE FUNCTION hermes.dry_run_rule(rule jsonb, message jsonb, script jsonb DEFAULT '{}')
    RETURNS TABLE (event_id integer, event_time timestamptz, event_type text, attributes jsonb)
    LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20 AS 'MODULE_PATHNAME', 'hc_dry_run_rule';
COMMENT ON FUNCTION hermes.dry_run_rule(jsonb, jsonb, jsonb) IS
'As dry_run, for a rule that is not created yet: a document as of create_cascade_rule. Errors: 22023, 54000.';

-- Steps are numbered through, also those of parallel elements.
CREATE FUNCTION hermes.channel_of_step(rule jsonb, step integer) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    BEGIN ATOMIC
        SELECT f.channel
        FROM (SELECT member.value ->> 'channel' AS channel, pg_catalog.row_number() OVER (ORDER BY element.n, member.n) AS n
              FROM pg_catalog.jsonb_array_elements(rule -> 'steps') WITH ORDINALITY AS element (value, n)
                   CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(
                       COALESCE(element.value -> 'parallel', pg_catalog.jsonb_build_array(element.value)))
                       WITH ORDINALITY AS member (value, n)) f
        WHERE f.n = step;
    END;
COMMENT ON FUNCTION hermes.channel_of_step(jsonb, integer) IS 'Channel of a step of a rule, counted from 1.';

CREATE FUNCTION hermes.retry_dead_letter(id bigint) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_retry_dead_letter';
COMMENT ON FUNCTION hermes.retry_dead_letter(bigint) IS
'Puts a dead letter back into its queue, due now, with its tries counted from zero. Errors: 42704.';

-- ---- readers of the binary history, for views ----

CREATE FUNCTION hermes.decode_history(history bytea)
    RETURNS TABLE (event_id integer, event_time timestamptz, event_type text, attributes jsonb)
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME', 'hc_decode_history';
COMMENT ON FUNCTION hermes.decode_history(bytea) IS 'Events of a stored history, in order.';

CREATE FUNCTION hermes.summarize_history(history bytea)
    RETURNS TABLE (outcome text, corrected_outcome text, step integer, attempts integer, started_at timestamptz,
                   closed_at timestamptz, next_timer timestamptz, reports integer)
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'hc_summarize_history';
COMMENT ON FUNCTION hermes.summarize_history(bytea) IS 'State of a cascade as the fold of its history: one row.';
