// What becomes of the starts of a schedule: which times are due, which of them are started now, wait, are skipped or
// missed. Pure; the engine writes it down and does it.
#pragma once

#include "core/schedule_spec.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace hc::core {

// What a start does when an earlier one is still running.
enum class Overlap : std::uint8_t {
    skip,            // it is left out
    buffer_one,      // the first that comes waits for the end, others are left out
    buffer_all,      // it waits, in order
    cancel_other,    // the running one is asked to end; the start waits for that
    terminate_other, // the running one is ended; likewise
    allow_all,       // it starts beside it
};
std::string_view to_string(Overlap overlap);

inline constexpr std::size_t kMaxBufferedStarts = 1000;

struct ScheduleSituation {
    Overlap overlap = Overlap::skip;
    Duration catchup_window = std::chrono::days(365);
    bool paused = false;
    std::optional<std::int64_t> remaining; // actions it may still take; nullopt: no limit
    bool running = false;                  // what it has started is still open
};
inline bool takes_actions(const ScheduleSituation &s) { return !s.paused && s.remaining.value_or(1) > 0; }

// ---- times that have come ----

struct DueTimes {
    std::vector<Occurrence> starts;
    std::int64_t missed = 0;  // longer ago than the catch-up window
    std::int64_t dropped = 0; // no room
    Time cursor{};            // nominal times up to here are done with
    std::optional<Time> next; // when to look again; nullopt: nothing comes
};
// From `cursor` to `now`; at most `limit` times are looked at: `next` is then not after now. While the schedule takes
// no actions, times pass and leave nothing.
DueTimes collect_due(const ScheduleSpec &spec, const ZoneOffset &zone, std::string_view seed, Time cursor,
                     const ScheduleSituation &situation, Time now, std::size_t room, std::size_t limit);

// ---- starts that wait ----

struct PendingStart {
    Time nominal{}, actual{};       // actual: not before; its catch-up window counts from then
    std::optional<Overlap> overlap; // its own (trigger, backfill); else the schedule's as it is now
    bool manual = false;            // trigger, backfill: also while paused, not counted in `remaining`
    Time retry_at{};                // it has failed: not before
};

enum class StartFate : std::uint8_t { wait, start, skip, miss };

struct StartDecision {
    std::vector<StartFate> fates; // one a pending start
    bool cancel_running = false;
    bool terminate_running = false;
    std::optional<Time> look_at; // when one that waits may go on by itself
};
// `starts` in the order of their times. At most one that may not overlap is started.
StartDecision decide_starts(std::span<const PendingStart> starts, const ScheduleSituation &situation, Time now);

// How long a start that failed `tries` times waits: 1 s, doubling, at most a minute.
Duration start_retry_delay(std::int32_t tries);

} // namespace hc::core
