// What an open execution waits for, one row each. Internal to the engine.
#pragma once

#include "core/execution_events.hpp"
#include "engine/workflow_explain.hpp"
#include "store/workflow_explain.hpp"

#include <vector>

namespace hc::engine {

void explain_waits(const core::WorkflowId &id, const std::vector<core::ExecutionEvent> &events,
                   const std::vector<store::WaitingTaskRow> &tasks, std::vector<ExplainRow> &rows);

} // namespace hc::engine
