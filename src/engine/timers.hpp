// What the supervisor does when timers are due: fire them, apply sandbox receipts, rematch early receipts.
#pragma once

#include "core/time.hpp"
#include "store/tasks.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace hc::engine {

struct Fired {
    std::uint32_t tasks = 0;
    bool more = false;                // more may be due now
    bool locked = false;              // what is due was held by others: scan again in a few ms
    std::optional<core::Time> resume; // where to scan from next time; nullopt: nothing waits
    core::Duration scan{};            // what it took to find them: long where many are held
};

// One batch of what is due, in one transaction. `read` gets the timers and tasks looked at, also when it fails.
Fired fire_due(core::Time from, core::Time now, std::int32_t limit, std::vector<store::TaskKey> &read);

} // namespace hc::engine
