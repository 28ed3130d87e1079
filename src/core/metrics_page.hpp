// The page of hermes.metrics(): what was measured, and its rendering in the OpenMetrics text format. Pure.
#pragma once

#include "core/circuit_breaker.hpp"
#include "core/delivery_metrics.hpp"
#include "core/workflow_counts.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hc::core {

struct SeriesMetrics {                     // one (tenant, channel, provider)
    std::string tenant, channel, provider; // tenant "": none; all "*": what found no series of its own
    SeriesCounters counters;
};

struct ProviderMetrics {
    std::string provider, channel;
    BreakerPhase breaker = BreakerPhase::closed;
    bool throttled = false;
    std::int32_t in_flight = 0;
    std::uint64_t accepted = 0, failed = 0, refused = 0; // answers
};

struct QueueMetrics {                  // age of what is due and not claimed
    std::string queue, provider, lane; // queue: sends (with provider and lane), timers, reports, endpoints
    Duration oldest{};
};

struct WorkerMetrics {
    std::string role, state;
    std::uint64_t count = 0;
};

struct MetricsPage {
    std::string version;
    std::uint64_t started = 0;
    std::array<std::uint64_t, 4> ended{}; // delivered, exhausted, expired, canceled
    std::uint64_t sends_claimed = 0, sends_recorded = 0, signals = 0;
    std::array<std::uint64_t, 5> receipts{}; // applied, buffered, parked, unmatched, dropped
    std::uint64_t webhooks_delivered = 0, webhooks_failed = 0, dead_letters = 0, worker_errors = 0;
    std::array<std::uint64_t, kLatencyBuckets> timer_lateness{};
    Duration timer_lateness_sum{}, timer_lateness_max{};
    std::array<std::uint64_t, kWorkflowCounts> workflow{};   // by WorkflowCount
    std::uint64_t receipts_parked = 0, receipts_waiting = 0; // there now
    std::uint64_t series_used = 0, series_limit = 0, series_folded = 0;
    bool outbound_open = false, outbound_enabled = false;
    std::vector<SeriesMetrics> series;
    std::vector<ProviderMetrics> providers;
    std::vector<QueueMetrics> queues;
    std::vector<WorkerMetrics> workers;
};

std::string render_metrics(const MetricsPage &page);

} // namespace hc::core
