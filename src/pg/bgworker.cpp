// See bgworker.hpp.
#include "pg/bgworker.hpp"

#include "pg/executor_state.hpp"
#include "pg/guc.hpp"
#include "pg/handover.hpp"
#include "pg/request_slots.hpp"

#include <sys/stat.h>

#include <csignal>

namespace hc::pg {

namespace {

WorkerSlot *g_slot = nullptr;
bool g_started_as_standby = false; // set in the postmaster, inherited by its children

const char *role_name(WorkerRole role) {
    switch (role) {
    case WorkerRole::launcher:
        return "launcher";
    case WorkerRole::supervisor:
        return "supervisor";
    case WorkerRole::dispatcher:
        return "dispatcher";
    case WorkerRole::executor:
        return "executor";
    case WorkerRole::none:
        break;
    }
    return "worker";
}

void fill(BackgroundWorker &worker, WorkerRole role) {
    std::memset(&worker, 0, sizeof worker);
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished; // none on a standby; start at promotion
    strlcpy(worker.bgw_library_name, "hermes_cascade", sizeof worker.bgw_library_name);
    ::snprintf(worker.bgw_function_name, sizeof worker.bgw_function_name, "hc_%s_main", role_name(role));
    ::snprintf(worker.bgw_type, sizeof worker.bgw_type, "hermes_cascade %s", role_name(role));
    ::snprintf(worker.bgw_name, sizeof worker.bgw_name, "hermes_cascade %s", role_name(role));
}

// Runs before shared memory is detached, also on FATAL: the one clean-up that must happen.
void release_slot(int /*code*/, Datum /*arg*/) {
    if (g_slot == nullptr) {
        return;
    }
    WorkerSlot *slot = g_slot;
    if (static_cast<WorkerRole>(slot->role.load()) == WorkerRole::executor) {
        leave_executor_queue(*slot, start_failed());
    }
    if (static_cast<WorkerRole>(slot->role.load()) == WorkerRole::dispatcher) {
        give_all_slots();
        end_receiver();
    }
    g_slot = nullptr;
    slot->process_number = -1;
    slot->incarnation = 0;
    slot->pid = 0;
    slot->in_flight = 0;
    slot->committing = 0;
    slot->role = static_cast<std::uint32_t>(WorkerRole::none);
    slot->database = InvalidOid;
    slot->state = static_cast<std::uint32_t>(WorkerState::free);
    // a parent that waits for this process looks again
    for (WorkerSlot &other : shared()->workers) {
        if (static_cast<WorkerRole>(other.role.load()) == WorkerRole::supervisor) {
            set_latch_of(other.process_number.load());
        }
    }
    shared()->launcher_wake = 1;
    set_latch_of(shared()->launcher_process.load());
}

// False: the start took so long that the slot was given away.
bool take_slot(WorkerSlot &slot, Oid database) {
    auto expected = static_cast<std::uint32_t>(WorkerState::starting);
    return slot.database.load() == database && slot.pid.load() == 0 &&
           slot.state.compare_exchange_strong(expected, static_cast<std::uint32_t>(WorkerState::running));
}

void occupy(WorkerSlot &slot) {
    slot.pid = MyProcPid;
    slot.process_number = static_cast<std::int32_t>(MyProc - ProcGlobal->allProcs);
    slot.incarnation = shared()->next_incarnation.fetch_add(1) + 1;
    slot.started_at = GetCurrentTimestamp();
    slot.batches = 0;
    slot.tasks = 0;
    slot.errors = 0;
    slot.in_flight = 0;
}

// What a worker is started with, beside its slot.
struct Seat {
    Oid database;
    Oid user; // executors
};
static_assert(sizeof(Seat) <= BGW_EXTRALEN);

Seat seat_of_argument() noexcept {
    Seat seat{};
    std::memcpy(&seat, MyBgworkerEntry->bgw_extra, sizeof seat);
    return seat;
}

void set_session(const char *name, const char *value) { SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE); }

} // namespace

void register_launcher() {
    BackgroundWorker worker;
    fill(worker, WorkerRole::launcher);
    worker.bgw_restart_time = 5;
    RegisterBackgroundWorker(&worker);
}

WorkerSlot *allot_worker_slot(WorkerRole role, Oid database, const ExecutorSeat &seat) noexcept {
    for (WorkerSlot &slot : shared()->workers) {
        auto expected = static_cast<std::uint32_t>(WorkerState::free);
        if (slot.state.compare_exchange_strong(expected, static_cast<std::uint32_t>(WorkerState::starting))) {
            slot.started_at = GetCurrentTimestamp();
            slot.helper = 0;
            slot.executor.user = seat.user;
            slot.executor.due = PG_INT64_MIN;
            slot.executor.idle = 0;
            slot.executor.since = slot.started_at.load();
            slot.executor.wants_help = 0;
            slot.executor.queue = seat.queue;
            slot.database = database;
            slot.role = static_cast<std::uint32_t>(role);
            return &slot;
        }
    }
    return nullptr;
}

void release_unstarted(WorkerSlot *slot) noexcept {
    if (slot != nullptr) {
        leave_executor_queue(*slot, false);
        slot->role = static_cast<std::uint32_t>(WorkerRole::none);
        slot->database = InvalidOid;
        slot->state = static_cast<std::uint32_t>(WorkerState::free);
    }
}

void reclaim_lost_slots() noexcept {
    const TimestampTz now = GetCurrentTimestamp();
    for (WorkerSlot &slot : shared()->workers) {
        if (static_cast<WorkerState>(slot.state.load()) == WorkerState::starting && slot.pid.load() == 0 &&
            now - slot.started_at.load() > USECS_PER_MINUTE) {
            release_unstarted(&slot);
        }
    }
}

void log(const char *message, const char *hint) {
    call([message, hint] { ereport(LOG, (errmsg("hermes_cascade: %s", message), errhint("%s", hint))); });
}

bool start_worker(WorkerSlot &slot, WorkerRole role, Oid database) {
    const auto index = static_cast<std::int32_t>(&slot - shared()->workers);
    const Seat seat{database, slot.executor.user.load()};
    return call([role, seat, index] {
        BackgroundWorker worker;
        fill(worker, role);
        worker.bgw_restart_time = BGW_NEVER_RESTART; // the parent owns back-off
        worker.bgw_main_arg = Int32GetDatum(index);
        std::memcpy(worker.bgw_extra, &seat, sizeof seat);
        worker.bgw_notify_pid = MyProcPid;
        BackgroundWorkerHandle *handle = nullptr;
        return RegisterDynamicBackgroundWorker(&worker, &handle);
    });
}

namespace {
MemoryContext g_iteration = nullptr; // made when the worker begins
bool g_iterating = false;            // iterations may nest; the outermost one owns the memory
} // namespace

iteration_memory::iteration_memory() noexcept : outermost_(!g_iterating) {
    g_iterating = true;
    MemoryContextSwitchTo(g_iteration);
}

iteration_memory::~iteration_memory() {
    MemoryContextSwitchTo(outermost_ ? TopMemoryContext : g_iteration);
    if (outermost_) {
        g_iterating = false;
        MemoryContextReset(g_iteration);
    }
}

static void make_iteration_memory() {
    call([] {
        g_iteration = AllocSetContextCreateInternal(TopMemoryContext, "hermes iteration", ALLOCSET_DEFAULT_SIZES);
    });
}

namespace {

// The transactions of the extension rely on these. What else a role has set stays as it is in an executor: its SQL is
// to see what it would see in a session of the role.
constexpr const char *kSessionSettings[][2] = {
    {"default_transaction_deferrable", "off"},
    {"default_transaction_isolation", "read committed"}, // statements rely on snapshots of their own
    {"default_transaction_read_only", "off"},
    {"jit", "off"},
    {"lock_timeout", "5s"},
    {"idle_in_transaction_session_timeout", "60s"},
    {"session_replication_role", "origin"},
    {"standard_conforming_strings", "on"}, // as when the SQL was checked
    {"statement_timeout", "0"},
#if PG_VERSION_NUM >= 170000
    {"transaction_timeout", "0"},
#endif
};
// Of processes that run no SQL of users.
constexpr const char *kOwnSettings[][2] = {
    {"DateStyle", "ISO, YMD"},
    {"TimeZone", "UTC"},
    {"search_path", "pg_catalog, pg_temp"},
};

// Of executors: what RESET leads to, which before PostgreSQL 16 works in the middle of a read-only transaction. Each
// transaction begins by default_transaction_read_only all the same.
constexpr const char *kUserSettings[][2] = {
    {"transaction_read_only", "on"},
};

template <std::size_t n>
void set_all(const char *const (&settings)[n][2]) {
    for (const auto &[name, value] : settings) {
        set_session(name, value);
    }
}

void set_up_session(bool own) {
    set_all(kSessionSettings);
    own ? set_all(kOwnSettings) : set_all(kUserSettings);
    pgstat_report_appname(MyBgworkerEntry->bgw_type);
}

void connect(Oid database) {
    call([database] {
        BackgroundWorkerUnblockSignals();
        BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
        set_up_session(true);
    });
}

void connect_as(Oid database, Oid user) {
    call([database, user] {
        BackgroundWorkerUnblockSignals();
#if PG_VERSION_NUM >= 170000
        BackgroundWorkerInitializeConnectionByOid(database, user, BGWORKER_BYPASS_ROLELOGINCHECK);
#else
        BackgroundWorkerInitializeConnectionByOid(database, user, 0);
#endif
        set_up_session(false);
    });
}

// A worker that drains takes SIGTERM as a request it serves between its passes; the others end where they stand.
void install_signal_handlers(bool drains) {
    pqsignal(SIGTERM, drains ? SignalHandlerForShutdownRequest : die);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    // The postmaster's child ignores SIGHUP until here: a reload that came since the fork would never be seen.
    ConfigReloadPending = true;
    pqsignal(SIGINT, StatementCancelHandler); // lock_timeout works by it
}

void launcher_exit(int /*code*/, Datum /*arg*/) { shared()->launcher_process = -1; }

} // namespace

void begin_worker(WorkerSlot *slot, Oid database, bool drains) {
    install_signal_handlers(drains);
    if (!take_slot(*slot, database)) {
        leave_worker(0);
    }
    g_slot = slot;
    call([] { before_shmem_exit(release_slot, 0); });
    occupy(*slot);
    const Seat seat = seat_of_argument();
    if (OidIsValid(seat.user)) {
        connect_as(database, seat.user);
    } else {
        connect(database);
    }
    make_iteration_memory();
}

void begin_launcher() {
    install_signal_handlers(false);
    call([] { before_shmem_exit(launcher_exit, 0); });
    shared()->launcher_process = static_cast<std::int32_t>(MyProc - ProcGlobal->allProcs);
    connect(InvalidOid);
    make_iteration_memory();
}

WorkerSlot &slot_of_argument(std::int32_t argument) noexcept { return shared()->workers[argument]; }

Oid database_of_argument() noexcept { return seat_of_argument().database; }

bool process_interrupts() {
    check_interrupts();
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        call([] { ProcessConfigFile(PGC_SIGHUP); });
        return true;
    }
    return false;
}

bool shutdown_requested() noexcept { return ProcDiePending || ShutdownRequestPending; }

WaitSet::WaitSet(int fd) {
    set_ = call([fd]() -> WaitEventSet * {
#if PG_VERSION_NUM >= 170000
        WaitEventSet *set = CreateWaitEventSet(nullptr, 3);
#else
        WaitEventSet *set = CreateWaitEventSet(TopMemoryContext, 3);
#endif
        AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
        AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
        if (fd >= 0) {
            AddWaitEventToSet(set, WL_SOCKET_READABLE, fd, nullptr, nullptr);
        }
        return set;
    });
}

WaitSet::~WaitSet() { FreeWaitEventSet(set_); }

void WaitSet::wait(long timeout_ms) {
    WaitEventSet *set = set_;
    call([set, timeout_ms] {
        WaitEvent events[3];
        WaitEventSetWait(set, timeout_ms, events, 3, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
    });
}

void report_idle(const char *activity) {
    call([activity] { pgstat_report_activity(STATE_IDLE, activity); });
}

std::vector<DatabaseEntry> connectable_databases() {
    struct Plain {
        Oid oid;
        char name[NAMEDATALEN];
    };
    struct List {
        Plain *entries;
        int count;
    };
    const List list = call([]() -> List {
        MemoryContext home = CurrentMemoryContext;
        StartTransactionCommand();
        MemoryContextSwitchTo(home);
        int capacity = 64;
        List result{static_cast<Plain *>(palloc(sizeof(Plain) * capacity)), 0};
        Relation relation = table_open(DatabaseRelationId, AccessShareLock);
        SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, nullptr, 0, nullptr);
        HeapTuple tuple = nullptr;
        while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
            auto *form = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
            if (!form->datallowconn || form->datistemplate) {
                continue;
            }
            if (result.count == capacity) {
                capacity *= 2;
                result.entries = static_cast<Plain *>(repalloc(result.entries, sizeof(Plain) * capacity));
            }
            Plain &entry = result.entries[result.count++];
            entry.oid = form->oid;
            strlcpy(entry.name, NameStr(form->datname), sizeof entry.name);
        }
        systable_endscan(scan);
        table_close(relation, AccessShareLock);
        CommitTransactionCommand();
        MemoryContextSwitchTo(home);
        return result;
    });
    std::vector<DatabaseEntry> databases;
    databases.reserve(static_cast<std::size_t>(list.count));
    for (int i = 0; i < list.count; ++i) {
        databases.push_back({list.entries[i].oid, list.entries[i].name});
    }
    return databases;
}

namespace {

// The extension as a worker saw it last. Looked up anew when a commit has changed it, which a drop tells before its
// lock is free, and each second, for a drop by COMMIT PREPARED, which tells nobody.
struct KnownExtension {
    Oid oid = InvalidOid;
    std::uint32_t changes = 0;
    TimestampTz looked_up = 0;
};
constinit KnownExtension g_extension;

bool lock_known_extension(const DatabaseSlot &database) {
    if (!OidIsValid(g_extension.oid) || GetCurrentTimestamp() > g_extension.looked_up + USECS_PER_SEC) {
        return false;
    }
    LockDatabaseObject(ExtensionRelationId, g_extension.oid, 0, AccessShareLock);
    return database.extension_changes.load() == g_extension.changes;
}

} // namespace

Oid lock_extension() {
    return call([]() -> Oid {
        const DatabaseSlot *database = my_database();
        if (database != nullptr && lock_known_extension(*database)) {
            return g_extension.oid;
        }
        const std::uint32_t changes = database != nullptr ? database->extension_changes.load() : 0;
        g_extension.oid = InvalidOid;
        const Oid oid = get_extension_oid("hermes_cascade", true);
        if (!OidIsValid(oid)) {
            return InvalidOid;
        }
        LockDatabaseObject(ExtensionRelationId, oid, 0, AccessShareLock);
        // dropped, or dropped and created again, while waiting for the lock
        if (get_extension_oid("hermes_cascade", true) != oid) {
            return InvalidOid;
        }
        g_extension = {oid, changes, GetCurrentTimestamp()};
        return oid;
    });
}

Oid extension_owner(Oid extension) {
    return call([extension]() -> Oid {
        Relation relation = table_open(ExtensionRelationId, AccessShareLock);
        ScanKeyData key;
        ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
        SysScanDesc scan = systable_beginscan(relation, ExtensionOidIndexId, true, nullptr, 1, &key);
        HeapTuple tuple = systable_getnext(scan);
        const Oid owner =
            HeapTupleIsValid(tuple) ? reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extowner : InvalidOid;
        systable_endscan(scan);
        table_close(relation, AccessShareLock);
        return owner;
    });
}

std::vector<std::int64_t> live_incarnations() {
    std::vector<std::int64_t> live;
    for (const WorkerSlot &slot : shared()->workers) {
        const std::int64_t incarnation = slot.incarnation.load();
        if (incarnation != 0 && slot.database.load() == MyDatabaseId) {
            live.push_back(incarnation);
        }
    }
    return live;
}

std::int64_t newest_incarnation() noexcept { return shared()->next_incarnation.load(); }

bool server_has_crashed() noexcept { return shared()->after_crash.load() != 0; }

WorkerSlot *my_worker_slot() noexcept { return g_slot; }

bool started_as_standby() noexcept { return g_started_as_standby; }

void note_server_start() noexcept {
    struct stat unused;
    g_started_as_standby = stat("standby.signal", &unused) == 0; // the working directory is the data directory
}

void leave_worker(int code) { proc_exit(code); }

} // namespace hc::pg
