// Limits of one history, and what is said before they are reached. At a limit the turns of an execution fail and are
// tried again: it waits, nothing is lost.
#pragma once

#include <cstddef>

namespace hc::core {

inline constexpr std::size_t kMaxExecutionEvents = 50'000;
inline constexpr std::size_t kMaxExecutionBytes = 50UL * 1024 * 1024;
// From here on operators are warned: a fifth of the limit.
inline constexpr std::size_t kManyExecutionEvents = kMaxExecutionEvents / 5;
inline constexpr std::size_t kManyExecutionBytes = kMaxExecutionBytes / 5;
// From here on functions are told that they had better go on with hermes.continue_as_new; Temporal's numbers.
inline constexpr std::size_t kSuggestAfterEvents = 4'096;
inline constexpr std::size_t kSuggestAfterBytes = 4UL * 1024 * 1024;

struct HistorySize {
    std::size_t events = 0, bytes = 0;
    bool is_full() const { return events >= kMaxExecutionEvents || bytes >= kMaxExecutionBytes; }
    bool is_large() const { return events >= kManyExecutionEvents || bytes >= kManyExecutionBytes; }
    bool suggests_next() const { return events >= kSuggestAfterEvents || bytes >= kSuggestAfterBytes; }
    bool operator==(const HistorySize &) const = default;
};

} // namespace hc::core
