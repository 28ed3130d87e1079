// Roles that run SQL for tenants and rules, and the queues of their tasks.
// All functions run inside an SPI scope, as the extension owner.
#pragma once

#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

// ---- roles ----

struct ExecutorRoleRow {
    std::int32_t id = 0; // of hermes.executor_role; names the queue
    std::string name;
    auto fields() { return std::tie(id, name); }
};
std::optional<ExecutorRoleRow> find_executor_role(const std::string &name);
std::optional<ExecutorRoleRow> find_executor_role(std::int32_t id);
std::int32_t add_executor_role(const std::string &name); // or the id that it has

// The role of exactly this tenant; nullopt: cascades without a tenant.
std::optional<ExecutorRoleRow> find_tenant_role(const std::optional<std::string> &tenant);
void upsert_tenant_role(const std::optional<std::string> &tenant, const std::string &role);
void delete_tenant_role(const std::optional<std::string> &tenant);

// Why a role must not run SQL for others, as a clause ("is a superuser"); nullopt: it may. It must be able to connect
// and must not reach more than its own rights: `owner` is the extension's.
std::optional<std::string> why_unfit(const std::string &role, const std::string &owner, bool needs_login);

// ---- queues ----

struct ExecutorQueueRow {
    std::int32_t queue = 0;
    core::Time due{}; // smallest that nobody has claimed
    auto fields() { return std::tie(queue, due); }
};
std::vector<ExecutorQueueRow> executor_queues(const Alive &alive, std::int32_t limit); // those that hold something

// To other queues, claimed by nobody, due as before. `claimed`: a claim is taken back.
struct Requeues { // one entry a task in each vector
    std::vector<TaskKey> keys;
    std::vector<std::int32_t> queues;
    std::vector<core::Time> dues;
};
void requeue_tasks(const Requeues &requeues, bool claimed);

} // namespace hc::store
