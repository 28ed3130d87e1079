// Callers' use cases around executions of workflow functions: start, signal, cancel, terminate, ask. Each in the
// caller's transaction. Nobody waits for a running step but who terminates.
#pragma once

#include "core/execution_events.hpp"
#include "core/history.hpp"
#include "core/id.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

struct StartSignal {
    std::string name;
    std::string payload_json;
};
struct WorkflowStart {
    std::string type;
    pg::jsonb_view input;
    std::optional<std::string> workflow_id;
    std::optional<std::string> tenant;
    std::string options_json;
    std::optional<StartSignal> signal; // of signal_with_start
};
core::WorkflowId start_workflow(const WorkflowStart &request, Oid user);
core::WorkflowId signal_with_start(const WorkflowStart &request, Oid user);

struct WorkflowSignal {
    core::WorkflowId id;
    std::string name;
    std::string payload_json;
    std::optional<std::string> request_id;
};
core::SignalResult signal_workflow(const WorkflowSignal &signal, Oid user); // buffered or closed; throws WF001
core::SignalResult cancel_workflow(const core::WorkflowId &id, const std::optional<std::string> &reason, Oid user);
core::SignalResult terminate_workflow(const core::WorkflowId &id, const std::optional<std::string> &reason, Oid user);

std::string workflow_status(const core::WorkflowId &id, Oid user);                        // JSON; throws WF001
std::vector<core::ExecutionEvent> workflow_history(const core::WorkflowId &id, Oid user); // throws WF001

} // namespace hc::engine
