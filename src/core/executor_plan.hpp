// Which executors a supervisor starts and ends. Each executor serves one role for life, so when there are more roles
// with work than processes allowed, they take turns: the role served longest ago comes next, and makes way for it who
// is idle longest or, when all are busy, who has had its turn. Pure.
#pragma once

#include "core/time.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hc::core {

struct ExecutorProcess {
    std::int32_t role = 0;
    bool ending = false;     // told to end, or about to
    bool idle = false;       // has nothing to do
    bool wants_help = false; // its queue stays full
    Time since{};            // idle or at work since then
};

// A role whose queue has tasks that are due and claimed by nobody.
struct WaitingRole {
    std::int32_t role = 0;
    Time served{};   // when an executor was started for it last
    bool may = true; // false: its start waits for a back-off
};

struct ExecutorLimits {
    std::int32_t per_role = 1;
    std::int32_t total = 4;
    Duration turn = std::chrono::seconds(2); // of a busy executor while another role waits
};

struct ExecutorPlan {
    std::vector<std::int32_t> start; // roles
    std::vector<std::size_t> stop;   // indexes of processes
    bool waiting = false;            // some role waits for a process
};

ExecutorPlan plan_executors(std::span<const WaitingRole> waiting, std::span<const ExecutorProcess> processes,
                            const ExecutorLimits &limits, Time now);

} // namespace hc::core
