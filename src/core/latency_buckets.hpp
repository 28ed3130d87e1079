// Durations counted in buckets: ten a decade (each about a quarter wider than the one before), from a millisecond to
// eleven days. Plain counters, so that they can live in shared memory and be added up. Pure.
#pragma once

#include "core/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace hc::core {

inline constexpr std::size_t kLatencyBounds = 91;
inline constexpr std::size_t kLatencyBuckets = kLatencyBounds + 1; // the last one: longer than all

// Upper bounds, inclusive, ascending: 1 ms, 1.25 ms, 1.6 ms, 2 ms .. 10^6 s.
extern const std::array<Duration, kLatencyBounds> kLatencyUpper;

std::size_t latency_bucket(Duration value); // of a negative one: the first

using LatencyCounts = std::span<const std::uint64_t, kLatencyBuckets>;

std::uint64_t latency_total(LatencyCounts counts);
std::uint64_t latency_up_to(LatencyCounts counts, Duration bound); // `bound` is one of kLatencyUpper

// The value below which the part `q` (0 to 1) of the values lies, within its bucket by interpolation; nullopt: no
// value.
std::optional<Duration> latency_quantile(LatencyCounts counts, double q);

} // namespace hc::core
