// See workflow_explain.hpp.
#include "store/workflow_explain.hpp"

namespace hc::store {

using core::WorkflowId;

std::vector<WaitingTaskRow> waiting_tasks(const WorkflowId &id, std::int32_t limit) {
    constinit static pg::statement<WaitingTaskRow(WorkflowId, std::int32_t)> find(
        "SELECT kind, due, owner IS NOT NULL, queue < 0, tries, last_error FROM hermes.task WHERE workflow_id = $1 AND "
        "kind <> 18 ORDER BY due, number LIMIT $2");
    return find.query(id, limit, true);
}

std::optional<WaitingActivityRow> waiting_activity(const WorkflowId &id, std::int32_t number) {
    constinit static pg::statement<WaitingActivityRow(WorkflowId, std::int32_t)> find(
        "SELECT a.number, a.state, a.attempt, a.due, a.started_at, a.deadline, coalesce(a.options ->> 'activity_id', "
        "a.number::text), q.name, p.name, a.worker, a.last_failure ->> 'message', q.paused_at IS NOT NULL, a.flags & 1 "
        "<> 0 FROM hermes.activity a LEFT JOIN hermes.activity_queue q ON q.id = a.queue_id LEFT JOIN hermes.provider "
        "p "
        "ON p.id = - a.queue_id WHERE a.execution_id = $1 AND a.number = $2");
    return find.query_one(id, number, true);
}

std::vector<PauseInForceRow> pauses_in_force(const std::string &type, const std::optional<std::string> &tenant) {
    constinit static pg::statement<PauseInForceRow(std::string, std::optional<std::string>)> find(
        "SELECT scope, since, reason FROM hermes.pause WHERE until IS NULL AND ((scope = 'workflow_type' AND name = "
        "$1) OR (scope = 'tenant' AND name IS NOT DISTINCT FROM $2)) ORDER BY since");
    return find.query(type, tenant, true);
}

std::vector<OpenUpdateRow> open_updates(const WorkflowId &id, std::int32_t limit) {
    constinit static pg::statement<OpenUpdateRow(WorkflowId, std::int32_t)> find(
        "SELECT update_id, name, admitted_at, stage = 1 FROM hermes.execution_update WHERE execution_id = $1 AND stage "
        "IN (0, 1) ORDER BY admitted_at, number LIMIT $2");
    return find.query(id, limit, true);
}

} // namespace hc::store
