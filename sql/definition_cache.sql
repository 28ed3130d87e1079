-- A session's cache of definitions never outlives what it was read from.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /sql/include/helpers.sql
\i :helpers
-- a second session, to change definitions beside a running transaction
CREATE EXTENSION dblink;
SELECT test.setup();
CREATE ROLE regress_hermes_cache;
GRANT hermes_app TO regress_hermes_cache;
SELECT dblink_connect('other', format('host=%s port=%s dbname=%s user=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
                                      current_setting('port'), current_database(), current_user));
CREATE FUNCTION test.elsewhere(statement text) RETURNS text LANGUAGE sql AS $$ SELECT * FROM dblink('other', statement) AS t (result text) $$;
CREATE FUNCTION test.version() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE id uuid := hermes.start_cascade('three', '{}');
BEGIN
    RETURN hermes.cascade_status(id) -> 'rule_version';
END
$$;
-- any lock takes pending invalidations
CREATE FUNCTION test.catch_up() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CREATE TEMP TABLE caught_up () ON COMMIT DROP'; DROP TABLE caught_up; END $$;

-- another session's change is seen by the next statement
SELECT test.version();
SELECT test.elsewhere('SELECT hermes.alter_cascade_rule(''three'', ''{"steps": [{"channel": "sms"}]}'')');
SELECT test.version();
-- under one snapshot the transaction may go on with what it sees, but the next one must not
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT test.version();
SELECT test.elsewhere('SELECT hermes.alter_cascade_rule(''three'', ''{"steps": [{"channel": "push"}]}'')');
SELECT test.catch_up();
SELECT test.version();
COMMIT;
SELECT test.version();
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test.version();
SELECT test.elsewhere('SELECT hermes.alter_cascade_rule(''three'', ''{"steps": [{"channel": "email"}]}'')');
SELECT test.catch_up();
SELECT test.version();
ROLLBACK;
SELECT test.version();
-- a grant taken back meanwhile
SELECT hermes.grant_tenant('regress_hermes_cache', 'acme');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM hermes.cascades;
SELECT test.elsewhere('SELECT hermes.revoke_tenant(''regress_hermes_cache'', ''acme'')');
SELECT test.catch_up();
SET LOCAL ROLE regress_hermes_cache;
SELECT hermes.start_cascade('three', '{}', NULL, 'acme') IS NOT NULL;
COMMIT;
SET ROLE regress_hermes_cache;
SELECT test.try('SELECT hermes.start_cascade(''three'', ''{}'', NULL, ''acme'')');
SELECT hermes.tenant_visible('acme');
RESET ROLE;
-- membership of hermes_admin, given and taken
SET ROLE regress_hermes_cache;
SELECT hermes.tenant_visible('acme');
RESET ROLE;
GRANT hermes_admin TO regress_hermes_cache;
SET ROLE regress_hermes_cache;
SELECT hermes.tenant_visible('acme');
RESET ROLE;
REVOKE hermes_admin FROM regress_hermes_cache;
SET ROLE regress_hermes_cache;
SELECT hermes.tenant_visible('acme');
RESET ROLE;
-- changed and rolled back within one transaction, and within one statement that fails
BEGIN;
SELECT hermes.grant_tenant('regress_hermes_cache', 'acme');
SET LOCAL ROLE regress_hermes_cache;
SELECT hermes.tenant_visible('acme');
ROLLBACK;
SET ROLE regress_hermes_cache;
SELECT hermes.tenant_visible('acme');
RESET ROLE;
SELECT hermes.grant_tenant('regress_hermes_cache', 'acme'), set_config('role', 'regress_hermes_cache', false), hermes.tenant_visible('acme'), 1 / (length(hermes.tenant_visible('x')::text) - 5);
SET ROLE regress_hermes_cache;
SELECT hermes.tenant_visible('acme');
RESET ROLE;
-- CREATE EXTENSION again in the same session: nothing of the first one is remembered
SELECT hermes.drop_cascade_rule('once');
SELECT dblink_disconnect('other');
DROP EXTENSION hermes_cascade CASCADE;
CREATE EXTENSION hermes_cascade;
SELECT hermes.start_cascade('three', '{}');
SELECT hermes.create_provider('p', '{"kind": "sandbox", "channel": "sms"}');
SELECT hermes.create_cascade_rule('three', '{"steps": [{"channel": "sms"}]}');
SELECT hermes.start_cascade('three', '{}') IS NOT NULL;
SELECT provider FROM hermes.tasks;
DROP ROLE regress_hermes_cache;
