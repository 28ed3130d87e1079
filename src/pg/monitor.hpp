// Readings of the shared memory for the views `workers` and `stats`: copies, taken without locks.
#pragma once

#include "core/latency_buckets.hpp"
#include "pg/values.hpp"

namespace hc::pg {

struct WorkerInfo {
    const char *role, *state;
    std::int32_t pid;
    std::int64_t incarnation;
    core::Time started_at;
    std::int64_t batches, tasks, errors;
    std::int32_t in_flight;
    std::optional<std::string> database_role; // of an executor
};
std::vector<WorkerInfo> worker_infos(); // of this database

struct Statistic {
    const char *name;
    std::int64_t value;
};
std::vector<Statistic> statistics(); // of this database

void record_timer_lateness(core::Duration late) noexcept; // of this database

struct TimerLateness {
    std::array<std::uint64_t, core::kLatencyBuckets> buckets{};
    core::Duration sum{}, max{};
};
TimerLateness timer_lateness(); // of this database

} // namespace hc::pg
