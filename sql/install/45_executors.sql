-- Roles that run the SQL of tenants and rules.

CREATE TABLE hermes.executor_role (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role_name  name NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE hermes.executor_role IS 'Roles that tenants or rules have SQL run as. The id names the queue of their tasks; rows stay.';

CREATE TABLE hermes.tenant_role (
    tenant    text PRIMARY KEY,
    role_name name NOT NULL
);
COMMENT ON TABLE hermes.tenant_role IS 'The role that runs the SQL of a tenant''s cascades (hermes.set_tenant_role). The empty tenant: cascades without one; *: all that have no role of their own.';

CREATE FUNCTION hermes.set_tenant_role(tenant text, role_name name) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_set_tenant_role';
COMMENT ON FUNCTION hermes.set_tenant_role(text, name) IS
'Sets the role that runs the SQL of a tenant''s cascades, the conditions of their steps, from the commit on; a NULL role takes it away. A NULL tenant stands for cascades without a tenant, ''*'' for all that have neither a role of their own nor a rule with run_as. The role must be able to connect, the caller must be a member of it, and it must have no rights like those of a superuser, of hermes_admin or of the extension''s owner. Errors: 42501, 42704, 22023. Example: SELECT hermes.set_tenant_role(''acme'', ''acme_sql'');';
