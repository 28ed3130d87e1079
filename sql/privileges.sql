-- Roles: what hermes_app, hermes_monitor, hermes_admin and nobody may do; tenants.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
SELECT test.setup();
CREATE ROLE regress_hermes_nobody;
CREATE ROLE regress_hermes_app;
CREATE ROLE regress_hermes_monitor;
CREATE ROLE regress_hermes_admin;
CREATE ROLE regress_hermes_worker;
GRANT hermes_app TO regress_hermes_app;
GRANT hermes_monitor TO regress_hermes_monitor;
GRANT hermes_admin TO regress_hermes_admin;
GRANT hermes_worker TO regress_hermes_worker;
SELECT hermes.grant_tenant('regress_hermes_app', 'acme'), hermes.grant_tenant('regress_hermes_monitor', '*');
SELECT hermes.start_cascade('three', '{}', 'own', 'acme') AS own \gset
SELECT hermes.start_cascade('three', '{}', 'other', 'beta') AS other \gset
SELECT hermes.start_cascade('three', '{}', 'none') AS none \gset
SELECT hermes.start_cascade('three', '{}', 'other closed', 'beta') AS other_closed \gset
SELECT hermes.create_endpoint('beta', 'https://beta.example/') IS NOT NULL, hermes.set_secret('token', 'hush');
SELECT hermes.cancel_cascade(:'other_closed');
INSERT INTO hermes.dead_letter (workflow_id, tenant, kind, number, queue, target, attempt, tries, error, created_at)
VALUES (:'other_closed', 'beta', 3, 1, 2, 1, 0, 10, 'http_500', now()), (:'own', 'acme', 3, 1, 2, 1, 0, 10, 'http_500', now());

-- ---- nobody: not even the schema ----
SET ROLE regress_hermes_nobody;
SELECT hermes.start_cascade('three', '{}');
SELECT * FROM hermes.cascades;
SELECT 'applied'::hermes.signal_result;
RESET ROLE;

-- ---- an application: its tenants and the NULL tenant ----
SET ROLE regress_hermes_app;
SELECT hermes.start_cascade('three', '{}', 'mine', 'acme') IS NOT NULL, hermes.start_cascade('three', '{}') IS NOT NULL;
SELECT test.try(s) FROM (VALUES
    ('SELECT hermes.start_cascade(''three'', ''{}'', ''k'', ''beta'')'),
    ('SELECT hermes.start_cascade(''three'', ''{}'', ''other'', ''beta'')'),
    ('SELECT hermes.start_cascades(''three'', ARRAY[''{}'']::jsonb[], NULL, ''beta'')'),
    ('SELECT hermes.start_cascade(''three'', ''{}'', ''k'', ''*'')')) AS v (s);
-- a foreign cascade is as good as none
SELECT test.try(format(s, :'other')) FROM (VALUES
    ('SELECT hermes.signal_cascade(%L, ''dlr'', ''{"status": "delivered"}'')'),
    ('SELECT hermes.signal_cascades(ARRAY[%L]::uuid[], ARRAY[''dlr''], ARRAY[''{"status": "delivered"}'']::jsonb[])'),
    ('SELECT hermes.cancel_cascade(%L)'),
    ('SELECT hermes.cascade_status(%L)'),
    ('SELECT hermes.cascade_history(%L)')) AS v (s);
SELECT test.try(format('SELECT hermes.cascade_status(%L)', :'other_closed')), test.try(format('SELECT hermes.signal_cascade(%L, ''dlr'', ''{"status": "delivered"}'')', :'other_closed'));
SELECT test.dlr(:'own', 'sent', 1), test.dlr(:'none', 'sent', 1);
SELECT tenant, key, status FROM hermes.cascades ORDER BY tenant, key;
SELECT DISTINCT tenant FROM hermes.history ORDER BY tenant;
SELECT count(*) FILTER (WHERE cascade_id IN (:'other', :'other_closed')) AS foreign_tasks, count(*) > 0 AS own FROM hermes.tasks;
SELECT count(*) FROM hermes.deliveries;
SELECT tenant FROM hermes.dead_letters;
-- a function in the view's query sees no foreign row (security barrier)
CREATE FUNCTION pg_temp.peek(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN IF t = 'beta' THEN RAISE WARNING 'a row of tenant % was shown', t; END IF; RETURN true; END $$;
SELECT key FROM hermes.cascades WHERE pg_temp.peek(tenant) ORDER BY key;
SELECT count(*) FROM hermes.history WHERE pg_temp.peek(tenant) AND event_id = 1;
SELECT count(*) FROM hermes.dead_letters WHERE pg_temp.peek(tenant);
DROP FUNCTION pg_temp.peek(text);
-- no table, no secret, no administration
SELECT test.try(s) FROM (VALUES
    ('SELECT count(*) FROM hermes.workflow'), ('SELECT count(*) FROM hermes.open_cascades'), ('SELECT count(*) FROM hermes.closed'), ('SELECT count(*) FROM hermes.closed_default'),
    ('SELECT count(*) FROM hermes.task'), ('SELECT value FROM hermes.secret'), ('SELECT count(*) FROM hermes.provider'),
    ('SELECT count(*) FROM hermes.rule_version'), ('SELECT count(*) FROM hermes.endpoint'), ('SELECT count(*) FROM hermes.tenant_access'),
    ('SELECT count(*) FROM hermes.execution_key'), ('SELECT count(*) FROM hermes.attempt'), ('SELECT count(*) FROM hermes.receipt_inbox'),
    ('SELECT count(*) FROM hermes.dead_letter'), ('SELECT count(*) FROM hermes.fence'),
    ('INSERT INTO hermes.tenant_access VALUES (''regress_hermes_app'', ''beta'')'), ('DELETE FROM hermes.task'),
    ('CREATE TABLE hermes.x (a integer)'),
    ('SELECT nextval(''hermes.provider_id_seq'')'),
    ('SELECT hermes.create_cascade_rule(''x'', ''{"steps": [{"channel": "sms"}]}'')'), ('SELECT hermes.drop_cascade_rule(''three'')'),
    ('SELECT hermes.create_provider(''x'', ''{"kind": "sandbox", "channel": "sms"}'')'), ('SELECT hermes.alter_provider(''sms_a'', ''{"kind": "sandbox", "channel": "sms"}'')'),
    ('SELECT hermes.create_endpoint(''acme'', ''https://x.example/'')'), ('SELECT hermes.set_secret(''token'', ''mine'')'), ('SELECT hermes.drop_secret(''token'')'),
    ('SELECT hermes.grant_tenant(''regress_hermes_app'', ''beta'')'), ('SELECT hermes.revoke_tenant(''regress_hermes_app'', ''acme'')'),
    ('SELECT hermes.terminate_cascade(''00000000-0000-0000-0000-000000000000'', ''x'')'), ('SELECT hermes.retry_dead_letter(1)'),
    ('SELECT hermes.confirm_restore()'), ('SELECT hermes.create_partitions()'), ('SELECT hermes.drop_old_partitions(''1 s'', ''1 s'', ''1 s'')'),
    ('SELECT hermes.create_day_partition(''hermes.closed'', now())'), ('SET hermes.max_message_size = ''1GB'''), ('SET hermes.workers = off')) AS v (s);
RESET ROLE;
-- the grant is the role's own: taken back it is gone in the next statement
SELECT hermes.revoke_tenant('regress_hermes_app', 'acme');
SET ROLE regress_hermes_app;
SELECT test.try('SELECT hermes.start_cascade(''three'', ''{}'', ''own'', ''acme'')');
SELECT count(*) FROM hermes.cascades WHERE tenant IS NOT NULL;
RESET ROLE;
SELECT hermes.grant_tenant('regress_hermes_app', '*');
SET ROLE regress_hermes_app;
SELECT hermes.start_cascade('three', '{}', 'other', 'beta') = :'other' AS same;
SELECT count(DISTINCT tenant) FROM hermes.cascades;
RESET ROLE;

-- ---- a function of another owner acts as its owner; the session's user counts for nothing ----
CREATE FUNCTION test.as_app() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN test.try('SELECT hermes.start_cascade(''three'', ''{}'', ''definer'', ''beta'') IS NOT NULL');
END
$$;
SELECT hermes.revoke_tenant('regress_hermes_app', '*');
ALTER FUNCTION test.as_app() OWNER TO regress_hermes_app;
SELECT test.as_app();
SET ROLE regress_hermes_nobody;
SELECT test.as_app();
RESET ROLE;
SELECT hermes.grant_tenant('regress_hermes_app', 'beta');
SET ROLE regress_hermes_nobody;
SELECT test.as_app();
RESET ROLE;

-- ---- a monitor: sees, touches nothing ----
SET ROLE regress_hermes_monitor;
SELECT count(DISTINCT tenant) FROM hermes.cascades;
SELECT test.state(:'other');
SELECT count(*) FROM hermes.stats WHERE name = 'cascades_started';
SELECT test.try(s) FROM (VALUES ('SELECT hermes.start_cascade(''three'', ''{}'')'), ('SELECT hermes.cancel_cascade(''00000000-0000-0000-0000-000000000000'')'),
    ('SELECT hermes.apply_receipt(''sms_a'', ''m'', ''{"status": "sent"}'')'), ('SELECT count(*) FROM hermes.workflow')) AS v (s);
RESET ROLE;

-- ---- an administrator: every tenant, every verb, no table ----
SET ROLE regress_hermes_admin;
SELECT hermes.create_cascade_rule('admin', '{"steps": [{"channel": "sms"}]}');
SELECT hermes.start_cascade('admin', '{}', 'k', 'anybody') IS NOT NULL, hermes.terminate_cascade(:'other', 'x');
SELECT hermes.set_secret('token', 'new');
SELECT hermes.grant_tenant('regress_hermes_worker', 'acme');
SELECT test.try(s) FROM (VALUES ('SELECT value FROM hermes.secret'), ('SELECT count(*) FROM hermes.workflow'), ('DROP TABLE hermes.task'),
    ('SELECT hermes.create_partitions()')) AS v (s);
RESET ROLE;

-- ---- hermes_worker: nothing yet ----
SET ROLE regress_hermes_worker;
SELECT test.try(s) FROM (VALUES ('SELECT hermes.start_cascade(''three'', ''{}'')'), ('SELECT count(*) FROM hermes.tasks'), ('SELECT hermes.cascade_status(''00000000-0000-0000-0000-000000000000'')')) AS v (s);
RESET ROLE;

-- ---- what a verb does with the owner's rights does not stay with the caller ----
SET ROLE regress_hermes_admin;
SELECT test.try('SELECT hermes.start_cascade(''nobody'', ''{}'')');
SELECT current_user;
SELECT test.try('SELECT count(*) FROM hermes.workflow');
RESET ROLE;

DROP FUNCTION test.as_app();
DROP ROLE regress_hermes_nobody, regress_hermes_app, regress_hermes_monitor, regress_hermes_admin, regress_hermes_worker;
