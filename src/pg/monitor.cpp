// See monitor.hpp. Runs in backends.
#include "pg/monitor.hpp"

#include "pg/call.hpp"
#include "pg/shmem.hpp"

namespace hc::pg {

namespace {

const char *name_of(WorkerRole role) {
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
    return "none";
}

const char *name_of(WorkerState state) {
    switch (state) {
    case WorkerState::free:
        return "free";
    case WorkerState::starting:
        return "starting";
    case WorkerState::running:
        return "running";
    case WorkerState::draining:
        return "draining";
    }
    return "free";
}

// Of the role an executor is connected as; it may have been dropped.
std::optional<std::string> user_name(Oid user) {
    if (!OidIsValid(user)) {
        return std::nullopt;
    }
    const char *name = call([user]() -> const char * { return GetUserNameFromId(user, true); });
    return name != nullptr ? std::optional<std::string>(name) : std::nullopt;
}

} // namespace

std::vector<WorkerInfo> worker_infos() {
    std::vector<WorkerInfo> infos;
    if (shared() == nullptr) {
        return infos;
    }
    for (const WorkerSlot &slot : shared()->workers) {
        const auto state = static_cast<WorkerState>(slot.state.load());
        if (state == WorkerState::free || slot.database.load() != MyDatabaseId) {
            continue;
        }
        infos.push_back({name_of(static_cast<WorkerRole>(slot.role.load())), name_of(state), slot.pid.load(),
                         slot.incarnation.load(), from_timestamptz(slot.started_at.load()),
                         static_cast<std::int64_t>(slot.batches.load()), static_cast<std::int64_t>(slot.tasks.load()),
                         static_cast<std::int64_t>(slot.errors.load()),
                         static_cast<std::int32_t>(slot.in_flight.load()), user_name(slot.executor.user.load())});
    }
    return infos;
}

void record_timer_lateness(core::Duration late) noexcept {
    DatabaseSlot *slot = my_database();
    if (slot == nullptr || late.count() < 0) {
        return;
    }
    const auto us = static_cast<std::uint64_t>(late.count());
    slot->counters.timer_lateness_sum_us.fetch_add(us, std::memory_order_relaxed);
    slot->counters.timer_lateness[core::latency_bucket(late)].fetch_add(1, std::memory_order_relaxed);
    std::uint64_t max = slot->counters.timer_lateness_max_us.load(std::memory_order_relaxed);
    while (max < us && !slot->counters.timer_lateness_max_us.compare_exchange_weak(max, us)) {
    }
}

TimerLateness timer_lateness() {
    TimerLateness late;
    const DatabaseSlot *slot = my_database();
    if (slot == nullptr) {
        return late;
    }
    for (std::size_t i = 0; i < late.buckets.size(); ++i) {
        late.buckets[i] = slot->counters.timer_lateness[i].load(std::memory_order_relaxed);
    }
    late.sum = core::Duration{static_cast<std::int64_t>(slot->counters.timer_lateness_sum_us.load())};
    late.max = core::Duration{static_cast<std::int64_t>(slot->counters.timer_lateness_max_us.load())};
    return late;
}

std::vector<Statistic> statistics() {
    const DatabaseSlot *slot = my_database();
    if (slot == nullptr) {
        return {};
    }
    const Counters &c = slot->counters;
    const auto value = [](const std::atomic<std::uint64_t> &v) { return static_cast<std::int64_t>(v.load()); };
    std::vector<Statistic> all{
        {"cascades_started", value(c.started)},
        {"cascades_delivered", value(c.delivered)},
        {"cascades_exhausted", value(c.exhausted)},
        {"cascades_expired", value(c.expired)},
        {"cascades_canceled", value(c.canceled)},
        {"sends_claimed", value(c.sends_claimed)},
        {"sends_recorded", value(c.sends_recorded)},
        {"signals", value(c.signals)},
        {"receipts_applied", value(c.receipts_applied)},
        {"receipts_buffered", value(c.receipts_buffered)},
        {"receipts_parked", value(c.receipts_parked)},
        {"receipts_unmatched", value(c.receipts_unmatched)},
        {"receipts_dropped", value(c.receipts_dropped)},
        {"timers_fired", value(c.timers_fired)},
        {"timer_lateness_sum_us", value(c.timer_lateness_sum_us)},
        {"timer_lateness_max_us", value(c.timer_lateness_max_us)},
        {"webhooks_delivered", value(c.webhooks_delivered)},
        {"webhooks_failed", value(c.webhooks_failed)},
        {"dead_letters", value(c.dead_letters)},
        {"sends_skipped", value(c.sends_skipped)},
        {"suppressions_added", value(c.suppressions)},
        {"engagements", value(c.engagements)},
        {"worker_errors", value(c.worker_errors)},
        {"conditions_evaluated", value(c.conditions_evaluated)},
        {"conditions_failed", value(c.conditions_failed)},
        {"metric_series_folded", value(c.series_folded)},
    };
    for (std::size_t i = 0; i < core::kWorkflowCounts; ++i) {
        all.push_back({core::words_of(static_cast<core::WorkflowCount>(i)).name, value(c.workflow[i])});
    }
    return all;
}

} // namespace hc::pg
