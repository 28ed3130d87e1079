// Supervisor: one per database that has the extension. Fires timers, looks at schedules, starts
// dispatchers and executors as they are needed, creates and drops partitions, checks the restore fence.
#include "engine/definitions.hpp"
#include "engine/dispatch.hpp"
#include "engine/fence.hpp"
#include "engine/test_clock.hpp"
#include "engine/timers.hpp"
#include "pg/bgworker.hpp"
#include "pg/catalog.hpp"
#include "pg/executor_state.hpp"
#include "pg/guc.hpp"
#include "pg/wake.hpp"
#include "store/condition_waiters.hpp"
#include "store/contacts.hpp"
#include "store/fence.hpp"
#include "store/pauses.hpp"
#include "store/receipts.hpp"
#include "store/timers.hpp"
#include "workers/activities.hpp"
#include "workers/dispatchers.hpp"
#include "workers/executors.hpp"
#include "workers/programs.hpp"
#include "workers/schedules.hpp"
#include "workers/session.hpp"
#include "workers/workers.hpp"

namespace hc::workers {

namespace {

constexpr auto kMaintenanceEvery = std::chrono::seconds(60);
constexpr auto kLockedRetry = std::chrono::milliseconds(5);
constexpr auto kWakeEvery = std::chrono::milliseconds(10);
constexpr std::int32_t kReleasedAtOnce = 1000;
constexpr auto kPausesKept = std::chrono::days(400);     // longer than any deadline
constexpr auto kInboxRetention = std::chrono::hours(72); // R4
constexpr auto kSpendKept = std::chrono::days(400);
constexpr std::int32_t kWindowsLookedAt = 20'000; // of recipients, each time

class Supervisor {
public:
    explicit Supervisor(std::int32_t slot) : slot_(pg::slot_of_argument(slot)) {}
    void run();

private:
    template <class Body>
    bool attempt(const char *what, Body body);
    void pass();
    void fire_timers();
    void wake_waiters();
    void follow_pauses();
    void release_paused();
    void split_timers();
    void maintain();
    void check_fence();
    void keep_clock();
    bool open() const { return pg::my_database()->outbound_open.load() != 0; }
    const char *idle_words() const; // what it waits for, for pg_stat_activity
    long wait_milliseconds();

    pg::WorkerSlot &slot_;
    ExtensionWatch extension_;
    Dispatchers dispatchers_;
    Executors executors_;
    Activities activities_;
    Schedules schedules_;
    Programs programs_;
    Backoff backoff_;                         // after errors of a pass
    std::vector<store::TaskKey> timers_read_; // of the last batch
    int timer_limit_ = 1;                     // timers of one batch; grows to hermes.batch_size while batches succeed
    pg::Failure failure_;                     // of the last attempt()
    bool gone_ = false;                       // the extension is not installed (any more)
    engine::Fence last_fence_ = engine::Fence::unclaimed;
    Clock::time_point next_maintenance_{};
    Clock::time_point last_rescan_{};
    Clock::time_point retry_timers_at_{};
    Clock::time_point next_wake_{};           // of who waits for changes of tables
    std::uint64_t pauses_seen_ = 0;           // generation of the definitions
    core::Time last_resume_{};                // the newest end of a pause that was acted upon
    std::vector<Clock::time_point> releases_; // when to put back what pauses have put aside
    core::WorkflowId window_cursor_;          // recipients up to here were looked at
};

void Supervisor::fire_timers() {
    const core::Time now = pg::now();
    if (Clock::now() < retry_timers_at_ || pg::peek_bound(pg::kTimerQueue) > now) {
        return;
    }
    const core::Time from = pg::take_bound(pg::kTimerQueue);
    try {
        Transaction transaction("firing timers");
        const engine::Fired fired = engine::fire_due(from, now, timer_limit_, timers_read_);
        transaction.commit();
        slot_.batches.fetch_add(1, std::memory_order_relaxed);
        slot_.tasks.fetch_add(fired.tasks, std::memory_order_relaxed);
        if (fired.resume) {
            pg::give_bound(pg::kTimerQueue, *fired.resume);
        }
        // the more of them are held, the longer the scan, the less often it is made
        const bool left = !fired.more && fired.resume && *fired.resume <= now;
        if (fired.locked || (left && fired.scan > kLockedRetry)) {
            retry_timers_at_ = Clock::now() + std::max<Clock::duration>(kLockedRetry, 4 * fired.scan);
        }
    } catch (...) {
        pg::give_bound(pg::kTimerQueue, from);
        throw;
    }
    timer_limit_ = std::min(2 * timer_limit_, pg::guc::batch_size);
}

// Workflow functions that wait for tables that have changed look again. However many commits change them, this is done
// a hundred times a second at most.
void Supervisor::wake_waiters() {
    if (!pg::changes_wait() || Clock::now() < next_wake_) {
        return;
    }
    const std::vector<pg::ChangedSlot> changed = pg::take_changes();
    try {
        Transaction transaction("waking workflow functions");
        const std::vector<pg::ChangedSlot> waited = store::wake_condition_waiters(changed, pg::now());
        transaction.commit();
        pg::mark_waited(waited);
    } catch (...) {
        pg::give_changes_back(changed);
        throw;
    }
    next_wake_ = Clock::now() + kWakeEvery;
}

// After a resume: when to put back what waits.
void Supervisor::follow_pauses() {
    if (pauses_seen_ == pg::definition_generation()) {
        return;
    }
    Transaction transaction("following pauses");
    pauses_seen_ = pg::definition_generation();
    for (const store::PauseRow &pause : engine::definitions().pauses()) {
        if (pause.until && *pause.until > last_resume_) {
            last_resume_ = *pause.until;
            releases_.clear();
            // again later: a decision under way may still have seen the pause
            for (const int seconds : {0, 10, 60}) {
                releases_.push_back(Clock::now() + std::chrono::seconds(seconds));
            }
        }
    }
    transaction.commit();
}

// Puts back what was put aside; what is still paused by another one will be put aside again when it is claimed.
void Supervisor::release_paused() {
    if (releases_.empty() || Clock::now() < releases_.front()) {
        return;
    }
    releases_.erase(releases_.begin());
    const core::Time now = pg::now();
    std::size_t most = 0;
    do {
        Transaction transaction("putting back what was paused");
        most = store::release_paused_timers(now, kReleasedAtOnce);
        most = std::max(most, store::release_paused_tasks(now, kReleasedAtOnce));
        transaction.commit();
    } while (most == kReleasedAtOnce && !pg::shutdown_requested());
}

// A batch that fails is halved until the culprit is alone, which becomes a dead letter; its neighbours are not held up.
void Supervisor::split_timers() {
    if (timers_read_.size() != 1) {
        timer_limit_ = std::max(1, timer_limit_ / 2);
        return;
    }
    const std::string reason = failure_.message; // attempt() begins with none
    attempt("burying a task", [this, &reason] {
        Transaction transaction("burying a task");
        engine::bury(timers_read_.front(), reason);
        transaction.commit();
    });
}

// While the fence holds, nothing moves: no send, no timer, no partition that a restore would bring itself.
void Supervisor::check_fence() {
    Transaction transaction("checking the restore fence");
    const engine::Fence fence = engine::check_fence();
    transaction.commit();
    if (pg::my_database()->outbound_open.exchange(fence == engine::Fence::open ? 1 : 0) == 0 && open()) {
        pg::wake_dispatchers();
        pg::wake_all_executors();
    }
    if (fence == engine::Fence::held && last_fence_ != fence) {
        pg::log("workers hold still: this database was restored or moved to another system",
                "When the system it came from sends no more, run SELECT hermes.confirm_restore().");
    }
    last_fence_ = fence;
}

// Partitions and retention. Each partition is a transaction of its own with a short lock_timeout: a report that reads
// the archive makes it try again in a minute, and holds up neither timers nor the sessions behind it.
void Supervisor::maintain() {
    std::vector<store::PartitionRow> missing;
    {
        Transaction transaction("looking for missing partitions");
        missing = store::missing_partitions();
        transaction.commit();
    }
    for (const store::PartitionRow &partition : missing) {
        Transaction transaction("creating a partition");
        store::create_partition(partition);
        transaction.commit();
    }
    Transaction transaction("dropping old partitions");
    const std::uint64_t dropped = store::delete_receipts_before(pg::now() - kInboxRetention, 10000);
    pg::count(pg::Count::receipts_dropped, static_cast<std::uint32_t>(dropped));
    store::delete_pauses_before(pg::now() - kPausesKept);
    store::delete_spends_before(pg::now() - kSpendKept);
    window_cursor_ = store::prune_windows(window_cursor_, pg::now(), kWindowsLookedAt).value_or(core::WorkflowId{});
    store::drop_old_partitions(pg::guc::history_retention_s, pg::guc::attempt_retention_s, pg::guc::key_retention_s,
                               pg::guc::delivery_retention_s, pg::guc::receipt_log_retention_s);
    transaction.commit();
}

// First kept, then moved: after a crash it goes on from no earlier than anybody has seen it.
void Supervisor::keep_clock() {
    const core::Duration ahead = pg::clock_asked_for();
    if (ahead <= pg::clock_ahead()) {
        return;
    }
    Transaction transaction("keeping the clock");
    engine::save_clock(ahead);
    transaction.force_local_flush();
    transaction.commit();
    pg::move_clock(ahead);
}

void Supervisor::pass() {
    extension_.look();
    keep_clock();
    const Clock::time_point now = Clock::now();
    if (now >=
        last_rescan_ +
            std::chrono::milliseconds(
                pg::guc::fallback_poll_ms)) { // covers what no latch told: PREPARE TRANSACTION, a dead worker's claims
        pg::give_bound(pg::kTimerQueue, core::from_unix_micros(0));
        Activities::rescan();
        Schedules::rescan();
        Programs::rescan();
        executors_.rescan();
        check_fence();
        last_rescan_ = now;
    } else if (!open()) {
        check_fence();
    }
    dispatchers_.keep();
}

long Supervisor::wait_milliseconds() {
    auto most = static_cast<long>(pg::guc::fallback_poll_ms);
    const Clock::time_point now = Clock::now();
    most = dispatchers_.wait_milliseconds(most);
    if (!backoff_.passed(now)) {
        return std::chrono::ceil<std::chrono::milliseconds>(backoff_.until() - now).count();
    }
    if (pg::clock_asked_for() > pg::clock_ahead()) { // asked for in a pass that has waited for something else
        return 0;
    }
    if (!open()) {
        return most;
    }
    if (!releases_.empty()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(releases_.front() - now).count();
        most = std::clamp<long>(left, 0, most);
    }
    if (pg::changes_wait()) {
        most = std::min<long>(most, std::chrono::milliseconds(kWakeEvery).count());
    }
    most = executors_.wait_milliseconds(most);
    most = activities_.wait_milliseconds(most);
    most = schedules_.wait_milliseconds(most);
    most = programs_.wait_milliseconds(most);
    if (now < retry_timers_at_) {
        return std::min<long>(most, std::chrono::ceil<std::chrono::milliseconds>(retry_timers_at_ - now).count());
    }
    return milliseconds_until(pg::peek_bound(pg::kTimerQueue), pg::now(), most);
}

const char *Supervisor::idle_words() const {
    if (!backoff_.passed(Clock::now())) {
        return "waiting after an error";
    }
    if (!open()) {
        return last_fence_ == engine::Fence::held ? "held by the restore fence" : "waiting for a first definition";
    }
    return "waiting for timers";
}

// One guarded piece of work; false when it failed. Notes when the extension is gone.
template <class Body>
bool Supervisor::attempt(const char *what, Body body) {
    const bool good = pg::iterate(
        what,
        [&] {
            try {
                body();
            } catch (const ExtensionGone &) {
                pg::abort_worker_transaction();
                gone_ = true;
            }
        },
        failure_);
    if (!good) {
        slot_.errors.fetch_add(1, std::memory_order_relaxed);
        pg::my_database()->counters.worker_errors.fetch_add(1, std::memory_order_relaxed);
    }
    return good;
}

void Supervisor::run() {
    pg::begin_worker(&slot_, pg::database_of_argument(), false);
    pg::DatabaseSlot *database = pg::my_database();
    if (database == nullptr) {
        return;
    }
    attempt("supervisor start", [] {
        Transaction transaction("looking for the extension");
        transaction.commit();
    });
    database->outbound_open = 0; // until this supervisor has looked at the fence
    pg::WaitSet wait_set(-1);
    while (!pg::shutdown_requested() && !gone_) {
        attempt("supervisor", [] { pg::process_interrupts(); }); // also during a back-off
        const bool due = backoff_.passed(Clock::now());
        if (due && !attempt("supervisor", [this] { pass(); })) {
            backoff_.failed(Clock::now());
        }
        if (due && !gone_ && open() && !attempt("firing timers", [this] { fire_timers(); })) {
            transient(failure_) ? backoff_.failed(Clock::now()) : split_timers();
        }
        const Attempt guarded = [this](const char *what, const auto &body) { return attempt(what, body); };
        if (due && !gone_ && open() && !activities_.pass(guarded)) {
            backoff_.failed(Clock::now());
        }
        if (due && !gone_ && open() && !attempt("waking workflow functions", [this] { wake_waiters(); })) {
            backoff_.failed(Clock::now());
        }
        if (due && !gone_ && open()) {
            schedules_.pass(guarded);
            programs_.pass(guarded);
        }
        if (due && !gone_ && open() && !attempt("following pauses", [this] { follow_pauses(), release_paused(); })) {
            backoff_.failed(Clock::now());
        }
        if (due && !gone_ && open() && !attempt("serving user SQL", [this] { executors_.pass(); })) {
            executors_.look_again(std::chrono::seconds(1));
        }
        if (!gone_ && open() && Clock::now() >= next_maintenance_) {
            next_maintenance_ = Clock::now() + kMaintenanceEvery; // after an error too
            attempt("maintenance", [this] { maintain(); });
        }
        if (!gone_) {
            pg::report_idle(idle_words());
            wait_set.wait(wait_milliseconds());
        }
    }
    Dispatchers::stop_all();
    Executors::stop_all();
    if (gone_) {
        database->state = static_cast<std::uint32_t>(pg::DatabaseState::absent);
    }
}

} // namespace

void run_supervisor(std::int32_t slot) { Supervisor(slot).run(); }

} // namespace hc::workers
