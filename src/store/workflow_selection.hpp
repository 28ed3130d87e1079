// Which executions a predicate of a caller selects. The predicate runs as the caller, over the view that the caller
// sees: these functions run outside of a verb.
#pragma once

#include "core/id.hpp"

#include <string>
#include <vector>

namespace hc::store {

// Of a workflow type, open and closed, newest first; `predicate`: a SQL expression over columns of hermes.workflows.
std::vector<core::WorkflowId> select_executions(const std::string &type, const std::string &predicate,
                                                std::int32_t limit);
// Those of these.
std::vector<core::WorkflowId> select_executions_of(const std::vector<core::WorkflowId> &ids, const std::string &type,
                                                   const std::string &predicate);

} // namespace hc::store
