// Background workers: registration, main-loop boundary, wait, slots. Runs in all of them.
#pragma once

#include "pg/boundary.hpp"
#include "pg/shmem.hpp"
#include "pg/xact.hpp"

namespace hc::pg {

[[noreturn]] void leave_worker(int code); // proc_exit

// ---- start ----

void register_launcher();                                           // in _PG_init while preloading
bool start_worker(WorkerSlot &slot, WorkerRole role, Oid database); // dynamic; false when no process slot is free
struct ExecutorSeat { // of an executor: the queue it serves, the role it is connected as
    std::int32_t queue = 0;
    Oid user = InvalidOid;
};
WorkerSlot *allot_worker_slot(WorkerRole role, Oid database, const ExecutorSeat &seat = {}) noexcept; // null: none free
void release_unstarted(WorkerSlot *slot) noexcept; // allotted, but no process was started
void reclaim_lost_slots() noexcept; // allotted for longer than a minute without a process: its start failed
void log(const char *message, const char *hint);

// First thing of a worker's main function: signal handlers, connection (of an executor: as its role), slot, session
// settings.
// `drains`: SIGTERM only sets shutdown_requested().
void begin_worker(WorkerSlot *slot, Oid database, bool drains);
void begin_launcher();

// The argument a worker was started with.
WorkerSlot &slot_of_argument(std::int32_t argument) noexcept;
Oid database_of_argument() noexcept;

// ---- loop ----

// Memory of one iteration: current at its start, home of its errors, emptied at its end.
class iteration_memory {
public:
    iteration_memory() noexcept;
    ~iteration_memory();
    iteration_memory(const iteration_memory &) = delete;
    iteration_memory &operator=(const iteration_memory &) = delete;

private:
    bool outermost_;
};

// Around a worker's whole main function: what leaves it ends the process (exit code 1), never the server.
template <class Body>
void worker_boundary(Body body) {
    Failure failure;
    if (!detail::run_captured(body, failure)) {
        log_failure(failure, "worker stopped");
        leave_worker(1);
    }
    leave_worker(0);
}

// One iteration with all errors caught: on an error the transaction is aborted, the failure logged and its SQLSTATE and
// message put into `failure` (its data is gone with the iteration's memory); returns false. A termination never
// returns.
template <class Body>
bool iterate(const char *what, Body body, Failure &failure) {
    failure = Failure{};
    const iteration_memory memory;
    if (detail::run_captured(body, failure)) {
        return true;
    }
    abort_worker_transaction();
    log_failure(failure, what);
    failure.data = nullptr;
    return false;
}

// Serves interrupts (cancel, termination, ProcSignalBarrier) and reloads the configuration when SIGHUP came; returns
// true when it did.
bool process_interrupts();
bool shutdown_requested() noexcept; // SIGTERM is pending

// Waits on the latch, the postmaster's death and, when given, a descriptor's readability.
class WaitSet {
public:
    explicit WaitSet(int fd); // -1: none
    ~WaitSet();
    WaitSet(const WaitSet &) = delete;
    WaitSet &operator=(const WaitSet &) = delete;
    // Milliseconds, 0 returns at once. Resets the latch before returning.
    void wait(long timeout_ms);

private:
    WaitEventSet *set_ = nullptr;
};

void report_idle(const char *activity);

// ---- databases and extension ----

struct DatabaseEntry {
    Oid oid;
    std::string name;
};
std::vector<DatabaseEntry> connectable_databases(); // launcher only, in a transaction of its own

// In a worker transaction: share-locks the extension object and tells its oid; InvalidOid when it is not installed.
Oid lock_extension();
Oid extension_owner(Oid extension);

bool started_as_standby() noexcept; // standby.signal was there when the server started
void note_server_start() noexcept;  // in _PG_init while preloading

// Incarnations of the running workers of this database.
std::vector<std::int64_t> live_incarnations();
std::int64_t newest_incarnation() noexcept; // read it before the list
// The server that ran before was not shut down; what runs now may make it crash once more.
bool server_has_crashed() noexcept;
WorkerSlot *my_worker_slot() noexcept;

} // namespace hc::pg
