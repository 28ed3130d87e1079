// What is counted of messages per (tenant, channel, provider), and how a decision of the state machine is counted.
// Pure.
#pragma once

#include "core/cascade.hpp"
#include "core/latency_buckets.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hc::core {

enum class DeliveryCount : std::uint8_t {
    accepted,    // answers that took the message
    ambiguous,   // no usable answer: it may have been taken
    retried,     // sends put again for the same attempt
    timed_out,   // attempts given up because no answer or receipt came in time
    delivered,   // attempts that came to delivered or read
    failed_soft, // attempts that failed, by the answer or by a receipt
    failed_hard,
    failed_policy,
    failed_config,
    corrected, // final states turned around by a later receipt
};
inline constexpr std::size_t kDeliveryCounts = 10;
std::string_view to_string(DeliveryCount c);

// The counters of one series: DeliveryCounts, attempts that came to each ReceiptState, then the time from an accepting
// answer to the first final receipt: buckets and sum in microseconds.
inline constexpr std::size_t kStateCounters = kDeliveryCounts;
inline constexpr std::size_t kLatencyCounters = kStateCounters + kReceiptStates;
inline constexpr std::size_t kLatencySum = kLatencyCounters + kLatencyBuckets;
inline constexpr std::size_t kSeriesCounters = kLatencySum + 1;

struct SeriesCounters {
    std::array<std::uint64_t, kSeriesCounters> values{};

    std::uint64_t count(DeliveryCount c) const { return values[static_cast<std::size_t>(c)]; }
    std::uint64_t state(ReceiptState s) const { return values[kStateCounters + static_cast<std::size_t>(s)]; }
    LatencyCounts latency() const { return LatencyCounts(values.data() + kLatencyCounters, kLatencyBuckets); }
    Duration latency_sum() const { return Duration{static_cast<std::int64_t>(values[kLatencySum])}; }
};

struct CounterDelta {
    std::uint16_t attempt = 0; // 1-based: whose step and provider name the series
    std::uint16_t counter = 0; // of kSeriesCounters
    std::uint64_t n = 1;

    bool operator==(const CounterDelta &) const = default;
};

// What one decision adds. `before`: receipt states of the attempts there were before it; `state`: after it; `events`:
// its events; `earlier`: histories before it, latest first, in which the answer of an attempt may stand.
std::vector<CounterDelta> count_decision(std::span<const ReceiptState> before, const State &state,
                                         std::span<const HistoryEvent> events,
                                         std::span<const std::span<const HistoryEvent>> earlier);

} // namespace hc::core
