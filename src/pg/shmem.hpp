// Shared memory of the extension: plain data and atomics only, never a pointer or descriptor of a process.
// Layout is owned here; who writes what:
//   DatabaseSlot  launcher and supervisor (life cycle), every backend at commit (bounds, wake flags)
//   WorkerSlot    the worker itself, but for `state` (launcher/supervisor allot it) ; readers take it as advisory
//                 ExecutorState of it: who allots the slot, then the executor; `due` is lowered by every backend at
//                 commit
// Latches are reached through the process number (PGPROC array index), which stays valid memory for the server's life.
#pragma once

#include "core/circuit_breaker.hpp"
#include "core/delivery_share.hpp"
#include "core/executor_queue.hpp"
#include "core/fair_queue.hpp"
#include "core/latency_buckets.hpp"
#include "core/token_bucket.hpp"
#include "core/workflow_counts.hpp"
#include "pg/postgres.hpp"

namespace hc::pg {

inline constexpr int kMaxDatabases = 64;
inline constexpr int kMaxWorkers = 128;
inline constexpr int kProviderSlots = 256;        // providers with limits of their own
inline constexpr int kHostSlots = 1024;           // counters of requests under way, by host (request_slots.hpp)
inline constexpr int kEndpointPauses = 1024;      // webhook endpoints that pause
inline constexpr int kTenantSlots = 1024;         // tenants with a start rate
inline constexpr int kFairSlots = 4096;           // tenants and queues that are told apart
inline constexpr int kQueueBounds = 256;          // indexed by bound_index()
inline constexpr int kWatchSlots = 1024;          // of watched tables, by oid (watch.hpp)
inline constexpr std::int64_t kNoDue = INT64_MAX; // no task known

inline constexpr int kOutcomeChannels = 64; // of those who wait for executions (outcomes.hpp)
inline constexpr int kLostTasks = 16;       // of executors that had to end themselves
inline constexpr int kFailedStarts = 16;    // roles whose executor could not start

enum class WorkerRole : std::uint32_t { none, launcher, supervisor, dispatcher, executor };

enum class WorkerState : std::uint32_t { free, starting, running, draining };

struct Counters { // monotonic since server start, per database
    std::atomic<std::uint64_t> started, completed, delivered, exhausted, expired, canceled;
    std::atomic<std::uint64_t> sends_claimed, sends_recorded, signals, timers_fired;
    std::atomic<std::uint64_t> receipts_applied, receipts_buffered, receipts_parked, receipts_unmatched,
        receipts_dropped;
    std::atomic<std::uint64_t> webhooks_delivered, webhooks_failed, dead_letters, worker_errors;
    std::atomic<std::uint64_t> conditions_evaluated, conditions_failed;
    std::atomic<std::uint64_t> sends_skipped, suppressions, engagements;
    std::atomic<std::uint64_t> workflow[core::kWorkflowCounts]; // by core::WorkflowCount
    std::atomic<std::uint64_t> series_folded;                   // counts that went to the series `other` (series.hpp)
    std::atomic<std::uint64_t> timer_lateness_sum_us, timer_lateness_max_us, timer_lateness[core::kLatencyBuckets];
};

struct ExecutorState {               // executor_state.hpp; set before the slot's role
    std::atomic<std::int32_t> queue; // of the one role it serves; 0: none
    std::atomic<Oid> user;           // the database role
    std::atomic<std::int64_t> due;   // bound of the queue for this process (TimestampTz)
    std::atomic<std::uint32_t> idle; // has nothing to do, or
    std::atomic<std::int64_t> since; // has something, since then (TimestampTz)
    std::atomic<std::uint32_t> wants_help;
};

struct WorkerSlot {
    std::atomic<std::uint32_t> state; // WorkerState
    std::atomic<std::uint32_t> role;  // WorkerRole
    std::atomic<Oid> database;
    std::atomic<std::int32_t> pid;
    std::atomic<std::int32_t> process_number; // index into the PGPROC array; -1: none
    std::atomic<std::int64_t> incarnation;    // unique over restarts; owner of its claims
    std::atomic<std::int64_t> started_at;     // TimestampTz
    std::atomic<std::uint64_t> batches, tasks, errors;
    std::atomic<std::uint32_t> in_flight;
    std::atomic<std::uint32_t> committing; // group_commit.hpp
    std::atomic<std::uint32_t> helper;     // a dispatcher that is there for a backlog only; set before the role
    ExecutorState executor;
};

enum class DatabaseState : std::uint32_t {
    free,
    known,   // has or may have the extension: a supervisor is wanted
    absent,  // probed, no extension: probed again on a wake-up only
    blocked, // a command on the database is running: no worker may start
};

struct ProviderSlot {                             // provider_state.hpp
    std::atomic<std::int32_t> provider;           // 0: free
    std::atomic<std::int32_t> in_flight;          // request_slots.hpp
    std::atomic<core::DeliveryWindow> deliveries; // deliveries.hpp
    slock_t lock;                                 // of what follows
    core::TokenBucketState bucket;
    core::CircuitBreakerState breaker;
    std::int64_t accepted, failed, refused, last_failure_at;
    char last_failure[64];
};

struct TenantSlot {
    std::atomic<std::uint64_t> tenant; // hash; 0: free
    slock_t lock;
    core::TokenBucketState bucket;
};

struct EndpointPause { // endpoint_pause.hpp
    std::atomic<std::int32_t> endpoint;
    std::atomic<std::int64_t> until; // Unix time in microseconds
};

struct LostTaskSlot {                 // a task whose executor had to end itself while it ran it
    std::atomic<std::uint32_t> state; // 0: free, 1: being written, 2: to be read
    std::uint8_t workflow_id[16];
    std::int32_t number;
    std::int16_t kind;
};

struct DatabaseSlot {
    std::atomic<std::uint32_t> state; // DatabaseState
    std::atomic<Oid> database;
    std::atomic<std::int32_t> blocker_pid;      // backend whose command blocks the database
    std::atomic<std::uint32_t> probe_requested; // CREATE EXTENSION committed, or a block ended
    std::atomic<std::uint32_t>
        extension_changes; // commits of CREATE or DROP EXTENSION, or of a change of the fence: workers look again
    std::atomic<std::int64_t> clock_ahead;          // clock.hpp; microseconds, 0 but in a database for tests
    std::atomic<std::int64_t> clock_asked;          // likewise: how far it shall go, once that is kept
    std::atomic<std::uint32_t> clock_known;         // 0: to be read from hermes.test_clock
    std::atomic<std::uint64_t> unflushed_commits;   // WAL position of the newest one, group_commit.hpp
    std::atomic<std::uint32_t> outbound_open;       // the restore fence let requests go; set by the supervisor
    std::atomic<std::int64_t> bounds[kQueueBounds]; // smallest due time (TimestampTz) that may be waiting in the queue
    std::atomic<std::int64_t> receiver;             // incarnation of the dispatcher sends are handed to (handover.hpp)
    std::atomic<std::uint8_t> receiver_room[kQueueBounds]; // whether it has room for the queues of a bound
    std::atomic<std::int64_t> handed[kQueueBounds];        // smallest due time of what may have been handed to it
    core::fair_queue::Word fair_served[kQueueBounds];      // by bound (fairness.hpp)
    core::fair_queue::Word fair_finish[kFairSlots];        // of a tenant in a queue, by hash
    std::atomic<std::int64_t> fair_counted;                // when a backlog was counted last
    std::atomic<std::uint32_t> dispatcher_wanted;          // a dispatcher wants help (dispatchers.hpp)
    std::atomic<std::int32_t> host_load[kHostSlots];       // requests under way (request_slots.hpp)
    std::atomic<std::int32_t> open_breakers;               // of providers
    ProviderSlot providers[kProviderSlots];
    TenantSlot tenants[kTenantSlots];
    EndpointPause pauses[kEndpointPauses];
    LostTaskSlot lost_tasks[kLostTasks];
    std::atomic<std::uint32_t> watch_changes[kWatchSlots]; // commits that have changed a watched table of the slot
    std::atomic<std::uint64_t> watch_waited[kWatchSlots / 64], watch_dirty[kWatchSlots / 64]; // bits of slots
    std::atomic<std::int32_t> failed_starts[kFailedStarts]; // queues of executors; 0: free
    Counters counters;
};

struct Shared {
    std::atomic<std::int64_t> next_incarnation;
    std::atomic<std::uint32_t> after_crash;     // set at the start: the server that ran before was not shut down
    std::atomic<std::int32_t> launcher_process; // PGPROC index, -1: none
    std::atomic<std::uint32_t> launcher_wake;
    DatabaseSlot databases[kMaxDatabases];
    WorkerSlot workers[kMaxWorkers];
    ConditionVariable outcomes[kOutcomeChannels];
};
static_assert(std::is_trivially_destructible_v<Shared> && std::atomic<std::int64_t>::is_always_lock_free);

void request_shared_memory(); // installs the request and startup hooks; in _PG_init while preloading
Shared *shared() noexcept;    // null when the library is not preloaded

DatabaseSlot *find_database(Oid database) noexcept;
DatabaseSlot *find_or_add_database(Oid database) noexcept; // null when all slots are taken
void free_database(DatabaseSlot &slot) noexcept;           // the database was dropped; nothing of it stays
DatabaseSlot *my_database() noexcept;                      // cached per process; adds the slot

void set_latch_of(std::int32_t process_number) noexcept;

// Atomic minimum; returns true when the value was lowered.
bool lower(std::atomic<std::int64_t> &value, std::int64_t to) noexcept;

// Reserved queues have a bound of their own; provider queues share the rest. Who takes a shared bound scans all its
// queues.
inline constexpr std::int32_t kReservedQueues = 16;
inline constexpr std::int32_t kEndpointBound = 3;            // one for the queues of all webhook endpoints
inline constexpr std::int32_t kExecutorBound = 4;            // one for the roles of user SQL that have no executor now
inline constexpr std::int32_t kActivityQueue = 5;            // deadlines of activities: the supervisor
inline constexpr std::int32_t kFirstEndpointQueue = 1 << 30; // two an endpoint, see wake.hpp
inline int bound_index(std::int32_t queue) noexcept {
    if (queue >= kFirstEndpointQueue) {
        return kEndpointBound;
    }
    if (core::is_executor_queue(queue)) {
        return kExecutorBound;
    }
    return queue < kReservedQueues ? queue
                                   : kReservedQueues + (queue - kReservedQueues) % (kQueueBounds - kReservedQueues);
}

} // namespace hc::pg
