// Pausing one execution: its function is not called until it is resumed; what comes meanwhile is recorded, timeouts and
// terminate_workflow end it as ever. In the caller's transaction, after a turn that is running. A whole type:
// pauses.hpp.
#pragma once

#include "core/history.hpp"
#include "core/id.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>

namespace hc::engine {

using OptionalText = std::optional<std::string>;

// applied, closed; duplicate: this request has paused it already. Throws 55000 when it is paused by another one.
core::SignalResult pause_workflow(const core::WorkflowId &id, const OptionalText &reason,
                                  const OptionalText &request_id, Oid user);
// applied, closed. Throws 55000 when it is not paused.
core::SignalResult resume_workflow(const core::WorkflowId &id, const OptionalText &reason, Oid user);

} // namespace hc::engine
