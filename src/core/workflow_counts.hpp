// Counters of workflow functions: what is counted, and its names in hermes.stats and hermes.metrics(): Temporal's,
// where it counts the same. Pure.
#pragma once

#include "core/execution_events.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace hc::core {

enum class WorkflowCount : std::uint8_t {
    started,
    completed,
    failed,
    timed_out,
    canceled,
    terminated,
    continued,
    turns,
    failed_turns,
    nondeterminism,
    steps,
    failed_steps,
    children,
    signals,
    updates_accepted,
    updates_rejected,
    activities_scheduled,
    activities_completed,
    activities_failed,
    activities_timed_out,
    activities_canceled,
    attempts_failed,
    attempts_timed_out,
    attempts_again,
    schedule_starts,
    schedule_errors,
    schedule_missed,
    kCount,
};
inline constexpr std::size_t kWorkflowCounts = static_cast<std::size_t>(WorkflowCount::kCount);

struct WorkflowCountWords {
    const char *name; // in hermes.stats; with the prefix hermes_ in hermes.metrics()
    const char *help;
};
const WorkflowCountWords &words_of(WorkflowCount count);

// What an event counts as, when it is written.
std::optional<WorkflowCount> count_of(ExecutionEventType type);

} // namespace hc::core
