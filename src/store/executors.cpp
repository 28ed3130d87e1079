// See executors.hpp.
#include "store/executors.hpp"

#include "core/executor_queue.hpp"
#include "pg/wake.hpp"

namespace hc::store {

using core::Time;
using Ids = std::vector<core::WorkflowId>;
using Ints = std::vector<std::int32_t>;

namespace {

struct IdRow {
    std::int32_t id = 0;
    auto fields() { return std::tie(id); }
};
struct ReasonRow {
    std::optional<std::string> reason;
    auto fields() { return std::tie(reason); }
};

// No tenant has an empty name.
std::string word_of(const std::optional<std::string> &tenant) { return tenant.value_or(""); }

} // namespace

std::optional<ExecutorRoleRow> find_executor_role(const std::string &name) {
    constinit static pg::statement<ExecutorRoleRow(std::string)> find(
        "SELECT id, role_name::text FROM hermes.executor_role WHERE role_name = $1::name");
    return find.query_one(name);
}

std::optional<ExecutorRoleRow> find_executor_role(std::int32_t id) {
    constinit static pg::statement<ExecutorRoleRow(std::int32_t)> find(
        "SELECT id, role_name::text FROM hermes.executor_role WHERE id = $1");
    return find.query_one(id);
}

std::int32_t add_executor_role(const std::string &name) {
    if (const std::optional<ExecutorRoleRow> row = find_executor_role(name)) {
        return row->id;
    }
    // the update is of a row that another session has just added
    constinit static pg::statement<IdRow(std::string)> add(
        "INSERT INTO hermes.executor_role AS r (role_name) VALUES ($1::name) "
        "ON CONFLICT (role_name) DO UPDATE SET role_name = r.role_name RETURNING id");
    return add.query(name).front().id;
}

std::optional<ExecutorRoleRow> find_tenant_role(const std::optional<std::string> &tenant) {
    constinit static pg::statement<ExecutorRoleRow(std::string)> find(
        "SELECT r.id, r.role_name::text FROM hermes.tenant_role t JOIN hermes.executor_role r "
        "ON r.role_name = t.role_name WHERE t.tenant = $1");
    return find.query_one(word_of(tenant));
}

void upsert_tenant_role(const std::optional<std::string> &tenant, const std::string &role) {
    constinit static pg::statement<void(std::string, std::string)> upsert(
        "INSERT INTO hermes.tenant_role (tenant, role_name) VALUES ($1, $2::name) "
        "ON CONFLICT (tenant) DO UPDATE SET role_name = excluded.role_name");
    upsert.execute(word_of(tenant), role);
}

void delete_tenant_role(const std::optional<std::string> &tenant) {
    constinit static pg::statement<void(std::string)> remove("DELETE FROM hermes.tenant_role WHERE tenant = $1");
    remove.execute(word_of(tenant));
}

std::optional<std::string> why_unfit(const std::string &role, const std::string &owner, bool needs_login) {
    constinit static pg::statement<ReasonRow(std::string, std::string, bool)> look(
        "SELECT CASE WHEN r.oid IS NULL THEN 'does not exist' "
        "WHEN r.rolsuper THEN 'is a superuser' "
        "WHEN r.rolbypassrls THEN 'bypasses row-level security' "
        "WHEN r.rolreplication THEN 'may replicate' "
        "WHEN r.rolcreaterole THEN 'may create roles' "
        "WHEN $3 AND NOT r.rolcanlogin THEN 'may not log in' "
        "WHEN NOT has_database_privilege(r.oid, current_database()::text, 'CONNECT') "
        "THEN 'may not connect to this database' "
        "ELSE (SELECT format('has the rights of role \"%s\"', s.rolname) FROM pg_catalog.pg_roles s "
        "WHERE (s.rolsuper OR s.rolbypassrls OR s.rolreplication OR s.rolcreaterole OR s.rolname = $2::name "
        "OR s.rolname IN ('hermes_admin', 'pg_execute_server_program', 'pg_read_server_files', "
        "'pg_write_server_files')) AND pg_has_role(r.oid, s.oid, 'MEMBER') ORDER BY s.rolname LIMIT 1) END "
        "FROM (SELECT $1::name AS wanted) w LEFT JOIN pg_catalog.pg_roles r ON r.rolname = w.wanted");
    return look.query(role, owner, needs_login).front().reason;
}

std::vector<ExecutorQueueRow> executor_queues(const Alive &alive, std::int32_t limit) {
    constinit static pg::statement<ExecutorQueueRow(std::int32_t, std::int32_t, std::vector<std::int64_t>, std::int64_t,
                                                    std::int32_t)>
        find("WITH RECURSIVE held AS ("
             "(SELECT t.queue FROM hermes.task t WHERE t.queue >= $1 AND t.queue < $2 ORDER BY t.queue LIMIT 1) "
             "UNION ALL SELECT n.queue FROM held h CROSS JOIN LATERAL (SELECT t.queue FROM hermes.task t "
             "WHERE t.queue > h.queue AND t.queue < $2 ORDER BY t.queue LIMIT 1) n) "
             "SELECT h.queue, d.due FROM held h CROSS JOIN LATERAL (SELECT t.due FROM hermes.task t "
             "WHERE t.queue = h.queue AND (t.owner IS NULL OR (t.owner <> ALL ($3) "
             "AND NOT (t.owner > $4 AND t.owner < $4 + 1000000))) ORDER BY t.due LIMIT 1) d LIMIT $5");
    return find.query(core::kFirstExecutorQueue, core::kEndOfExecutorQueues, alive.incarnations, alive.newest, limit);
}

void requeue_tasks(const Requeues &requeues, bool claimed) {
    if (requeues.keys.empty()) {
        return;
    }
    constinit static pg::statement<void(Ids, Ints, Ints, std::int32_t)> move(
        "UPDATE hermes.task t SET queue = u.queue, owner = NULL, claims = t.claims - $4 "
        "FROM unnest($1, $2, $3) AS u (id, number, queue) WHERE t.workflow_id = u.id AND t.number = u.number");
    const TaskKeyColumns k = columns_of(requeues.keys);
    move.execute(k.ids, k.numbers, requeues.queues, claimed ? 1 : 0);
    for (std::size_t i = 0; i < requeues.queues.size(); ++i) {
        pg::note_task(requeues.queues[i], requeues.dues[i]);
    }
}

} // namespace hc::store
