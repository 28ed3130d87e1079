// Counters per (tenant, channel, provider) in shared memory. A transaction notes what it counted; the transaction
// callback of wake.cpp adds it up at commit, so that what was rolled back was never counted. A bounded number of series
// for all databases (hermes.max_metric_series): when all are taken, a database counts what is new in one series
// `other`.
//
// Series are found without a lock and given out under a spinlock; their counters are atomics. Nothing raises at commit.
#pragma once

#include "core/delivery_metrics.hpp"
#include "pg/shmem.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hc::pg {

using SeriesIndex = std::uint32_t;
inline constexpr SeriesIndex kNoSeries = UINT32_MAX; // without shared memory

// The series of this database, given out on first use.
SeriesIndex series_of(const std::optional<std::string> &tenant, std::string_view channel, std::int32_t provider);

// Counted when the transaction commits, unless a savepoint around it is rolled back.
void count_series(SeriesIndex series, std::uint16_t counter, std::uint64_t n);

struct SeriesSnapshot {
    bool other = false;
    std::optional<std::string> tenant;
    std::string channel;
    std::int32_t provider = 0;
    core::SeriesCounters counters;
};
std::vector<SeriesSnapshot> series_snapshots(); // of this database, those that counted something

struct SeriesUse {
    std::uint64_t used = 0, limit = 0;
};
SeriesUse series_use() noexcept;

// ---- for shmem.cpp and wake.cpp ----

std::size_t series_size();                               // of the shared memory, at its request
void attach_series();                                    // inside pg::call, holding AddinShmemInitLock
void free_series(const DatabaseSlot &database) noexcept; // the database is gone
void publish_series() noexcept;                          // the transaction commits
void forget_series() noexcept;
void end_series_level(std::int32_t level, bool keep) noexcept; // a subtransaction ends

} // namespace hc::pg
