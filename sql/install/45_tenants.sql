-- Tenants: their share of the providers, how much they may start.

CREATE TABLE hermes.tenant_limit (
    tenant text PRIMARY KEY,
    limits jsonb NOT NULL
);
COMMENT ON TABLE hermes.tenant_limit IS 'Limits of tenants that have some of their own (hermes.set_tenant_limits).';

CREATE FUNCTION hermes.set_tenant_limits(tenant text, limits jsonb) RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'hc_set_tenant_limits';
COMMENT ON FUNCTION hermes.set_tenant_limits(text, jsonb) IS
'Sets what a tenant may use, from the commit on: {"weight": 10, "rate": {"per_second": 100, "burst": 200}, "max_backlog": 50000, "cost_per_day": 100, "channels_off": ["sms"]}, all optional. weight (1 to 1000, default 10): its share among tenants that wait for one provider; rate: cascades it may start; max_backlog: sends waiting for the first provider of the rule above which a start is refused. A refused start is error 53400 with a HINT. cost_per_day: estimated cost of the sends of a day (UTC), sends over it are skipped with reason cost_cap_tenant; channels_off: steps over these channels are skipped with reason channel_off. NULL limits take them away. Errors: 22023. Example: SELECT hermes.set_tenant_limits(''acme'', ''{"rate": {"per_second": 100}}'');';
