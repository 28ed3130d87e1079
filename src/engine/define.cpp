// The verbs that change definitions: validate, write, tell every process that its cache is stale.
#include "core/address.hpp"
#include "core/error.hpp"
#include "core/signature.hpp"
#include "core/signature_secrets.hpp"
#include "core/webhook.hpp"
#include "engine/definitions.hpp"
#include "engine/fence.hpp"
#include "engine/pauses.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"
#include "store/definitions.hpp"
#include "store/pauses.hpp"
#include "store/tasks.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxSecretBytes = 16 * 1024;

[[noreturn]] void missing(const char *what, const std::string &name) {
    throw Error(sqlstate::undefined_object, fmt::format("{} \"{}\" does not exist", what, name));
}

// A rule names channels and providers; both must exist, or its cascades would end without a send.
void check_providers_of(const core::Rule &rule) {
    const std::vector<Provider> &all = definitions().providers();
    for (std::size_t i = 0; i < rule.steps.size(); ++i) {
        const core::Step &step = rule.steps[i];
        for (std::size_t k = 0; k < step.providers.size(); ++k) {
            const auto it = std::find_if(all.begin(), all.end(), [&](const Provider &p) {
                return p.config != nullptr && p.name == step.providers[k] && p.config->channel == step.channel;
            });
            if (it == all.end()) {
                throw Error(sqlstate::undefined_object, "invalid cascade rule",
                            fmt::format("$.steps[{}].providers[{}]: provider \"{}\" of channel \"{}\" does not exist.",
                                        i, k, step.providers[k], step.channel),
                            "Create it with hermes.create_provider first.");
            }
        }
        const bool known = std::any_of(all.begin(), all.end(), [&](const Provider &p) {
            return p.config != nullptr && p.config->channel == step.channel;
        });
        if (!known) {
            throw Error(sqlstate::undefined_object, "invalid cascade rule",
                        fmt::format("$.steps[{}].channel: channel \"{}\" has no provider.", i, step.channel),
                        "Create a provider of that channel with hermes.create_provider first.");
        }
    }
}

// What a provider names must exist, or its receipts would be refused.
void check_provider(const std::string &config_json) {
    const core::ReceiptSettings receipts = core::parse_provider_config(config_json).receipts;
    if (!receipts.connector.empty()) {
        definitions().connector(receipts.connector);
    }
    if (!receipts.secret_name.empty() && !store::find_secret(receipts.secret_name)) {
        throw Error(sqlstate::undefined_object, fmt::format("secret \"{}\" does not exist", receipts.secret_name),
                    "$.receipts.secret names it.", "Store it with hermes.set_secret first.");
    }
    zone_clock(receipts.options.time_zone);
    if (!receipts.signature.empty() && !core::known_signature_scheme(receipts.signature)) {
        throw Error(sqlstate::invalid_parameter, "invalid provider configuration",
                    "$.receipts.signature: is no signature scheme.", core::signature_schemes_hint());
    }
}

void check_endpoint(const std::string &url, const std::string &options) {
    if (const std::string reason = core::check_url(url); !reason.empty()) {
        throw Error(sqlstate::invalid_parameter, "invalid endpoint URL", fmt::format("The URL {}.", reason));
    }
    const core::EndpointConfig config = core::parse_endpoint_options(options);
    for (const std::string &name : {config.secret_name, config.previous_secret_name}) {
        if (!name.empty()) {
            check_webhook_secret(name);
        }
    }
}

} // namespace

void check_webhook_secret(const std::string &name) {
    const std::optional<std::string> secret = store::find_secret(name);
    if (!secret) {
        throw Error(sqlstate::undefined_object, fmt::format("secret \"{}\" does not exist", name), {},
                    "Store it with hermes.set_secret first.");
    }
    if (!core::parse_webhook_secret(*secret)) {
        throw Error(sqlstate::invalid_parameter, fmt::format("secret \"{}\" is no webhook secret", name), {},
                    "A webhook secret is \"whsec_\" followed by the base64 of 24 to 64 random bytes; "
                    "hermes.generate_webhook_secret() makes one.");
    }
}

void check_name(const std::string &name, const char *what) {
    const bool printable = std::none_of(name.begin(), name.end(),
                                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (name.empty() || name.size() > kMaxNameBytes || !printable) {
        throw Error(sqlstate::invalid_parameter, fmt::format("invalid {}", what),
                    fmt::format("It must have 1 to {} bytes and no control characters.", kMaxNameBytes));
    }
}

void check_tenant(const std::string &tenant) {
    check_name(tenant, "tenant");
    if (tenant == "*") {
        throw Error(sqlstate::invalid_parameter, "invalid tenant", "The name * stands for all tenants in grants.");
    }
}

std::int32_t create_rule(Oid user, const std::string &name, const std::string &rule_json, bool must_exist) {
    check_name(name, "rule name");
    const core::Rule rule = core::parse_rule(rule_json);
    check_providers_of(rule);
    zone_clock(rule.time_zone); // exists
    check_rule_sql(user, rule);
    if (must_exist && !store::find_current_rule(name)) {
        missing("cascade rule", name);
    }
    const std::int32_t version = store::insert_rule_version(name, rule_json);
    claim_database();
    pg::invalidate_definitions();
    return version;
}

void drop_rule(const std::string &name) {
    if (!store::retire_rule(name)) {
        missing("cascade rule", name);
    }
    pg::invalidate_definitions();
}

std::int32_t create_provider(const std::string &name, const std::string &config_json) {
    check_name(name, "provider name");
    check_provider(config_json);
    const std::int32_t id = store::insert_provider(name, config_json);
    if (id == 0) {
        throw Error(sqlstate::duplicate_object, fmt::format("provider \"{}\" already exists", name), {},
                    "Change it with hermes.alter_provider.");
    }
    claim_database();
    pg::invalidate_definitions();
    return id;
}

void alter_provider(const std::string &name, const std::string &config_json) {
    check_provider(config_json);
    if (!store::update_provider(name, config_json)) {
        missing("provider", name);
    }
    pg::invalidate_definitions();
}

void drop_provider(const std::string &name) {
    const std::int32_t id = definitions().providers_of_name(name).front();
    if (store::end_pause(store::kPauseProvider, std::nullopt, id, pg::now())) { // what waits for it is to go elsewhere
        pg::note_task(pg::kTimerQueue, pg::now());
    }
    if (!store::drop_provider(name)) {
        missing("provider", name);
    }
    pg::invalidate_definitions();
}

std::int32_t create_endpoint(const std::optional<std::string> &tenant, const std::string &url,
                             const std::string &options) {
    if (tenant) {
        check_tenant(*tenant);
    }
    check_endpoint(url, options);
    if (definitions().endpoints(tenant).size() >= store::kMaxEndpointsPerTenant) {
        throw Error(sqlstate::limit_exceeded, "too many endpoints",
                    fmt::format("A tenant can have {} endpoints.", store::kMaxEndpointsPerTenant));
    }
    const std::int32_t id = store::insert_endpoint(tenant, url, options);
    pg::invalidate_definitions();
    return id;
}

void alter_endpoint(std::int32_t id, const std::string &url, const std::string &options) {
    check_endpoint(url, options);
    if (!store::update_endpoint(id, url, options)) {
        missing("endpoint", std::to_string(id));
    }
    pg::invalidate_definitions();
}

void drop_endpoint(std::int32_t id) {
    if (!store::drop_endpoint(id)) {
        missing("endpoint", std::to_string(id));
    }
    pg::invalidate_definitions();
}

void set_tenant_limits(const std::string &tenant, const std::optional<std::string> &limits_json) {
    check_tenant(tenant);
    if (limits_json) {
        core::parse_tenant_limits(*limits_json);
        store::upsert_tenant_limits(tenant, *limits_json);
    } else {
        store::delete_tenant_limits(tenant);
    }
    pg::invalidate_definitions();
}

void check_connectors() {
    for (const std::string &name : store::connector_names()) {
        try {
            core::parse_connector(store::find_connector(name).value().text);
        } catch (const Error &e) {
            throw Error(e.sqlstate(), fmt::format("{} \"{}\"", e.message(), name), e.detail(), e.hint());
        }
    }
    pg::invalidate_definitions();
}

void set_secret(const std::string &name, const std::string &value) {
    check_name(name, "secret name");
    if (value.empty() || value.size() > kMaxSecretBytes) {
        throw Error(sqlstate::invalid_parameter, "invalid secret value",
                    fmt::format("It must have 1 to {} bytes.", kMaxSecretBytes));
    }
    store::upsert_secret(name, value);
    pg::invalidate_definitions();
}

void drop_secret(const std::string &name) {
    if (!store::delete_secret(name)) {
        missing("secret", name);
    }
    pg::invalidate_definitions();
}

void grant_tenant(const std::string &role, const std::string &tenant) {
    check_name(tenant, "tenant");
    if (!pg::role_exists(role)) {
        missing("role", role);
    }
    store::insert_tenant_access(role, tenant);
    pg::invalidate_definitions();
}

void revoke_tenant(const std::string &role, const std::string &tenant) {
    if (!store::delete_tenant_access(role, tenant)) {
        throw Error(sqlstate::undefined_object, fmt::format("role \"{}\" has no grant of tenant \"{}\"", role, tenant));
    }
    pg::invalidate_definitions();
}

} // namespace hc::engine
