-- apply_receipt: reports known only by the provider's message id.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
SELECT hermes.start_cascade('three', '{}', 'r1') AS id \gset
-- no attempt with this id yet: kept, with a task that looks again after the commit
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "delivered"}');
SELECT provider, provider_message_id, workflow_id, parked, payload FROM hermes.receipt_inbox;
SELECT kind, due <= clock_timestamp() AS due FROM hermes.tasks WHERE kind = 'rematch';
-- a word that nobody understands: parked at once, raw
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "bounce-ish", "x": [1, 2]}');
SELECT parked, payload FROM hermes.receipt_inbox ORDER BY id;
-- the attempt is stored, as the dispatcher does: reports find it by provider and id
INSERT INTO hermes.attempt SELECT hash, now(), :'id', 1 FROM hermes.receipt_inbox WHERE NOT parked;
SELECT test.rows();
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "sent"}');
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "sent"}');
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "accepted"}');
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "strange"}');
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "deferred", "attempt": 9, "sequence": 1}'); -- the look-up names the attempt, not the payload
SELECT test.state(:'id');
-- the same id of another provider is another message
SELECT hermes.apply_receipt('mail_b', 'm-1', '{"status": "delivered"}');
SELECT test.state(:'id');
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "delivered"}');
SELECT test.state(:'id');
SELECT test.history(:'id');
-- after the end
SELECT hermes.apply_receipt('mail_a', 'm-1', '{"status": "undeliverable"}');
SELECT test.state(:'id');
-- an attempt whose cascade is gone: kept like an unknown one
INSERT INTO hermes.attempt SELECT hash, now(), '0190a0a0-0000-7000-8000-000000000000', 1 FROM hermes.receipt_inbox i JOIN hermes.provider p ON p.id = i.provider WHERE p.name = 'mail_b';
SELECT hermes.apply_receipt('mail_b', 'm-1', '{"status": "sent"}');

-- who may: a provider's reports belong to any tenant
CREATE ROLE regress_hermes_receipts;
GRANT hermes_app TO regress_hermes_receipts;
GRANT USAGE ON SCHEMA test TO regress_hermes_receipts;
SELECT hermes.grant_tenant('regress_hermes_receipts', 'acme');
SELECT hermes.start_cascade('three', '{}', 'r2', 'other') AS other \gset
SELECT test.rows() AS before \gset
SET ROLE regress_hermes_receipts;
SELECT test.try('SELECT hermes.apply_receipt(''mail_a'', ''m-1'', ''{"status": "delivered"}'')');
RESET ROLE;
SELECT test.rows() = :'before' AS nothing_kept;
SELECT hermes.grant_tenant('regress_hermes_receipts', '*');
SET ROLE regress_hermes_receipts;
SELECT hermes.apply_receipt('mail_a', 'm-2', '{"status": "delivered"}');
RESET ROLE;
DROP OWNED BY regress_hermes_receipts;
DROP ROLE regress_hermes_receipts;

-- bad input
SELECT test.rows() AS before \gset
SELECT what, test.try(format('SELECT hermes.apply_receipt(%L, %L, %L)', provider, id, payload))
FROM (VALUES
    ('unknown provider', 'nobody', 'm', '{"status": "sent"}'),
    ('provider NULL', NULL, 'm', '{"status": "sent"}'),
    ('id NULL', 'mail_a', NULL, '{"status": "sent"}'),
    ('id empty', 'mail_a', '', '{"status": "sent"}'),
    ('id too long', 'mail_a', repeat('i', 256), '{"status": "sent"}'),
    ('payload NULL', 'mail_a', 'm', NULL),
    ('payload an array', 'mail_a', 'm', '[]'),
    ('no status', 'mail_a', 'm', '{}'),
    ('bad kind', 'mail_a', 'm', '{"status": "failed", "failure_kind": "x"}'),
    ('nested deeply', 'mail_a', 'm', '{"status": ' || repeat('[', 100) || repeat(']', 100) || '}'),
    ('too large', 'mail_a', 'm', '{"status": "sent", "raw": "' || repeat('x', 70000) || '"}')
) AS v (what, provider, id, payload);
SELECT test.rows() = :'before' AS nothing_changed;
-- a dropped provider's late reports are still taken, for its attempts are out; also when its name is used again
SELECT hermes.drop_provider('mail_a');
SELECT test.try('SELECT hermes.apply_receipt(''mail_a'', ''m-1'', ''{"status": "read"}'')');
SELECT test.state(:'id');
SELECT hermes.create_provider('mail_a', '{"kind": "sandbox", "channel": "email"}') IS NOT NULL;
SELECT test.try('SELECT hermes.apply_receipt(''mail_a'', ''m-1'', ''{"status": "undeliverable", "sequence": 2}'')');
SELECT test.state(:'id');
-- rolled back, nothing waits
BEGIN;
SELECT hermes.apply_receipt('mail_b', 'm-9', '{"status": "sent"}');
ROLLBACK;
SELECT count(*) FROM hermes.receipt_inbox WHERE provider_message_id = 'm-9';
