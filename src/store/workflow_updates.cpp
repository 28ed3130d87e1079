// See workflow_updates.hpp.
#include "store/workflow_updates.hpp"

#include "pg/outcomes.hpp"

namespace hc::store {

using core::UpdateStage;
using core::WorkflowId;
using OptionalText = std::optional<std::string>;

namespace {

struct WriterRow {
    std::int64_t xmin = 0;
    auto fields() { return std::tie(xmin); }
};
struct IdRow {
    WorkflowId id;
    auto fields() { return std::tie(id); }
};

} // namespace

bool insert_update(const NewUpdate &update) {
    constinit static pg::statement<void(WorkflowId, std::string, std::string, core::Time, std::int16_t, OptionalText)>
        insert("INSERT INTO hermes.execution_update (execution_id, update_id, name, admitted_at, stage, content) "
               "VALUES ($1, $2, $3, $4, $5, $6::jsonb) ON CONFLICT (execution_id, update_id) DO NOTHING");
    return insert.execute(update.execution_id, update.update_id, update.name, update.admitted_at,
                          static_cast<std::int16_t>(update.stage),
                          update.content.empty() ? std::nullopt : OptionalText(update.content)) != 0;
}

std::optional<UpdateRow> find_update(const WorkflowId &execution, const std::string &update_id) {
    constinit static pg::statement<UpdateRow(WorkflowId, std::string)> find(
        "SELECT name, stage, moved_to, content, xmin::text::bigint FROM hermes.execution_update "
        "WHERE execution_id = $1 AND update_id = $2");
    return find.query_one(execution, update_id);
}

UpdateCounts count_updates(const WorkflowId &execution) {
    constinit static pg::statement<UpdateCounts(WorkflowId)> count(
        "SELECT count(*) FILTER (WHERE stage < 2), count(*) FILTER (WHERE stage = 3), count(*) FILTER (WHERE stage <> "
        "3) "
        "FROM hermes.execution_update WHERE execution_id = $1");
    return count.query(execution).front();
}

std::vector<AdmittedUpdate> admitted_updates(const WorkflowId &execution) {
    constinit static pg::statement<AdmittedUpdate(WorkflowId)> find(
        "SELECT update_id, name, content FROM hermes.execution_update WHERE execution_id = $1 AND stage = 0 "
        "ORDER BY admitted_at, number");
    return find.query(execution);
}

void set_update_stage(const WorkflowId &execution, const std::string &update_id, UpdateStage stage,
                      const std::string &content) {
    constinit static pg::statement<void(WorkflowId, std::string, std::int16_t, OptionalText)> update(
        "UPDATE hermes.execution_update SET stage = $3, content = $4::jsonb WHERE execution_id = $1 AND update_id = "
        "$2");
    update.execute(execution, update_id, static_cast<std::int16_t>(stage),
                   content.empty() ? std::nullopt : OptionalText(content));
}

void move_updates(const WorkflowId &from, const WorkflowId &to) {
    constinit static pg::statement<void(WorkflowId, WorkflowId)> copy(
        "INSERT INTO hermes.execution_update (execution_id, update_id, name, admitted_at, number, stage, content) "
        "SELECT $2, update_id, name, admitted_at, number, 0, content FROM hermes.execution_update "
        "WHERE execution_id = $1 AND stage = 0");
    constinit static pg::statement<void(WorkflowId, WorkflowId)> leave(
        "UPDATE hermes.execution_update SET stage = 4, content = NULL, moved_to = $2 "
        "WHERE execution_id = $1 AND stage = 0");
    copy.execute(from, to);
    leave.execute(from, to);
}

void forward_update(const WorkflowId &from, const std::string &update_id, const WorkflowId &to) {
    constinit static pg::statement<void(WorkflowId, std::string, WorkflowId)> leave(
        "UPDATE hermes.execution_update SET stage = 4, content = NULL, moved_to = $3 WHERE execution_id = $1 AND "
        "update_id = $2");
    leave.execute(from, update_id, to);
}

void forget_old_rejections(const WorkflowId &execution) {
    constinit static pg::statement<void(WorkflowId, std::int64_t)> forget(
        "DELETE FROM hermes.execution_update WHERE execution_id = $1 AND update_id IN (SELECT update_id "
        "FROM hermes.execution_update WHERE execution_id = $1 AND stage = 3 ORDER BY admitted_at DESC, number DESC "
        "OFFSET $2)");
    forget.execute(execution, core::kMaxRejectedUpdates);
}

std::optional<OpenRunRow> find_open_run(const WorkflowId &id) {
    constinit static pg::statement<OpenRunRow(WorkflowId)> find(
        "SELECT tenant, xmin::text::bigint FROM hermes.execution WHERE id = $1");
    constinit static pg::statement<WriterRow(WorkflowId)> tasks(
        "SELECT xmin::text::bigint FROM hermes.task WHERE workflow_id = $1");
    std::optional<OpenRunRow> row = find.query_one(id);
    if (row) {
        row->written_here = pg::is_current_transaction(row->xmin);
        for (const WriterRow &task : tasks.query(id)) {
            row->written_here = row->written_here || pg::is_current_transaction(task.xmin);
        }
    }
    return row;
}

std::optional<ClosedRunRow> find_closed_run(const WorkflowId &id) {
    constinit static pg::statement<ClosedRunRow(WorkflowId)> find(
        "SELECT status, tenant, history FROM hermes.execution_closed WHERE id = $1", pg::Plan::custom);
    return find.query_one(id);
}

std::optional<WorkflowId> newest_of_workflow_id(const WorkflowId &hash) {
    constinit static pg::statement<IdRow(WorkflowId)> find(
        "SELECT execution_id FROM hermes.execution_current WHERE hash = $1");
    const std::optional<IdRow> row = find.query_one(hash);
    return row ? std::optional(row->id) : std::nullopt;
}

} // namespace hc::store
