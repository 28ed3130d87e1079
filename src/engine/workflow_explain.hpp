// Why an execution stands where it stands, for an operator. Reads only; works on a standby.
#pragma once

#include "core/id.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

struct ExplainRow {
    std::string subject; // execution, pause, turn, executor, signal "approved" ..
    std::string state;
    std::optional<core::Time> since{}, due{};
    std::string detail{}, hint{}; // empty: nothing to say
};
// The execution itself first, then what holds it up, then what it waits for. Throws WF001.
std::vector<ExplainRow> explain_workflow(const core::WorkflowId &id, Oid user);

} // namespace hc::engine
