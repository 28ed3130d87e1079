// Amounts of money, in millionths of whatever unit the configuration counts in: sums are sums of integers.
#pragma once

#include <cstdint>

namespace hc::core {

class JsonNode;

using Micros = std::int64_t;

inline constexpr Micros kMicrosPerUnit = 1'000'000;

// A decimal number of JSON from 0 to `most` units with at most six digits after the point. `most` up to 100 million: up
// to there a double tells every such number apart. Throws hc::Error like the readers of json_reader.hpp.
Micros read_amount(const JsonNode &node, std::int64_t most);

// The sum, or the largest amount there is.
Micros add_amounts(Micros a, Micros b);

} // namespace hc::core
