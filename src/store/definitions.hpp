// Rules, providers, endpoints, secrets and tenant grants: row types and statements.
// All functions run inside an SPI scope, as the extension owner.
#pragma once

#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

struct RuleRow {
    std::int32_t id = 0;
    std::string name;
    std::int32_t version = 0;
    bool current = false;
    pg::json_text rule;
    auto fields() { return std::tie(id, name, version, current, rule); }
};

std::optional<RuleRow> find_current_rule(const std::string &name);
std::optional<RuleRow> find_rule_version(std::int32_t id);
// Locks the versions of the name against a concurrent creation; the new version is current. Returns its number.
std::int32_t insert_rule_version(const std::string &name, const std::string &rule_json);
bool retire_rule(const std::string &name); // false: no current version

struct ProviderRow {
    std::int32_t id = 0;
    std::string name;
    pg::json_text config;
    bool dropped = false;
    auto fields() { return std::tie(id, name, config, dropped); }
};

std::vector<ProviderRow> all_providers();                                              // dropped ones included, by id
std::int32_t insert_provider(const std::string &name, const std::string &config_json); // 0: the name is taken
bool update_provider(const std::string &name, const std::string &config_json);
bool drop_provider(const std::string &name);

struct EndpointRow {
    std::int32_t id = 0;
    std::optional<std::string> tenant;
    std::string url;
    pg::json_text options;
    bool enabled = false;
    auto fields() { return std::tie(id, tenant, url, options, enabled); }
};

// Enabled and not dropped.
std::vector<EndpointRow> endpoints_of(const std::optional<std::string> &tenant);
std::vector<EndpointRow> first_endpoints(std::int32_t limit); // of all tenants
std::optional<EndpointRow> find_endpoint(std::int32_t id);    // not dropped
std::int32_t insert_endpoint(const std::optional<std::string> &tenant, const std::string &url,
                             const std::string &options);
bool update_endpoint(std::int32_t id, const std::string &url, const std::string &options);
bool drop_endpoint(std::int32_t id);

// The document of a connector with its status and error rows, an operator's rows before shipped ones; nullopt: none.
std::optional<pg::json_text> find_connector(const std::string &name);
std::vector<std::string> connector_names();

void upsert_secret(const std::string &name, const std::string &value);
bool delete_secret(const std::string &name);
std::optional<std::string> find_secret(const std::string &name);

struct TenantLimitRow {
    std::string tenant;
    pg::json_text limits;
    auto fields() { return std::tie(tenant, limits); }
};
std::vector<TenantLimitRow> all_tenant_limits();
void upsert_tenant_limits(const std::string &tenant, const std::string &limits_json);
void delete_tenant_limits(const std::string &tenant);

void insert_tenant_access(const std::string &role, const std::string &tenant);
bool delete_tenant_access(const std::string &role, const std::string &tenant);
std::vector<std::string> tenants_of(const std::string &role);

} // namespace hc::store
