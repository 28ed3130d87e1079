// What operators do with pending activities and their queues. As the extension's owner.
#pragma once

#include "core/id.hpp"
#include "pg/values.hpp"

#include <string>

namespace hc::engine {

// Each throws WF001, 42704 (not pending) or 55000 (not in the state for it).
void pause_activity(const core::WorkflowId &id, const std::string &activity_id, Oid user);
void resume_activity(const core::WorkflowId &id, const std::string &activity_id, Oid user);
void reset_activity(const core::WorkflowId &id, const std::string &activity_id, const std::string &options_json,
                    Oid user);
void update_activity_options(const core::WorkflowId &id, const std::string &activity_id,
                             const std::string &options_json, Oid user);

void alter_activity_queue(const std::string &name, const std::string &options_json); // makes it
void pause_activity_queue(const std::string &name);                                  // makes it
void resume_activity_queue(const std::string &name);                                 // throws 42704

} // namespace hc::engine
