-- The suppression list: its verbs, their errors and privileges, what receipts make of it; definitions of gates.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
\set ECHO none
CREATE FUNCTION test.receive(provider text, payload text, headers jsonb DEFAULT '{}', options jsonb DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.ordinal, coalesce(c.key || '/' || r.attempt, '-'), r.state, r.failure_kind, '->', r.result)
    FROM hermes.receive_receipts(provider, payload, headers, options) r LEFT JOIN hermes.cascades c ON c.cascade_id = r.cascade_id ORDER BY r.ordinal
$$;
-- The dispatcher stored this message id: the look-up row is made from what a receipt that comes too early leaves behind.
CREATE FUNCTION test.sent(provider text, message_id text, key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hermes.apply_receipt(provider, message_id, '{"status": "accepted"}');
    INSERT INTO hermes.attempt SELECT i.hash, now(), c.cascade_id, 1 FROM hermes.receipt_inbox i, hermes.cascades c
    WHERE NOT i.parked AND i.provider_message_id = message_id AND c.key = sent.key;
    DELETE FROM hermes.receipt_inbox;
    DELETE FROM hermes.task WHERE kind = 5;
    RETURN message_id;
END
$$;
CREATE FUNCTION test.list() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', coalesce(s.tenant, '-'), s.channel, s.address, '[' || s.category || ']', s.reason, s.source, (SELECT c.key FROM hermes.cascades c WHERE c.cascade_id = s.cascade_id))
    FROM hermes.suppressions s ORDER BY s.tenant NULLS FIRST, s.channel, s.address COLLATE "C", s.category, s.reason
$$;
CREATE FUNCTION test.clear() RETURNS bigint LANGUAGE sql AS $$ WITH gone AS (DELETE FROM hermes.suppression RETURNING 1) SELECT count(*) FROM gone $$;
\set ECHO all

-- ---- the verbs ----
SELECT hermes.suppress('acme', 'sms', ' 0049 (171) 12-34 '), hermes.suppress('acme', 'sms', '+491711234'), hermes.suppress('acme', 'sms', '491711234', reason => 'opt_out');
SELECT hermes.suppress('acme', 'email', 'Ann@Example.com', 'news', 'opt_out'), hermes.suppress(NULL, 'email', 'ann@example.com'), hermes.suppress('*', 'push', 'Token.1', reason => 'invalid_address');
SELECT test.list();
-- who is held back: the tenant's entries and those of every tenant, of the category and of every category
SELECT hermes.is_suppressed('acme', 'sms', '+49 171 1234'), hermes.is_suppressed('acme', 'sms', '+49 171 1234', 'news'), hermes.is_suppressed('beta', 'sms', '+491711234'), hermes.is_suppressed(NULL, 'sms', '+491711234');
SELECT hermes.is_suppressed('acme', 'email', 'ANN@example.com'), hermes.is_suppressed('acme', 'email', 'ann@example.com', 'news'), hermes.is_suppressed('acme', 'email', 'ann@example.com', 'other'),
       hermes.is_suppressed(NULL, 'email', 'ann@example.com', 'other');
SELECT hermes.is_suppressed(NULL, 'push', 'Token.1'), hermes.is_suppressed('beta', 'push', 'Token.1', 'news'), hermes.is_suppressed('beta', 'push', 'token.1'), hermes.is_suppressed('*', 'push', 'Token.1');
-- one entry goes with all its reasons; the others stay
SELECT hermes.unsuppress('acme', 'sms', '+491711234'), hermes.unsuppress('acme', 'sms', '+491711234'), hermes.unsuppress('beta', 'push', 'Token.1'), hermes.unsuppress('acme', 'email', 'ann@example.com');
SELECT test.list();
SELECT hermes.unsuppress('acme', 'email', 'ann@example.com', 'news'), hermes.unsuppress('*', 'push', 'Token.1'), hermes.unsuppress(NULL, 'email', 'ann@example.com');
SELECT test.list();
-- many at once: each once, in whatever form
SELECT hermes.suppress_many('acme', 'sms', ARRAY['+1555', '001 555', '1555', '+1556'], reason => 'opt_out'), hermes.suppress_many('acme', 'sms', ARRAY['+1556', '+1557'], reason => 'opt_out'),
       hermes.suppress_many('acme', 'sms', '{}'), hermes.suppress_many('acme', 'email', array_agg('user' || n || '@example.com')) FROM generate_series(1, 1000) n;
SELECT reason, source, count(*), count(DISTINCT address), min(created_at) <= clock_timestamp() AS then FROM hermes.suppressions GROUP BY reason, source ORDER BY reason;
-- all or nothing, as the caller's transaction goes
BEGIN;
SELECT hermes.suppress('acme', 'sms', '+1999');
SELECT hermes.is_suppressed('acme', 'sms', '+1999');
SAVEPOINT a;
SELECT hermes.unsuppress('acme', 'sms', '+1999');
SELECT hermes.is_suppressed('acme', 'sms', '+1999');
ROLLBACK TO a;
SELECT hermes.is_suppressed('acme', 'sms', '+1999');
ROLLBACK;
SELECT hermes.is_suppressed('acme', 'sms', '+1999');
SELECT test.try('SELECT hermes.suppress_many(''acme'', ''sms'', ARRAY[''+1998'', '' ''])'), hermes.is_suppressed('acme', 'sms', '+1998');
SELECT test.clear() > 1000;

-- ---- their errors ----
SELECT test.try(s) FROM (VALUES
    ('SELECT hermes.suppress(''acme'', NULL, ''x'')'),
    ('SELECT hermes.suppress(''acme'', ''sms'', NULL)'),
    ('SELECT hermes.suppress(''acme'', ''sms'', ''x'', NULL)'),
    ('SELECT hermes.suppress(''acme'', ''sms'', ''x'', '''', NULL)'),
    ('SELECT hermes.suppress(''acme'', ''SMS'', ''x'')'),
    ('SELECT hermes.suppress(''acme'', '''', ''x'')'),
    ('SELECT hermes.suppress(''acme'', ''sms'', '''')'),
    ('SELECT hermes.suppress(''acme'', ''email'', '' <> '')'),
    ('SELECT hermes.suppress(''acme'', ''sms'', repeat(''x'', 321))'),
    ('SELECT hermes.suppress(''acme'', ''sms'', ''x'', ''No such'')'),
    ('SELECT hermes.suppress(''acme'', ''sms'', ''x'', '''', ''clear_opt_out'')'),
    ('SELECT hermes.suppress('''', ''sms'', ''x'')'),
    ('SELECT hermes.suppress(repeat(''x'', 256), ''sms'', ''x'')'),
    ('SELECT hermes.suppress_many(''acme'', ''sms'', NULL)'),
    ('SELECT hermes.suppress_many(''acme'', ''sms'', ARRAY[''x'', NULL])'),
    ('SELECT hermes.suppress_many(''acme'', ''sms'', array_fill(''x''::text, ARRAY[100001]))'),
    ('SELECT hermes.unsuppress(''acme'', ''sms'', '' '')'),
    ('SELECT hermes.is_suppressed(''acme'', ''no channel'', ''x'')'),
    ('SELECT hermes.is_suppressed(NULL, ''sms'', repeat(''x'', 320))')) AS v (s);

-- ---- privileges ----
CREATE ROLE regress_hermes_gates_app;
CREATE ROLE regress_hermes_gates_all;
CREATE ROLE regress_hermes_gates_monitor;
CREATE ROLE regress_hermes_gates_nobody;
GRANT hermes_app TO regress_hermes_gates_app, regress_hermes_gates_all;
GRANT hermes_monitor TO regress_hermes_gates_monitor;
SELECT hermes.grant_tenant('regress_hermes_gates_app', 'acme'), hermes.grant_tenant('regress_hermes_gates_all', '*'), hermes.grant_tenant('regress_hermes_gates_monitor', 'acme');
SELECT hermes.suppress('acme', 'sms', '+1'), hermes.suppress('beta', 'sms', '+2'), hermes.suppress('*', 'sms', '+3'), hermes.suppress(NULL, 'sms', '+4');
SET ROLE regress_hermes_gates_app;
SELECT test.list();
SELECT hermes.suppress('acme', 'sms', '+5'), hermes.suppress(NULL, 'sms', '+6'), hermes.unsuppress('acme', 'sms', '+5'), hermes.is_suppressed('acme', 'sms', '+3');
SELECT test.try(s) FROM (VALUES
    ('SELECT hermes.suppress(''beta'', ''sms'', ''+7'')'),
    ('SELECT hermes.suppress(''*'', ''sms'', ''+7'')'),
    ('SELECT hermes.suppress_many(''beta'', ''sms'', ARRAY[''+7''])'),
    ('SELECT hermes.unsuppress(''beta'', ''sms'', ''+2'')'),
    ('SELECT hermes.unsuppress(''*'', ''sms'', ''+3'')'),
    ('SELECT hermes.is_suppressed(''beta'', ''sms'', ''+2'')'),
    ('SELECT count(*) FROM hermes.suppression'),
    ('SELECT count(*) FROM hermes.recipient_contact'),
    ('SELECT count(*) FROM hermes.spend'),
    ('DELETE FROM hermes.suppressions')) AS v (s);
CREATE FUNCTION pg_temp.peek(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN IF t IN ('beta', '*') THEN RAISE WARNING 'a row of tenant % was shown', t; END IF; RETURN true; END $$;
SELECT count(*) FROM hermes.suppressions WHERE pg_temp.peek(tenant);
RESET ROLE;
INSERT INTO hermes.spend VALUES ('acme', '2026-01-01', 1234567), ('beta', '2026-01-01', 1);
SELECT hermes.set_tenant_limits('acme', '{"cost_per_day": 2.5}');
SET ROLE regress_hermes_gates_app;
SELECT tenant, day, estimated_cost::numeric(10, 6), cost_per_day FROM hermes.tenant_spend WHERE pg_temp.peek(tenant);
DROP FUNCTION pg_temp.peek(text);
RESET ROLE;
SET ROLE regress_hermes_gates_all;
SELECT hermes.suppress('*', 'sms', '+8'), hermes.suppress('beta', 'sms', '+9');
SELECT test.list();
RESET ROLE;
SET ROLE regress_hermes_gates_monitor;
SELECT test.list();
SELECT hermes.is_suppressed('acme', 'sms', '+1'), test.try('SELECT hermes.suppress(''acme'', ''sms'', ''+1'')'), test.try('SELECT hermes.unsuppress(''acme'', ''sms'', ''+1'')');
RESET ROLE;
SET ROLE regress_hermes_gates_nobody;
SELECT hermes.is_suppressed(NULL, 'sms', '+1');
RESET ROLE;
SELECT test.clear();

-- ---- definitions ----
SELECT hermes.create_provider('text', '{"kind": "sandbox", "channel": "sms", "connector": "twilio", "cost": {"per_part": 0.075}}'),
       hermes.create_provider('mail', '{"kind": "sandbox", "channel": "email", "connector": "sendgrid", "receipts": {"opt_out_category": "newsletter"}}'),
       hermes.create_provider('chat', '{"kind": "sandbox", "channel": "whatsapp", "connector": "whatsapp"}'),
       hermes.create_provider('chat_acme', '{"kind": "sandbox", "channel": "whatsapp", "connector": "whatsapp", "receipts": {"tenant": "acme"}}'),
       hermes.create_provider('plain', '{"kind": "sandbox", "channel": "push", "cost": {"per_message": 0.001}}');
SELECT hermes.create_cascade_rule('texts', '{"steps": [{"channel": "sms", "address": "$.phone", "skip_if": [{"path": "$.prefs.sms", "in": [false]}], "max_parts": 2}, {"channel": "push"}],
    "category": "newsletter", "frequency": {"max": 2, "per": "1d"}, "max_cost": 0.2}'),
       hermes.create_cascade_rule('plain', '{"steps": [{"channel": "sms"}, {"channel": "email"}, {"channel": "push"}]}'), hermes.create_cascade_rule('mails', '{"steps": [{"channel": "email"}, {"channel": "push"}]}'),
       hermes.create_cascade_rule('chats', '{"steps": [{"channel": "whatsapp"}, {"channel": "push"}]}');
SELECT test.try('SELECT hermes.create_cascade_rule(''bad'', $1)', r) FROM (VALUES
    ('{"steps": [{"channel": "sms", "address": "phone"}]}'::jsonb), ('{"steps": [{"channel": "sms", "skip_if": [{"path": "$.a", "reason": "No"}]}]}'),
    ('{"steps": [{"channel": "sms"}], "frequency": {"max": 0, "per": "1d"}}'), ('{"steps": [{"channel": "sms"}], "max_cost": 0.0000001}')) AS v (r);
SELECT test.try('SELECT hermes.create_provider(''bad'', $1)', c) FROM (VALUES
    ('{"kind": "sandbox", "channel": "sms", "cost": {"per_part": 1001}}'::jsonb), ('{"kind": "sandbox", "channel": "sms", "cost": {}}')) AS v (c);
SELECT test.try('SELECT hermes.set_tenant_limits(''acme'', $1)', l) FROM (VALUES ('{"cost_per_day": "100"}'::jsonb), ('{"channels_off": []}'), ('{"cost_per_day": 0.5, "channels_off": ["sms"]}')) AS v (l);

-- ---- fed by receipts, in the transaction that applies them ----
SELECT hermes.start_cascade('texts', '{"phone": "0049 171 1234"}', 'r' || n, CASE WHEN n % 2 = 0 THEN 'acme' END) IS NOT NULL AS started, test.sent('text', 'SM' || n, 'r' || n) FROM generate_series(1, 4) n;
SELECT test.receive('text', 'MessageSid=SM1&MessageStatus=undelivered&ErrorCode=21610&To=%2B491711234');
SELECT test.list();
-- the tenant is the cascade's; without a recipient the address is the message's, as long as there is one
SELECT test.receive('text', 'MessageSid=SM2&MessageStatus=undelivered&ErrorCode=30005');
SELECT test.list();
-- a repetition says nothing anew, whatever was done meanwhile
SELECT hermes.unsuppress('acme', 'sms', '+491711234');
SELECT test.receive('text', 'MessageSid=SM2&MessageStatus=undelivered&ErrorCode=30005');
SELECT test.list();
-- a status without such a meaning
SELECT test.receive('text', 'MessageSid=SM3&MessageStatus=undelivered&ErrorCode=30003&To=%2B491719999');
-- undone with its transaction
BEGIN;
SELECT test.receive('text', 'MessageSid=SM4&MessageStatus=undelivered&ErrorCode=30005&To=%2B491718888');
SELECT test.list();
ROLLBACK;
SELECT test.list();
SELECT test.clear();
-- mail: opt-outs of this account are about the newsletter, complaints and bad addresses about everything
SELECT hermes.start_cascade('mails', '{"to": "Bob@Example.com"}', 'm' || n, 'acme') IS NOT NULL AS started, test.sent('mail', 'idm' || n, 'm' || n) FROM generate_series(1, 3) n;
SELECT test.receive('mail', '[{"event": "unsubscribe", "sg_message_id": "idm1", "email": "bob@example.com"}, {"event": "unsubscribe", "sg_message_id": "idm1", "email": "bob@example.com"},
    {"event": "spamreport", "sg_message_id": "idm2"}, {"event": "bounce", "type": "bounce", "sg_message_id": "idm3", "email": "BOB@example.com", "reason": "550 5.1.1 unknown"},
    {"event": "open", "sg_message_id": "idm1"}]');
SELECT test.list();
SELECT test.state(cascade_id) FROM hermes.cascades WHERE key = 'm2'; -- a complaint is no state
SELECT test.receive('mail', '[{"event": "group_resubscribe", "sg_message_id": "idm1", "email": "bob@example.com"}, {"event": "group_resubscribe", "sg_message_id": "idm1", "email": "bob@example.com"}]');
-- of several about one address the last counts
SELECT test.receive('mail', '[{"event": "unsubscribe", "sg_message_id": "idm1", "email": "eve@example.com"}, {"event": "group_resubscribe", "sg_message_id": "idm1", "email": "eve@example.com"}]');
SELECT test.receive('mail', '[{"event": "group_resubscribe", "sg_message_id": "idm1", "email": "eve@example.com"}, {"event": "unsubscribe", "sg_message_id": "idm1", "email": "eve@example.com"}]');
SELECT test.list();
-- of no message that is known here: of the account as a whole, for the tenant it is set to, else for every one
SELECT test.receive('mail', '[{"event": "unsubscribe", "sg_message_id": "idm999", "email": "old@example.com"}]');
SELECT test.receive(p, '{"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "user_preferences", "value": {"user_preferences": [{"wa_id": "15005550007", "category": "marketing_messages", "value": "stop"}]}}]}]}')
FROM unnest(ARRAY['chat', 'chat_acme']) AS p;
SELECT test.list();
-- without any address there is nothing to do
SELECT test.receive('mail', '[{"event": "unsubscribe", "sg_message_id": "idm999"}]');
SELECT test.clear() > 0;
-- before its attempt is stored it waits, and takes effect when it is applied
SELECT hermes.start_cascade('texts', '{"phone": "+491710001"}', 'late', 'acme') IS NOT NULL;
SELECT test.receive('text', 'MessageSid=SMlate&MessageStatus=undelivered&ErrorCode=30005&To=%2B491710001');
SELECT test.list();
SELECT payload FROM hermes.receipt_inbox WHERE NOT parked;
-- a canonical receipt may say it, too
SELECT hermes.apply_receipt('text', 'SM3', '{"status": "rejected", "suppress": "opt_out"}'), hermes.apply_receipt('text', 'SM3', '{"status": "rejected", "suppress": "opt_out"}');
SELECT hermes.apply_receipt('text', 'SM4', '{"status": "delivered", "suppress": "complaint", "recipient": "+1 555"}');
SELECT test.list();
SELECT test.try('SELECT hermes.apply_receipt(''text'', ''SM3'', ''{"status": "rejected", "suppress": "everything"}'')');
-- the cascade has ended: no message, no address
SELECT hermes.start_cascade('mails', '{"to": "zoe@example.com"}', 'ended', 'acme') AS ended \gset
SELECT test.sent('mail', 'idended', 'ended'), hermes.cancel_cascade(:'ended');
SELECT test.receive('mail', '[{"event": "spamreport", "sg_message_id": "idended"}, {"event": "spamreport", "sg_message_id": "idended", "email": "zoe@example.com"}]');
SELECT test.list();
SELECT name, value FROM hermes.stats WHERE name IN ('suppressions_added', 'engagements', 'sends_skipped') ORDER BY name;

-- ---- what the sends of a cascade are estimated to cost ----
SELECT hermes.start_cascade('plain', '{"text": "hello"}', 'cost') AS cost \gset
SELECT jsonb_path_query_array(hermes.cascade_status(:'cost'), '$.attempts[*].estimated_cost');
SELECT test.dlr(:'cost', 'undeliverable', 1), test.dlr(:'cost', 'undeliverable', 2), test.dlr(:'cost', 'sent', 3);
SELECT a ->> 'channel' AS channel, a -> 'estimated_cost' AS estimated_cost FROM jsonb_array_elements(hermes.cascade_status(:'cost') -> 'attempts') a;
SELECT hermes.cancel_cascade(:'cost');
SELECT a ->> 'channel' AS channel, a -> 'estimated_cost' AS estimated_cost FROM jsonb_array_elements(hermes.cascade_status(:'cost') -> 'attempts') a; -- the text is gone, the price of a message is not

RESET ROLE;
SELECT hermes.revoke_tenant('regress_hermes_gates_app', 'acme'), hermes.revoke_tenant('regress_hermes_gates_all', '*'), hermes.revoke_tenant('regress_hermes_gates_monitor', 'acme');
DROP ROLE regress_hermes_gates_app, regress_hermes_gates_all, regress_hermes_gates_monitor, regress_hermes_gates_nobody;
