// Definitions as this process knows them: parsed rules, providers, endpoints, tenant grants; and the verbs that change
// them. The cache is dropped whenever pg::definition_generation() moves. Runs in backends and workers.
#pragma once

#include "core/cascade.hpp"
#include "core/connector.hpp"
#include "core/endpoint_config.hpp"
#include "core/provider_config.hpp"
#include "engine/executor_roles.hpp"
#include "pg/catalog.hpp"
#include "store/definitions.hpp"
#include "store/pauses.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace hc::engine {

struct Provider {
    std::int32_t id = 0;
    std::string name;
    bool dropped = false;
    std::shared_ptr<const core::ProviderConfig> config;   // null when dropped or unreadable
    std::shared_ptr<const core::CompiledRequest> request; // templates of config, ready to render
    core::ReceiptSettings receipts;                       // of a dropped one too: its receipts may still come
    std::string error;                                    // why config is null
    std::string channel;                                  // of a dropped one too
};

struct RuleVersion {
    std::int32_t id = 0;
    std::string name;
    std::int32_t version = 0;
    core::Rule rule;
    core::Program program; // rule with the providers of each step as they are now
};

struct Endpoint {
    std::int32_t id = 0;
    std::optional<std::string> tenant;
    std::string url;
    core::EndpointConfig config;
    bool enabled = true;
};

class Definitions {
public:
    // Drops what is stale. Call at the start of each use case, inside an SPI scope, as the extension owner.
    void refresh();

    const RuleVersion &current_rule(const std::string &name); // throws 42704
    const RuleVersion &rule(std::int32_t id);
    // A rule that is no row, with the providers as they are; valid until the next call or refresh.
    const RuleVersion &provisional_rule(const std::string &json);
    const Provider *provider(std::int32_t id); // null: never existed
    // Providers of a name: the one in use first, then dropped ones, newest first. Throws 42704 when there never was
    // one.
    std::vector<std::int32_t> providers_of_name(const std::string &name);
    const std::vector<Provider> &providers();
    const std::vector<Endpoint> &endpoints(const std::optional<std::string> &tenant);
    const Endpoint *endpoint(std::int32_t id); // null: dropped; `enabled` tells the rest
    std::optional<std::string> secret(const std::string &name);
    std::shared_ptr<const core::Connector> connector(const std::string &name);      // throws 42704
    std::shared_ptr<const core::Connector> find_connector(const std::string &name); // null: there is none
    // How a provider's receipts and answers are read: its connector, else "hermes".
    std::shared_ptr<const core::Connector> connector_of(const Provider &provider);
    const core::TenantLimits &tenant_limits(const std::optional<std::string> &tenant);
    const std::vector<store::PauseRow> &pauses(); // also those that are over
    bool paused(std::int32_t provider);           // by pause_provider
    bool tenant_known(Oid user) const { return access_.contains(user); }
    bool tenant_allowed(Oid user, const std::optional<std::string> &tenant);
    // nullopt: all.
    std::optional<std::vector<std::string>> allowed_tenants(Oid user);
    const pg::Owner &owner();
    ExecutorRoles &executor_roles() { return executor_roles_; }

private:
    struct Access {
        bool all = false;
        std::vector<std::string> tenants;
    };
    const Access &access_of(Oid user);
    void load_providers();
    std::vector<store::EndpointRow> endpoint_rows(const std::optional<std::string> &tenant);
    const RuleVersion &add(std::int32_t id, const std::string &name, std::int32_t version, const std::string &json);

    std::uint64_t generation_ = 0;
    pg::Owner owner_;
    bool providers_loaded_ = false;
    std::vector<Provider> providers_;
    std::unordered_map<std::string, std::int32_t> current_rules_;
    std::unordered_map<std::int32_t, std::unique_ptr<RuleVersion>> rules_;
    std::map<std::optional<std::string>, std::vector<Endpoint>> endpoints_;
    std::optional<std::map<std::optional<std::string>, std::vector<store::EndpointRow>>>
        endpoint_rows_;          // none: not read yet
    bool all_endpoints_ = false; // endpoint_rows_ has those of all tenants
    std::unordered_map<std::int32_t, std::optional<Endpoint>> endpoints_by_id_;
    std::unordered_map<std::string, std::optional<std::string>> secrets_;
    std::unordered_map<std::string, std::shared_ptr<const core::Connector>> connectors_;
    std::unordered_map<Oid, Access> access_;
    bool limits_loaded_ = false;
    std::unordered_map<std::string, core::TenantLimits> limits_; // of those that have some
    std::optional<std::vector<store::PauseRow>> pauses_;
    ExecutorRoles executor_roles_;
};

Definitions &definitions(); // of this process

// ---- verbs ----

std::int32_t create_rule(Oid user, const std::string &name, const std::string &rule_json, bool must_exist);
void drop_rule(const std::string &name);
std::int32_t create_provider(const std::string &name, const std::string &config_json);
void alter_provider(const std::string &name, const std::string &config_json);
void drop_provider(const std::string &name);
std::int32_t create_endpoint(const std::optional<std::string> &tenant, const std::string &url,
                             const std::string &options);
void alter_endpoint(std::int32_t id, const std::string &url, const std::string &options);
void drop_endpoint(std::int32_t id);
void set_tenant_limits(const std::string &tenant, const std::optional<std::string> &limits_json);
void check_connectors(); // after a change of their tables: each must be readable; then tells all processes
void set_secret(const std::string &name, const std::string &value);
void drop_secret(const std::string &name);
void grant_tenant(const std::string &role, const std::string &tenant);
void revoke_tenant(const std::string &role, const std::string &tenant);

// Predicate of the views: whether rows of the tenant may be shown to the user. May run outside a verb.
bool tenant_visible(Oid user, const std::optional<std::string> &tenant);

// Name of a rule, provider, secret or tenant: 1 to 255 bytes, no control characters. Throws 22023.
void check_name(const std::string &name, const char *what);
void check_tenant(const std::string &tenant); // a name, but not "*"
// A secret of this name exists and holds whsec_...; throws 42704, 22023.
void check_webhook_secret(const std::string &name);

} // namespace hc::engine
