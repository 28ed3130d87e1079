// See dispatcher_plan.hpp.
#include "core/dispatcher_plan.hpp"

#include <algorithm>

namespace hc::core {

bool Saturation::look(bool more, Clock::time_point now) {
    const Clock::duration period = now - since_;
    if (more && period < period_)
        return false;
    const bool busy = more && rested_ < period / 8;
    since_ = now;
    rested_ = {};
    return busy;
}

DispatcherPlan plan_dispatchers(std::span<const DispatcherProcess> processes, int always, int most, bool wants_help) {
    DispatcherPlan plan;
    const int helpers_allowed = always == 0 ? 0 : std::max(0, most - always);
    int stay = 0, helpers = 0;
    for (std::size_t i = 0; i < processes.size(); ++i) {
        const DispatcherProcess &process = processes[i];
        const bool surplus = process.helper ? ++helpers > helpers_allowed : ++stay > always;
        if (surplus && !process.ending)
            plan.stop.push_back(i);
    }
    plan.start = std::max(0, always - stay);
    plan.start_helper = wants_help && helpers < helpers_allowed;
    return plan;
}

} // namespace hc::core
