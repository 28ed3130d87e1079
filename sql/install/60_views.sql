-- Views: security barriers with an explicit tenant predicate. None of them counts rows.

-- A part is valid while the row has as much history as it follows: the next write of the row takes it in.
CREATE VIEW hermes.open_cascades AS
SELECT w.id, w.rule_id, w.tenant, w.key,
       w.history || coalesce((SELECT t.history FROM hermes.timer t
                              WHERE t.workflow_id = w.id AND t.history_at = octet_length(w.history)), '') AS history,
       w.message
FROM hermes.workflow w;
COMMENT ON VIEW hermes.open_cascades IS 'Open cascades with their whole history, for the views and the workers; nobody else may read it.';

-- The predicate stands above the UNION ALL: below it, the barrier would not keep a function of the query from other rows.
CREATE VIEW hermes.cascades WITH (security_barrier) AS
SELECT u.* FROM (
    SELECT w.id AS cascade_id, r.name AS rule, r.version AS rule_version, w.tenant, w.key, 'RUNNING'::text AS status,
           s.outcome, s.corrected_outcome, s.step, hermes.channel_of_step(r.rule, s.step) AS channel,
           s.attempts, s.started_at, s.closed_at, s.next_timer, NULL::timestamptz AS reported_at
    FROM hermes.open_cascades w
         JOIN hermes.rule_version r ON r.id = w.rule_id
         CROSS JOIN LATERAL hermes.summarize_history(w.history) s
    UNION ALL
    SELECT c.id, r.name, r.version, c.tenant, c.key, 'CLOSED',
           s.outcome, s.corrected_outcome, s.step, hermes.channel_of_step(r.rule, s.step),
           s.attempts, s.started_at, s.closed_at, NULL, c.reported_at
    FROM hermes.closed c
         JOIN hermes.rule_version r ON r.id = c.rule_id
         CROSS JOIN LATERAL hermes.summarize_history(c.history) s
) u
WHERE hermes.tenant_visible(u.tenant);
COMMENT ON VIEW hermes.cascades IS 'All cascades, open and closed, with their present state.';

CREATE VIEW hermes.history WITH (security_barrier) AS
SELECT u.* FROM (
    SELECT w.id AS cascade_id, w.tenant, e.event_id, e.event_time, e.event_type, e.attributes
    FROM hermes.open_cascades w CROSS JOIN LATERAL hermes.decode_history(w.history) e
    UNION ALL
    SELECT c.id, c.tenant, e.event_id, e.event_time, e.event_type, e.attributes
    FROM hermes.closed c CROSS JOIN LATERAL hermes.decode_history(c.history) e
) u
WHERE hermes.tenant_visible(u.tenant);
COMMENT ON VIEW hermes.history IS 'Events of all cascades; filter by cascade_id.';

CREATE VIEW hermes.tasks WITH (security_barrier) AS
SELECT t.workflow_id AS cascade_id, t.number AS task,
       CASE t.kind WHEN 1 THEN 'send' WHEN 2 THEN 'timer' WHEN 3 THEN 'report' WHEN 4 THEN 'sandbox_receipt'
                   WHEN 5 THEN 'rematch' WHEN 6 THEN 'condition' END AS kind,
       -- the due time of a send is its place among the tenants, which may lie in the past
       CASE WHEN t.kind = 1 THEN GREATEST(t.due, hermes.time_of_id(t.workflow_id)) ELSE t.due END AS due, t.owner IS NOT NULL AS claimed, t.owner AS incarnation,
       t.put_aside, CASE WHEN t.kind <> 6 THEN t.attempt::integer END AS attempt,
       CASE WHEN t.kind = 1 THEN (SELECT p.name FROM hermes.provider p WHERE p.id = t.target) END AS provider,
       CASE WHEN t.kind = 3 THEN t.target END AS endpoint_id,
       t.claims::integer AS claims, t.tries::integer AS tries, t.last_error
FROM (SELECT workflow_id, number, kind, due, owner, queue < 0 AS put_aside, attempt, target, claims, tries, last_error FROM hermes.task
      WHERE kind < 7 -- those of executions: hermes.workflow_tasks
      UNION ALL
      SELECT workflow_id, number, 2::smallint, due, NULL, put_aside, 0::smallint, 0, 0::smallint, tries, last_error FROM hermes.timer) t
WHERE (t.kind <> 5 OR hermes.tenant_visible('*')) -- a rematch belongs to no cascade: for who may act for all tenants
  AND hermes.tenant_visible((SELECT w.tenant FROM hermes.workflow w WHERE w.id = t.workflow_id
                             UNION ALL SELECT c.tenant FROM hermes.closed c WHERE c.id = t.workflow_id LIMIT 1));
COMMENT ON VIEW hermes.tasks IS 'Outstanding work: sends, timers, reports. put_aside: it waits for release_cascade or the end of a pause; incarnation names the row of hermes.workers that claimed it or was handed it.';

CREATE VIEW hermes.timers WITH (security_barrier) AS
SELECT t.workflow_id AS cascade_id, t.number AS task, t.due, w.tenant
FROM hermes.timer t JOIN hermes.workflow w ON w.id = t.workflow_id
WHERE hermes.tenant_visible(w.tenant);
COMMENT ON VIEW hermes.timers IS 'Timers that have not fired; order by due uses an index.';

CREATE VIEW hermes.deliveries WITH (security_barrier) AS
SELECT t.workflow_id AS cascade_id, e.tenant, t.target AS endpoint_id, e.url, t.detail::jsonb ->> 'type' AS event_type,
       t.due AS next_try, t.tries::integer AS failed_tries, t.owner IS NOT NULL AS in_flight, t.last_error
FROM hermes.task t
     JOIN hermes.endpoint e ON e.id = t.target -- of the cascade's tenant; a dropped one keeps its row
WHERE (t.queue = 2 OR t.queue >= 1073741824) AND hermes.tenant_visible(e.tenant); -- the common queue, those of endpoints
COMMENT ON VIEW hermes.deliveries IS 'Reports on their way to tenant webhooks; a delivered one shows as reported_at in hermes.cascades.';

CREATE VIEW hermes.dead_letters WITH (security_barrier) AS
SELECT d.id, d.workflow_id AS cascade_id, d.tenant, CASE d.kind WHEN 1 THEN 'send' WHEN 2 THEN 'timer' WHEN 3 THEN 'report'
       WHEN 4 THEN 'sandbox_receipt' WHEN 5 THEN 'rematch' WHEN 6 THEN 'condition' END AS kind, d.target, d.attempt::integer AS attempt,
       d.tries::integer AS tries, d.error, d.created_at
FROM hermes.dead_letter d
WHERE hermes.tenant_visible(d.tenant);
COMMENT ON VIEW hermes.dead_letters IS 'Tasks given up. SELECT hermes.retry_dead_letter(id) puts one back.';

CREATE VIEW hermes.receipts_parked WITH (security_barrier) AS
SELECT i.id, p.name AS provider, i.provider_message_id, i.workflow_id AS cascade_id, i.reason, i.payload, i.received_at
FROM hermes.receipt_inbox i LEFT JOIN hermes.provider p ON p.id = i.provider
WHERE i.parked AND CASE WHEN i.workflow_id IS NULL THEN hermes.tenant_visible('*') ELSE
      hermes.tenant_visible((SELECT w.tenant FROM hermes.workflow w WHERE w.id = i.workflow_id
                             UNION ALL SELECT c.tenant FROM hermes.closed c WHERE c.id = i.workflow_id LIMIT 1)) END;
COMMENT ON VIEW hermes.receipts_parked IS 'Receipts that were not understood, with their bytes. Teach their words to the connector, then SELECT hermes.retry_parked_receipts(provider).';

CREATE VIEW hermes.receipt_log WITH (security_barrier) AS
SELECT r.received_at, p.name AS provider, r.receipts, r.headers, r.payload
FROM hermes.receipt r LEFT JOIN hermes.provider p ON p.id = r.provider
WHERE hermes.tenant_visible('*'); -- a payload may tell of any tenant
COMMENT ON VIEW hermes.receipt_log IS 'What receive_receipts was given, a row a call, for hermes.receipt_log_retention (0, the default, keeps nothing): headers without credentials, payload as it came, with numbers and texts in it. For who may act for all tenants. Filter by received_at.';

CREATE FUNCTION hermes.worker_slots()
    RETURNS TABLE (role text, pid integer, state text, incarnation bigint, started_at timestamptz, batches bigint,
                   tasks bigint, errors bigint, in_flight integer, database_role text)
    LANGUAGE C VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'hc_worker_slots';
COMMENT ON FUNCTION hermes.worker_slots() IS 'Workers of this database, from shared memory.';

CREATE VIEW hermes.workers AS SELECT * FROM hermes.worker_slots();
COMMENT ON VIEW hermes.workers IS 'Background workers of this database: role, process, state, work done since it started; database_role: the role an executor is connected as.';

CREATE FUNCTION hermes.provider_states()
    RETURNS TABLE (provider_id integer, in_flight integer, breaker text, open_until timestamptz, throttled_until timestamptz,
                   accepted bigint, failed bigint, throttled bigint, consecutive_failures integer,
                   last_failure_at timestamptz, last_failure text, delivered_share double precision)
    LANGUAGE C VOLATILE ROWS 20 AS 'MODULE_PATHNAME', 'hc_provider_states';
COMMENT ON FUNCTION hermes.provider_states() IS 'State of the providers that were in use since the server started, from shared memory.';

CREATE VIEW hermes.providers_status AS
SELECT p.name AS provider, p.config ->> 'channel' AS channel, p.config ->> 'kind' AS kind, coalesce(s.in_flight, 0) AS in_flight,
       coalesce((p.config ->> 'concurrency')::integer, 64) AS concurrency,
       (SELECT a.since FROM hermes.pause a WHERE a.scope = 'provider' AND a.provider = p.id AND a.until IS NULL) AS paused_since, coalesce(s.breaker, 'closed') AS breaker, s.open_until,
       p.config -> 'rate' AS rate, s.throttled_until, coalesce(s.accepted, 0) AS accepted, coalesce(s.failed, 0) AS failed,
       coalesce(s.throttled, 0) AS throttled, coalesce(s.consecutive_failures, 0) AS consecutive_failures, s.last_failure_at,
       s.last_failure, round(s.delivered_share::numeric, 3) AS delivered_share,
       (SELECT min(hermes.time_of_id(first.workflow_id))
        FROM (VALUES (0), (1), (2), (3)) AS lanes (lane) -- the queues of a provider
             CROSS JOIN LATERAL (SELECT t.workflow_id FROM hermes.task t
                                 WHERE t.queue = 16 + p.id * 4 + lanes.lane AND t.owner IS NULL ORDER BY t.due LIMIT 1) first
       ) AS oldest_waiting
FROM hermes.provider p LEFT JOIN hermes.provider_states() s ON s.provider_id = p.id
WHERE p.dropped_at IS NULL;
COMMENT ON VIEW hermes.providers_status IS 'Providers with their load, circuit breaker (closed, open, half_open), throttling and results since the server started; delivered_share: of the recent attempts that came to an end for which the provider counts, what rules with "choose": "best_delivery" go by, NULL while fewer than 20 are known; oldest_waiting: start of the cascade whose send stands first in a queue of the provider. Limits are changed with hermes.alter_provider, at once.';

CREATE FUNCTION hermes.statistics() RETURNS TABLE (name text, value bigint)
    LANGUAGE C VOLATILE ROWS 20 AS 'MODULE_PATHNAME', 'hc_statistics';
COMMENT ON FUNCTION hermes.statistics() IS 'Counters of this database since the server started, from shared memory.';

CREATE VIEW hermes.stats AS SELECT * FROM hermes.statistics();
COMMENT ON VIEW hermes.stats IS 'Counters since the server started: cascades started and ended by outcome, sends, signals, timers, reports; executions of workflow functions and their turns, steps, updates, activities and schedules, by Temporal''s names. Kept in shared memory, so reading them costs nothing.';
