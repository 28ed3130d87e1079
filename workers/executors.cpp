// See executors.hpp. Runs in the supervisor.
#include "workers/executors.hpp"

#include "core/executor_queue.hpp"
#include "engine/executor_roles.hpp"
#include "engine/workflow_turn.hpp"
#include "pg/bgworker.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"

#include <csignal>

namespace hc::workers {

namespace {

constexpr auto kBusyRetry = std::chrono::milliseconds(50); // while roles wait for a process
constexpr auto kBackoffRetry = std::chrono::milliseconds(500);
constexpr auto kLockedRetry = std::chrono::milliseconds(5); // while cascades are held
constexpr std::uint32_t kFailuresOfLost = 6; // a turn that ignored its cancel is put off as after so many
constexpr int kMostFailedStarts = 6;         // in a row: half a minute of back-off

// An executor told to end counts as ending from that moment on. One that has just ended by itself is left alone.
void tell_to_end(pg::WorkerSlot &slot) {
    auto expected = static_cast<std::uint32_t>(pg::WorkerState::running);
    if (!slot.state.compare_exchange_strong(expected, static_cast<std::uint32_t>(pg::WorkerState::draining))) {
        return;
    }
    if (const std::int32_t pid = slot.pid.load(); pid != 0) {
        kill(pid, SIGTERM);
    }
}

core::ExecutorLimits limits_of_settings() {
    core::ExecutorLimits limits;
    limits.per_role = pg::guc::executors_per_role;
    limits.total = pg::guc::max_executors;
    return limits;
}

std::vector<core::ExecutorProcess> processes_of(const std::vector<pg::ExecutorInfo> &infos) {
    std::vector<core::ExecutorProcess> processes;
    processes.reserve(infos.size());
    for (const pg::ExecutorInfo &info : infos) {
        processes.push_back({info.role, info.ending, info.idle, info.wants_help, info.since});
    }
    return processes;
}

} // namespace

void Executors::stop_all() {
    for (const pg::ExecutorInfo &info : pg::executors()) {
        tell_to_end(*info.slot);
    }
}

void Executors::rescan() noexcept { pg::give_bound(core::kFirstExecutorQueue, core::from_unix_micros(0)); }

void Executors::look_again(Clock::duration after) noexcept {
    not_before_ = std::max(not_before_, Clock::now() + after);
}

long Executors::wait_milliseconds(long most) const {
    if (!lost_.empty()) {
        return std::min(most, 5L);
    }
    const long due = milliseconds_until(pg::peek_bound(core::kFirstExecutorQueue), pg::now(), most);
    const Clock::duration left = not_before_ - Clock::now();
    return std::clamp<long>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), due, std::max(due, most));
}

void Executors::note_failed_starts() {
    for (const std::int32_t id : pg::take_failed_starts()) {
        Role &role = roles_[id];
        role.backoff.failed(Clock::now());
        ++role.failed_starts;
    }
    for (const pg::ExecutorInfo &info : pg::executors()) { // who does something could start
        if (info.idle || info.slot->batches.load() != 0) {
            roles_[info.role].failed_starts = 0;
        }
    }
}

// Tasks whose SQL would not be canceled: their executor is gone, they are not tried again.
void Executors::answer_lost_tasks() {
    for (const pg::RunningTask &task : pg::take_lost_tasks()) {
        lost_.push_back(task);
        const std::string message = fmt::format("SQL of cascade {} ignored its cancel: its executor has ended itself",
                                                core::to_string(task.workflow_id));
        pg::log(message.c_str(), "See the condition in the history of the cascade.");
    }
    for (const pg::RunningTask &task : std::exchange(lost_, {})) {
        if (!answer_lost(task)) {
            lost_.push_back(task);
        }
    }
}

// False: to be tried again.
bool Executors::answer_lost(const pg::RunningTask &task) {
    const store::TaskKey key{task.workflow_id, task.number};
    const engine::SqlAnswer answer{
        key, engine::failure_of(static_cast<store::Kind>(task.kind), task.number, "timeout: cancel ignored")};
    bool done = false;
    pg::Failure failure;
    const bool good = pg::iterate(
        "answering a lost task",
        [&] {
            Transaction transaction("answering a lost task");
            if (store::is_of_function(task.kind)) {
                engine::put_off_turn(key, kFailuresOfLost, "its code ignored a cancel: its executor has ended itself");
                done = true;
            } else {
                done = engine::record_sql({answer}).empty();
            }
            transaction.commit();
        },
        failure);
    return done || (!good && !transient(failure)); // what cannot be answered is claimed again, and counted
}

// Roles with due tasks. A queue whose executors are at work is theirs to look at, unless they want help.
std::vector<Executors::Need> Executors::look(core::Time from) {
    std::vector<Need> needs;
    core::Time next = core::kNever;
    const core::Time now = pg::now();
    try {
        Transaction transaction("looking for SQL to run");
        for (const store::ExecutorQueueRow &row : engine::waiting_sql_queues()) {
            if (row.due > now) {
                next = std::min(next, row.due);
                continue;
            }
            const std::int32_t id = core::role_of_queue(row.queue);
            const engine::RoleCheck check = engine::check_executor_role(id);
            needs.push_back({id, check.user, check.reason.empty() ? failure_of_starts(id) : check.reason});
        }
        transaction.commit();
    } catch (...) {
        pg::give_bound(core::kFirstExecutorQueue, from);
        throw;
    }
    pg::give_bound(core::kFirstExecutorQueue, next);
    return needs;
}

std::string Executors::failure_of_starts(std::int32_t role) const {
    const auto it = roles_.find(role);
    const bool hopeless = it != roles_.end() && it->second.failed_starts >= kMostFailedStarts &&
                          !it->second.backoff.passed(Clock::now()); // then it is tried once more
    return hopeless ? "executor cannot start" : "";
}

void Executors::start(const Need &need) {
    Role &role = roles_[need.role];
    pg::WorkerSlot *slot =
        pg::allot_worker_slot(pg::WorkerRole::executor, MyDatabaseId, {core::executor_queue(need.role), need.user});
    if (slot == nullptr || !pg::start_worker(*slot, pg::WorkerRole::executor, MyDatabaseId)) {
        pg::release_unstarted(slot);
        role.backoff.failed(Clock::now()); // no fault of the role: it does not count as a failed start
        pg::log("could not start an executor: no free worker slot", "Raise max_worker_processes.");
        return;
    }
    role.served = pg::now();
}

void Executors::serve(const std::vector<Need> &needs) {
    const std::vector<pg::ExecutorInfo> infos = pg::executors();
    std::vector<core::WaitingRole> waiting;
    for (const Need &need : needs) {
        if (need.reason.empty()) {
            const Role &role = roles_[need.role];
            waiting.push_back({need.role, role.served, role.backoff.passed(Clock::now())});
        }
    }
    const core::ExecutorPlan plan = core::plan_executors(waiting, processes_of(infos), limits_of_settings(), pg::now());
    pg::take_help_wanted();
    for (const std::size_t i : plan.stop) {
        tell_to_end(*infos[i].slot);
    }
    for (const std::int32_t id : plan.start) {
        start(*std::find_if(needs.begin(), needs.end(), [id](const Need &need) { return need.role == id; }));
    }
    if (plan.waiting && plan.start.size() < waiting.size()) { // some wait for a process, or for their back-off
        const bool soon = pg::guc::max_executors > 0 &&
                          std::any_of(waiting.begin(), waiting.end(), [](const auto &w) { return w.may; });
        rescan();
        look_again(soon ? kBusyRetry : kBackoffRetry);
    }
}

void Executors::settle(const Need &need) {
    pg::Failure failure;
    engine::Settled settled;
    const bool good = pg::iterate(
        "answering tasks that cannot run",
        [&] {
            Transaction transaction("answering tasks that cannot run");
            settled = engine::settle_unrunnable(core::executor_queue(need.role), need.reason, settle_limit_, settling_);
            transaction.commit();
        },
        failure);
    if (!good) {
        split_settling(failure);
        return;
    }
    const bool full = settled.tasks >= static_cast<std::uint32_t>(settle_limit_);
    settle_limit_ = std::min(2 * settle_limit_, pg::guc::batch_size);
    if (full || settled.locked) {
        rescan();
        look_again(settled.locked ? Clock::duration(kLockedRetry) : Clock::duration::zero());
    }
}

// As with timers: a batch that fails is halved until the culprit is alone, which becomes a dead letter.
void Executors::split_settling(const pg::Failure &failure) {
    rescan();
    if (transient(failure)) {
        look_again(std::chrono::seconds(1));
    } else if (settling_.size() != 1) {
        settle_limit_ = std::max(1, settle_limit_ / 2);
    } else {
        Transaction transaction("burying a task");
        engine::bury(settling_.front(), failure.message);
        transaction.commit();
    }
}

// A reload may have lowered the limits; without anything due nobody else looks.
void Executors::end_surplus() {
    const std::vector<pg::ExecutorInfo> infos = pg::executors();
    for (const std::size_t i : core::plan_executors({}, processes_of(infos), limits_of_settings(), pg::now()).stop) {
        tell_to_end(*infos[i].slot);
    }
}

void Executors::pass() {
    note_failed_starts();
    answer_lost_tasks();
    end_surplus();
    if (Clock::now() < not_before_ || pg::peek_bound(core::kFirstExecutorQueue) > pg::now()) {
        return;
    }
    const std::vector<Need> needs = look(pg::take_bound(core::kFirstExecutorQueue));
    for (const Need &need : needs) {
        if (!need.reason.empty()) {
            settle(need);
        }
    }
    serve(needs);
}

} // namespace hc::workers
