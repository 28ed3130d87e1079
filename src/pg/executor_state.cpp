// See executor_state.hpp.
#include "pg/executor_state.hpp"

#include "pg/bgworker.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"

#include <csignal>

namespace hc::pg {

namespace {

// Of this process, an executor. Written outside of signal handlers, but for g_lost.
RunningTask g_running;
volatile sig_atomic_t g_lost = 0;
bool g_ready = false;

bool serves_here(const WorkerSlot &slot) noexcept {
    return slot.database.load() == MyDatabaseId && static_cast<WorkerRole>(slot.role.load()) == WorkerRole::executor;
}

void report_lost_task(DatabaseSlot &database) noexcept {
    for (LostTaskSlot &lost : database.lost_tasks) {
        std::uint32_t expected = 0;
        if (lost.state.compare_exchange_strong(expected, 1)) {
            std::memcpy(lost.workflow_id, g_running.workflow_id.bytes.data(), sizeof lost.workflow_id);
            lost.number = g_running.number;
            lost.kind = g_running.kind;
            lost.state = 2;
            return;
        }
    } // no room: it is claimed again, and counted
}

void report_failed_start(DatabaseSlot &database, std::int32_t queue) noexcept {
    for (auto &entry : database.failed_starts) {
        std::int32_t expected = 0;
        if (entry.compare_exchange_strong(expected, queue)) {
            return;
        }
    } // no room: that role waits for its back-off all the same
}

} // namespace

bool wake_executors(std::int32_t queue, std::int64_t due) noexcept {
    bool found = false;
    for (WorkerSlot &slot : shared()->workers) {
        if (slot.executor.queue.load() != queue || !serves_here(slot)) {
            continue;
        }
        found = true;
        if (lower(slot.executor.due, due)) {
            set_latch_of(slot.process_number.load());
        }
    }
    return found;
}

void wake_all_executors() noexcept {
    for (WorkerSlot &slot : shared()->workers) {
        if (serves_here(slot)) {
            slot.executor.due = PG_INT64_MIN;
            set_latch_of(slot.process_number.load());
        }
    }
}

core::Time take_executor_due() noexcept {
    const std::int64_t due = my_worker_slot()->executor.due.exchange(kNoDue);
    return due == PG_INT64_MIN ? core::from_unix_micros(0) : from_timestamptz(due);
}

void give_executor_due(core::Time due) noexcept { lower(my_worker_slot()->executor.due, to_timestamptz(due)); }

core::Time peek_executor_due() noexcept {
    const std::int64_t due = my_worker_slot()->executor.due.load();
    return due == PG_INT64_MIN ? core::from_unix_micros(0) : from_timestamptz(due);
}

void report_executor_idle(bool idle) noexcept {
    ExecutorState &state = my_worker_slot()->executor;
    if ((state.idle.load() != 0) != idle) {
        state.since = to_timestamptz(now());
        state.idle = idle ? 1 : 0;
    }
}

void ask_for_help() noexcept {
    if (my_worker_slot()->executor.wants_help.exchange(1) == 0) {
        my_database()->bounds[kExecutorBound] = PG_INT64_MIN;
        wake_supervisor();
    }
}

void executor_is_ready() noexcept { g_ready = true; }

void set_running_task(const RunningTask &task) noexcept { g_running = task; }

void lose_running_task() noexcept { g_lost = 1; }

bool start_failed() noexcept { return !g_ready && !shutdown_requested(); }

void leave_executor_queue(WorkerSlot &slot, bool failed_start) noexcept {
    const std::int32_t queue = slot.executor.queue.exchange(0); // from here on a commit tells the supervisor
    slot.executor.user = InvalidOid;
    DatabaseSlot *database = find_database(slot.database.load());
    if (queue == 0 || database == nullptr) {
        return;
    }
    if (g_lost != 0 && &slot == my_worker_slot()) {
        report_lost_task(*database);
    }
    if (failed_start) {
        report_failed_start(*database, queue);
    }
    database->bounds[kExecutorBound] = PG_INT64_MIN;
}

std::vector<ExecutorInfo> executors() {
    std::vector<ExecutorInfo> infos;
    for (WorkerSlot &slot : shared()->workers) {
        const std::int32_t queue = slot.executor.queue.load();
        if (queue == 0 || !serves_here(slot)) {
            continue;
        }
        const ExecutorState &state = slot.executor;
        infos.push_back({&slot, core::role_of_queue(queue), state.user.load(),
                         static_cast<WorkerState>(slot.state.load()) == WorkerState::draining, state.idle.load() != 0,
                         state.wants_help.load() != 0, from_timestamptz(state.since.load())});
    }
    return infos;
}

void take_help_wanted() noexcept {
    for (WorkerSlot &slot : shared()->workers) {
        if (serves_here(slot)) {
            slot.executor.wants_help = 0;
        }
    }
}

std::vector<RunningTask> take_lost_tasks() {
    std::vector<RunningTask> tasks;
    for (LostTaskSlot &lost : my_database()->lost_tasks) {
        if (lost.state.load() == 2) {
            RunningTask task;
            std::memcpy(task.workflow_id.bytes.data(), lost.workflow_id, sizeof lost.workflow_id);
            task.number = lost.number;
            task.kind = lost.kind;
            tasks.push_back(task);
            lost.state = 0;
        }
    }
    return tasks;
}

std::vector<std::int32_t> take_failed_starts() {
    std::vector<std::int32_t> roles;
    for (auto &entry : my_database()->failed_starts) {
        if (const std::int32_t queue = entry.exchange(0); queue != 0) {
            roles.push_back(core::role_of_queue(queue));
        }
    }
    return roles;
}

} // namespace hc::pg
