// The cache of definitions. See definitions.hpp.
#include "engine/definitions.hpp"

#include "core/error.hpp"
#include "core/provider_choice.hpp"
#include "pg/time_zone.hpp"
#include "store/definitions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace hc::engine {

namespace {

// More tenants' endpoints than this are not kept at once.
constexpr std::size_t kMaxCachedTenants = 10000;
constexpr std::int32_t kMaxEndpointsAtOnce = 2000;
constexpr const char *kDefaultConnector = "hermes"; // canonical words

std::vector<core::ProviderRef> resolve(const core::Step &step, const std::vector<Provider> &all) {
    std::vector<const Provider *> chosen;
    if (step.providers.empty()) {
        for (const Provider &p : all) {
            if (p.config != nullptr && p.config->channel == step.channel) {
                chosen.push_back(&p);
            }
        }
    } else {
        for (const std::string &name : step.providers) {
            const auto it = std::find_if(all.begin(), all.end(), [&](const Provider &p) {
                return p.config != nullptr && p.name == name && p.config->channel == step.channel;
            });
            if (it != all.end()) {
                chosen.push_back(&*it);
            }
        }
    }
    std::vector<core::Candidate> candidates;
    for (const Provider *p : chosen) {
        const core::ProviderConfig &config = *p->config;
        candidates.push_back({{p->id, !config.idempotency_header.empty(), config.position, config.weight},
                              config.cost.per_message + config.cost.per_part});
    }
    return core::rank_candidates(step, std::move(candidates));
}

} // namespace

Definitions &definitions() {
    static Definitions *instance = new Definitions(); // for the life of the process
    return *instance;
}

void Definitions::refresh() {
    const std::uint64_t now = pg::definition_generation();
    if (generation_ == now) {
        return;
    }
    owner_ = pg::Owner{};
    providers_loaded_ = false;
    providers_.clear();
    current_rules_.clear();
    rules_.clear();
    endpoints_.clear();
    endpoint_rows_.reset();
    endpoints_by_id_.clear();
    secrets_.clear();
    connectors_.clear();
    access_.clear();
    limits_loaded_ = false;
    limits_.clear();
    pauses_.reset();
    executor_roles_.clear();
    generation_ = now;
}

const pg::Owner &Definitions::owner() {
    if (!OidIsValid(owner_.extension)) {
        owner_ = pg::find_owner();
    }
    return owner_;
}

void Definitions::load_providers() {
    if (providers_loaded_) {
        return;
    }
    providers_.clear();
    for (store::ProviderRow &row : store::all_providers()) {
        Provider p{row.id, std::move(row.name), row.dropped, nullptr, nullptr, {}, {}, {}};
        try {
            auto config = std::make_shared<const core::ProviderConfig>(core::parse_provider_config(row.config.text));
            p.receipts = config->receipts;
            p.receipts.options.zone = // gone since: UTC
                pg::find_time_zone(p.receipts.options.time_zone).value_or(core::ZoneOffset());
            p.channel = config->channel;
            if (!p.dropped) {
                p.config = std::move(config);
                p.request = std::make_shared<const core::CompiledRequest>(*p.config);
            }
        } catch (const Error &e) { // written by a newer version, or by hand: the provider is skipped, not the server
            p.error = e.message() + ": " + e.detail();
        }
        providers_.push_back(std::move(p));
    }
    providers_loaded_ = true;
}

const std::vector<Provider> &Definitions::providers() {
    load_providers();
    return providers_;
}

const Provider *Definitions::provider(std::int32_t id) {
    load_providers();
    const auto it = std::lower_bound(providers_.begin(), providers_.end(), id,
                                     [](const Provider &p, std::int32_t wanted) { return p.id < wanted; });
    return it != providers_.end() && it->id == id ? &*it : nullptr;
}

std::vector<std::int32_t> Definitions::providers_of_name(const std::string &name) {
    load_providers();
    std::vector<std::int32_t> ids;
    for (auto it = providers_.rbegin(); it != providers_.rend(); ++it) {
        if (it->name == name) {
            ids.insert(it->dropped ? ids.end() : ids.begin(), it->id);
        }
    }
    if (ids.empty()) {
        throw Error(sqlstate::undefined_object, fmt::format("provider \"{}\" does not exist", name), {},
                    "Create it with hermes.create_provider.");
    }
    return ids;
}

const RuleVersion &Definitions::add(std::int32_t id, const std::string &name, std::int32_t version,
                                    const std::string &json) {
    load_providers();
    auto entry = std::make_unique<RuleVersion>();
    entry->id = id;
    entry->name = name;
    entry->version = version;
    entry->rule = core::parse_rule(json);
    entry->program.rule = &entry->rule;
    for (const core::Step &step : entry->rule.steps) {
        entry->program.providers.push_back(resolve(step, providers_));
    }
    return *(rules_[id] = std::move(entry));
}

const RuleVersion &Definitions::provisional_rule(const std::string &json) { return add(0, "", 0, json); }

const RuleVersion &Definitions::rule(std::int32_t id) {
    if (const auto it = rules_.find(id); it != rules_.end()) {
        return *it->second;
    }
    const std::optional<store::RuleRow> row = store::find_rule_version(id);
    if (!row) {
        throw Error(sqlstate::corrupt_state, fmt::format("rule version {} does not exist", id));
    }
    return add(row->id, row->name, row->version, row->rule.text);
}

const RuleVersion &Definitions::current_rule(const std::string &name) {
    if (const auto it = current_rules_.find(name); it != current_rules_.end()) {
        return rule(it->second);
    }
    const std::optional<store::RuleRow> row = store::find_current_rule(name);
    if (!row) {
        throw Error(sqlstate::undefined_object, fmt::format("cascade rule \"{}\" does not exist", name), {},
                    "Create it with hermes.create_cascade_rule.");
    }
    current_rules_[name] = row->id;
    if (const auto it = rules_.find(row->id); it != rules_.end()) {
        return *it->second;
    }
    return add(row->id, row->name, row->version, row->rule.text);
}

const std::vector<Endpoint> &Definitions::endpoints(const std::optional<std::string> &tenant) {
    if (const auto it = endpoints_.find(tenant); it != endpoints_.end()) {
        return it->second;
    }
    if (endpoints_.size() >= kMaxCachedTenants) {
        endpoints_.clear();
    }
    std::vector<Endpoint> list;
    for (const store::EndpointRow &row : endpoint_rows(tenant)) {
        list.push_back({row.id, row.tenant, row.url, core::parse_endpoint_options(row.options.text), true});
    }
    return endpoints_[tenant] = std::move(list);
}

// One statement for all of them where they are not too many: else each session would ask once for each tenant.
std::vector<store::EndpointRow> Definitions::endpoint_rows(const std::optional<std::string> &tenant) {
    if (!endpoint_rows_) {
        endpoint_rows_.emplace();
        std::vector<store::EndpointRow> rows = store::first_endpoints(kMaxEndpointsAtOnce + 1);
        all_endpoints_ = std::ssize(rows) <= kMaxEndpointsAtOnce;
        for (store::EndpointRow &row : rows) {
            if (all_endpoints_) {
                (*endpoint_rows_)[row.tenant].push_back(std::move(row));
            }
        }
    }
    if (!all_endpoints_) {
        return store::endpoints_of(tenant);
    }
    const auto it = endpoint_rows_->find(tenant);
    return it != endpoint_rows_->end() ? it->second : std::vector<store::EndpointRow>{};
}

const Endpoint *Definitions::endpoint(std::int32_t id) {
    auto it = endpoints_by_id_.find(id);
    if (it == endpoints_by_id_.end()) {
        if (endpoints_by_id_.size() >= kMaxCachedTenants) {
            endpoints_by_id_.clear();
        }
        std::optional<Endpoint> endpoint;
        if (std::optional<store::EndpointRow> row = store::find_endpoint(id)) {
            endpoint = Endpoint{row->id, row->tenant, std::move(row->url),
                                core::parse_endpoint_options(row->options.text), row->enabled};
        }
        it = endpoints_by_id_.emplace(id, std::move(endpoint)).first;
    }
    return it->second ? &*it->second : nullptr;
}

std::optional<std::string> Definitions::secret(const std::string &name) {
    auto it = secrets_.find(name);
    if (it == secrets_.end()) {
        it = secrets_.emplace(name, store::find_secret(name)).first;
    }
    return it->second;
}

std::shared_ptr<const core::Connector> Definitions::find_connector(const std::string &name) {
    auto it = connectors_.find(name);
    if (it == connectors_.end()) {
        const std::optional<pg::json_text> document = store::find_connector(name);
        it = connectors_.emplace(name, nullptr).first;
        if (document) {
            it->second = std::make_shared<const core::Connector>(core::parse_connector(document->text));
        }
    }
    return it->second;
}

std::shared_ptr<const core::Connector> Definitions::connector(const std::string &name) {
    std::shared_ptr<const core::Connector> found = find_connector(name);
    if (!found) {
        throw Error(sqlstate::undefined_object, fmt::format("connector \"{}\" does not exist", name), {},
                    fmt::format("Connectors: {}.", fmt::join(store::connector_names(), ", ")));
    }
    return found;
}

std::shared_ptr<const core::Connector> Definitions::connector_of(const Provider &provider) {
    return connector(provider.receipts.connector.empty() ? kDefaultConnector : provider.receipts.connector);
}

const core::TenantLimits &Definitions::tenant_limits(const std::optional<std::string> &tenant) {
    static const core::TenantLimits kNone;
    if (!limits_loaded_) { // few tenants have limits of their own: all are known at once
        for (const store::TenantLimitRow &row : store::all_tenant_limits()) {
            limits_.emplace(row.tenant, core::parse_tenant_limits(row.limits.text));
        }
        limits_loaded_ = true;
    }
    const auto it = tenant ? limits_.find(*tenant) : limits_.end();
    return it != limits_.end() ? it->second : kNone;
}

const std::vector<store::PauseRow> &Definitions::pauses() {
    if (!pauses_) {
        pauses_ = store::all_pauses();
    }
    return *pauses_;
}

bool Definitions::paused(std::int32_t provider) {
    const std::vector<store::PauseRow> &all = pauses();
    return std::any_of(all.begin(), all.end(), [provider](const store::PauseRow &row) {
        return row.provider == provider && row.scope == store::kPauseProvider && !row.until;
    });
}

const Definitions::Access &Definitions::access_of(Oid user) {
    auto it = access_.find(user);
    if (it == access_.end()) {
        Access access;
        access.all = pg::is_superuser(user) || pg::has_role(user, "hermes_admin");
        if (!access.all) {
            access.tenants = store::tenants_of(pg::role_name(user));
            access.all = std::find(access.tenants.begin(), access.tenants.end(), "*") != access.tenants.end();
        }
        it = access_.emplace(user, std::move(access)).first;
    }
    return it->second;
}

std::optional<std::vector<std::string>> Definitions::allowed_tenants(Oid user) {
    const Access &access = access_of(user);
    return access.all ? std::nullopt : std::optional(access.tenants);
}

bool Definitions::tenant_allowed(Oid user, const std::optional<std::string> &tenant) {
    if (!tenant) {
        return true;
    }
    const Access &access = access_of(user);
    return access.all || std::find(access.tenants.begin(), access.tenants.end(), *tenant) != access.tenants.end();
}

} // namespace hc::engine
