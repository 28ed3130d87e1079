// Executions whose program is outside of the database, in the supervisor: those whose time is over, or whose parent has
// closed, end without a worker, each in a transaction of its own.
#pragma once

#include "workers/schedules.hpp"

namespace hc::workers {

class Programs {
public:
    static void rescan(); // what no latch told
    void pass(const Attempt &attempt);
    long wait_milliseconds(long most) const;

private:
    Clock::time_point retry_at_{}; // somebody held one, or the look-up failed
};

} // namespace hc::workers
