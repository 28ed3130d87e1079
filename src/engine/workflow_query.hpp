// A query: the history of an execution is replayed in the caller's backend, as the caller, read-only, up to where it
// has come; the answer is what its function gave to set_query_result last, or what a handler that its type declares
// makes of all that it gave.
#pragma once

#include "core/execution_replay.hpp"
#include "core/id.hpp"
#include "core/workflow_options.hpp"
#include "engine/workflow_body.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>

namespace hc::engine {

class WorkflowQuery {
public:
    WorkflowQuery(const core::WorkflowId &id, Oid user); // loads; in a Verb. Throws WF001, WF021
    // JSON; after the verb. `arguments`: for a handler. Throws 42704, WF021, and what function and handler raise.
    std::optional<std::string> run(const std::string &name, const std::string &arguments);

private:
    std::optional<core::Replay> replay_;
    [[noreturn]] void throw_unknown(const std::string &name, const WorkflowBody &body) const;

    void replay(WorkflowBody &body);

    bool external_ = false; // its program is outside: its worker has said what the answers are
    std::string statement_, input_;
    core::DeclaredHandlers handlers_;
};

} // namespace hc::engine
