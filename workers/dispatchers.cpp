// See dispatchers.hpp.
#include "workers/dispatchers.hpp"

#include "core/dispatcher_plan.hpp"
#include "pg/bgworker.hpp"
#include "pg/dispatchers.hpp"
#include "pg/guc.hpp"

#include <csignal>

namespace hc::workers {

void Dispatchers::stop_all() {
    for (const pg::DispatcherInfo &info : pg::dispatchers()) {
        if (const std::int32_t pid = info.slot->pid.load(); pid != 0) {
            kill(pid, SIGTERM);
        }
    }
}

bool Dispatchers::start(bool helper) {
    pg::WorkerSlot *slot = pg::allot_worker_slot(pg::WorkerRole::dispatcher, MyDatabaseId);
    if (slot != nullptr) {
        slot->helper = helper ? 1 : 0;
    }
    if (slot != nullptr && pg::start_worker(*slot, pg::WorkerRole::dispatcher, MyDatabaseId)) {
        return true;
    }
    pg::release_unstarted(slot);
    return false;
}

void Dispatchers::keep() {
    const std::vector<pg::DispatcherInfo> infos = pg::dispatchers();
    std::vector<core::DispatcherProcess> processes;
    processes.reserve(infos.size());
    for (const pg::DispatcherInfo &info : infos) {
        processes.push_back({info.helper, !info.running});
    }
    const core::DispatcherPlan plan =
        core::plan_dispatchers(processes, pg::guc::dispatchers, pg::guc::max_dispatchers, pg::take_dispatcher_wanted());
    for (const std::size_t i : plan.stop) {
        kill(infos[i].slot->pid.load(), SIGTERM); // it drains
    }
    if (wanted_ != pg::guc::dispatchers) { // first start, or changed by a reload: no failure
        wanted_ = pg::guc::dispatchers;
        backoff_ = Backoff{};
    }
    missing_ = plan.start > 0;
    if (missing_ && backoff_.passed(Clock::now())) {
        backoff_.failed(Clock::now());
        missing_ = false;
        for (int i = 0; i < plan.start; ++i) {
            if (!start(false)) {
                pg::log("could not start a dispatcher: no free worker slot", "Raise max_worker_processes.");
            }
        }
    }
    if (plan.start_helper) { // without a free slot it goes on without help
        start(true);
    }
}

long Dispatchers::wait_milliseconds(long most) const {
    if (!missing_) {
        return most;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(backoff_.until() - Clock::now()).count();
    return std::clamp<long>(left, 0, most);
}

} // namespace hc::workers
