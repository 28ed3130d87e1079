// Dispatchers of a database in shared memory: which there are, who wants help.
#pragma once

#include "pg/shmem.hpp"

#include <vector>

namespace hc::pg {

int count_dispatchers() noexcept; // those that start or end included

// ---- in a dispatcher ----

bool is_helper() noexcept;          // it is there for a backlog only
void ask_for_dispatcher() noexcept; // the queues stay full

// ---- in the supervisor ----

struct DispatcherInfo {
    WorkerSlot *slot;
    bool helper, running; // running: neither starting nor ending
};
std::vector<DispatcherInfo> dispatchers();
bool take_dispatcher_wanted() noexcept; // somebody has asked since

} // namespace hc::pg
