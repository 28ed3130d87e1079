// See group_commit.hpp.
#include "pg/group_commit.hpp"

#include "pg/bgworker.hpp"
#include "pg/guc.hpp"
#include "pg/shmem.hpp"
#include "pg/xact.hpp"

#include <algorithm>
#include <chrono>

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "replication/syncrep.h"
}

namespace hc::pg {

namespace {

using Clock = std::chrono::steady_clock;

// A commit takes microseconds, unless its process does not get to run: a reader that left sooner could have seen it.
constexpr auto kLongestCommit = std::chrono::seconds(10);

XLogRecPtr g_unflushed = 0; // end of the last commit of this process that was not waited for
Clock::time_point g_since{};

// While it is on, readers do not know yet what they may have seen.
class Committing {
public:
    Committing() noexcept : state_(my_worker_slot()->committing) { state_ = 1; }
    ~Committing() { state_ = 0; }
    Committing(const Committing &) = delete;
    Committing &operator=(const Committing &) = delete;

private:
    std::atomic<std::uint32_t> &state_;
};

void raise(std::atomic<std::uint64_t> &position, XLogRecPtr to) noexcept {
    std::uint64_t known = position.load();
    while (known < to && !position.compare_exchange_weak(known, to)) {
    }
}

// What a commit waits for.
void wait_for(XLogRecPtr position) {
    call([position] {
        HOLD_INTERRUPTS();
        XLogFlush(position);
        if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH) {
            SyncRepWaitForLSN(position, true);
        }
        RESUME_INTERRUPTS();
    });
}

} // namespace

void commit_unflushed(worker_transaction &transaction) {
    if (guc::turn_flush_delay_ms == 0 || synchronous_commit == SYNCHRONOUS_COMMIT_OFF) {
        transaction.commit();
        return;
    }
    const Committing committing;
    call([] {
        set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
    });
    transaction.commit();
    if (g_unflushed == 0) {
        g_since = Clock::now();
    }
    g_unflushed = XactLastCommitEnd;
    raise(my_database()->unflushed_commits, XactLastCommitEnd);
}

void flush_commits() {
    if (g_unflushed == 0) {
        return;
    }
    wait_for(g_unflushed);
    g_unflushed = 0;
}

bool flush_is_due() noexcept {
    return g_unflushed != 0 && Clock::now() >= g_since + std::chrono::milliseconds(guc::turn_flush_delay_ms);
}

long milliseconds_until_flush(long most) noexcept {
    if (g_unflushed == 0) {
        return most;
    }
    const auto left = g_since + std::chrono::milliseconds(guc::turn_flush_delay_ms) - Clock::now();
    return std::clamp<long>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), 0, most);
}

void wait_until_on_disk() {
    DatabaseSlot *database = shared() != nullptr && !in_recovery() ? my_database() : nullptr;
    if (database == nullptr) {
        return;
    }
    const Clock::time_point until = Clock::now() + kLongestCommit;
    for (const WorkerSlot &slot : shared()->workers) {
        while (slot.database.load() == MyDatabaseId && slot.committing.load() != 0 && Clock::now() < until) {
            call([] {
                CHECK_FOR_INTERRUPTS();
                pg_usleep(20);
            });
        }
    }
    if (const XLogRecPtr position = database->unflushed_commits.load(); position != 0) {
        wait_for(position);
    }
}

} // namespace hc::pg
