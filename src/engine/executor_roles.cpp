// See executor_roles.hpp. Runs in backends and workers.
#include "engine/executor_roles.hpp"

#include "core/error.hpp"
#include "core/executor_queue.hpp"
#include "engine/definitions.hpp"
#include "pg/sql_text.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

constexpr std::size_t kMaxCachedTenants = 10000;
constexpr const char *kAllTenants = "*";

std::string owner_name() { return pg::role_name(definitions().owner().role); }

// The user may run SQL as the role, and so may we. `path`: JSON path that the DETAIL begins with, if there is one.
void check_role(Oid user, const std::string &role, const char *what, const std::string &path) {
    const std::string named = fmt::format("{} \"{}\"", path.empty() ? "Role" : path + ": role", role);
    if (!pg::role_exists(role)) {
        throw Error(sqlstate::undefined_object, what, named + " does not exist.");
    }
    if (!pg::is_member(user, role)) {
        throw Error(sqlstate::insufficient_privilege, what, named + " does not have you as a member.",
                    "Only members of a role can have SQL run as it.");
    }
    if (const auto &reason = definitions().executor_roles().why_unfit(role, owner_name())) {
        throw Error(sqlstate::invalid_parameter, what, fmt::format("{} {}.", named, *reason),
                    "Name a role that may connect and has no rights beyond those of an application.");
    }
}

} // namespace

void ExecutorRoles::clear() {
    by_tenant_.clear();
    by_name_.clear();
    unfit_.clear();
}

const ExecutorRoles::Row &ExecutorRoles::of_tenant(const std::optional<std::string> &tenant) {
    auto it = by_tenant_.find(tenant);
    if (it == by_tenant_.end()) {
        if (by_tenant_.size() >= kMaxCachedTenants) {
            by_tenant_.clear();
        }
        it = by_tenant_.emplace(tenant, store::find_tenant_role(tenant)).first;
    }
    return it->second;
}

const ExecutorRoles::Row &ExecutorRoles::of_name(const std::string &name) {
    auto it = by_name_.find(name);
    if (it == by_name_.end()) {
        it = by_name_.emplace(name, store::find_executor_role(name)).first;
    }
    return it->second;
}

std::optional<store::ExecutorRoleRow> ExecutorRoles::find(const std::optional<std::string> &tenant,
                                                          const core::Rule &rule) {
    if (const Row &own = of_tenant(tenant)) {
        return own;
    }
    if (!rule.run_as.empty()) {
        return of_name(rule.run_as);
    }
    return of_tenant(kAllTenants);
}

std::optional<store::ExecutorRoleRow> ExecutorRoles::of_id(std::int32_t id) {
    return store::find_executor_role(id); // asked for rarely
}

const std::optional<std::string> &ExecutorRoles::why_unfit(const std::string &role, const std::string &owner) {
    auto it = unfit_.find(role);
    if (it == unfit_.end()) {
        it = unfit_.emplace(role, store::why_unfit(role, owner, pg::kWorkersNeedLogin)).first;
    }
    return it->second;
}

std::int32_t sql_queue(const std::optional<std::string> &tenant, const core::Rule &rule) {
    const std::optional<store::ExecutorRoleRow> role = definitions().executor_roles().find(tenant, rule);
    return core::executor_queue(role ? role->id : core::kNoExecutorRole);
}

RoleCheck check_executor_role(std::int32_t id) {
    ExecutorRoles &roles = definitions().executor_roles();
    const std::optional<store::ExecutorRoleRow> row = roles.of_id(id);
    if (!row) {
        return {{}, InvalidOid, "no executor role"};
    }
    if (const auto &reason = roles.why_unfit(row->name, owner_name())) {
        return {row->name, InvalidOid, fmt::format("role \"{}\" {}", row->name, *reason)};
    }
    return {row->name, pg::role_oid(row->name), {}};
}

void set_tenant_role(Oid user, const std::optional<std::string> &tenant, const std::optional<std::string> &role) {
    if (tenant && *tenant != kAllTenants) {
        check_tenant(*tenant);
    }
    if (role) {
        check_role(user, *role, "invalid tenant role", "");
        store::add_executor_role(*role);
        store::upsert_tenant_role(tenant, *role);
    } else {
        store::delete_tenant_role(tenant);
    }
    pg::invalidate_definitions();
}

std::int32_t allow_executor_role(Oid user, const std::string &role, const char *what, const std::string &path) {
    check_role(user, role, what, path);
    return store::add_executor_role(role);
}

void check_rule_sql(Oid user, const core::Rule &rule) {
    for (std::size_t i = 0; i < rule.steps.size(); ++i) {
        const std::string &condition = rule.steps[i].condition;
        if (condition.empty()) {
            continue;
        }
        if (const std::string reason = pg::why_no_expression(condition); !reason.empty()) {
            throw Error(sqlstate::invalid_parameter, "invalid cascade rule",
                        fmt::format("$.steps[{}].condition: {}.", i, reason),
                        "Write a boolean SQL expression over message, cascade_id, key, tenant, step, channel and "
                        "attempts.");
        }
    }
    if (!rule.run_as.empty()) {
        allow_executor_role(user, rule.run_as, "invalid cascade rule", "$.run_as");
    }
}

} // namespace hc::engine
