-- Views of webhooks: security barriers with the tenant predicate, like those before.

-- pending is counted over the endpoint's own queues only, and not past 1000.
CREATE VIEW hermes.endpoints WITH (security_barrier) AS
SELECT e.id, e.tenant, e.url, e.disabled_at IS NULL AS enabled, e.disabled_at, e.disabled_reason, e.failing_since,
       e.last_delivery_at, e.last_failure_at, e.last_error,
       (SELECT pg_catalog.count(*) FROM (SELECT FROM hermes.task t
         WHERE t.queue IN (1073741824 + 2 * e.id, 1073741825 + 2 * e.id) LIMIT 1000) p)::integer AS pending
FROM hermes.endpoint e
WHERE e.dropped_at IS NULL AND hermes.tenant_visible(e.tenant);
COMMENT ON VIEW hermes.endpoints IS 'Webhook endpoints and how they do. failing_since: first failure since the last success; last_delivery_at, last_failure_at: to the minute; pending: reports that wait for the endpoint (failed, throttled or replayed), counted up to 1000.';

CREATE VIEW hermes.delivery_log WITH (security_barrier) AS
SELECT d.at, d.cascade_id, d.endpoint_id, d.tenant, d.event AS event_type, d.sequence::integer AS sequence,
       d.try::integer AS try, d.status::integer AS http_status,
       CASE d.result WHEN 1 THEN 'delivered' WHEN 2 THEN 'failed' WHEN 3 THEN 'dead' END AS result, d.duration_ms, d.error
FROM hermes.delivery d
WHERE hermes.tenant_visible(d.tenant);
COMMENT ON VIEW hermes.delivery_log IS 'Tries of webhooks, as far as hermes.delivery_log has them logged (failures, all, off): failed ones are tried again, dead ones are in hermes.dead_letters. Filter by at, and by cascade_id or endpoint_id.';
