// See shmem.hpp. The startup hook runs in the postmaster (and again in it after a crash restart).
#include "pg/shmem.hpp"

#include "pg/boundary.hpp"
#include "pg/series.hpp"

extern "C" {
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
}

#include <new>

namespace hc::pg {

namespace {

Shared *g_shared = nullptr;
shmem_request_hook_type g_previous_request = nullptr;
shmem_startup_hook_type g_previous_startup = nullptr;

void clear_database(DatabaseSlot &slot) noexcept {
    for (auto &bound : slot.bounds) {
        bound = PG_INT64_MIN;
    }
    slot.receiver = 0;
    for (auto &room : slot.receiver_room) {
        room = 0;
    }
    for (auto &due : slot.handed) {
        due = kNoDue;
    }
    for (auto &served : slot.fair_served) {
        served = 0;
    }
    for (auto &finish : slot.fair_finish) {
        finish = 0;
    }
    slot.fair_counted = 0;
    slot.clock_ahead = 0;
    slot.clock_asked = 0;
    slot.clock_known = 0;
    slot.dispatcher_wanted = 0;
    for (auto &load : slot.host_load) {
        load = 0;
    }
    slot.open_breakers = 0;
    for (ProviderSlot &provider : slot.providers) {
        new (&provider) ProviderSlot();
        SpinLockInit(&provider.lock);
    }
    for (TenantSlot &tenant : slot.tenants) {
        new (&tenant) TenantSlot();
        SpinLockInit(&tenant.lock);
    }
    for (EndpointPause &pause : slot.pauses) {
        new (&pause) EndpointPause();
    }
    for (LostTaskSlot &lost : slot.lost_tasks) {
        lost.state = 0;
    }
    for (auto &changes : slot.watch_changes) {
        changes = 0;
    }
    for (auto &bits : slot.watch_waited) { // who waits is not known yet
        bits = ~std::uint64_t{0};
    }
    for (auto &bits : slot.watch_dirty) {
        bits = 0;
    }
    for (auto &queue : slot.failed_starts) {
        queue = 0;
    }
    new (&slot.counters) Counters();
}

// Read before recovery begins: the control file is as the last server has left it.
bool was_shut_down() {
    bool valid = false;
    ControlFileData *control = get_controlfile(DataDir, &valid);
    const DBState state = control->state;
    pfree(control);
    return valid && (state == DB_SHUTDOWNED || state == DB_SHUTDOWNED_IN_RECOVERY);
}

void initialize(Shared *memory) {
    new (memory) Shared();
    // incarnations of an earlier run of the server are smaller: all its claims are dead
    memory->next_incarnation = GetCurrentTimestamp();
    memory->after_crash = was_shut_down() ? 0 : 1;
    memory->launcher_process = -1;
    for (DatabaseSlot &slot : memory->databases) {
        clear_database(slot);
    }
    for (WorkerSlot &slot : memory->workers) {
        slot.process_number = -1;
    }
    for (ConditionVariable &channel : memory->outcomes) {
        ConditionVariableInit(&channel);
    }
}

void request() {
    if (g_previous_request != nullptr) {
        g_previous_request();
    }
    RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
    RequestAddinShmemSpace(MAXALIGN(series_size()));
}

void startup() {
    if (g_previous_startup != nullptr) {
        g_previous_startup();
    }
    hook_boundary([] {
        call([] {
            bool found = false;
            LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
            g_shared = static_cast<Shared *>(ShmemInitStruct("hermes_cascade", sizeof(Shared), &found));
            if (!found) {
                initialize(g_shared);
            }
            attach_series();
            LWLockRelease(AddinShmemInitLock);
        });
    });
}

} // namespace

void request_shared_memory() {
    g_previous_request = shmem_request_hook;
    shmem_request_hook = request;
    g_previous_startup = shmem_startup_hook;
    shmem_startup_hook = startup;
}

Shared *shared() noexcept { return g_shared; }

DatabaseSlot *find_database(Oid database) noexcept {
    if (g_shared == nullptr) {
        return nullptr;
    }
    for (DatabaseSlot &slot : g_shared->databases) {
        if (slot.database.load(std::memory_order_acquire) == database) {
            return &slot;
        }
    }
    return nullptr;
}

DatabaseSlot *find_or_add_database(Oid database) noexcept {
    if (DatabaseSlot *slot = find_database(database); slot != nullptr || g_shared == nullptr) {
        return slot;
    }
    for (DatabaseSlot &slot : g_shared->databases) {
        Oid expected = InvalidOid;
        if (slot.database.compare_exchange_strong(expected, database) || expected == database) {
            return &slot;
        }
    }
    return nullptr;
}

void free_database(DatabaseSlot &slot) noexcept {
    slot.outbound_open = 0;
    slot.probe_requested = 0;
    slot.blocker_pid = 0;
    free_series(slot);
    clear_database(slot);
    slot.state = static_cast<std::uint32_t>(DatabaseState::free);
    slot.database = InvalidOid;
}

DatabaseSlot *my_database() noexcept {
    static DatabaseSlot *mine = nullptr;
    if (mine == nullptr && OidIsValid(MyDatabaseId)) {
        mine = find_or_add_database(MyDatabaseId);
    }
    return mine;
}

void set_latch_of(std::int32_t process_number) noexcept {
    if (process_number >= 0) {
        SetLatch(&ProcGlobal->allProcs[process_number].procLatch);
    }
}

bool lower(std::atomic<std::int64_t> &value, std::int64_t to) noexcept {
    std::int64_t current = value.load();
    while (to < current) {
        if (value.compare_exchange_weak(current, to)) {
            return true;
        }
    }
    return false;
}

} // namespace hc::pg
