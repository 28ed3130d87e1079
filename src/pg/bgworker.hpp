// Background workers: registration, main-loop boundary, wait, slots. Runs in the launcher, supervisors and dispatchers.
#pragma once

#include "pg/boundary.hpp"
#include "pg/shmem.hpp"
#include "pg/xact.hpp"

namespace hc::pg {

[[noreturn]] void leave_worker(int code); // proc_exit

// ---- start ----

void register_launcher();                                                    // in _PG_init while preloading
bool start_worker(WorkerSlot &slot, WorkerRole role, Oid database); // dynamic; false when no process slot is free
WorkerSlot *allot_worker_slot(WorkerRole role, Oid database) noexcept;       // null: none free
void release_unstarted(WorkerSlot *slot) noexcept;                                  // allotted, but no process was started
void reclaim_lost_slots() noexcept; // allotted for longer than a minute without a process: its start failed
void log(const char *message, const char *hint);

// First thing of a worker's main function: signal handlers, connection, slot, session settings.
void begin_worker(WorkerSlot *slot, Oid database);
void begin_launcher();

// The argument a supervisor or dispatcher was started with.
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
};

// Around a worker's whole main function: what leaves it ends the process (exit code 1), never the server.
template <class Body> void worker_boundary(Body body) {
    Failure failure;
    if (!detail::run_captured(body, failure)) {
        log_failure(failure, "worker stopped");
        leave_worker(1);
    }
    leave_worker(0);
}

// One iteration with all errors caught: on an error the transaction is aborted and the failure logged and put into
// `failure`; returns false. A termination never returns.
template <class Body> bool iterate(const char *what, Body body, Failure &failure) {
    failure = Failure{};
    const iteration_memory memory;
    if (detail::run_captured(body, failure)) {
        return true;
    }
    abort_worker_transaction();
    log_failure(failure, what);
    return false;
}

// Reloads the configuration when SIGHUP came; handles ProcSignalBarrier and other interrupts, but a pending SIGTERM only when
// `terminate`. Returns true when the configuration was reloaded.
bool process_interrupts(bool terminate);
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
void note_server_start() noexcept;   // in _PG_init while preloading

// Interrupts held: a pending termination waits (the last record of a drain).
class interrupt_hold {
public:
    interrupt_hold() noexcept { HOLD_INTERRUPTS(); }
    ~interrupt_hold() {
        if (InterruptHoldoffCount > 0) { // an error has already reset it
            RESUME_INTERRUPTS();
        }
    }
    interrupt_hold(const interrupt_hold &) = delete;
    interrupt_hold &operator=(const interrupt_hold &) = delete;
};

// Incarnations of the running workers of this database.
std::vector<std::int64_t> live_incarnations();
WorkerSlot *my_worker_slot() noexcept;


} // namespace hc::pg
