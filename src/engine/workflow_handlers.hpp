// Functions that a workflow type declares by name: validators of updates, handlers of queries. Both take the arguments
// and an object of what the workflow function has given to set_query_result. They are no part of the digest of a type:
// no replay runs them, and they may be corrected at any time.
#pragma once

#include "core/workflow_options.hpp"

#include <string>

namespace hc::engine {

// They exist and have the right shape; the role that runs the type may execute the validators. Throws 22023, 42501.
void check_handlers(const core::WorkflowTypeOptions &options, const std::string &role);

std::string handler_statement(const std::string &signature); // "SELECT app.check($1, $2)"

} // namespace hc::engine
