// Where the history of an execution may be cut, so that a new execution goes on from there, and what goes along with
// it. Pure.
#pragma once

#include "core/execution_events.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

// An execution can be reset to each event but its end: a program goes on from each state that its history has ever been
// in.
struct ResetRefusal {
    std::string detail;  // a sentence: what is wrong
    std::string nearest; // "4 and 9"; empty: there are none
};
std::optional<ResetRefusal> why_no_reset(std::span<const ExecutionEvent> events, std::int64_t event_id);
std::int64_t last_reset_point(std::span<const ExecutionEvent> events); // 0: there is none

// A child that was started before the point and was open there.
struct ChildAtReset {
    std::uint32_t command = 0;
    std::string execution_id;
    const ExecutionEvent *end = nullptr; // that the history has after the point
};
std::vector<ChildAtReset> children_at(std::span<const ExecutionEvent> events, std::int64_t event_id);

// An activity that was scheduled before the point and was open there.
struct ActivityAtReset {
    std::uint32_t command = 0;
    const ExecutionEvent *end = nullptr; // that the history has after the point
};
std::vector<ActivityAtReset> activities_at(std::span<const ExecutionEvent> events, std::int64_t event_id);

// An update that was accepted.
struct UpdateAtReset {
    const ExecutionEvent *accepted = nullptr;
    bool kept = false;                    // before the point
    std::optional<std::string> outcome{}; // where it was completed before the point: JSON
    bool completed = false;               // ever
};
std::vector<UpdateAtReset> updates_at(std::span<const ExecutionEvent> events, std::int64_t event_id);

std::vector<const ExecutionEvent *> signals_after(std::span<const ExecutionEvent> events, std::int64_t event_id);

// The execution whose random numbers the events up to this one have: `id`, that they are of, unless it was reset itself
// and they are older than its reset.
std::string random_origin(std::span<const ExecutionEvent> events, std::int64_t event_id, const std::string &id);

// {"request_id": "..", "reapply": "all", "run_timeout": "30d", "version": 3}
struct ResetOptions {
    std::string request_id; // empty: none
    bool reapply_signals = true, reapply_updates = true;
    std::optional<Duration> run_timeout;
    std::optional<std::int32_t> version; // of the new execution; none: that of the old one
};
ResetOptions parse_reset_options(std::string_view json); // throws 22023 with the JSON path

// {"max_executions": 10000, "reason": ".."}
struct MoveOptions {
    std::int32_t max_executions = 10'000;
    std::string reason;
};
MoveOptions parse_move_options(std::string_view json); // throws 22023 with the JSON path

} // namespace hc::core
