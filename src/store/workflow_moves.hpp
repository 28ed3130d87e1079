// Statements that give open executions another version, another queue or another parent.
// All functions run inside an SPI scope, as the extension owner.
#pragma once

#include "store/workflow_executions.hpp"

#include <string>
#include <vector>

namespace hc::store {

// Open executions of a workflow type that have another version than this one, at most so many.
std::vector<core::WorkflowId> find_executions_to_move(const std::string &type, std::int32_t to_type_id,
                                                      std::int32_t limit);
// Those that are open still, in the order of their ids, FOR NO KEY UPDATE: waits for turns that are under way.
struct LockedExecutionRow {
    core::WorkflowId id;
    std::int32_t type_id = 0;
    auto fields() { return std::tie(id, type_id); }
};
std::vector<LockedExecutionRow> lock_executions(const std::vector<core::WorkflowId> &ids);

// All of them in two statements: version, an event each, the queue of what waits for them; turns that had failed are
// due at once.
void move_executions(const std::vector<core::WorkflowId> &ids, const std::vector<std::string> &events,
                     std::int32_t type_id, std::int32_t queue);
// Of one whose tasks stand in the queue of another role.
void move_execution_tasks(const core::WorkflowId &id, std::int32_t queue);

// A child that is locked gets another parent; the command stays.
void set_parent(const core::WorkflowId &id, const core::WorkflowId &parent);
// An open execution that is a child of this one.
std::optional<BriefRow> find_child(const core::WorkflowId &id, const core::WorkflowId &parent);

// An execution that has ended elsewhere.
struct ImportedRow {
    core::WorkflowId id;
    core::Time closed_at{};
    std::int32_t type_id = 0;
    std::int16_t status = 0;
    std::optional<std::string> tenant, workflow_id;
    std::string input; // JSON
    std::string history;
};
void insert_closed_execution(const ImportedRow &row);

} // namespace hc::store
