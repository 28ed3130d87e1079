// Limits of one execution, and what is said before they are reached. At a limit the turns of an execution fail and are
// tried again: it waits, nothing is lost. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxExecutionEvents = 50'000;
inline constexpr std::size_t kMaxExecutionBytes = 50UL * 1024 * 1024;
inline constexpr std::size_t kMaxOpenActivities = 2'000; // as Temporal has it
inline constexpr std::size_t kMaxOpenChildren = 2'000;   // as Temporal has it
inline constexpr std::size_t kMaxUpdates = 2'000;        // of one execution, rejected ones not counted
// From here on functions are told that they had better go on with hermes.continue_as_new; Temporal's numbers.
inline constexpr std::size_t kSuggestAfterEvents = 4'096;
inline constexpr std::size_t kSuggestAfterBytes = 4UL * 1024 * 1024;
inline constexpr std::size_t kSuggestAfterUpdates = kMaxUpdates / 10 * 9;

// What an execution has used up.
struct ExecutionUse {
    std::size_t events = 0, bytes = 0;        // of its history
    std::size_t activities = 0, children = 0; // begun, and not over
    std::size_t updates = 0;                  // accepted
    std::size_t largest = 0;                  // bytes of the largest value in its history
    bool is_full() const { return events >= kMaxExecutionEvents || bytes >= kMaxExecutionBytes; }
    bool suggests_next() const {
        return events >= kSuggestAfterEvents || bytes >= kSuggestAfterBytes || updates >= kSuggestAfterUpdates;
    }
    bool operator==(const ExecutionUse &) const = default;
};

// A limit that operators are to hear of before it is reached: a history at a fifth, as Temporal warns, all else at
// half.
struct NearLimit {
    std::string_view subject; // "history", "activities", "children", "updates", "payload"
    bool is_reached = false;
    std::string words; // "10002 of 50000 events, 0 of 50 MiB"
    std::string_view hint;
};
std::vector<NearLimit> near_limits(const ExecutionUse &use, std::size_t max_payload);

} // namespace hc::core
