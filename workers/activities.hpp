// Activities in the supervisor: those whose deadline has passed, and those that fakes answer.
#pragma once

#include "workers/session.hpp"

namespace hc::workers {

class Activities {
public:
    static void rescan();              // what no latch told
    bool pass(const Attempt &attempt); // false: it failed
    long wait_milliseconds(long most) const;

private:
    void end_overdue();
    bool serve_fakes(const Attempt &attempt);

    Clock::time_point retry_at_{}, retry_fakes_at_{}; // somebody held one
};

} // namespace hc::workers
