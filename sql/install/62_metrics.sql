-- Figures for monitoring: per tenant, channel and provider, and all of them as OpenMetrics text.

-- The function leaves out what the caller may not see; the view says it again.
CREATE FUNCTION hermes.delivery_series()
    RETURNS TABLE (tenant text, channel text, provider_id integer, accepted bigint, ambiguous bigint, retried bigint,
                   timed_out bigint, delivered bigint, failed_soft bigint, failed_hard bigint, failed_policy bigint,
                   failed_config bigint, corrected bigint, states jsonb, receipts_timed bigint,
                   latency_p50_ms double precision, latency_p95_ms double precision, latency_p99_ms double precision)
    LANGUAGE C VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'hc_delivery_series';
COMMENT ON FUNCTION hermes.delivery_series() IS 'Counters per tenant, channel and provider since the server started, from shared memory, of the tenants that the current role may see: what hermes.delivery_stats shows.';

CREATE VIEW hermes.delivery_stats WITH (security_barrier) AS
SELECT s.tenant, s.channel, p.name AS provider, s.accepted, s.ambiguous, s.retried, s.timed_out, s.delivered, s.failed_soft,
       s.failed_hard, s.failed_policy, s.failed_config, s.corrected, s.states, s.receipts_timed, s.latency_p50_ms,
       s.latency_p95_ms, s.latency_p99_ms
FROM hermes.delivery_series() s LEFT JOIN hermes.provider p ON p.id = s.provider_id
WHERE hermes.tenant_visible(s.tenant);
COMMENT ON VIEW hermes.delivery_stats IS 'Messages per tenant, channel and provider since the server started: answers (accepted, ambiguous), sends put again (retried), attempts given up for want of an answer or receipt (timed_out), delivered, failed by kind, final states turned around (corrected); states: attempts that came to each state; latency: from the accepting answer to the first final receipt, out of buckets a quarter wide. Only committed work counts; prepared transactions do not. Tenant * is what came when hermes.max_metric_series was reached.';

CREATE FUNCTION hermes.metrics() RETURNS text
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_metrics';
COMMENT ON FUNCTION hermes.metrics() IS
'All counters, gauges and histograms of this database in the OpenMetrics 1.0 text format (docs/operations.md describes them), for a scraper: application/openmetrics-text; version=1.0.0; charset=utf-8. Series of tenants as far as the role may see them: a role that scrapes needs hermes_monitor, and grant_tenant(role, ''*'') for all tenants. Read-only; works on a standby, where counters are zero. Example: SELECT hermes.metrics();';
