-- Pauses: what is under way is not sent on, deadlines wait, receipts are taken as ever; and holding a single cascade.

CREATE FUNCTION hermes.pause_provider(name text, reason text DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_pause_provider';
COMMENT ON FUNCTION hermes.pause_provider(text, text) IS
'Sends nothing to a provider from the commit on. New attempts go to other providers of their step, so do waiting ones that have another provider or a later step; the others wait, and their deadlines with them. Requests under way are not called back. False: it was paused already. Errors: 42704. Example: SELECT hermes.pause_provider(''texts'', ''maintenance'');';

CREATE FUNCTION hermes.resume_provider(name text) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_resume_provider';
COMMENT ON FUNCTION hermes.resume_provider(text) IS
'Ends a pause: what was put aside goes out, under the limits in force. False: it was not paused. Errors: 42704.';

CREATE FUNCTION hermes.pause_tenant(tenant text, reason text DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_pause_tenant';
COMMENT ON FUNCTION hermes.pause_tenant(text, text) IS
'Holds all cascades of a tenant (NULL: those without one) from the commit on, also those started later: no send leaves, and their deadlines, but for the validity, wait. Receipts are taken as ever. Its workflow functions are not called, either (hermes.pause_workflow_type). False: it was paused already.';

CREATE FUNCTION hermes.resume_tenant(tenant text) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_resume_tenant';
COMMENT ON FUNCTION hermes.resume_tenant(text) IS 'Ends what pause_tenant began. False: it was not paused.';

CREATE FUNCTION hermes.pause_cascade_rule(name text, reason text DEFAULT NULL) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_pause_cascade_rule';
COMMENT ON FUNCTION hermes.pause_cascade_rule(text, text) IS
'Holds all cascades of a rule, of every version, as pause_tenant does those of a tenant. False: it was paused already. Errors: 42704.';

CREATE FUNCTION hermes.resume_cascade_rule(name text) RETURNS boolean
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_resume_cascade_rule';
COMMENT ON FUNCTION hermes.resume_cascade_rule(text) IS 'Ends what pause_cascade_rule began. False: it was not paused. Errors: 42704.';

CREATE FUNCTION hermes.hold_cascade(cascade_id uuid, reason text DEFAULT NULL) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_hold_cascade';
COMMENT ON FUNCTION hermes.hold_cascade(uuid, text) IS
'Holds one cascade: nothing of it is sent until release_cascade, and its deadlines, but for the validity, wait. A request that is under way is not called back, and receipts are taken. Returns applied, duplicate (it is held already) or closed. Errors: WF001.';

CREATE FUNCTION hermes.release_cascade(cascade_id uuid) RETURNS hermes.signal_result
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_release_cascade';
COMMENT ON FUNCTION hermes.release_cascade(uuid) IS
'Lets a held cascade go on, with its deadlines moved by the time it was held. Returns applied, duplicate (it is not held) or closed. Errors: WF001.';

CREATE VIEW hermes.pauses WITH (security_barrier) AS
SELECT p.scope, coalesce(v.name, p.name) AS name, p.since, p.until, p.reason
FROM hermes.pause p LEFT JOIN hermes.provider v ON p.scope = 'provider' AND v.id = p.provider
WHERE p.scope <> 'tenant' OR hermes.tenant_visible(p.name);
COMMENT ON VIEW hermes.pauses IS 'Pauses of providers, tenants, rules and workflow types; until NULL: still in force. Kept as long as a deadline may have been moved by them.';
