// Read-only use cases: status and history of one cascade. Work on a standby.
#pragma once

#include "core/history.hpp"
#include "core/id.hpp"
#include "pg/values.hpp"

#include <string>
#include <vector>

namespace hc::engine {

std::string cascade_status(const core::WorkflowId &id, Oid user);                      // JSON; throws WF001
std::vector<core::HistoryEvent> cascade_history(const core::WorkflowId &id, Oid user); // throws WF001
void retry_dead_letter(std::int64_t id);                                               // throws 42704

} // namespace hc::engine
