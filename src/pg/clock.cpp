// See clock.hpp.
#include "pg/clock.hpp"

#include "pg/call.hpp"
#include "pg/executor_state.hpp"
#include "pg/shmem.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"

namespace hc::pg {

namespace {

const std::atomic<std::int64_t> g_never_ahead{0};

void raise_to(std::atomic<std::int64_t> &value, std::int64_t to) noexcept {
    std::int64_t current = value.load();
    while (current < to && !value.compare_exchange_weak(current, to)) {
    }
}

} // namespace

namespace detail {
const std::atomic<std::int64_t> *g_clock_ahead = &g_never_ahead;
} // namespace detail

bool clock_is_known() noexcept {
    DatabaseSlot *slot = my_database();
    if (slot == nullptr) {
        return true;
    }
    detail::g_clock_ahead = &slot->clock_ahead;
    return slot->clock_known.load() != 0;
}

void set_clock(core::Duration ahead) noexcept {
    if (DatabaseSlot *slot = my_database()) {
        if (ahead < core::Duration::zero()) {
            slot->clock_ahead = 0;
            slot->clock_asked = 0;
        } else {
            raise_to(slot->clock_ahead, ahead.count());
        }
        slot->clock_known = 1;
    }
}

void ask_for_time(core::Time to) noexcept {
    if (DatabaseSlot *slot = my_database()) {
        raise_to(slot->clock_asked, (to - from_timestamptz(GetCurrentTimestamp())).count());
        wake_supervisor();
    }
}

core::Duration clock_asked_for() noexcept {
    const DatabaseSlot *slot = my_database();
    return core::Duration(slot != nullptr ? slot->clock_asked.load() : 0);
}

void move_clock(core::Duration ahead) noexcept {
    if (DatabaseSlot *slot = my_database()) {
        raise_to(slot->clock_ahead, ahead.count());
        wake_dispatchers();
        wake_all_executors();
    }
}

void pause_verb(long milliseconds) {
    call([milliseconds] {
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    });
}

bool may_wait_for_workers() {
    return call([] { return !TransactionIdIsValid(GetTopTransactionIdIfAny()) && !IsolationUsesXactSnapshot(); });
}

bool has_supervisor() noexcept {
    if (shared() == nullptr) {
        return false;
    }
    for (const WorkerSlot &slot : shared()->workers) {
        if (slot.database.load() == MyDatabaseId &&
            static_cast<WorkerRole>(slot.role.load()) == WorkerRole::supervisor &&
            static_cast<WorkerState>(slot.state.load()) == WorkerState::running) {
            return true;
        }
    }
    return false;
}

} // namespace hc::pg
