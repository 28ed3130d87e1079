// Supervisor: one per database that has the extension. Fires timers, keeps the dispatchers at their number, creates and
// drops partitions, checks the restore fence.
#include "engine/fence.hpp"
#include "engine/timers.hpp"
#include "pg/bgworker.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"
#include "store/fence.hpp"
#include "store/receipts.hpp"
#include "workers/session.hpp"
#include "workers/workers.hpp"

#include <csignal>

namespace hc::workers {

namespace {

using pg::WorkerRole;

constexpr auto kMaintenanceEvery = std::chrono::seconds(60);
constexpr auto kLockedRetry = std::chrono::milliseconds(5);
constexpr auto kInboxRetention = std::chrono::hours(72); // R4

class Supervisor {
public:
    explicit Supervisor(std::int32_t slot) : slot_(pg::slot_of_argument(slot)) {}
    void run();

private:
    bool begin();
    void pass();
    void fire_timers();
    void keep_dispatchers();
    void start_dispatcher();
    void maintain();
    void check_fence();
    long wait_milliseconds();

    pg::WorkerSlot &slot_;
    ExtensionWatch extension_;
    Backoff backoff_;            // after errors of a pass
    Backoff dispatcher_backoff_; // starts of dispatchers
    int dispatchers_wanted_ = 0;
    bool dispatcher_missing_ = false; // its start waits for the back-off
    Clock::time_point next_maintenance_{};
    Clock::time_point next_rescan_{};
    Clock::time_point retry_timers_at_{};
};

void stop_dispatchers() {
    for (const pg::WorkerSlot &slot : pg::shared()->workers) {
        const std::int32_t pid = slot.pid.load();
        if (slot.database.load() == MyDatabaseId && static_cast<WorkerRole>(slot.role.load()) == WorkerRole::dispatcher && pid != 0) {
            kill(pid, SIGTERM);
        }
    }
}

void Supervisor::fire_timers() {
    const core::Time now = pg::now();
    if (Clock::now() < retry_timers_at_ || pg::peek_bound(pg::kTimerQueue) > now) {
        return;
    }
    const core::Time from = pg::take_bound(pg::kTimerQueue);
    try {
        Transaction transaction("firing timers");
        const engine::Fired fired = engine::fire_due(from, now, pg::guc::batch_size);
        transaction.commit();
        slot_.batches.fetch_add(1, std::memory_order_relaxed);
        slot_.tasks.fetch_add(fired.tasks, std::memory_order_relaxed);
        if (fired.resume) {
            pg::give_bound(pg::kTimerQueue, *fired.resume);
        }
        if (fired.locked) {
            retry_timers_at_ = Clock::now() + kLockedRetry;
        }
    } catch (...) {
        pg::give_bound(pg::kTimerQueue, from);
        throw;
    }
}

void Supervisor::start_dispatcher() {
    pg::WorkerSlot *worker = pg::allot_worker_slot(WorkerRole::dispatcher, MyDatabaseId);
    if (worker == nullptr || !pg::start_worker(*worker, WorkerRole::dispatcher, MyDatabaseId)) {
        pg::release_unstarted(worker);
        pg::log("could not start a dispatcher: no free worker slot", "Raise max_worker_processes.");
    }
}

void Supervisor::keep_dispatchers() {
    int running = 0;
    for (const pg::WorkerSlot &slot : pg::shared()->workers) {
        if (slot.database.load() != MyDatabaseId || static_cast<WorkerRole>(slot.role.load()) != WorkerRole::dispatcher) {
            continue;
        }
        const auto state = static_cast<pg::WorkerState>(slot.state.load());
        if (++running > pg::guc::dispatchers && state == pg::WorkerState::running) {
            kill(slot.pid.load(), SIGTERM); // it drains
        }
    }
    if (dispatchers_wanted_ != pg::guc::dispatchers) { // first start, or changed by a reload: no failure
        dispatchers_wanted_ = pg::guc::dispatchers;
        dispatcher_backoff_ = Backoff{};
    }
    dispatcher_missing_ = running < pg::guc::dispatchers;
    if (dispatcher_missing_ && dispatcher_backoff_.passed(Clock::now())) {
        dispatcher_backoff_.failed(Clock::now());
        dispatcher_missing_ = false;
        for (; running < pg::guc::dispatchers; ++running) {
            start_dispatcher();
        }
    }
}

void Supervisor::check_fence() {
    Transaction transaction("checking the restore fence");
    const bool open = engine::pass_fence();
    transaction.commit();
    const bool was_open = pg::my_database()->outbound_open.exchange(open ? 1 : 0) != 0;
    if (!open && (was_open || next_maintenance_ == Clock::time_point{})) {
        pg::log("outbound requests are held: this database was restored or moved to another system",
                "When the system it came from sends no more, run SELECT hermes.confirm_restore().");
    }
}

void Supervisor::maintain() {
    check_fence();
    {
        Transaction transaction("creating partitions");
        store::create_partitions();
        transaction.commit();
    }
    {
        Transaction transaction("dropping old partitions");
        store::drop_old_partitions(pg::guc::history_retention_s, pg::guc::attempt_retention_s, pg::guc::key_retention_s);
        store::delete_receipts_before(pg::now() - kInboxRetention, 10000);
        transaction.commit();
    }
}

void Supervisor::pass() {
    extension_.look();
    const Clock::time_point now = Clock::now();
    if (now >= next_rescan_) { // covers what no latch told: PREPARE TRANSACTION, a dead worker's claims
        pg::give_bound(pg::kTimerQueue, core::from_unix_micros(0));
        if (pg::my_database()->outbound_open.load() == 0) {
            check_fence();
        }
        next_rescan_ = now + std::chrono::milliseconds(pg::guc::fallback_poll_ms);
    }
    fire_timers();
    if (now >= next_maintenance_) {
        maintain();
        next_maintenance_ = now + kMaintenanceEvery;
    }
    keep_dispatchers();
}

long Supervisor::wait_milliseconds() {
    auto most = static_cast<long>(pg::guc::fallback_poll_ms);
    const Clock::time_point now = Clock::now();
    if (dispatcher_missing_) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(dispatcher_backoff_.until() - now).count();
        most = std::clamp<long>(left, 0, most);
    }
    if (!backoff_.passed(now)) {
        return std::chrono::ceil<std::chrono::milliseconds>(backoff_.until() - now).count();
    }
    if (now < retry_timers_at_) {
        return std::chrono::ceil<std::chrono::milliseconds>(retry_timers_at_ - now).count();
    }
    return milliseconds_until(pg::peek_bound(pg::kTimerQueue), pg::now(), most);
}

// False when the database has no extension.
bool Supervisor::begin() {
    pg::Failure failure;
    bool present = true;
    pg::iterate("supervisor start", [&] {
        try {
            Transaction transaction("looking for the extension");
            transaction.commit();
        } catch (const ExtensionGone &) {
            pg::abort_worker_transaction();
            present = false;
        }
    }, failure);
    return present;
}

void Supervisor::run() {
    pg::begin_worker(&slot_, pg::database_of_argument());
    pg::DatabaseSlot *database = pg::my_database();
    if (database == nullptr || !begin()) {
        if (database != nullptr) {
            database->state = static_cast<std::uint32_t>(pg::DatabaseState::absent);
        }
        return;
    }
    pg::WaitSet wait_set(-1);
    pg::Failure failure;
    bool gone = false;
    while (!pg::shutdown_requested() && !gone) {
        if (backoff_.passed(Clock::now())) {
            const bool good = pg::iterate("supervisor", [&] {
                try {
                    pg::process_interrupts(true);
                    pass();
                } catch (const ExtensionGone &) {
                    pg::abort_worker_transaction();
                    gone = true;
                }
            }, failure);
            if (!good) {
                backoff_.failed(Clock::now());
                slot_.errors.fetch_add(1, std::memory_order_relaxed);
                database->counters.worker_errors.fetch_add(1, std::memory_order_relaxed);
            }
        }
        if (!gone) {
            pg::report_idle("waiting for timers");
            wait_set.wait(wait_milliseconds());
        }
    }
    stop_dispatchers();
    if (gone) {
        database->state = static_cast<std::uint32_t>(pg::DatabaseState::absent);
    }
}

} // namespace

void run_supervisor(std::int32_t slot) { Supervisor(slot).run(); }

} // namespace hc::workers
