// See workflow_moves.hpp.
#include "store/workflow_moves.hpp"

#include "pg/wake.hpp"

namespace hc::store {

using core::Time;
using core::WorkflowId;

namespace {

struct IdRow {
    WorkflowId id;
    auto fields() { return std::tie(id); }
};

} // namespace

std::vector<WorkflowId> find_executions_to_move(const std::string &type, std::int32_t to_type_id, std::int32_t limit) {
    constinit static pg::statement<IdRow(std::string, std::int32_t, std::int32_t)> find(
        "SELECT e.id FROM hermes.execution e JOIN hermes.workflow_type t ON t.id = e.type_id "
        "WHERE t.name = $1 AND t.id <> $2 LIMIT $3",
        pg::Plan::custom);
    std::vector<WorkflowId> ids;
    for (const IdRow &row : find.query(type, to_type_id, limit)) {
        ids.push_back(row.id);
    }
    return ids;
}

std::vector<LockedExecutionRow> lock_executions(const std::vector<WorkflowId> &ids) {
    constinit static pg::statement<LockedExecutionRow(std::vector<WorkflowId>)> lock(
        "SELECT id, type_id FROM hermes.execution WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE");
    return lock.query(ids);
}

void move_executions(const std::vector<WorkflowId> &ids, const std::vector<std::string> &events, std::int32_t type_id,
                     std::int32_t queue) {
    using Ids = std::vector<WorkflowId>;
    using Bytes = std::vector<pg::bytes_view>;
    constinit static pg::statement<void(Ids, Bytes, std::int32_t)> move(
        "UPDATE hermes.execution e SET type_id = $3, history = e.history || u.events "
        "FROM unnest($1, $2) AS u (id, events) WHERE e.id = u.id");
    constinit static pg::statement<void(Ids, std::int32_t, Time)> requeue(
        "UPDATE hermes.task SET queue = $2, owner = NULL, claims = 0, last_error = NULL, "
        "due = CASE WHEN kind = 7 AND tries > 0 THEN $3 ELSE due END, tries = 0 "
        "WHERE workflow_id = ANY ($1) AND (queue <> $2 OR kind = 7 AND tries > 0)");
    Bytes bytes;
    bytes.reserve(events.size());
    for (const std::string &event : events) {
        bytes.push_back({event});
    }
    const Time now = pg::now();
    move.execute(ids, bytes, type_id);
    if (requeue.execute(ids, queue, now) != 0) {
        pg::note_task(queue, now);
    }
}

void move_execution_tasks(const WorkflowId &id, std::int32_t queue) {
    constinit static pg::statement<void(WorkflowId, std::int32_t)> requeue(
        "UPDATE hermes.task SET queue = $2, owner = NULL, claims = 0 WHERE workflow_id = $1 AND queue <> $2");
    requeue.execute(id, queue);
    pg::note_task(queue, pg::now());
}

void set_parent(const WorkflowId &id, const WorkflowId &parent) {
    constinit static pg::statement<void(WorkflowId, WorkflowId)> update(
        "UPDATE hermes.execution SET parent_id = $2 WHERE id = $1");
    update.execute(id, parent);
}

std::optional<BriefRow> find_child(const WorkflowId &id, const WorkflowId &parent) {
    constinit static pg::statement<BriefRow(WorkflowId, WorkflowId)> find(
        "SELECT type_id, tenant FROM hermes.execution WHERE id = $1 AND parent_id = $2");
    return find.query_one(id, parent);
}

void insert_closed_execution(const ImportedRow &row) {
    using Text = std::optional<std::string>;
    constinit static pg::statement<void(WorkflowId, Time, std::int32_t, std::int16_t, Text, Text, std::string,
                                        pg::bytes_view)>
        insert("INSERT INTO hermes.execution_closed (id, closed_at, type_id, status, tenant, workflow_id, input, "
               "history) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)");
    insert.execute(row.id, row.closed_at, row.type_id, row.status, row.tenant, row.workflow_id, row.input,
                   {row.history});
}

} // namespace hc::store
