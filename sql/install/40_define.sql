-- Definitions: rules, providers, endpoints, secrets, tenants.

CREATE FUNCTION hermes.create_cascade_rule(name text, rule jsonb) RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_create_cascade_rule';
COMMENT ON FUNCTION hermes.create_cascade_rule(text, jsonb) IS
'Creates a cascade rule, or its next version, and returns the version. Running cascades keep theirs. rule: {"steps": [{"channel": "email", "timeout": "30s"}, {"channel": "sms"}]}; durations are strings with units or numbers of seconds. Errors: 22023 with the JSON path in DETAIL, 54000 over a limit. Example: SELECT hermes.create_cascade_rule(''welcome'', ''{"steps": [{"channel": "email", "timeout": "30s"}, {"channel": "sms", "timeout": "60s"}]}'');';

CREATE FUNCTION hermes.alter_cascade_rule(name text, rule jsonb) RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_alter_cascade_rule';
COMMENT ON FUNCTION hermes.alter_cascade_rule(text, jsonb) IS
'Adds a version to an existing rule and returns it; an unknown name is error 42704.';

CREATE FUNCTION hermes.drop_cascade_rule(name text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_cascade_rule';
COMMENT ON FUNCTION hermes.drop_cascade_rule(text) IS
'Takes a rule out of use. Running cascades go on with their version. Errors: 42704 when there is no such rule.';

CREATE FUNCTION hermes.create_provider(name text, config jsonb) RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_create_provider';
COMMENT ON FUNCTION hermes.create_provider(text, jsonb) IS
'Creates a message provider and returns its id. config: kind http (request template, ok predicate, id path, answer classes, caps) or sandbox (scripted answers); see docs/reference.md. Errors: 22023 with the JSON path in DETAIL, 42710 when the name is taken. Example: SELECT hermes.create_provider(''test_sms'', ''{"kind": "sandbox", "channel": "sms"}'');';

CREATE FUNCTION hermes.alter_provider(name text, config jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_alter_provider';
COMMENT ON FUNCTION hermes.alter_provider(text, jsonb) IS
'Replaces the configuration of a provider, for sends from the commit on. Errors: 22023, 42704.';

CREATE FUNCTION hermes.drop_provider(name text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_provider';
COMMENT ON FUNCTION hermes.drop_provider(text) IS
'Drops a provider. Sends waiting for it go to the next provider of their step, else to the next step. Errors: 42704.';

CREATE FUNCTION hermes.create_endpoint(tenant text, url text, options jsonb DEFAULT '{}') RETURNS integer
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_create_endpoint';
COMMENT ON FUNCTION hermes.create_endpoint(text, text, jsonb) IS
'Creates a webhook endpoint for the outcomes of a tenant''s cascades (NULL: those without a tenant) and returns its id. options: {"secret": "name of a secret holding whsec_...", "events": ["message.delivered"], "timeout": "15s", "headers": {}, "rate": {"per_second": 50, "burst": 100}, "concurrency": 64, "retry": ["5s", "5m", "1h"], "disable_after": "5d"}. Requests are signed by Standard Webhooks 1.0, retried over three days unless retry says otherwise, dead-lettered after that; 410, and failures alone for disable_after, disable the endpoint. Errors: 22023.';

CREATE FUNCTION hermes.alter_endpoint(id integer, url text, options jsonb DEFAULT '{}') RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_alter_endpoint';
COMMENT ON FUNCTION hermes.alter_endpoint(integer, text, jsonb) IS
'Replaces URL and options of an endpoint and enables it again. Errors: 22023, 42704.';

CREATE FUNCTION hermes.drop_endpoint(id integer) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_endpoint';
COMMENT ON FUNCTION hermes.drop_endpoint(integer) IS
'Drops an endpoint; reports waiting for it become dead letters. Errors: 42704.';

CREATE FUNCTION hermes.set_secret(name text, value text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_set_secret';
COMMENT ON FUNCTION hermes.set_secret(text, text) IS
'Stores or replaces a secret that templates name as {{secret.<name>}}. No function or view shows it again. A statement that carries a secret may reach the server log: use a prepared statement with a parameter.';

CREATE FUNCTION hermes.drop_secret(name text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_drop_secret';
COMMENT ON FUNCTION hermes.drop_secret(text) IS 'Removes a secret. Errors: 42704.';

CREATE FUNCTION hermes.grant_tenant(role_name name, tenant text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_grant_tenant';
COMMENT ON FUNCTION hermes.grant_tenant(name, text) IS
'Lets a role act for and see the cascades of a tenant; ''*'' means every tenant. The role needs hermes_app or hermes_monitor as well. Grants go by name: revoke them before the role is dropped.';

CREATE FUNCTION hermes.revoke_tenant(role_name name, tenant text) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_revoke_tenant';
COMMENT ON FUNCTION hermes.revoke_tenant(name, text) IS 'Takes back what grant_tenant gave. Errors: 42704.';

CREATE FUNCTION hermes.tenant_visible(tenant text) RETURNS boolean
    LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'hc_tenant_visible';
COMMENT ON FUNCTION hermes.tenant_visible(text) IS 'Whether the current role may see rows of a tenant: the predicate of every view.';

CREATE FUNCTION hermes.confirm_restore() RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_confirm_restore';
COMMENT ON FUNCTION hermes.confirm_restore() IS
'Releases the outbound requests held since the server found that this database was restored or moved to another system.';
