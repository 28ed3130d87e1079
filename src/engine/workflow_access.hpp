// Who may do what to which execution of a workflow function: the checks that every verb of a caller begins with.
#pragma once

#include "core/execution_events.hpp"
#include "core/id.hpp"
#include "pg/values.hpp"
#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

void check_tenant_of(Oid user, const std::optional<std::string> &tenant); // throws 22023, 42501

// Of a caller that may not see it, too: an id that does not exist. WF001.
[[noreturn]] void throw_unknown_execution(const core::WorkflowId &id);

struct FoundExecution {
    std::int32_t type_id = 0;
    std::optional<std::string> tenant, workflow_id;
    std::optional<core::Time> closed_at;
    std::vector<core::ExecutionEvent> events;
};
FoundExecution find_execution(const core::WorkflowId &id, Oid user); // open or closed; throws WF001

// Something from outside, as a task that wakes the executor of the execution. False: it is closed. Throws WF001.
bool bring_as(Oid user, const core::WorkflowId &id, store::Kind kind, const std::string &detail);

} // namespace hc::engine
