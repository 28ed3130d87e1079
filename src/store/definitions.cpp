// See definitions.hpp.
#include "store/definitions.hpp"

namespace hc::store {

namespace {

struct IntRow {
    std::int32_t value = 0;
    auto fields() { return std::tie(value); }
};
struct TextRow {
    std::string value;
    auto fields() { return std::tie(value); }
};

} // namespace

std::optional<RuleRow> find_current_rule(const std::string &name) {
    constinit static pg::statement<RuleRow(std::string)> find(
        "SELECT id, name, version, current, rule FROM hermes.rule_version WHERE name = $1 AND current");
    return find.query_one(name, true);
}

std::optional<RuleRow> find_rule_version(std::int32_t id) {
    constinit static pg::statement<RuleRow(std::int32_t)> find(
        "SELECT id, name, version, current, rule FROM hermes.rule_version WHERE id = $1");
    return find.query_one(id, true);
}

std::int32_t insert_rule_version(const std::string &name, const std::string &rule_json) {
    // two creators of one name meet here; the second sees the first one's version in its next statement
    constinit static pg::statement<void()> lock("LOCK TABLE hermes.rule_version IN SHARE ROW EXCLUSIVE MODE");
    constinit static pg::statement<void(std::string)> retire(
        "UPDATE hermes.rule_version SET current = false WHERE name = $1 AND current");
    constinit static pg::statement<IntRow(std::string, std::string)> insert(
        "INSERT INTO hermes.rule_version (name, version, current, rule) "
        "SELECT $1, 1 + coalesce(max(version), 0), true, $2::jsonb FROM hermes.rule_version WHERE name = $1 RETURNING "
        "version");
    lock.execute();
    retire.execute(name);
    return insert.query(name, rule_json).front().value;
}

bool retire_rule(const std::string &name) {
    constinit static pg::statement<void(std::string)> retire(
        "UPDATE hermes.rule_version SET current = false WHERE name = $1 AND current");
    return retire.execute(name) != 0;
}

std::vector<ProviderRow> all_providers() {
    constinit static pg::statement<ProviderRow()> all(
        "SELECT id, name, config, dropped_at IS NOT NULL FROM hermes.provider ORDER BY id");
    return all.query(true);
}

std::int32_t insert_provider(const std::string &name, const std::string &config_json) {
    constinit static pg::statement<IntRow(std::string, std::string)> insert(
        "INSERT INTO hermes.provider (name, config) VALUES ($1, $2::jsonb) "
        "ON CONFLICT (name) WHERE dropped_at IS NULL DO NOTHING RETURNING id");
    const std::vector<IntRow> rows = insert.query(name, config_json);
    return rows.empty() ? 0 : rows.front().value;
}

bool update_provider(const std::string &name, const std::string &config_json) {
    constinit static pg::statement<void(std::string, std::string)> update(
        "UPDATE hermes.provider SET config = $2::jsonb WHERE name = $1 AND dropped_at IS NULL");
    return update.execute(name, config_json) != 0;
}

bool drop_provider(const std::string &name) {
    constinit static pg::statement<void(std::string)> drop(
        "UPDATE hermes.provider SET dropped_at = pg_catalog.clock_timestamp() WHERE name = $1 AND dropped_at IS NULL");
    return drop.execute(name) != 0;
}

std::vector<EndpointRow> endpoints_of(const std::optional<std::string> &tenant) {
    constinit static pg::statement<EndpointRow(std::string)> find(
        "SELECT id, tenant, url, options, true FROM hermes.endpoint "
        "WHERE tenant = $1 AND dropped_at IS NULL AND disabled_at IS NULL ORDER BY id");
    constinit static pg::statement<EndpointRow()> find_common(
        "SELECT id, tenant, url, options, true FROM hermes.endpoint "
        "WHERE tenant IS NULL AND dropped_at IS NULL AND disabled_at IS NULL ORDER BY id");
    return tenant ? find.query(*tenant, true) : find_common.query(true);
}

std::vector<EndpointRow> first_endpoints(std::int32_t limit) {
    constinit static pg::statement<EndpointRow(std::int32_t)> find(
        "SELECT id, tenant, url, options, true FROM hermes.endpoint "
        "WHERE dropped_at IS NULL AND disabled_at IS NULL ORDER BY id LIMIT $1");
    return find.query(limit, true);
}

std::optional<EndpointRow> find_endpoint(std::int32_t id) {
    constinit static pg::statement<EndpointRow(std::int32_t)> find(
        "SELECT id, tenant, url, options, disabled_at IS NULL FROM hermes.endpoint WHERE id = $1 AND dropped_at IS "
        "NULL");
    return find.query_one(id, true);
}

std::int32_t insert_endpoint(const std::optional<std::string> &tenant, const std::string &url,
                             const std::string &options) {
    constinit static pg::statement<IntRow(std::optional<std::string>, std::string, std::string)> insert(
        "INSERT INTO hermes.endpoint (tenant, url, options) VALUES ($1, $2, $3::jsonb) RETURNING id");
    return insert.query(tenant, url, options).front().value;
}

bool update_endpoint(std::int32_t id, const std::string &url, const std::string &options) {
    constinit static pg::statement<void(std::int32_t, std::string, std::string)> update(
        "UPDATE hermes.endpoint SET url = $2, options = $3::jsonb, disabled_at = NULL, disabled_reason = NULL, "
        "failing_since = NULL "
        "WHERE id = $1 AND dropped_at IS NULL");
    return update.execute(id, url, options) != 0;
}

bool drop_endpoint(std::int32_t id) {
    constinit static pg::statement<void(std::int32_t)> drop(
        "UPDATE hermes.endpoint SET dropped_at = pg_catalog.clock_timestamp() WHERE id = $1 AND dropped_at IS NULL");
    return drop.execute(id) != 0;
}

namespace {
struct DocumentRow {
    pg::json_text document;
    auto fields() { return std::tie(document); }
};
struct NameRow {
    std::string name;
    auto fields() { return std::tie(name); }
};
} // namespace

std::optional<pg::json_text> find_connector(const std::string &name) {
    constinit static pg::statement<DocumentRow(std::string)> find(
        "SELECT document FROM hermes.connector_documents WHERE name = $1");
    std::optional<DocumentRow> row = find.query_one(name);
    return row ? std::optional(std::move(row->document)) : std::nullopt;
}

std::vector<std::string> connector_names() {
    constinit static pg::statement<NameRow()> all("SELECT DISTINCT name FROM hermes.connector ORDER BY name");
    std::vector<std::string> names;
    for (NameRow &row : all.query()) {
        names.push_back(std::move(row.name));
    }
    return names;
}

void upsert_secret(const std::string &name, const std::string &value) {
    constinit static pg::statement<void(std::string, std::string)> upsert(
        "INSERT INTO hermes.secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = "
        "excluded.value");
    upsert.execute(name, value);
}

bool delete_secret(const std::string &name) {
    constinit static pg::statement<void(std::string)> remove("DELETE FROM hermes.secret WHERE name = $1");
    return remove.execute(name) != 0;
}

std::optional<std::string> find_secret(const std::string &name) {
    constinit static pg::statement<TextRow(std::string)> find("SELECT value FROM hermes.secret WHERE name = $1");
    std::optional<TextRow> row = find.query_one(name, true);
    if (!row) {
        return std::nullopt;
    }
    return std::move(row->value);
}

std::vector<TenantLimitRow> all_tenant_limits() {
    constinit static pg::statement<TenantLimitRow()> all("SELECT tenant, limits FROM hermes.tenant_limit");
    return all.query();
}

void upsert_tenant_limits(const std::string &tenant, const std::string &limits_json) {
    constinit static pg::statement<void(std::string, std::string)> upsert(
        "INSERT INTO hermes.tenant_limit (tenant, limits) VALUES ($1, $2::text::jsonb) "
        "ON CONFLICT (tenant) DO UPDATE SET limits = excluded.limits");
    upsert.execute(tenant, limits_json);
}

void delete_tenant_limits(const std::string &tenant) {
    constinit static pg::statement<void(std::string)> remove("DELETE FROM hermes.tenant_limit WHERE tenant = $1");
    remove.execute(tenant);
}

void insert_tenant_access(const std::string &role, const std::string &tenant) {
    constinit static pg::statement<void(std::string, std::string)> insert(
        "INSERT INTO hermes.tenant_access (role_name, tenant) VALUES ($1::name, $2) ON CONFLICT DO NOTHING");
    insert.execute(role, tenant);
}

bool delete_tenant_access(const std::string &role, const std::string &tenant) {
    constinit static pg::statement<void(std::string, std::string)> remove(
        "DELETE FROM hermes.tenant_access WHERE role_name = $1::name AND tenant = $2");
    return remove.execute(role, tenant) != 0;
}

std::vector<std::string> tenants_of(const std::string &role) {
    constinit static pg::statement<TextRow(std::string)> find(
        "SELECT tenant FROM hermes.tenant_access WHERE role_name = $1::name");
    std::vector<std::string> tenants;
    for (TextRow &row : find.query(role, true)) {
        tenants.push_back(std::move(row.value));
    }
    return tenants;
}

} // namespace hc::store
