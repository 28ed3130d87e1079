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
// The course of a cascade in thought: a rule by name or as a document, a message, a script (core/dry_run.hpp).
// Throws 42704, 22023, 54000.
std::vector<core::HistoryEvent> dry_run(const std::string &rule_name, const std::string &message_json,
                                        const std::string &script_json);
std::vector<core::HistoryEvent> dry_run_rule(const std::string &rule_json, const std::string &message_json,
                                             const std::string &script_json);
void retry_dead_letter(std::int64_t id); // throws 42704

} // namespace hc::engine
