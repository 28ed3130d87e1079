-- receive_receipts: what providers post, as they post it, over their connectors.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
\set ECHO none
-- One line a row: ordinal, cascade by key and attempt, state and kind, result.
CREATE FUNCTION test.receive(provider text, payload text, headers jsonb DEFAULT '{}', options jsonb DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', r.ordinal, coalesce(c.key || '/' || r.attempt, '-'), r.state, r.failure_kind, '->', r.result)
    FROM hermes.receive_receipts(provider, payload, headers, options) r LEFT JOIN hermes.cascades c ON c.cascade_id = r.cascade_id ORDER BY r.ordinal
$$;
-- The dispatcher stored this message id: the look-up row is made from what a receipt that comes too early leaves behind.
CREATE FUNCTION test.sent(provider text, message_id text, key text, attempt integer DEFAULT 1) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hermes.apply_receipt(provider, message_id, '{"status": "accepted"}');
    INSERT INTO hermes.attempt SELECT i.hash, now(), c.cascade_id, sent.attempt FROM hermes.receipt_inbox i, hermes.cascades c
    WHERE NOT i.parked AND i.provider_message_id = message_id AND c.key = sent.key;
    PERFORM test.empty_inbox();
    RETURN message_id;
END
$$;
-- The same beside parked receipts, which stay.
CREATE FUNCTION test.sent_beside(provider text, message_id text, key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hermes.apply_receipt(provider, message_id, '{"status": "accepted"}');
    INSERT INTO hermes.attempt SELECT i.hash, now(), c.cascade_id, 1 FROM hermes.receipt_inbox i, hermes.cascades c
    WHERE NOT i.parked AND i.provider_message_id = message_id AND c.key = sent_beside.key;
    DELETE FROM hermes.receipt_inbox WHERE NOT parked;
    DELETE FROM hermes.task WHERE kind = 5;
    RETURN message_id;
END
$$;
CREATE FUNCTION test.empty_inbox() RETURNS void LANGUAGE sql AS $$
    DELETE FROM hermes.receipt_inbox;
    DELETE FROM hermes.task WHERE kind = 5;
$$;
CREATE FUNCTION test.of(key text) RETURNS text LANGUAGE sql AS $$ SELECT test.state(cascade_id) FROM hermes.cascades c WHERE c.key = of.key $$;
CREATE FUNCTION test.reference(key text, attempt integer) RETURNS text LANGUAGE sql AS $$ SELECT cascade_id || '-' || attempt FROM hermes.cascades c WHERE c.key = reference.key $$;
CREATE FUNCTION test.inbox() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', p.name, i.provider_message_id, CASE WHEN i.parked THEN 'parked ' || i.reason ELSE 'waiting' END, test.mask(i.payload))
    FROM hermes.receipt_inbox i JOIN hermes.provider p ON p.id = i.provider ORDER BY i.id
$$;
-- Standard Webhooks as a sender signs them, some time ago; the key is the SHA-256 of a name.
CREATE FUNCTION test.hmac_sha256(key bytea, message bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. length(key) - 1 LOOP
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(key, i));
        outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(key, i));
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || message));
END
$$;
CREATE FUNCTION test.signed_hook(key_name text, body text, age interval) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('webhook-id', 'm1', 'webhook-timestamp', t.seconds, 'webhook-signature',
        'v1,' || encode(test.hmac_sha256(sha256(key_name::bytea), convert_to('m1.' || t.seconds || '.' || body, 'UTF8')), 'base64'))
    FROM (SELECT floor(extract(epoch FROM clock_timestamp() - age))::bigint::text AS seconds) AS t
$$;
CREATE FUNCTION test.windowed(period text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('kind', 'sandbox', 'channel', 'whatsapp', 'receipts', jsonb_build_object('secret', 'dlr_hook', 'signature', 'standard_webhooks', 'window', period))
$$;
-- The names of the connectors and their rows change with every release.
CREATE FUNCTION test.try_connector(statement text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(test.try(statement), 'Connectors: [a-z0-9_, -]+\.', 'Connectors: <list>.'), '(statuses|errors)\[[0-9]+\]', '\1[n]')
$$;
\set ECHO all
SELECT hermes.create_provider('mail', '{"kind": "sandbox", "channel": "email", "connector": "sendgrid"}'),
       hermes.create_provider('text', '{"kind": "sandbox", "channel": "sms", "connector": "twilio"}'),
       hermes.create_provider('text_b', '{"kind": "sandbox", "channel": "sms", "position": 2, "connector": "twilio"}'),
       hermes.create_provider('parts', '{"kind": "sandbox", "channel": "sms", "position": 3, "connector": "vonage_sms"}'),
       hermes.create_provider('smsc', '{"kind": "sandbox", "channel": "sms", "position": 4, "connector": "smpp",
           "receipts": {"connector_err_map": {"001": ["hard", "unknown_subscriber"]}, "connector_status_map": {"ACCEPTD": "delivered"}, "connector_id_base": {"answer": "hex", "receipt": "dec"}}}'),
       hermes.create_provider('chat', '{"kind": "sandbox", "channel": "whatsapp", "connector": "whatsapp"}'),
       hermes.create_provider('plain', '{"kind": "sandbox", "channel": "push"}');
SELECT hermes.create_cascade_rule('texts', '{"steps": [{"channel": "sms", "providers": ["text"]}, {"channel": "email"}]}'),
       hermes.create_cascade_rule('mails', '{"steps": [{"channel": "email"}, {"channel": "push"}]}'),
       hermes.create_cascade_rule('parts', '{"steps": [{"channel": "sms", "providers": ["parts"]}, {"channel": "email"}]}'),
       hermes.create_cascade_rule('smsc', '{"steps": [{"channel": "sms", "providers": ["smsc"]}, {"channel": "email"}]}'),
       hermes.create_cascade_rule('chats', '{"steps": [{"channel": "whatsapp", "success_on": "read"}]}'),
       hermes.create_cascade_rule('pushes', '{"steps": [{"channel": "push"}]}');

-- ---- a form, one receipt ----
SELECT hermes.start_cascade('texts', '{}', 't1') IS NOT NULL, test.sent('text', 'SM1', 't1');
SELECT test.receive('text', 'MessageSid=SM1&MessageStatus=sent&To=%2B15005550006', '{"Content-Type": "application/x-www-form-urlencoded"}');
SELECT test.receive('text', 'MessageSid=SM1&MessageStatus=sent&To=%2B15005550006'); -- the kind is recognised without a header; the same again
SELECT test.receive('text', 'MessageSid=SM1&MessageStatus=queued');
SELECT test.of('t1');
-- a code that its table calls hard: the next step at once; what says the same at the same rank is stale
SELECT test.receive('text', 'MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30005');
SELECT test.of('t1');
SELECT test.receive('text', 'MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003');
-- failed, then delivered: turned around, and the cascade ends on step 1
SELECT test.receive('text', 'MessageSid=SM1&MessageStatus=delivered');
SELECT test.of('t1');
-- delivered, then failed: an sms is not revoked
SELECT test.receive('text', 'MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30008');
SELECT test.of('t1');
SELECT test.history(cascade_id) FROM hermes.cascades WHERE key = 't1';

-- ---- a JSON array of several: each is taken by itself, in order ----
SELECT hermes.start_cascade('mails', '{}', 'm1') IS NOT NULL, test.sent('mail', 'idm1', 'm1');
SELECT hermes.start_cascade('mails', '{}', 'm2') IS NOT NULL, test.sent('mail', 'idm2', 'm2');
SELECT test.receive('mail', '[{"event": "processed", "sg_message_id": "idm1.recvd-x", "sg_event_id": "e1", "timestamp": 1767225600, "email": "a@example.com"},
    {"event": "delivered", "sg_message_id": "idm2.filter0307p1", "sg_event_id": "e2", "timestamp": 1767225601},
    {"event": "teleported", "sg_message_id": "idm1", "sg_event_id": "e3", "timestamp": 1767225602},
    {"event": "spamreport", "sg_message_id": "idm1", "sg_event_id": "e4", "timestamp": 1767225603},
    {"event": "delivered", "sg_message_id": "unknown", "sg_event_id": "e5", "timestamp": 1767225604},
    {"event": "delivered", "sg_message_id": "idm1", "sg_event_id": "e6", "timestamp": 1767225604},
    {"event": "delivered", "sg_message_id": "idm1", "sg_event_id": "e6", "timestamp": 1767225609},
    "what?"]');
SELECT test.of('m1');
SELECT test.of('m2');
SELECT test.inbox();
SELECT count(*) AS rematch_tasks FROM hermes.tasks WHERE kind = 'rematch';
SELECT id > 0, provider, provider_message_id, cascade_id, reason, payload, received_at <= clock_timestamp() FROM hermes.receipts_parked;
-- email is revocable: an asynchronous bounce after the end corrects the outcome
SELECT test.receive('mail', '[{"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 no such user", "sg_message_id": "idm2", "sg_event_id": "e7", "timestamp": 1767225700}]');
SELECT test.of('m2');
SELECT test.empty_inbox();

-- ---- a query string, one receipt a part ----
SELECT hermes.start_cascade('parts', '{}', 'p1') IS NOT NULL, test.sent('parts', '0A01', 'p1');
SELECT test.receive('parts', 'msisdn=15005550006&messageId=0A01&status=buffered&err-code=0&scts=2601011200&message-timestamp=2026-01-01+12%3A00%3A00', '{}', '{"method": "GET"}');
SELECT test.receive('parts', 'msisdn=15005550006&messageId=0A01&status=accepted&err-code=0&message-timestamp=2026-01-01+12%3A00%3A01', '{}', '{"method": "get"}'); -- equal rank: the later one
SELECT test.receive('parts', 'msisdn=15005550006&messageId=0A01&status=buffered&err-code=0&message-timestamp=2026-01-01+12%3A00%3A00.5', '{}', '{"method": "GET"}');
SELECT test.receive('parts', 'msisdn=15005550006&messageId=0A01&status=failed&err-code=6', '{}', '{"method": "GET"}');
SELECT test.receive('parts', 'msisdn=15005550006&messageId=0a01&status=delivered&err-code=0', '{}', '{"method": "GET"}'); -- another letter case is another id
SELECT test.of('p1');
SELECT test.empty_inbox();

-- ---- SMPP: text and TLVs, the account's own words and codes, ids written in two ways ----
SELECT hermes.start_cascade('smsc', '{}', 's1') IS NOT NULL, test.sent('smsc', '0012D687', 's1');
SELECT test.receive('smsc', 'id:0012D687 sub:001 dlvrd:000 submit date:2601011200 done date:2601011201 stat:ENROUTE err:000 text:hello', '{}', '{"esm_class": 4}');
SELECT test.receive('smsc', 'id:0012D687 stat:DELIVRD err:000 text:an answer of a person', '{}', '{"esm_class": 0}'); -- a message, no receipt
SELECT test.receive('smsc', 'id:0012D687 stat:UNDELIV err:001 done date:2601011202', '{}', '{"esm_class": 4}');
SELECT test.of('s1');
SELECT test.receive('smsc', 'whatever', '{}', '{"esm_class": 4, "tlv": {"receipted_message_id": "0012D687", "message_state": 2}}');
SELECT test.of('s1');
-- the receipt writes in decimal, with or without zeros, what the answer (0012D687) wrote in hexadecimal: one message, never a guess.
-- The answer is looked up under its normal form, which the dispatcher stores beside the exact one.
SELECT hermes.start_cascade('smsc', '{}', 's2') IS NOT NULL, test.sent('smsc', '#1234567', 's2');
SELECT test.receive('smsc', 'id:1234567 stat:ENROUTE', '{}', '{"esm_class": 4}');
SELECT test.receive('smsc', 'id:1234568 stat:DELIVRD', '{}', '{"esm_class": 4}');
SELECT test.receive('smsc', 'id:12345670 stat:DELIVRD', '{}', '{"esm_class": 4}');
SELECT test.of('s2');
SELECT test.receive('smsc', 'id:0001234567 stat:ACCEPTD', '{}', '{"esm_class": 4}');
SELECT test.of('s2');
-- without a base zeros alone are stripped; the account of another base does not know these ids
SELECT hermes.create_provider('smsc_b', '{"kind": "sandbox", "channel": "sms", "position": 5, "connector": "smpp"}') > 0;
SELECT hermes.create_cascade_rule('smsc_b', '{"steps": [{"channel": "sms", "providers": ["smsc_b"]}]}');
SELECT hermes.start_cascade('smsc_b', '{}', 's3') IS NOT NULL, test.sent('smsc_b', '#77A', 's3');
SELECT test.receive('smsc_b', 'id:770 stat:DELIVRD');
SELECT test.receive('smsc_b', 'id:77a stat:DELIVRD');
SELECT test.receive('smsc', 'id:0077A stat:DELIVRD');
SELECT test.receive('smsc_b', 'id:0077A stat:ENROUTE');
SELECT test.receive('smsc_b', 'id:77A stat:DELIVRD');
SELECT test.of('s3');
SELECT test.empty_inbox();

-- ---- nested JSON; the reference that the provider echoes beats its id ----
SELECT hermes.start_cascade('chats', '{}', 'w1') IS NOT NULL, test.sent('chat', 'wamid.1', 'w1');
SELECT hermes.start_cascade('chats', '{}', 'w2') IS NOT NULL;
SELECT test.receive('chat', format('{"entry": [{"changes": [{"value": {"statuses": [{"id": "wamid.1", "status": "delivered", "timestamp": "1767225600", "biz_opaque_callback_data": "%s"},
    {"id": "wamid.1", "status": "sent", "timestamp": "1767225590"}]}}, {"value": {"statuses": [{"id": "wamid.1", "status": "read", "timestamp": "1767225700"}]}}]}]}', test.reference('w2', 1)));
SELECT test.of('w1');
SELECT test.of('w2');
SELECT test.receive('chat', '{"entry": [{"changes": [{"value": {"messages": [{"id": "wamid.9", "text": {"body": "hello"}}]}}]}]}'); -- an inbound message
SELECT test.receive('chat', '{"statuses": [{"id": "wamid.1", "status": "failed", "errors": [{"code": 131026}]}]}');
-- a reference that names nothing of ours, of an attempt that was never made, of no cascade; a text that is no reference: the id counts
SELECT test.receive('chat', format('{"statuses": [{"id": "wamid.1", "status": "sent", "biz_opaque_callback_data": "%s"}, {"id": "wamid.1", "status": "sent", "biz_opaque_callback_data": "0190a0a0-0000-7000-8000-000000000000-1"},
    {"status": "sent", "biz_opaque_callback_data": "campaign-7"}, {"id": "wamid.1", "status": "sent", "biz_opaque_callback_data": "campaign-7"}]}', test.reference('w2', 2)));

-- ---- another account (R5): its ids and its references are not ours ----
SELECT hermes.start_cascade('texts', '{}', 't2') IS NOT NULL, test.sent('text', 'SM2', 't2');
SELECT test.receive('text_b', 'MessageSid=SM2&MessageStatus=delivered');
SELECT test.receive('text_b', format('MessageSid=SM2&MessageStatus=delivered&attempt_id=%s', test.reference('t2', 1)));
SELECT test.of('t2');
SELECT test.receive('text', format('MessageSid=SM2x&MessageStatus=sent&attempt_id=%s', test.reference('t2', 1))); -- of the own account it is
SELECT test.of('t2');
SELECT test.empty_inbox();

-- ---- a provider without a connector: canonical words; form or JSON ----
SELECT hermes.start_cascade('pushes', '{}', 'c1') IS NOT NULL, test.sent('plain', 'n-1', 'c1');
SELECT test.receive('plain', '[{"id": "n-1", "status": "sent", "sequence": 7}, {"provider_message_id": "n-1", "status": "DEFERRED", "sequence": 6}, {"id": "n-1", "status": "wat"}, {"status": "sent"}]');
SELECT test.receive('plain', 'id=n-1&status=failed&failure_kind=policy&error_code=42');
SELECT test.of('c1');
SELECT test.inbox();
SELECT test.empty_inbox();

-- ---- all in the caller's transaction ----
SELECT hermes.start_cascade('texts', '{}', 't3') IS NOT NULL, test.sent('text', 'SM3', 't3');
SELECT test.rows() AS before \gset
BEGIN;
SELECT test.receive('text', 'MessageSid=SM3&MessageStatus=delivered');
SELECT test.receive('text', 'MessageSid=SM4&MessageStatus=delivered');
SELECT test.receive('text', 'MessageSid=SM3&MessageStatus=vanished');
SELECT test.of('t3');
ROLLBACK;
SELECT test.of('t3');
SELECT test.rows() = :'before' AS nothing_kept;

-- ---- signatures ----
SELECT hermes.set_secret('dlr_basic', 'dlr:pass word'), hermes.set_secret('dlr_twilio', '54321 12345'), hermes.set_secret('dlr_meta', 'app-secret');
SELECT hermes.alter_provider('mail', '{"kind": "sandbox", "channel": "email", "connector": "sendgrid", "receipts": {"secret": "dlr_basic", "signature": "basic"}}'),
       hermes.alter_provider('text', '{"kind": "sandbox", "channel": "sms", "connector": "twilio", "receipts": {"secret": "dlr_twilio", "url": "https://dlr.example/twilio?account=1"}}'),
       hermes.alter_provider('chat', '{"kind": "sandbox", "channel": "whatsapp", "connector": "whatsapp", "receipts": {"secret": "dlr_meta"}}');
SELECT hermes.start_cascade('mails', '{}', 'm3') IS NOT NULL, test.sent('mail', 'idm3', 'm3');
\set body '''[{"event": "delivered", "sg_message_id": "idm3"}, {"event": "odd", "sg_message_id": "idm3"}]'''
SELECT test.rows() AS before \gset
SELECT test.try($$ SELECT test.receive('mail', '[{"event": "delivered", "sg_message_id": "idm3"}]') $$);
SELECT test.try($$ SELECT test.receive('mail', '[{"event": "delivered", "sg_message_id": "idm3"}]', '{"Authorization": "Basic ZGxyOndyb25n"}') $$);
SELECT test.try($$ SELECT test.receive('mail', '[{"event": "odd"}]', '{"authorization": "Bearer x"}') $$);
SELECT test.try($$ SELECT test.receive('mail', 'not even JSON') $$); -- the signature is looked at first
SELECT test.rows() = :'before' AS nothing_changed, test.of('m3');
SELECT test.receive('mail', :body, '{"authorization": "Basic ZGxyOnBhc3Mgd29yZA=="}');
SELECT test.of('m3');
-- Twilio: URL and form, with the second of two secrets, in any letter case of the header's name; then one byte changed
SELECT test.sent('text', 'SM-signed', 't3');
SELECT test.try($$ SELECT test.receive('text', 'MessageSid=SM-signed&MessageStatus=delivered&To=%2B15005550007', '{"X-Twilio-Signature": "hW5LMN5w2KH6fCSFafd9leh5KjM="}') $$);
SELECT test.receive('text', 'MessageSid=SM-signed&MessageStatus=delivered&To=%2B15005550006', '{"x-twilio-signature": ["hW5LMN5w2KH6fCSFafd9leh5KjM="]}');
-- Meta: the body, byte for byte
SELECT test.sent('chat', 'wamid.3', 'w2');
SELECT test.try($$ SELECT test.receive('chat', '{"entry":[{"changes": [{"value": {"statuses": [{"id": "wamid.1", "status": "delivered", "timestamp": "1767225600", "recipient_id": "15005550006"}]}}]}]}',
    '{"X-Hub-Signature-256": "sha256=77b348c85eca5c80c06e98239c64f4785315b02dcbe733047815117bdc0b00e1"}') $$);
SELECT test.receive('chat', '{"entry": [{"changes": [{"value": {"statuses": [{"id": "wamid.1", "status": "delivered", "timestamp": "1767225600", "recipient_id": "15005550006"}]}}]}]}',
    '{"X-Hub-Signature-256": "sha256=77b348c85eca5c80c06e98239c64f4785315b02dcbe733047815117bdc0b00e1"}');
-- a secret that is gone, a connector that names no scheme
SELECT hermes.drop_secret('dlr_meta');
SELECT test.try($$ SELECT test.receive('chat', '{}') $$);
SELECT hermes.alter_provider('smsc', '{"kind": "sandbox", "channel": "sms", "connector": "smpp", "receipts": {"secret": "dlr_basic"}}');
SELECT test.try($$ SELECT test.receive('smsc', 'id:1 stat:DELIVRD') $$);
-- how far the signed time may be away is the provider's own: here 10 seconds, then an hour; two keys of a rotation
SELECT hermes.set_secret('dlr_hook', 'whsec_' || encode(sha256('old'), 'base64') || ' whsec_' || encode(sha256('new'), 'base64'));
SELECT hermes.alter_provider('chat', test.windowed('10s'));
SELECT test.try(format('SELECT test.receive(''chat'', %L, %L)', body, test.signed_hook('new', body, age))) AS "10 seconds"
FROM (SELECT '{"provider_message_id": "none", "status": "sent"}' AS body) AS b, (VALUES (1, interval '0'), (2, interval '20 seconds'), (3, interval '-20 seconds')) AS v (n, age) ORDER BY n;
SELECT hermes.alter_provider('chat', test.windowed('1h'));
SELECT test.try(format('SELECT test.receive(''chat'', %L, %L)', body, test.signed_hook('new', body, age))) AS "an hour"
FROM (SELECT '{"provider_message_id": "none", "status": "sent"}' AS body) AS b, (VALUES (1, interval '59 minutes'), (2, interval '61 minutes')) AS v (n, age) ORDER BY n;
SELECT test.try(format('SELECT hermes.alter_provider(''chat'', %L)', test.windowed(w))) FROM unnest(ARRAY['999ms', '3601s', 'soon']) AS w;
SELECT test.empty_inbox();
-- verify_signature: the published vector of Standard Webhooks, 5 minutes either way
SELECT what, test.try(format('SELECT hermes.verify_signature(%L, %L, %L, %L, NULL, %L)', scheme, secret, headers, body, at))
FROM (SELECT 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' AS good, '{"test": 2432232314}' AS text, to_timestamp(1614265330) AS signed,
             '{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}'::jsonb AS h) AS v,
     LATERAL (VALUES (1, 'good', 'standard_webhooks', good, h, text, signed), (2, 'by another name', 'svix', good, h, text, signed),
                     (3, 'two secrets', 'standard_webhooks', 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ' || good, h, text, signed + interval '5 minutes'),
                     (4, 'other body', 'standard_webhooks', good, h, text || ' ', signed), (5, 'other secret', 'standard_webhooks', 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', h, text, signed),
                     (6, 'too late', 'standard_webhooks', good, h, text, signed + interval '301 seconds'), (7, 'too early', 'standard_webhooks', good, h, text, signed - interval '301 seconds'),
                     (8, 'no header', 'standard_webhooks', good, '{}', text, signed), (9, 'a secret that is none', 'standard_webhooks', 'short', h, text, signed),
                     (10, 'unknown scheme', 'morse', good, h, text, signed), (11, 'no body', 'standard_webhooks', good, h, NULL, signed)) AS t (n, what, scheme, secret, headers, body, at) ORDER BY n;

-- ---- operators' rows: before the shipped ones, in force at once and as long as their transaction ----
SELECT hermes.alter_provider('text', '{"kind": "sandbox", "channel": "sms", "connector": "twilio"}'), hermes.start_cascade('texts', '{}', 't5') IS NOT NULL, test.sent('text', 'SM5', 't5');
BEGIN;
INSERT INTO hermes.connector_status (connector, status, state) VALUES ('twilio', 'sent', 'delivered'), ('twilio', 'vanished', 'expired');
INSERT INTO hermes.connector_error (connector, code, failure_kind, reason) VALUES ('twilio', '30005', 'policy', 'own_reason');
SELECT status, state, shipped FROM hermes.connector_status WHERE connector = 'twilio' AND status = 'sent' AND NOT answer ORDER BY shipped;
SELECT raw_status, state, final, failure_kind, reason FROM hermes.parse_receipts('twilio', 'MessageSid=SM5&MessageStatus=vanished');
SELECT test.receive('text', 'MessageSid=SM5&MessageStatus=undelivered&ErrorCode=30005');
SELECT test.of('t5');
SELECT test.receive('text', 'MessageSid=SM5&MessageStatus=sent');
SELECT test.of('t5');
ROLLBACK;
SELECT test.receive('text', 'MessageSid=SM5&MessageStatus=sent');
SELECT test.receive('text', 'MessageSid=SM5&MessageStatus=vanished');
SELECT test.of('t5');
-- shipped rows stay as they are; rows that cannot be read are refused, whoever writes them
SELECT n, test.try_connector(statement) FROM (VALUES
    (1, $$ UPDATE hermes.connector SET document = '{}' WHERE name = 'twilio' $$), (2, $$ DELETE FROM hermes.connector_error WHERE connector = 'twilio' $$),
    (3, $$ UPDATE hermes.connector_status SET shipped = false WHERE connector = 'twilio' AND status = 'sent' $$),
    (4, $$ INSERT INTO hermes.connector_status (connector, status, state) VALUES ('twilio', 'x', 'teleported') $$),
    (5, $$ INSERT INTO hermes.connector_status (connector, status) VALUES ('twilio', 'x') $$),
    (6, $$ INSERT INTO hermes.connector_status (connector, status, disposition, state) VALUES ('twilio', 'x', 'ignore', 'sent') $$),
    (7, $$ INSERT INTO hermes.connector_status (connector, status, state, failure_kind) VALUES ('twilio', 'x', 'sent', 'hard') $$),
    (8, $$ INSERT INTO hermes.connector_error (connector, code, reason) VALUES ('twilio', '1', 'other') $$),
    (9, $$ INSERT INTO hermes.connector (name, document) VALUES ('own', '{"receipts": {"payload": ["json"], "fields": {"status": ["status"]}}}') $$),
    (10, $$ INSERT INTO hermes.connector (name, document) VALUES ('own', '{"receipts": {"payload": ["xml"], "fields": {}}}') $$),
    (11, $$ INSERT INTO hermes.connector (name, document) VALUES ('own', '{"reciepts": {}}') $$),
    (12, $$ INSERT INTO hermes.connector (name, document) VALUES ('own', '[]') $$),
    (13, $$ INSERT INTO hermes.connector (name, document) VALUES ('Own', '{}') $$)) AS v (n, statement) ORDER BY n;
-- a whole connector of one's own
INSERT INTO hermes.connector (name, document) VALUES ('own', '{"receipts": {"payload": ["json"], "elements": ["$.dlrs[*]"], "ignore": [{"path": "$.ping"}],
    "fields": {"correlation_id": ["$.mid"], "status": [{"path": "$.st", "case": "upper"}], "code": ["$.why"]}}}');
INSERT INTO hermes.connector_status (connector, status, state, by_code) VALUES ('own', 'OK', 'delivered', NULL), ('own', 'NOK', 'failed', true);
INSERT INTO hermes.connector_error (connector, code, failure_kind, reason) VALUES ('own', '4*', 'hard', 'invalid_address'), ('own', '42*', 'soft', 'network_error');
SELECT hermes.create_provider('homemade', '{"kind": "sandbox", "channel": "own", "connector": "own"}') > 0;
SELECT hermes.create_cascade_rule('own', '{"steps": [{"channel": "own", "retry": {"maximum_attempts": 1}}, {"channel": "email"}]}');
SELECT hermes.start_cascade('own', '{}', 'o1') IS NOT NULL, test.sent('homemade', '77', 'o1'), hermes.start_cascade('own', '{}', 'o2') IS NOT NULL, test.sent('homemade', '78', 'o2');
SELECT test.receive('homemade', '{"dlrs": [{"mid": 77, "st": "nok", "why": 401}, {"mid": 78, "st": "Nok", "why": 429}, {"mid": 78, "st": "ok"}]}');
SELECT test.of('o1');
SELECT test.of('o2');
SELECT test.receive('homemade', '{"ping": true}');
SELECT test.receive('homemade', '{"pong": true}');
SELECT test.inbox();
SELECT test.empty_inbox();
DELETE FROM hermes.connector WHERE name = 'own'; -- a provider names it: its posts are refused until there is one again
SELECT test.try_connector($$ SELECT test.receive('homemade', '{"dlrs": []}') $$);
-- as when a dump is loaded: a provider and words are there before their connector
UPDATE hermes.provider SET config = config || '{"connector": "own2"}' WHERE name = 'parts' RETURNING name;
INSERT INTO hermes.connector_status (connector, status, state) VALUES ('own2', 'OK', 'delivered') RETURNING connector;
INSERT INTO hermes.connector_error (connector, code, failure_kind) VALUES ('own2', '1', 'hard') RETURNING connector;
INSERT INTO hermes.connector (name, document) VALUES ('own2', '{"receipts": {"payload": ["json"], "fields": {"correlation_id": ["$.mid"], "status": ["$.st"]}}}') RETURNING name;
SELECT test.receive('parts', '{"mid": "x", "st": "OK"}');
SELECT test.empty_inbox();

-- ---- parked receipts, read again once their words are known ----
SELECT hermes.start_cascade('texts', '{}', 't6') IS NOT NULL, test.sent('text', 'SM6', 't6'), hermes.start_cascade('texts', '{}', 't7') IS NOT NULL, test.sent('text', 'SM7', 't7');
SELECT test.receive('text', 'MessageSid=SM6&MessageStatus=beamed&To=%2B1500');
SELECT test.receive('text', 'MessageSid=SM6&MessageStatus=lost');
SELECT test.receive('text', 'MessageSid=SM7&MessageStatus=beamed');
SELECT test.receive('text_b', 'MessageSid=SM7&MessageStatus=beamed');
\set VERBOSITY terse
SELECT * FROM hermes.retry_parked_receipts('text');
INSERT INTO hermes.connector_status (connector, status, state) VALUES ('twilio', 'beamed', 'delivered');
SELECT provider, provider_message_id, payload FROM hermes.receipts_parked ORDER BY id;
SELECT concat_ws(' ', r.ordinal, c.key || '/' || r.attempt, r.state, r.result) FROM hermes.retry_parked_receipts('text', 1) r LEFT JOIN hermes.cascades c USING (cascade_id);
SELECT test.of('t6');
SELECT test.of('t7');
SELECT concat_ws(' ', r.ordinal, c.key || '/' || r.attempt, r.state, r.result) FROM hermes.retry_parked_receipts('text') r LEFT JOIN hermes.cascades c USING (cascade_id);
SELECT test.of('t7');
SELECT concat_ws(' ', r.ordinal, c.key || '/' || r.attempt, r.state, r.result) FROM hermes.retry_parked_receipts('text_b') r LEFT JOIN hermes.cascades c USING (cascade_id); -- understood, and of no attempt there
SELECT test.inbox();
-- words that nobody teaches hide nothing behind them; a NOTICE says where to go on
INSERT INTO hermes.receipt_inbox (hash, provider, parked, payload, reason, received_at)
SELECT 0, p.id, true, '{"MessageSid": "SM6", "MessageStatus": "lost"}', 'unknown_status', now() FROM hermes.provider p, generate_series(1, 1200) WHERE p.name = 'text';
SELECT hermes.start_cascade('texts', '{}', 'q1') IS NOT NULL, test.sent_beside('text', 'SM10', 'q1'), hermes.start_cascade('texts', '{}', 'q2') IS NOT NULL, test.sent_beside('text', 'SM11', 'q2');
INSERT INTO hermes.receipt_inbox (hash, provider, parked, payload, reason, received_at)
SELECT 0, p.id, true, v.payload, 'unknown_status', now() FROM hermes.provider p, (VALUES (1, '{"MessageSid": "SM10", "MessageStatus": "beamed"}'), (2, '{"MessageSid": "SM11", "MessageStatus": "beamed"}')) AS v (n, payload)
WHERE p.name = 'text' ORDER BY v.n;
SELECT id AS first FROM hermes.receipts_parked WHERE payload LIKE '%SM10%' \gset
SELECT concat_ws(' ', r.ordinal, c.key || '/' || r.attempt, r.state, r.result) FROM hermes.retry_parked_receipts('text', 1) r LEFT JOIN hermes.cascades c USING (cascade_id);
SELECT concat_ws(' ', r.ordinal, c.key || '/' || r.attempt, r.state, r.result) FROM hermes.retry_parked_receipts('text', 1, :first) r LEFT JOIN hermes.cascades c USING (cascade_id);
SELECT count(*) FROM hermes.retry_parked_receipts('text');
SELECT count(*) AS still_parked FROM hermes.receipts_parked WHERE provider = 'text';
\set VERBOSITY default
DELETE FROM hermes.connector_status WHERE status = 'beamed';
SELECT test.empty_inbox();

-- ---- who may ----
CREATE ROLE regress_hermes_receive IN ROLE hermes_app;
GRANT USAGE ON SCHEMA test TO regress_hermes_receive;
SELECT hermes.grant_tenant('regress_hermes_receive', 'acme'), hermes.start_cascade('texts', '{}', 'a1', 'acme') IS NOT NULL, test.sent('text', 'SM8', 'a1');
SELECT test.receive('text', 'MessageSid=SM8&MessageStatus=strange');
SELECT test.rows() AS before \gset
SET ROLE regress_hermes_receive;
SELECT test.try($$ SELECT test.receive('text', 'MessageSid=SM8&MessageStatus=delivered') $$);
SELECT test.try($$ SELECT test.receive('nobody', '') $$); -- tells no more than that
SELECT test.try($$ SELECT hermes.retry_parked_receipts('text') $$);
SELECT count(*) FROM hermes.receipts_parked;
SELECT state FROM hermes.parse_receipts('twilio', 'MessageSid=SM8&MessageStatus=delivered');
RESET ROLE;
SELECT test.rows() = :'before' AS nothing_changed;
SELECT hermes.grant_tenant('regress_hermes_receive', '*');
SET ROLE regress_hermes_receive;
SELECT test.receive('text', 'MessageSid=SM8&MessageStatus=delivered');
SELECT count(*) FROM hermes.receipts_parked;
RESET ROLE;
DROP OWNED BY regress_hermes_receive;
DROP ROLE regress_hermes_receive;

-- ---- malformed input of each kind: refused with the reason, or parked as it came ----
SELECT hermes.alter_provider('mail', '{"kind": "sandbox", "channel": "email", "connector": "sendgrid"}'),
       hermes.alter_provider('chat', '{"kind": "sandbox", "channel": "whatsapp", "connector": "whatsapp"}'), hermes.alter_provider('smsc', '{"kind": "sandbox", "channel": "sms", "connector": "smpp"}');
SELECT n, what, test.try(format('SELECT test.receive(%L, %L, %L, %L)', provider, payload, headers, options)) FROM (VALUES
    (1, 'JSON object', 'chat', '{"entry": [', '{}', '{}'), (2, 'JSON object, a form is posted', 'chat', 'entry=1', '{}', '{}'), (3, 'JSON object, without receipts', 'chat', '{"entry": 7}', '{}', '{}'),
    (4, 'JSON array', 'mail', '[{"event": "open"}', '{}', '{}'), (5, 'JSON array, of other things', 'mail', '[1, "x", null, [], {}]', '{}', '{}'), (6, 'JSON array, of none', 'mail', '[]', '{}', '{}'),
    (7, 'form', 'text', '&&=', '{"content-type": "application/x-www-form-urlencoded"}', '{}'), (8, 'form, of other fields', 'text', 'a=%zz&b', '{}', '{}'), (9, 'form, JSON is announced', 'text', 'MessageSid=SM1', '{"content-type": "application/json"}', '{}'),
    (10, 'query', 'text', '?', '{}', '{"method": "GET"}'), (11, 'query, of other fields', 'text', 'x=%00%ff', '{}', '{"method": "GET"}'), (12, 'query, a field twice', 'text', 'MessageStatus=sent&MessageStatus=&MessageSid=SM1', '{}', '{"method": "GET"}'),
    (13, 'SMPP text', 'smsc', '', '{}', '{"esm_class": 4}'), (14, 'SMPP text, without a status', 'smsc', 'id:7 sub:001 err:', '{}', '{"esm_class": 4}'), (15, 'SMPP text, cut', 'smsc', 'id:7 stat:', '{}', '{}'),
    (16, 'SMPP text, comma separated', 'smsc', '7,DELIVRD,000', '{}', '{}'), (17, 'SMPP parameters', 'smsc', '', '{}', '{"esm_class": 256}'), (18, 'SMPP parameters', 'smsc', '', '{}', '{"tlv": {"message_state": {}}}'))
    AS v (n, what, provider, payload, headers, options) ORDER BY n;
SELECT test.inbox();
SELECT test.empty_inbox();
SELECT hermes.alter_provider('mail', '{"kind": "sandbox", "channel": "email", "connector": "sendgrid", "receipts": {"secret": "dlr_basic", "signature": "basic"}}');

-- dates that name no zone are in that of the account, others in their own
SELECT zone, date, event_time AT TIME ZONE 'UTC' AS utc
FROM (VALUES ('UTC'), ('Europe/Berlin'), ('America/New_York'), ('asia/kolkata')) AS z (zone), (VALUES ('2601021200'), ('20260702120030'), ('2026-07-02T12:00:00+02:00')) AS d (date),
     LATERAL hermes.parse_receipts('smpp', format('id:1 done date:%s stat:DELIVRD err:000', date), '{}', jsonb_build_object('connector_time_zone', zone)) ORDER BY zone COLLATE "C", date;

-- ---- what is refused, and leaves nothing ----
SELECT test.rows() AS before \gset
SELECT n, test.try_connector(statement) FROM (VALUES
    (1, $$ SELECT test.receive('nobody', 'MessageSid=SM1&MessageStatus=sent') $$), (2, $$ SELECT test.receive(NULL, '') $$), (3, $$ SELECT test.receive('text', NULL) $$),
    (4, $$ SELECT test.receive('text', '', NULL) $$), (5, $$ SELECT test.receive('text', '', '{}', NULL) $$),
    (6, $$ SELECT test.receive('text', '') $$), (7, $$ SELECT test.receive('text', '{"MessageSid": ') $$), (8, $$ SELECT test.receive('mail', 'event=delivered', '{"authorization": "Basic ZGxyOnBhc3Mgd29yZA=="}') $$),
    (9, $$ SELECT test.receive('plain', repeat('[', 40) || repeat(']', 40)) $$), (10, $$ SELECT test.receive('plain', '{"id": "x", "status": "sent"} trailing') $$),
    (11, $$ SELECT test.receive('plain', '{}', '{}', '{"esm": 4}') $$), (12, $$ SELECT test.receive('plain', '{}', '{}', '{"connector_status_map": {"x": "queued"}}') $$),
    (13, $$ SELECT test.receive('plain', '{}', '{}', '[]') $$),
    (14, $$ SELECT test.receive('plain', '[' || repeat('{},', 20000) || '{}]') $$), (15, $$ SELECT test.receive('plain', repeat('x', 8 * 1024 * 1024 + 1)) $$),
    (16, $$ SELECT hermes.create_provider('bad', '{"kind": "sandbox", "channel": "sms", "connector": "twillio"}') $$),
    (17, $$ SELECT hermes.create_provider('bad', '{"kind": "sandbox", "channel": "sms", "receipts": {"secret": "no_such"}}') $$),
    (18, $$ SELECT hermes.alter_provider('text', '{"kind": "sandbox", "channel": "sms", "receipts": {"signature": "morse"}}') $$),
    (19, $$ SELECT hermes.create_provider('bad', '{"kind": "sandbox", "channel": "sms", "receipts": {"part_mode": "most"}}') $$),
    (20, $$ SELECT hermes.create_provider('bad', '{"kind": "sandbox", "channel": "sms", "receipts": {"connector_err_map": {"1": ["odd"]}}}') $$),
    (21, $$ SELECT hermes.create_provider('bad', '{"kind": "sandbox", "channel": "sms", "receipts": {"key": "x"}}') $$),
    (22, $$ SELECT hermes.parse_receipts('twillio', '') $$), (23, $$ SELECT hermes.parse_receipts('fcm', '{}') $$), (24, $$ SELECT hermes.parse_response('twillio', 200, '{}', '') $$),
    (25, $$ SELECT hermes.retry_parked_receipts('nobody') $$), (27, $$ SELECT hermes.retry_parked_receipts('text', NULL) $$), (28, $$ SELECT hermes.retry_parked_receipts('text', -1) $$), (29, $$ SELECT hermes.retry_parked_receipts('text', 10001) $$), (30, $$ SELECT hermes.retry_parked_receipts('text', 1, NULL) $$), (26, $$ SELECT hermes.retry_parked_receipts(NULL) $$),
    (31, $$ SELECT hermes.create_provider('bad', '{"kind": "sandbox", "channel": "sms", "receipts": {"connector_time_zone": "Mars/Olympus"}}') $$), (32, $$ SELECT test.receive('plain', '{}', '{}', '{"connector_time_zone": "Mars/Olympus"}') $$),
    (33, $$ SELECT hermes.parse_receipts('smpp', 'id:1', '{}', '{"connector_time_zone": 2}') $$)) AS v (n, statement) ORDER BY n;
SELECT test.rows() = :'before' AS nothing_changed;
-- a provider whose connector has no receipts
SELECT hermes.create_provider('push_fcm', '{"kind": "sandbox", "channel": "push", "connector": "fcm"}') > 0;
SELECT test.try($$ SELECT test.receive('push_fcm', '{}') $$);
-- a dropped provider's late receipts are still taken as before, and verified as before; also when its name is used again
SELECT hermes.start_cascade('texts', '{}', 't9') IS NOT NULL, test.sent('text', 'SM9', 't9'), hermes.drop_provider('text');
SELECT test.receive('text', 'MessageSid=SM9&MessageStatus=sent');
SELECT hermes.create_provider('text', '{"kind": "sandbox", "channel": "sms", "connector": "twilio"}') > 0;
SELECT test.receive('text', 'MessageSid=SM9&MessageStatus=delivered');
SELECT hermes.drop_provider('mail');
SELECT test.try($$ SELECT test.receive('mail', '[{"id": "idm3", "status": "undeliverable"}]') $$);
SELECT test.receive('mail', '[{"event": "bounce", "status": "5.1.1", "sg_message_id": "idm3"}]', '{"authorization": "Basic ZGxyOnBhc3Mgd29yZA=="}');
SELECT test.of('m3');
