// Durations as written in rules: "30s", "1h30m", "1.5d"; not ISO 8601. Units d h m s ms us in any order; a unit that
// comes twice adds up; below a microsecond is cut off. Rules follow Temporal's extended duration strings (a unit is
// required; at most 292 years).
#pragma once

#include "core/time.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

// What a number without a unit means.
enum class BareNumber { error, seconds, days };

// nullopt when the text is no duration or does not fit. A leading '-' negates the whole.
std::optional<Duration> parse_duration(std::string_view text, BareNumber bare = BareNumber::error);

// "HH:MM:SS" (hours of any width, minutes and seconds below 60, no sign).
std::optional<Duration> parse_clock_duration(std::string_view text);

// Whole numbers of the largest units, zero parts left out: "1h30m", "0s", "250ms", "-1s500ms". parse_duration reads it
// back to the same value (up to its 292 years).
std::string format_duration(Duration d);

} // namespace hc::core
