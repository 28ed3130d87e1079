// Launcher: one per cluster, connected to shared catalogs only. Starts one supervisor in each database that has the
// extension, remembers databases without it, and starts nothing while a command blocks a database or workers are off.
#include "pg/bgworker.hpp"
#include "pg/guc.hpp"
#include "workers/session.hpp"
#include "workers/workers.hpp"

#include <csignal>
#include <map>
#include <string_view>

namespace hc::workers {

namespace {

using pg::DatabaseState;
using pg::WorkerRole;

bool listed(const std::string &name) {
    const std::string_view list = pg::guc::databases;
    if (list.empty()) {
        return true;
    }
    std::size_t start = 0;
    while (start <= list.size()) {
        const std::size_t end = std::min(list.find(',', start), list.size());
        std::string_view item = list.substr(start, end - start);
        while (!item.empty() && item.front() == ' ') {
            item.remove_prefix(1);
        }
        while (!item.empty() && item.back() == ' ') {
            item.remove_suffix(1);
        }
        if (item == name) {
            return true;
        }
        start = end + 1;
    }
    return false;
}

class Launcher {
public:
    void run();

private:
    void pass();
    void consider(const pg::DatabaseEntry &database);
    void forget_dropped(const std::vector<pg::DatabaseEntry> &databases);
    bool supervised(Oid database) const;
    void warn_too_many_databases();

    bool warned_ = false;
    std::map<Oid, Backoff> backoff_;
};

bool Launcher::supervised(Oid database) const {
    for (const pg::WorkerSlot &slot : pg::shared()->workers) {
        if (slot.database.load() == database && static_cast<WorkerRole>(slot.role.load()) == WorkerRole::supervisor) {
            return true;
        }
    }
    return false;
}

// Workers of one database, or of all (InvalidOid).
void stop_workers(Oid database) {
    for (const pg::WorkerSlot &slot : pg::shared()->workers) {
        const bool meant = !OidIsValid(database) || slot.database.load() == database;
        if (const std::int32_t pid = slot.pid.load(); pid != 0 && meant) {
            kill(pid, SIGTERM);
        }
    }
}

// A backend that blocked a database and died before its command ended.
bool blocker_is_gone(const pg::DatabaseSlot &slot) {
    const std::int32_t pid = slot.blocker_pid.load();
    return pid == 0 || pg::call([pid] { return BackendPidGetProc(pid) == nullptr; });
}

void Launcher::warn_too_many_databases() {
    if (!warned_) {
        warned_ = true;
        pg::log("too many databases: some are not looked at",
                "List the databases that have the extension in hermes.databases.");
    }
}

void Launcher::consider(const pg::DatabaseEntry &database) {
    if (!listed(database.name)) { // a reload changed the list, or the database was renamed
        stop_workers(database.oid);
        backoff_.erase(database.oid);
        return;
    }
    pg::DatabaseSlot *slot = pg::find_or_add_database(database.oid);
    if (slot == nullptr) {
        warn_too_many_databases();
        return;
    }
    std::uint32_t state = slot->state.load();
    if (supervised(database.oid) ||
        (static_cast<DatabaseState>(state) == DatabaseState::blocked && !blocker_is_gone(*slot))) {
        return;
    }
    const bool requested = slot->probe_requested.exchange(0) != 0;
    if (static_cast<DatabaseState>(state) == DatabaseState::absent && !requested) {
        return;
    }
    Backoff &backoff = backoff_[database.oid];
    if (requested) { // somebody changed something: no failure
        backoff = Backoff{};
    } else if (!backoff.passed(Clock::now())) {
        return;
    }
    backoff.failed(Clock::now()); // counts as failed until it has been healthy
    // a command that blocks the database meanwhile wins
    if (!slot->state.compare_exchange_strong(state, static_cast<std::uint32_t>(DatabaseState::known))) {
        return;
    }
    pg::WorkerSlot *worker = pg::allot_worker_slot(WorkerRole::supervisor, database.oid);
    if (worker == nullptr || !pg::start_worker(*worker, WorkerRole::supervisor, database.oid)) {
        pg::release_unstarted(worker);
        pg::log("could not start a supervisor: no free worker slot", "Raise max_worker_processes.");
    }
}

void Launcher::forget_dropped(const std::vector<pg::DatabaseEntry> &databases) {
    for (pg::DatabaseSlot &slot : pg::shared()->databases) {
        const Oid oid = slot.database.load();
        const bool exists =
            std::any_of(databases.begin(), databases.end(), [oid](const auto &d) { return d.oid == oid; });
        if (OidIsValid(oid) && !exists && !supervised(oid)) {
            pg::free_database(slot);
            backoff_.erase(oid);
        }
    }
}

void Launcher::pass() {
    pg::reclaim_lost_slots();
    const std::vector<pg::DatabaseEntry> databases = pg::connectable_databases();
    for (const pg::DatabaseEntry &database : databases) {
        consider(database);
    }
    forget_dropped(databases);
}

void Launcher::run() {
    pg::begin_launcher();
    pg::WaitSet wait_set(-1);
    pg::Failure failure;
    while (!pg::shutdown_requested()) {
        pg::iterate(
            "launcher",
            [this] {
                pg::process_interrupts();
                pg::shared()->launcher_wake = 0;
                if (pg::guc::workers) {
                    pass();
                } else {
                    stop_workers(InvalidOid);
                    backoff_.clear(); // the next start is no failure
                    forget_dropped(pg::connectable_databases());
                }
            },
            failure);
        pg::report_idle(pg::guc::workers ? "waiting for databases" : "held by hermes.workers");
        // a back-off in progress is looked at each second
        wait_set.wait(backoff_.empty() ? pg::guc::fallback_poll_ms : std::min(1000, pg::guc::fallback_poll_ms));
    }
}

} // namespace

void run_launcher() { Launcher().run(); }

} // namespace hc::workers
