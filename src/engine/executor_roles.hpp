// Which role runs the SQL of a cascade: that of its tenant, else the rule's run_as, else the one set for all (*).
// The role is connected as, never switched to; so it must not reach more than its own rights. That is checked when it
// is set, when an executor starts, and whenever a role has changed since.
#pragma once

#include "core/rule.hpp"
#include "pg/catalog.hpp"
#include "store/executors.hpp"

#include <map>
#include <optional>
#include <string>
#include <unordered_map>

namespace hc::engine {

// As this process knows them; part of Definitions, and as fresh.
class ExecutorRoles {
public:
    std::optional<store::ExecutorRoleRow> find(const std::optional<std::string> &tenant, const core::Rule &rule);
    std::optional<store::ExecutorRoleRow> of_id(std::int32_t id);
    // Why the role must not run SQL, as a clause; nullopt: it may.
    const std::optional<std::string> &why_unfit(const std::string &role, const std::string &owner);
    void clear();

private:
    using Row = std::optional<store::ExecutorRoleRow>;
    const Row &of_tenant(const std::optional<std::string> &tenant);
    const Row &of_name(const std::string &name);

    std::map<std::optional<std::string>, Row> by_tenant_;
    std::unordered_map<std::string, Row> by_name_;
    std::unordered_map<std::string, std::optional<std::string>> unfit_;
};

// The queue in which SQL for a cascade waits; that of role 0 when there is no role.
std::int32_t sql_queue(const std::optional<std::string> &tenant, const core::Rule &rule);

// Of the role of an id: its name, or why nothing can run as it.
struct RoleCheck {
    std::string name; // empty: no such id
    Oid user = InvalidOid;
    std::string reason; // empty: it may run SQL
};
RoleCheck check_executor_role(std::int32_t id);

// ---- verbs ----

// Role of a tenant, of cascades without one (nullopt), or of all that have none ("*"); nullopt takes it away.
void set_tenant_role(Oid user, const std::optional<std::string> &tenant, const std::optional<std::string> &role);
// The role may run SQL, and the user may have it run as this role: its id. `what`: message of the error, `path`: JSON
// path that its DETAIL begins with.
std::int32_t allow_executor_role(Oid user, const std::string &role, const char *what, const std::string &path);
// What a rule says about SQL: its conditions are expressions, the user may use the role it names.
void check_rule_sql(Oid user, const core::Rule &rule);

} // namespace hc::engine
