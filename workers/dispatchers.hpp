// Keeps the dispatchers of a database at their number, with helpers while there is a backlog. Runs in the supervisor.
#pragma once

#include "workers/session.hpp"

namespace hc::workers {

class Dispatchers {
public:
    void keep();
    static void stop_all();
    long wait_milliseconds(long most) const;

private:
    static bool start(bool helper);

    Backoff backoff_; // starts
    int wanted_ = 0;
    bool missing_ = false; // a start waits for the back-off
};

} // namespace hc::workers
