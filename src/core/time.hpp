// Points in time and durations of the core. The core never reads a clock: `now` is always an argument.
#pragma once

#include <chrono>
#include <cstdint>

namespace hc::core {

using Duration = std::chrono::microseconds;
using Time = std::chrono::sys_time<Duration>; // microseconds since 1970-01-01 UTC

constexpr std::int64_t to_unix_micros(Time t) { return t.time_since_epoch().count(); }
constexpr Time from_unix_micros(std::int64_t us) { return Time{Duration{us}}; }

// Latest representable due time; "no time".
inline constexpr Time kNever = from_unix_micros(INT64_MAX);

} // namespace hc::core
