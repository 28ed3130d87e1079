// What waits, for monitoring: a few index probes, whatever the number of tasks.
#pragma once

#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hc::store {

// The task that stands first of those that are due and not claimed.
struct BacklogRow {
    std::int32_t queue = 0;
    std::int32_t number = 0;
    core::Time due{};
    std::optional<std::string> history; // of its cascade, if that is open
};
std::vector<BacklogRow> first_due(const std::vector<std::int32_t> &queues, core::Time now); // no row: nothing waits

// The first due time over all queues of webhook endpoints, if something is due.
std::optional<core::Time> oldest_of_endpoints(core::Time now);

struct InboxCounts { // of the first 100,000 rows
    std::int64_t parked = 0, waiting = 0;
};
InboxCounts count_inbox();

} // namespace hc::store
