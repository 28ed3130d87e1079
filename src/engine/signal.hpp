// Signals, cancel and terminate: caller-side use cases over advance().
#pragma once

#include "core/history.hpp"
#include "core/id.hpp"

#include "pg/values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

struct Signal {
    core::WorkflowId id;
    std::string name;
    std::string payload_json;
    std::optional<std::string> signal_id;
};

// Results in input order. Throws WF001 for an unknown cascade, 22023 for a bad payload.
std::vector<core::SignalResult> signal_cascades(const std::vector<Signal> &signals, Oid user);

core::SignalResult cancel_cascade(const core::WorkflowId &id, const std::optional<std::string> &reason, bool terminate,
                                  Oid user);

// applied, duplicate (it is, or is not, held already) or closed.
core::SignalResult hold_cascade(const core::WorkflowId &id, const std::optional<std::string> &reason, Oid user);
core::SignalResult release_cascade(const core::WorkflowId &id, Oid user);

[[noreturn]] void throw_not_found(const core::WorkflowId &id);

} // namespace hc::engine
