// Workflow tasks of programs outside of the database: their queues, and who has which. All functions run inside an SPI
// scope, as the extension owner.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"
#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

std::int32_t program_queue(const std::string &name); // makes it
std::optional<std::int32_t> find_program_queue(const std::string &name);

// Of an open execution whose program has been polled for.
struct ProgramTaskRow {
    core::WorkflowId execution_id;
    std::int64_t token = 0;
    std::int32_t previous = 0; // events that the worker of the last completed task was shown
    std::int32_t shown = 0;    // events that the worker who has it was shown; answered: that there were after that
    core::Time started_at{};
    std::optional<core::Time> deadline{}; // nullopt: nobody has it
    std::optional<std::string> worker{}, last_worker{};
    auto fields() { return std::tie(execution_id, token, previous, shown, started_at, deadline, worker, last_worker); }
};
std::optional<ProgramTaskRow> lock_program_task(const core::WorkflowId &id); // whose execution is locked
void put_program_task(const ProgramTaskRow &row);
void delete_program_task(const core::WorkflowId &id);

// Executions with something due in a queue (of hermes.task), the oldest first, whose task nobody has, locked; none that
// somebody else holds. `tenants`: nullopt: of all. `but`: not these.
std::vector<core::WorkflowId> due_programs(std::int32_t queue, core::Time now,
                                           const std::optional<std::vector<std::string>> &tenants,
                                           const std::vector<core::WorkflowId> &but, std::int32_t limit);

// What ends executions, for the supervisor.
std::vector<TaskKey> due_program_ends(core::Time from, core::Time until, std::int32_t limit);

} // namespace hc::store
