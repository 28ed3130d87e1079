// See dispatchers.hpp.
#include "pg/dispatchers.hpp"

#include "pg/bgworker.hpp"
#include "pg/wake.hpp"

namespace hc::pg {

namespace {

bool is_dispatcher(const WorkerSlot &slot) noexcept {
    return slot.database.load() == MyDatabaseId && static_cast<WorkerRole>(slot.role.load()) == WorkerRole::dispatcher;
}

} // namespace

int count_dispatchers() noexcept {
    int count = 0;
    for (const WorkerSlot &slot : shared()->workers) {
        count += is_dispatcher(slot) ? 1 : 0;
    }
    return count;
}

bool is_helper() noexcept { return my_worker_slot()->helper.load() != 0; }

void ask_for_dispatcher() noexcept {
    if (my_database()->dispatcher_wanted.exchange(1) == 0) {
        wake_supervisor();
    }
}

std::vector<DispatcherInfo> dispatchers() {
    std::vector<DispatcherInfo> infos;
    for (WorkerSlot &slot : shared()->workers) {
        if (is_dispatcher(slot)) {
            const bool running = static_cast<WorkerState>(slot.state.load()) == WorkerState::running;
            infos.push_back({&slot, slot.helper.load() != 0, running});
        }
    }
    return infos;
}

bool take_dispatcher_wanted() noexcept { return my_database()->dispatcher_wanted.exchange(0) != 0; }

} // namespace hc::pg
