// See workflow_programs.hpp.
#include "store/workflow_programs.hpp"

#include "pg/wake.hpp"

#include <algorithm>

namespace hc::store {

using core::Time;
using core::WorkflowId;

namespace {

struct IntRow {
    std::int32_t value = 0;
    auto fields() { return std::tie(value); }
};
struct IdRow {
    WorkflowId id;
    auto fields() { return std::tie(id); }
};
struct KeyRow {
    WorkflowId id;
    std::int32_t number = 0;
    auto fields() { return std::tie(id, number); }
};

} // namespace

std::int32_t program_queue(const std::string &name) {
    constinit static pg::statement<void(std::string)> insert(
        "INSERT INTO hermes.program_queue (name) VALUES ($1) ON CONFLICT (name) DO NOTHING");
    std::optional<std::int32_t> id = find_program_queue(name);
    if (!id) {
        insert.execute(name);
        id = find_program_queue(name);
    }
    return *id;
}

std::optional<std::int32_t> find_program_queue(const std::string &name) {
    constinit static pg::statement<IntRow(std::string)> find("SELECT id FROM hermes.program_queue WHERE name = $1");
    const std::optional<IntRow> row = find.query_one(name);
    return row ? std::optional(row->value) : std::nullopt;
}

std::optional<ProgramTaskRow> lock_program_task(const WorkflowId &id) {
    constinit static pg::statement<ProgramTaskRow(WorkflowId)> find(
        "SELECT execution_id, token, previous, shown, started_at, deadline, worker, last_worker "
        "FROM hermes.program_task WHERE execution_id = $1 FOR UPDATE");
    return find.query_one(id);
}

void put_program_task(const ProgramTaskRow &row) {
    using Text = std::optional<std::string>;
    constinit static pg::statement<void(WorkflowId, std::int64_t, std::int32_t, std::int32_t, Time, std::optional<Time>,
                                        Text, Text)>
        put("INSERT INTO hermes.program_task (execution_id, token, previous, shown, started_at, deadline, worker, "
            "last_worker) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (execution_id) DO UPDATE SET token = "
            "excluded.token, previous = excluded.previous, shown = excluded.shown, started_at = excluded.started_at, "
            "deadline = excluded.deadline, worker = excluded.worker, last_worker = excluded.last_worker");
    put.execute(row.execution_id, row.token, row.previous, row.shown, row.started_at, row.deadline, row.worker,
                row.last_worker);
}

void delete_program_task(const WorkflowId &id) {
    constinit static pg::statement<void(WorkflowId)> remove("DELETE FROM hermes.program_task WHERE execution_id = $1");
    remove.execute(id);
}

// An execution is locked when all else fits, so that no more of them are than are wanted.
std::vector<WorkflowId> due_programs(std::int32_t queue, Time now,
                                     const std::optional<std::vector<std::string>> &tenants,
                                     const std::vector<WorkflowId> &but, std::int32_t limit) {
    constinit static pg::statement<IdRow(std::int32_t, Time, std::int32_t, bool, std::vector<std::string>,
                                         std::vector<WorkflowId>)>
        find("SELECT t.workflow_id FROM hermes.task t WHERE t.queue = $1 AND t.due <= $2 AND CASE WHEN "
             "t.workflow_id <> ALL ($6) AND NOT EXISTS (SELECT FROM hermes.program_task p "
             "WHERE p.execution_id = t.workflow_id AND p.deadline > $2) THEN EXISTS (SELECT FROM hermes.execution e "
             "WHERE e.id = t.workflow_id AND ($4 OR e.tenant IS NULL OR e.tenant = ANY ($5)) "
             "FOR NO KEY UPDATE SKIP LOCKED) ELSE false END ORDER BY t.due LIMIT $3");
    std::vector<WorkflowId> ids;
    for (const IdRow &row :
         find.query(queue, now, limit, !tenants, tenants.value_or(std::vector<std::string>()), but)) {
        if (std::find(ids.begin(), ids.end(), row.id) == ids.end()) {
            ids.push_back(row.id);
        }
    }
    return ids;
}

std::vector<TaskKey> due_program_ends(Time from, Time until, std::int32_t limit) {
    constinit static pg::statement<KeyRow(std::int32_t, Time, Time, std::int32_t)> find(
        "SELECT workflow_id, number FROM hermes.task WHERE queue = $1 AND due >= $2 AND due <= $3 ORDER BY due LIMIT "
        "$4");
    std::vector<TaskKey> keys;
    for (const KeyRow &row : find.query(pg::kProgramEndQueue, from, until, limit)) {
        keys.push_back({row.id, row.number});
    }
    return keys;
}

} // namespace hc::store
