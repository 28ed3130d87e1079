-- Webhook endpoints in operation: secrets, enabling, replays.

CREATE FUNCTION hermes.generate_webhook_secret() RETURNS text
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_generate_webhook_secret';
COMMENT ON FUNCTION hermes.generate_webhook_secret() IS
'A new webhook secret: whsec_ followed by the base64 of 32 random bytes. It is not stored. Example: SELECT hermes.set_secret(''acme_hook_2'', hermes.generate_webhook_secret());';

CREATE FUNCTION hermes.rotate_endpoint_secret(id integer, new_secret_name text, keep_old interval DEFAULT '24 hours') RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_rotate_endpoint_secret';
COMMENT ON FUNCTION hermes.rotate_endpoint_secret(integer, text, interval) IS
'Signs the requests of an endpoint with another stored secret, and for the time of keep_old (0 to 365 days) with the old one as well: two signatures in one header. Errors: 42704 unknown endpoint or secret, 22023 when the secret is no whsec_... or is the present one. Example: SELECT hermes.rotate_endpoint_secret(1, ''acme_hook_2'');';

CREATE FUNCTION hermes.enable_endpoint(id integer) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_enable_endpoint';
COMMENT ON FUNCTION hermes.enable_endpoint(integer) IS
'Enables an endpoint that a 410, a webhook-delivery: disable or a long failure disabled. What became a dead letter meanwhile comes back by hermes.replay_webhooks(id, since, failed_only => true). Errors: 42704.';

CREATE FUNCTION hermes.replay_webhook(cascade_id uuid, sequence integer DEFAULT NULL, endpoint_id integer DEFAULT NULL) RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_replay_webhook';
COMMENT ON FUNCTION hermes.replay_webhook(uuid, integer, integer) IS
'Sends the reports of a cascade again (sequence NULL: all; endpoint_id NULL: to every endpoint of its tenant that wants them) and returns how many were put. webhook-id and body are those of the first time, so that a receiver knows a repetition. A report that waits for a retry is brought forward; one that is just being sent is left alone. Errors: WF001 unknown cascade, 22023 no such report or an endpoint of another tenant, 42704 unknown endpoint, 55000 disabled endpoint. Example: SELECT hermes.replay_webhook(id);';

CREATE FUNCTION hermes.replay_webhooks(endpoint_id integer, since timestamptz, until timestamptz DEFAULT pg_catalog.now(),
                                       failed_only boolean DEFAULT false) RETURNS bigint
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_replay_webhooks';
COMMENT ON FUNCTION hermes.replay_webhooks(integer, timestamptz, timestamptz, boolean) IS
'Sends to an endpoint again the reports of all cascades that ended from since up to (not including) until, or with failed_only the reports made in that time that are dead letters. Returns how many were put. One call takes 10000 cascades, oldest first; a NOTICE tells where to go on. Replays stand behind live reports. Errors: 42704 unknown endpoint, 55000 disabled endpoint. Example: SELECT hermes.replay_webhooks(1, now() - interval ''2 hours'');';

-- A function of its own, because verbs plan without the bitmap scans that the block ranges of closed_at need.
CREATE FUNCTION hermes.closed_between(of_tenant text, since timestamptz, until timestamptz, at_most integer)
    RETURNS TABLE (id uuid, closed_at timestamptz, rule_id integer, key text, history bytea)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_bitmapscan = on SET enable_seqscan = on AS $$
    SELECT c.id, c.closed_at, c.rule_id, c.key, c.history FROM hermes.closed c
    WHERE c.tenant IS NOT DISTINCT FROM of_tenant AND c.closed_at >= since AND c.closed_at < until
      AND c.id < hermes.first_id_at(until + interval '1 second')
    ORDER BY c.closed_at FETCH FIRST at_most ROWS WITH TIES
$$;
COMMENT ON FUNCTION hermes.closed_between(text, timestamptz, timestamptz, integer) IS
'Cascades of a tenant that ended from since up to until, oldest first; more than at_most only for equal times. Used by hermes.replay_webhooks.';
