-- Signals before the answer: delivery reports of every status, ranks, duplicates, which attempt.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();

-- ---- each canonical status, to an attempt that is queued; words not understood are parked ----
SELECT hermes.start_cascade('three', '{}', 'status ' || status) IS NOT NULL
FROM unnest(ARRAY['queued', 'accepted', 'sent', 'deferred', 'unknown', 'failed', 'expired', 'undeliverable', 'rejected',
                  'canceled', 'delivered', 'read', 'DELIVERED', 'Delivered ', 'delivrd', '0']) AS status;
CREATE TEMP TABLE statuses AS
SELECT cascade_id, replace(key, 'status ', '') AS status, test.dlr(cascade_id, replace(key, 'status ', ''), 1) AS result
FROM hermes.cascades WHERE key LIKE 'status %';
SELECT status, result, test.state(cascade_id) FROM statuses ORDER BY status COLLATE "C";
SELECT i.parked, i.payload, s.status FROM hermes.receipt_inbox i LEFT JOIN statuses s ON s.cascade_id = i.workflow_id ORDER BY s.status COLLATE "C";

-- what a failure does: soft sends again by the same provider, later; config goes to the next provider, hard and policy to the next channel
SELECT hermes.start_cascade('three', '{}', kind) IS NOT NULL FROM unnest(ARRAY['soft', 'hard', 'policy', 'config']) AS kind;
CREATE TEMP TABLE kinds AS
SELECT cascade_id, key AS kind, test.dlr(cascade_id, 'failed', 1, jsonb_build_object('failure_kind', key, 'error_code', 30003)) AS result
FROM hermes.cascades WHERE key IN ('soft', 'hard', 'policy', 'config');
SELECT kind, result, test.state(cascade_id) FROM kinds ORDER BY kind;
SELECT k.kind, t.kind, t.attempt, t.provider, t.due > clock_timestamp() AS later FROM kinds k JOIN hermes.tasks t USING (cascade_id) ORDER BY k.kind, t.kind;

-- ---- a whole cascade by receipts: soft failures until the providers of the channel are used up, then channel by channel ----
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.dlr(:'id', 'failed', 1, '{"error_code": "busy"}');
SELECT test.dlr(:'id', 'failed', 2), test.dlr(:'id', 'failed', 3);
SELECT test.state(:'id');
SELECT test.dlr(:'id', 'failed', 4), test.dlr(:'id', 'failed', 5), test.dlr(:'id', 'failed', 6);
SELECT split_part(test.state(:'id'), ';', 1), count(*) FROM hermes.tasks WHERE cascade_id = :'id';
SELECT test.dlr(:'id', 'undeliverable', 7);
SELECT test.dlr(:'id', 'failed', 8), test.dlr(:'id', 'failed', 9), test.dlr(:'id', 'failed', 10, '{"error_code": 7}');
SELECT test.history(:'id');
SELECT test.state(:'id');
SELECT count(*) FROM hermes.tasks WHERE cascade_id = :'id';

-- ---- by rank, never by order of arrival ----
SELECT hermes.create_cascade_rule('read', '{"steps": [{"channel": "sms", "success_on": "read"}]}');
SELECT hermes.start_cascade('read', '{}') AS id \gset
SELECT test.dlr(:'id', 'sent', 1), test.dlr(:'id', 'accepted', 1), test.dlr(:'id', 'queued', 1), test.dlr(:'id', 'delivered', 1);
SELECT test.dlr(:'id', 'deferred', 1), test.dlr(:'id', 'failed', 1), test.dlr(:'id', 'read', 1), test.dlr(:'id', 'undeliverable', 1);
SELECT test.state(:'id');
SELECT test.history(:'id');
-- equal ranks: the provider's sequence decides, else its time, else the first one stays
SELECT hermes.start_cascade('once', '{}') AS id \gset
SELECT test.dlr(:'id', 'sent', 1, '{"sequence": 5}'), test.dlr(:'id', 'deferred', 1, '{"sequence": 4}'), test.dlr(:'id', 'deferred', 1, '{"sequence": 6}');
SELECT test.state(:'id');
SELECT hermes.start_cascade('once', '{}') AS id \gset
SELECT test.dlr(:'id', 'sent', 1, '{"timestamp": "2026-01-01T00:00:05Z"}'), test.dlr(:'id', 'deferred', 1, '{"timestamp": "2026-01-01T00:00:04Z"}'),
       test.dlr(:'id', 'deferred', 1, '{"timestamp": "2026-01-01T01:00:06+01:00"}'), test.dlr(:'id', 'sent', 1);
SELECT test.state(:'id');

-- ---- duplicates: by signal id, else by content; the content has no order of keys ----
SELECT hermes.start_cascade('once', '{}') AS id \gset
SELECT test.dlr(:'id', 'sent', 1, '{}', 'e1'), test.dlr(:'id', 'sent', 1, '{}', 'e1'), test.dlr(:'id', 'delivered', 1, '{}', 'e1');
SELECT test.state(:'id');
SELECT test.dlr(:'id', 'deferred', 1, '{"sequence": 1}'), hermes.signal_cascade(:'id', 'dlr', '{"sequence": 1,  "attempt": 1, "status": "deferred"}');
SELECT test.dlr(:'id', 'bounced', 1), test.dlr(:'id', 'bounced', 1), test.dlr(:'id', 'bounced', 1, '{}', 'e2'), test.dlr(:'id', 'bounced', 1, '{}', 'e2');
SELECT test.dlr(:'id', 'delivered', 1, '{}', 'e3'), test.dlr(:'id', 'delivered', 1, '{}', 'e3'), test.dlr(:'id', 'delivered', 1, '{}', 'e4');
SELECT test.history(:'id');

-- ---- after the end ----
-- late failure of email, which can be revoked: corrected, and turned round again by a later success
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.dlr(:'id', 'delivered', 1), test.dlr(:'id', 'undeliverable', 1), test.state(:'id');
SELECT test.dlr(:'id', 'delivered', 1), test.dlr(:'id', 'delivered', 1, '{"sequence": 2}');
SELECT test.state(:'id');
-- late failure of SMS, which cannot: conflict
SELECT hermes.start_cascade('once', '{}') AS id \gset
SELECT test.dlr(:'id', 'delivered', 1), test.dlr(:'id', 'undeliverable', 1), test.dlr(:'id', 'read', 1), test.dlr(:'id', 'sent', 1);
SELECT test.state(:'id');
-- late success after exhaustion
SELECT hermes.start_cascade('once', '{}') AS id \gset
SELECT test.dlr(:'id', 'undeliverable', 1), test.state(:'id'), test.dlr(:'id', 'delivered', 1);
SELECT test.state(:'id');
SELECT test.history(:'id');
-- late success of an earlier step while a later one runs: completes; the later attempt may have reached the recipient too
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.dlr(:'id', 'undeliverable', 1), test.dlr(:'id', 'sent', 2), test.dlr(:'id', 'delivered', 1);
SELECT test.state(:'id');
SELECT s -> 'duplicate_contact' AS duplicate_contact, s -> 'outcome' AS outcome FROM hermes.cascade_status(:'id') AS s;
-- a failure of an earlier step is recorded only
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.dlr(:'id', 'undeliverable', 1), test.dlr(:'id', 'rejected', 1);
SELECT test.state(:'id');

-- ---- which attempt ----
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT test.dlr(:'id', 'sent'); -- one attempt: no need to name it
SELECT test.dlr(:'id', 'undeliverable');
SELECT test.dlr(:'id', 'delivered'); -- two attempts
SELECT test.dlr(:'id', 'delivered', 3), test.dlr(:'id', 'delivered', 1000);
SELECT test.dlr(:'id', 'sent', NULL, '{"provider_message_id": "m-2"}'); -- the queued attempt may turn out to have this id
SELECT test.dlr(:'id', 'sent', 2, '{"provider_message_id": "m-9"}');
SELECT test.dlr(:'id', 'delivered', 2, '{"provider_message_id": "m-8"}'); -- another id than the attempt's
SELECT test.dlr(:'id', 'deferred', NULL, '{"provider_message_id": "m-9", "sequence": 1}');
SELECT test.state(:'id');
SELECT test.history(:'id');

-- ---- other signals ----
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT hermes.signal_cascade(:'id', 'clicked', '{"url": "x"}', 's1');
SELECT hermes.signal_cascade(:'id', 'clicked', '{"url": "y"}', 's1');
SELECT hermes.signal_cascade(:'id', 'clicked', '{"url": "x"}'), hermes.signal_cascade(:'id', 'clicked', '{"url": "x"}');
SELECT hermes.signal_cascade(:'id', 'clicked', '"any JSON"'), hermes.signal_cascade(:'id', 'clicked'), hermes.signal_cascade(:'id', 'Dlr', '{"status": "delivered"}');
SELECT test.history(:'id');
SELECT test.state(:'id');
SELECT hermes.cancel_cascade(:'id');
SELECT hermes.signal_cascade(:'id', 'clicked'), hermes.signal_cascade(:'id', 'clicked', '{}', 's1');
-- a cascade takes a bounded number of them; delivery reports get through even then
SELECT hermes.start_cascade('three', '{}') AS id \gset
SELECT count(hermes.signal_cascade(:'id', 'n', jsonb_build_object('n', n))) FROM generate_series(1, 997) AS n;
SELECT test.try(format('SELECT hermes.signal_cascade(%L, ''n'')', :'id'));
SELECT test.dlr(:'id', 'sent', 1), test.dlr(:'id', 'accepted', 1), test.dlr(:'id', 'delivered', 1);
SELECT test.state(:'id');
