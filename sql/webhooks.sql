-- Webhook endpoints in operation: secrets and rotation, enabling, replays, the log and the views. No worker runs here.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();

-- ---- secrets ----
SELECT hermes.generate_webhook_secret() ~ '^whsec_[A-Za-z0-9+/]{43}=$', hermes.generate_webhook_secret() <> hermes.generate_webhook_secret();
SELECT hermes.set_secret('one', hermes.generate_webhook_secret()), hermes.set_secret('two', hermes.generate_webhook_secret()), hermes.set_secret('token', 'no webhook secret');
SELECT hermes.create_endpoint('acme', 'https://acme.example/hook', '{"timeout": "3s"}') AS hook \gset
CREATE VIEW test.options AS SELECT jsonb_pretty(options - 'previous_secret_until') AS options,
    extract(epoch FROM (options ->> 'previous_secret_until')::timestamptz - now())::integer / 60 AS minutes_left FROM hermes.endpoint ORDER BY id;
-- the first secret replaces none
SELECT hermes.rotate_endpoint_secret(:hook, 'one');
SELECT * FROM test.options;
-- the old one is kept for a day, or as long as wanted, or not at all
SELECT hermes.rotate_endpoint_secret(:hook, 'two');
SELECT * FROM test.options;
SELECT hermes.rotate_endpoint_secret(:hook, 'one', '90 minutes');
SELECT * FROM test.options;
SELECT hermes.rotate_endpoint_secret(:hook, 'two', '0');
SELECT * FROM test.options;
SELECT what, test.try(format('SELECT hermes.rotate_endpoint_secret(%s, %L, %L)', id, secret, keep))
FROM (VALUES
    ('unknown endpoint', '99', 'one', '1 day'),
    ('unknown secret', '1', 'nobody', '1 day'),
    ('secret of another form', '1', 'token', '1 day'),
    ('the present one', '1', 'two', '1 day'),
    ('negative time', '1', 'one', '-1 second'),
    ('too long', '1', 'one', '2 years'),
    ('null endpoint', 'NULL', 'one', '1 day'),
    ('null secret', '1', NULL, '1 day'),
    ('null time', '1', 'one', NULL)
) AS v (what, id, secret, keep);

-- ---- options ----
SELECT what, test.try('SELECT hermes.create_endpoint(''acme'', ''https://a.example/'', $1) IS NOT NULL', options)
FROM (VALUES
    ('previous without until', '{"secret": "one", "previous_secret": "two"}'::jsonb),
    ('previous without secret', '{"previous_secret": "two", "previous_secret_until": "2030-01-01T00:00:00Z"}'),
    ('until without zone', '{"secret": "one", "previous_secret": "two", "previous_secret_until": "2030-01-01"}'),
    ('unknown previous', '{"secret": "one", "previous_secret": "nobody", "previous_secret_until": "2030-01-01T00:00:00Z"}'),
    ('rate without number', '{"rate": {"burst": 5}}'),
    ('rate 0', '{"rate": {"per_second": 0}}'),
    ('unknown key of rate', '{"rate": {"per_minute": 5}}'),
    ('concurrency 0', '{"concurrency": 0}'),
    ('concurrency 1000', '{"concurrency": 1000}'),
    ('no retry', '{"retry": []}'),
    ('retry with a word', '{"retry": ["soon"]}'),
    ('retry too long', '{"retry": ["31 d"]}'),
    ('retry too often', jsonb_build_object('retry', array_fill('1s'::text, ARRAY[21]))),
    ('disable_after too short', '{"disable_after": "10ms"}'),
    ('all of them', '{"rate": {"per_second": 0.5, "burst": 2}, "concurrency": 8, "retry": ["1s", 60, "1h30m"], "disable_after": "2d"}')
) AS v (what, options);

-- ---- enabling ----
SELECT hermes.enable_endpoint(:hook);
UPDATE hermes.endpoint SET disabled_at = '2026-01-01', disabled_reason = 'the receiver answered 410 Gone', failing_since = '2025-12-31' WHERE id = :hook;
SELECT test.try(format('SELECT hermes.replay_webhooks(%s, now() - interval ''1 day'')', :hook));
SELECT id, tenant, url, enabled, disabled_reason, failing_since IS NOT NULL AS failing, pending FROM hermes.endpoints ORDER BY id;
SELECT hermes.enable_endpoint(:hook);
SELECT id, enabled, disabled_at, disabled_reason, failing_since, last_delivery_at, last_failure_at, last_error, pending FROM hermes.endpoints ORDER BY id;
SELECT test.try('SELECT hermes.enable_endpoint(99)');
SELECT test.try('SELECT hermes.enable_endpoint(NULL)');

-- ---- replays ----
SELECT hermes.drop_endpoint(2);
SELECT hermes.create_endpoint('acme', 'https://acme.example/corrections', '{"events": ["message.status_corrected"]}') AS corrections \gset
SELECT hermes.create_endpoint('other', 'https://other.example/') AS other \gset
CREATE VIEW test.reports AS
SELECT t.target AS endpoint, t.attempt AS sequence, t.detail::jsonb ->> 'type' AS type, t.queue = 2 AS common, t.queue % 2 = 1 AS replay,
       t.due <= clock_timestamp() AS due, t.tries, md5(t.detail) AS body FROM hermes.task t WHERE t.kind = 3 ORDER BY t.target, t.attempt;
SELECT hermes.start_cascade('three', '{}', 'a', 'acme') AS open \gset
SELECT hermes.replay_webhook(:'open'); -- it has made none yet
SELECT hermes.start_cascade('three', '{}', 'b', 'acme') AS id \gset
SELECT test.dlr(:'id', 'delivered', 1);
SELECT test.dlr(:'id', 'undeliverable', 1, '{"timestamp": "2099-01-01T00:00:00Z"}');
SELECT endpoint, sequence, type, common, replay, due FROM test.reports;
-- what is there waits: it is brought forward, with the same body
CREATE TABLE test.first AS SELECT * FROM test.reports;
UPDATE hermes.task SET queue = 1073741824 + 2 * target, due = now() + interval '5 hours', tries = 3 WHERE kind = 3;
SELECT pending FROM hermes.endpoints ORDER BY id;
SELECT hermes.replay_webhook(:'id');
SELECT endpoint, sequence, type, common, replay, due, tries FROM test.reports;
-- one that is just being sent is left alone
UPDATE hermes.task SET owner = 1 WHERE kind = 3 AND target = :corrections;
SELECT hermes.replay_webhook(:'id'), hermes.replay_webhook(:'id', 1), hermes.replay_webhook(:'id', 2);
-- delivered ones are made again, byte for byte; late receipts have come since
SELECT test.dlr(:'id', 'sent', 1);
DELETE FROM hermes.task WHERE kind = 3;
SELECT hermes.replay_webhook(:'id', 2), hermes.replay_webhook(:'id', 1, :hook);
SELECT endpoint, sequence, type, common, replay, due, tries, body = (SELECT f.body FROM test.first f WHERE f.endpoint = r.endpoint AND f.sequence = r.sequence) AS same FROM test.reports r;
-- an endpoint that is named gets what its filter leaves out
DELETE FROM hermes.task WHERE kind = 3;
SELECT hermes.replay_webhook(:'id', NULL, :corrections);
SELECT endpoint, sequence, type FROM test.reports;
SELECT what, test.try(statement) FROM (VALUES
    ('unknown cascade', 'SELECT hermes.replay_webhook(''00000000-0000-7000-8000-000000000000'')'),
    ('no such report', format('SELECT hermes.replay_webhook(%L, 3)', :'id')),
    ('report 0', format('SELECT hermes.replay_webhook(%L, 0)', :'id')),
    ('report of an open cascade', format('SELECT hermes.replay_webhook(%L, 1)', :'open')),
    ('unknown endpoint', format('SELECT hermes.replay_webhook(%L, 1, 99)', :'id')),
    ('another tenant''s endpoint', format('SELECT hermes.replay_webhook(%L, 1, %s)', :'id', :other)),
    ('null cascade', 'SELECT hermes.replay_webhook(NULL)')
) AS v (what, statement);

-- a range: cascades of the tenant by the time of their end
DELETE FROM hermes.task WHERE kind = 3;
SELECT hermes.start_cascade('three', '{}', 'c', 'other') AS foreign \gset
SELECT test.dlr(:'foreign', 'delivered', 1);
SELECT hermes.replay_webhooks(:hook, now() - interval '1 hour'), hermes.replay_webhooks(:corrections, now() - interval '1 hour', 'infinity'),
       hermes.replay_webhooks(:hook, '-infinity', now() - interval '1 hour'), hermes.replay_webhooks(:hook, now() + interval '1 hour', 'infinity');
SELECT endpoint, sequence, type, replay FROM test.reports WHERE replay;
-- only what is dead, and its dead letters go
WITH gone AS (DELETE FROM hermes.task WHERE kind = 3 RETURNING *)
INSERT INTO hermes.dead_letter (workflow_id, tenant, kind, number, queue, target, attempt, tries, detail, error, created_at)
SELECT workflow_id, 'acme', kind, number, queue, target, attempt, 10, detail, 'http_500', now() FROM gone WHERE target = :hook AND attempt = 2;
SELECT hermes.replay_webhooks(:corrections, now() - interval '1 hour', failed_only => true), hermes.replay_webhooks(:hook, now() - interval '1 hour', failed_only => true);
SELECT endpoint, sequence, type, replay, tries, body = (SELECT f.body FROM test.first f WHERE f.endpoint = r.endpoint AND f.sequence = r.sequence) AS same FROM test.reports r;
SELECT count(*) FROM hermes.dead_letters;
SELECT hermes.replay_webhooks(:hook, now() - interval '1 hour', failed_only => true);
SELECT what, test.try(statement) FROM (VALUES
    ('unknown endpoint', 'SELECT hermes.replay_webhooks(99, now())'),
    ('null endpoint', 'SELECT hermes.replay_webhooks(NULL, now())'),
    ('null time', 'SELECT hermes.replay_webhooks(1, NULL)'),
    ('null until', 'SELECT hermes.replay_webhooks(1, now(), NULL)'),
    ('null flag', 'SELECT hermes.replay_webhooks(1, now(), now(), NULL)')
) AS v (what, statement);
-- one call takes 10000 cascades and tells where to go on
SELECT count(hermes.cancel_cascade(id)) FROM hermes.start_cascades('once', array_fill('{}'::jsonb, ARRAY[10001]), NULL, 'acme') AS id;
DELETE FROM hermes.task WHERE kind = 3;
CREATE FUNCTION test.rest() RETURNS text LANGUAGE plpgsql AS $$
DECLARE put bigint;
BEGIN
    put := hermes.replay_webhooks(1, now() - interval '1 hour');
    RETURN put BETWEEN 10000 AND 10002;
END
$$;
SET client_min_messages = warning;
SELECT test.rest();
RESET client_min_messages;

-- ---- the log ----
INSERT INTO hermes.delivery (at, cascade_id, endpoint_id, tenant, event, sequence, try, status, result, duration_ms, error)
VALUES (now() - interval '1 minute', :'id', :hook, 'acme', 'message.delivered', 1, 1, 500, 2, 12, 'http_500'), (now(), :'id', :hook, 'acme', 'message.delivered', 1, 2, NULL, 3, 15000, 'no_answer'),
       (now(), :'foreign', :other, 'other', 'message.delivered', 1, 1, 200, 1, 7, NULL);
SELECT endpoint_id, tenant, event_type, sequence, try, http_status, result, duration_ms, error FROM hermes.delivery_log ORDER BY at, tenant;

-- ---- who sees what ----
CREATE ROLE regress_hermes_hooks IN ROLE hermes_app;
SELECT hermes.grant_tenant('regress_hermes_hooks', 'other');
SET ROLE regress_hermes_hooks;
SELECT id, tenant FROM hermes.endpoints ORDER BY id;
SELECT endpoint_id, tenant FROM hermes.delivery_log;
SELECT test.try(statement) FROM (VALUES ('SELECT hermes.generate_webhook_secret()'), ('SELECT hermes.rotate_endpoint_secret(1, ''one'')'), ('SELECT hermes.enable_endpoint(1)'),
    ('SELECT hermes.replay_webhook(NULL)'), ('SELECT hermes.replay_webhooks(1, now())'), ('SELECT * FROM hermes.delivery'), ('SELECT * FROM hermes.closed_between(NULL, now(), now(), 1)')) AS v (statement);
RESET ROLE;
DROP ROLE regress_hermes_hooks;
