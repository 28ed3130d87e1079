// Wake-ups at commit. Verbs note which queue got a task due when; the end of the commit, behind its invalidations,
// publishes the notes: it lowers the queue's bound in shared memory and sets the latch of the workers concerned, who
// find the task and all that was defined with it. A rolled back savepoint forgets its notes, a rollback all of them.
// PREPARE TRANSACTION drops them: the fallback poll covers it. Nothing in here may raise at commit: notes are a fixed
// array.
#pragma once

#include "core/time.hpp"
#include "pg/shmem.hpp"

namespace hc::pg {

inline constexpr std::int32_t kTimerQueue = 1;      // timers, sandbox receipts, rematch: the supervisor
inline constexpr std::int32_t kWebhookQueue = 2;    // outcome reports: dispatchers
inline constexpr std::int32_t kScheduleQueue = 6;   // schedules to be looked at: the supervisor
inline constexpr std::int32_t kFakeQueue = 7;       // activities that fakes answer: the supervisor
inline constexpr std::int32_t kProgramEndQueue = 8; // ends of executions whose program is outside: the supervisor
inline constexpr std::int32_t kFirstProviderQueue = kReservedQueues; // four a provider: dispatchers

// The queues of a provider, in the order in which they are served: a campaign never stands before an OTP. Sends that
// are due later (retries) have one of their own, because it is ordered by time, the others by fairness (fairness.hpp).
enum class Lane : std::int32_t { otp, transactional, delayed, marketing };
inline constexpr std::int32_t kLanes = 4;

inline constexpr std::int32_t queue_of_provider(std::int32_t provider, Lane lane) {
    return kFirstProviderQueue + provider * kLanes + static_cast<std::int32_t>(lane);
}
inline constexpr std::int32_t provider_of_queue(std::int32_t queue) { return (queue - kFirstProviderQueue) / kLanes; }
inline constexpr Lane lane_of_queue(std::int32_t queue) {
    return static_cast<Lane>((queue - kFirstProviderQueue) % kLanes);
}

// The two queues of a webhook endpoint, beside the common kWebhookQueue: reports that wait for it (failed tries, and
// what it cannot take just now), and replays, which stand behind everything else. They stay empty while all is well.
inline constexpr std::int32_t waiting_queue(std::int32_t endpoint) { return kFirstEndpointQueue + 2 * endpoint; }
inline constexpr std::int32_t replay_queue(std::int32_t endpoint) { return waiting_queue(endpoint) + 1; }
inline constexpr std::int32_t endpoint_of_queue(std::int32_t queue) { return (queue - kFirstEndpointQueue) / 2; }
inline constexpr bool is_replay_queue(std::int32_t queue) { return (queue - kFirstEndpointQueue) % 2 != 0; }

// User SQL waits in a queue a role (core/executor_queue.hpp), between the two.
static_assert(core::kEndOfProgramQueues <= kFirstEndpointQueue);

// A task inserted in this (sub)transaction. One that is put aside (negative queue) wakes nobody; nor does one of a
// program outside of the database, whose workers poll.
// With an owner it is handed over (handover.hpp).
void note_task(std::int32_t queue, core::Time due, std::int64_t owner = 0);
void note_workers(); // CREATE or DROP EXTENSION, or a change of the restore fence: launcher and workers look again

void wake_dispatchers() noexcept; // of this database, now
void wake_supervisor() noexcept;

// Outcome counters, published at commit with the notes.
enum class Count : std::uint8_t {
    started,
    delivered,
    exhausted,
    expired,
    canceled,
    sends_claimed,
    sends_recorded,
    signals,
    receipts_applied,
    receipts_buffered,
    receipts_parked,
    receipts_unmatched, // name no attempt that there is
    receipts_dropped,   // waited in the inbox until their time was over
    timers_fired,
    webhooks_delivered,
    webhooks_failed,
    dead_letters,
    conditions_evaluated,
    conditions_failed,
    sends_skipped,
    suppressions,
    engagements,
    kCount,
};
void count(Count what, std::uint32_t n = 1);
void count(core::WorkflowCount what, std::uint32_t n = 1);

void register_transaction_callbacks(); // in _PG_init

// ---- bounds, for workers ----

// Takes the bound of a queue (leaving "none"), so that what commits from now on is seen again. Scan from the result.
core::Time take_bound(std::int32_t queue);
// What may still wait in the queue after a scan.
void give_bound(std::int32_t queue, core::Time due);
core::Time peek_bound(std::int32_t queue);

} // namespace hc::pg
