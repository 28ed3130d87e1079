-- Providers, endpoints, secrets and tenant grants: what is accepted, and what is not.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers

-- ---- providers ----
SELECT hermes.create_provider('box', '{"kind": "sandbox", "channel": "sms"}');
SELECT hermes.create_provider('scripted', '{"kind": "sandbox", "channel": "sms", "position": 2, "concurrency": 4,
    "script": [{"answer": "retry_same", "reason": "busy", "retry_after": "1s", "code": 429},
               {"answer": "accepted", "receipts": [{"status": "sent"}, {"status": "delivered", "after": "10ms"}]}]}');
SELECT hermes.create_provider('web', '{"kind": "http", "channel": "email", "position": 1,
    "request": {"method": "POST", "url": "https://api.example.com/{{message.account}}/messages",
                "headers": {"Authorization": "Bearer {{secret.token}}"}, "encoding": "json",
                "body": {"to": "{{message.to}}", "title": "{{message.title?}}", "ref": "{{attempt.id}}"}},
    "idempotency_header": "Idempotency-Key",
    "response": {"ok": {"status": [200, 202], "path": "$.status", "in": ["queued"]}, "message_id": {"path": "$.id"},
                 "classes": [{"status": [429], "class": "retry_same"},
                             {"path": "$.code", "in": [21610], "class": "next_channel", "kind": "policy", "reason": "opt out"}]},
    "timeout": "10s", "connect_timeout": "3s", "max_response_bytes": 65536, "concurrency": 64}');
-- a taken name; bad names
SELECT test.try('SELECT hermes.create_provider(''box'', ''{"kind": "sandbox", "channel": "sms"}'')');
SELECT test.try(format('SELECT hermes.create_provider(%L, ''{"kind": "sandbox", "channel": "sms"}'')', name))
FROM (VALUES (NULL), (''), (E'a\tb'), (repeat('n', 256))) AS v (name);
SELECT what, test.try('SELECT hermes.create_provider(''bad'', $1)', config)
FROM (VALUES
    ('null', NULL),
    ('not an object', '[]'::jsonb),
    ('no kind', '{"channel": "sms"}'),
    ('unknown kind', '{"kind": "smtp", "channel": "sms"}'),
    ('kind is a number', '{"kind": 7, "channel": "sms"}'),
    ('unknown key', '{"kind": "sandbox", "channel": "sms", "speed": 1}'),
    ('http key in a sandbox', '{"kind": "sandbox", "channel": "sms", "timeout": "1s"}'),
    ('no channel', '{"kind": "sandbox"}'),
    ('bad channel', '{"kind": "sandbox", "channel": "S M S"}'),
    ('position 0', '{"kind": "sandbox", "channel": "sms", "position": 0}'),
    ('no concurrency', '{"kind": "sandbox", "channel": "sms", "concurrency": 0}'),
    ('empty script', '{"kind": "sandbox", "channel": "sms", "script": []}'),
    ('bad answer', '{"kind": "sandbox", "channel": "sms", "script": [{"answer": "yes"}]}'),
    ('negative delay', '{"kind": "sandbox", "channel": "sms", "script": [{"receipts": [{"status": "sent", "after": "-1s"}]}]}'),
    ('no request', '{"kind": "http", "channel": "sms"}'),
    ('no url', '{"kind": "http", "channel": "sms", "request": {}}'),
    ('scheme', '{"kind": "http", "channel": "sms", "request": {"url": "file:///etc/passwd"}}'),
    ('host from the message', '{"kind": "http", "channel": "sms", "request": {"url": "https://{{message.host}}/x"}}'),
    ('method', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/", "method": "DELETE"}}'),
    ('body with GET', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/", "method": "GET", "body": {}}}'),
    ('placeholder', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/", "body": {"a": "{{message.to"}}}'),
    ('unknown placeholder', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/", "body": {"a": "{{server.env}}"}}}'),
    ('header name', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/", "headers": {"Host": "b"}}}'),
    ('header value', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/", "headers": {"X-A": "b\r\nX-C: d"}}}'),
    ('header twice', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/", "headers": {"X-A": "1", "x-a": "2"}}}'),
    ('idempotency header', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/"}, "idempotency_header": "a b"}'),
    ('status', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/"}, "response": {"ok": {"status": [99]}}}'),
    ('path', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/"}, "response": {"message_id": {"path": "id"}}}'),
    ('class without condition', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/"}, "response": {"classes": [{"class": "retry_same"}]}}'),
    ('negative timeout', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/"}, "timeout": "-1s"}'),
    ('timeout too long', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/"}, "timeout": "1h"}'),
    ('response too large', '{"kind": "http", "channel": "sms", "request": {"url": "https://a.example/"}, "max_response_bytes": 100000000}')
) AS v (what, config);
SELECT test.try('SELECT hermes.create_provider(''deep'', $1)', (repeat('{"kind": [', 500) || repeat(']}', 500))::jsonb);
SELECT test.try('SELECT hermes.create_provider(''big'', $1)', jsonb_build_object('kind', repeat('x', 70000)));
-- alter and drop
SELECT hermes.alter_provider('box', '{"kind": "sandbox", "channel": "sms", "position": 9}');
SELECT config FROM hermes.provider WHERE name = 'box';
SELECT test.try('SELECT hermes.alter_provider(''box'', ''{"kind": "sandbox"}'')');
SELECT test.try('SELECT hermes.alter_provider(''nobody'', ''{"kind": "sandbox", "channel": "sms"}'')');
SELECT test.try('SELECT hermes.drop_provider(''nobody'')');
SELECT hermes.drop_provider('box');
SELECT test.try('SELECT hermes.drop_provider(''box'')');
SELECT test.try('SELECT hermes.alter_provider(''box'', ''{"kind": "sandbox", "channel": "sms"}'')');
-- the name is free again, the id is not: histories name providers by id
SELECT hermes.create_provider('box', '{"kind": "sandbox", "channel": "sms"}');
SELECT id, name, dropped_at IS NOT NULL AS dropped FROM hermes.provider ORDER BY id;

-- ---- secrets ----
SELECT hermes.set_secret('token', 'one');
SELECT hermes.set_secret('token', 'two');
SELECT hermes.set_secret('hook', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
SELECT name, value FROM hermes.secret ORDER BY name;
SELECT test.try(format('SELECT hermes.set_secret(%L, %L)', name, value))
FROM (VALUES (NULL, 'v'), ('', 'v'), ('n', NULL), ('n', ''), ('n', repeat('v', 16385)), (E'\x01', 'v')) AS v (name, value);
SELECT test.try(format('SELECT hermes.set_secret(''large'', %L)', repeat('v', 16384)));
SELECT hermes.drop_secret('large');
SELECT test.try('SELECT hermes.drop_secret(''large'')');

-- ---- endpoints ----
SELECT hermes.create_endpoint('acme', 'https://hooks.acme.example/hermes');
SELECT hermes.create_endpoint(NULL, 'http://[2001:db8::1]:8080/x', '{"secret": "hook", "events": ["message.delivered", "message.failed"],
    "timeout": "5s", "headers": {"X-Tenant": "none"}}');
SELECT what, test.try(format('SELECT hermes.create_endpoint(%L, %L, %L)', tenant, url, options))
FROM (VALUES
    ('empty tenant', '', 'https://a.example/', '{}'::jsonb),
    ('tenant with a control character', E'a\x1fb', 'https://a.example/', '{}'),
    ('null url', 'acme', NULL, '{}'),
    ('empty url', 'acme', '', '{}'),
    ('no url', 'acme', 'hooks', '{}'),
    ('scheme', 'acme', 'ftp://a.example/', '{}'),
    ('user in the url', 'acme', 'https://u:p@a.example/', '{}'),
    ('space in the url', 'acme', 'https://a.example/ b', '{}'),
    ('line break in the url', 'acme', E'https://a.example/\r\nX: y', '{}'),
    ('null options', 'acme', 'https://a.example/', NULL),
    ('options no object', 'acme', 'https://a.example/', '[]'),
    ('unknown option', 'acme', 'https://a.example/', '{"retries": 1}'),
    ('unknown secret', 'acme', 'https://a.example/', '{"secret": "nobody"}'),
    ('secret of another form', 'acme', 'https://a.example/', '{"secret": "token"}'),
    ('unknown event', 'acme', 'https://a.example/', '{"events": ["message.opened"]}'),
    ('no event', 'acme', 'https://a.example/', '{"events": []}'),
    ('negative timeout', 'acme', 'https://a.example/', '{"timeout": "-5s"}'),
    ('content type', 'acme', 'https://a.example/', '{"headers": {"content-type": "text/plain"}}'),
    ('signature header', 'acme', 'https://a.example/', '{"headers": {"webhook-id": "x"}}')
) AS v (what, tenant, url, options);
SELECT hermes.alter_endpoint(1, 'https://hooks.acme.example/v2', '{"timeout": "3s"}');
SELECT test.try('SELECT hermes.alter_endpoint(1, ''nowhere'')');
SELECT test.try('SELECT hermes.alter_endpoint(99, ''https://a.example/'')');
SELECT test.try('SELECT hermes.alter_endpoint(NULL, ''https://a.example/'')');
SELECT hermes.drop_endpoint(2);
SELECT test.try('SELECT hermes.drop_endpoint(2)');
SELECT test.try('SELECT hermes.alter_endpoint(2, ''https://a.example/'')');
SELECT id, tenant, url, options, dropped_at IS NOT NULL AS dropped FROM hermes.endpoint ORDER BY id;

-- a tenant has at most 64
SELECT count(hermes.create_endpoint('many', 'https://a.example/' || n)) FROM generate_series(1, 64) AS n;
SELECT test.try('SELECT hermes.create_endpoint(''many'', ''https://a.example/65'')');
SELECT test.try('SELECT hermes.create_endpoint(''other'', ''https://a.example/65'') IS NOT NULL');

-- ---- tenants ----
CREATE ROLE regress_hermes_define;
SELECT hermes.grant_tenant('regress_hermes_define', 'acme');
SELECT hermes.grant_tenant('regress_hermes_define', 'acme'); -- twice is once
SELECT hermes.grant_tenant('regress_hermes_define', '*');
SELECT * FROM hermes.tenant_access ORDER BY tenant;
SELECT test.try('SELECT hermes.grant_tenant(''regress_hermes_nobody'', ''acme'')');
SELECT test.try('SELECT hermes.grant_tenant(''regress_hermes_define'', '''')');
SELECT test.try('SELECT hermes.grant_tenant(''regress_hermes_define'', NULL)');
SELECT hermes.revoke_tenant('regress_hermes_define', '*');
SELECT test.try('SELECT hermes.revoke_tenant(''regress_hermes_define'', ''*'')');
SELECT * FROM hermes.tenant_access ORDER BY tenant;
DROP ROLE regress_hermes_define;
