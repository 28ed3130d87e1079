// Schedules in the supervisor: those that are due are looked at, each in a transaction of its own.
#pragma once

#include "core/id.hpp"
#include "workers/session.hpp"

namespace hc::workers {

class Schedules {
public:
    static void rescan(); // what no latch told
    void pass(const Attempt &attempt);
    long wait_milliseconds(long most) const;

private:
    bool look_at(const core::WorkflowId &id, const Attempt &attempt);

    Clock::time_point retry_at_{}; // a caller held one, or the look-up failed
};

} // namespace hc::workers
