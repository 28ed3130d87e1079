// How many dispatchers a database has: so many always, and helpers while the queues stay full; when a worker looks at a
// queue again. Pure.
#pragma once

#include "core/time.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace hc::core {

// Whether a worker has more to do than it can: for a whole period each look left something that was due, and it rested
// less than an eighth of the time. Limits of providers make a queue long, too, but then it rests.
class Saturation {
public:
    using Clock = std::chrono::steady_clock;
    Saturation(Clock::duration period, Clock::time_point now) : period_(period), since_(now) {}

    void rested(Clock::duration time) { rested_ += time; }
    // After a look at the queues. True at the end of a period; a new one begins then.
    bool look(bool more, Clock::time_point now);

private:
    Clock::duration period_, rested_{};
    Clock::time_point since_;
};

// Whether somebody else holds what is due, after a claim: then a worker waits a little. `next_due` was looked for after
// the claim, with a newer snapshot: beside tasks that were taken, what is due may have come meanwhile, and is
// looked for at once.
inline bool held_by_others(std::size_t claimed, std::optional<Time> next_due, Time now) {
    return claimed == 0 && next_due && *next_due <= now;
}

struct DispatcherProcess {
    bool helper = false;
    bool ending = false; // told to end, or about to
};

struct DispatcherPlan {
    int start = 0;                 // that stay
    bool start_helper = false;     // one at a time: whether it is enough shows after a while
    std::vector<std::size_t> stop; // indexes of processes
};

// `always`: without a backlog; `most`: with one. No helpers where `always` is 0: then nothing shall be sent. An ending
// process counts until it is gone, for it may have requests under way.
DispatcherPlan plan_dispatchers(std::span<const DispatcherProcess> processes, int always, int most, bool wants_help);

} // namespace hc::core
