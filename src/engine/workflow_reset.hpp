// Reset: a new execution goes on from an event of an old one. See docs/workflows.md for what goes along.
#pragma once

#include "core/id.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>

namespace hc::engine {

struct WorkflowReset {
    core::WorkflowId id;
    std::optional<std::int64_t> event_id; // none: the last one that can be
    std::optional<std::string> reason;
    std::string options_json;
};
core::WorkflowId reset_workflow(const WorkflowReset &request, Oid user); // throws 0A000, 22023, 42704, WF001

} // namespace hc::engine
