// See signal.hpp. Runs in callers' backends.
#include "engine/signal.hpp"

#include "core/crypto.hpp"
#include "core/dlr.hpp"
#include "core/error.hpp"
#include "engine/advance.hpp"
#include "engine/definitions.hpp"
#include "pg/wake.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

core::Input input_of(const Signal &signal) {
    if (signal.signal_id) {
        check_name(*signal.signal_id, "signal id");
    }
    if (signal.name == "dlr") {
        return core::parse_dlr(signal.payload_json, signal.signal_id.value_or(""));
    }
    check_name(signal.name, "signal name");
    // without an id every signal is a new one
    const std::uint64_t hash = signal.signal_id ? core::hash64("id", *signal.signal_id) | 1U : 0;
    return core::SignalInput{signal.name, signal.payload_json, hash};
}

core::SignalResult act(const core::WorkflowId &id, core::Input input, Oid user) {
    const Item item{id, std::move(input)};
    const ItemResult result = engine::advance({&item, 1}, store::LockWait::wait, user).front();
    if (result.status != ItemStatus::done) {
        throw_not_found(id);
    }
    return result.result;
}

} // namespace

void throw_not_found(const core::WorkflowId &id) {
    throw Error(
        sqlstate::cascade_not_found, fmt::format("cascade {} does not exist", core::to_string(id)), {},
        "It may belong to a tenant not granted to the current role, or be older than hermes.history_retention.");
}

std::vector<core::SignalResult> signal_cascades(const std::vector<Signal> &signals, Oid user) {
    std::vector<Item> items;
    items.reserve(signals.size());
    for (const Signal &signal : signals) {
        items.push_back({signal.id, input_of(signal)});
    }
    std::vector<core::SignalResult> results;
    results.reserve(signals.size());
    for (const ItemResult &result : engine::advance(items, store::LockWait::wait, user)) {
        if (result.status != ItemStatus::done) {
            throw_not_found(items[results.size()].id);
        }
        results.push_back(result.result);
    }
    pg::count(pg::Count::signals, static_cast<std::uint32_t>(signals.size()));
    return results;
}

core::SignalResult cancel_cascade(const core::WorkflowId &id, const std::optional<std::string> &reason, bool terminate,
                                  Oid user) {
    return act(id, core::CancelInput{reason.value_or(""), terminate}, user);
}

core::SignalResult hold_cascade(const core::WorkflowId &id, const std::optional<std::string> &reason, Oid user) {
    return act(id, core::HoldInput{reason.value_or("")}, user);
}

core::SignalResult release_cascade(const core::WorkflowId &id, Oid user) { return act(id, core::ReleaseInput{}, user); }

} // namespace hc::engine
