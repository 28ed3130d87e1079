// A query: the history of an execution is replayed in the caller's backend, as the caller, read-only, up to where it
// has come; the answer is what its function gave to set_query_result last.
#pragma once

#include "core/execution_replay.hpp"
#include "core/id.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>

namespace hc::engine {

class WorkflowQuery {
public:
    WorkflowQuery(const core::WorkflowId &id, Oid user); // loads; in a Verb. Throws WF001, WF021
    std::optional<std::string>
    run(const std::string &name); // JSON; after the verb. Throws WF021, and what the function raises

private:
    std::optional<core::Replay> replay_;
    std::string statement_, input_;
};

} // namespace hc::engine
