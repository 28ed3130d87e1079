// Timers of cascades: at most one row of hermes.timer for each open one, apart from the tasks, so that what waits for
// days does not lie between what goes within moments.
#pragma once

#include "core/id.hpp"
#include "pg/table.hpp"
#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

// Events of an open cascade that stand in the timer put with them, so that its row need not be written. They count as
// long as the row has `at` bytes of history: whoever writes the row takes them in.
struct LaterHistory {
    std::int32_t at = 0;
    pg::bytes events;
};

struct Timer {
    core::WorkflowId workflow_id;
    std::int32_t number = 0; // one of the numbers of its tasks
    core::Time due{};        // core::kNever: at the end of a pause
    bool put_aside = false;  // something it waits for is paused: due at the end of the pause, if that comes before
    std::optional<LaterHistory> history{};
};
void insert_timers(const std::vector<Timer> &timers); // of cascades that have none; notes the wake-ups

// Timers of cascades that the caller has locked, where they stood then.
struct SeenTimer {
    core::WorkflowId workflow_id;
    pg::RowPlace place;
};
void delete_seen_timers(const std::vector<SeenTimer> &timers);
void delete_timers(const std::vector<TaskKey> &keys); // those with these numbers, if they are still there

// Due timers, sandbox receipts and rematches, in due order. Locks their cascades and passes over those that somebody
// else holds, so that they hide nobody behind them.
struct DueTask {
    core::WorkflowId workflow_id;
    std::int32_t number = 0;
    std::int16_t kind = 0;
    core::Time due{};
    std::int16_t tries = 0;
    std::optional<std::string> detail; // of a task
    auto fields() { return std::tie(workflow_id, number, kind, due, tries, detail); }
};
std::vector<DueTask> read_due_timers(core::Time from, core::Time until, std::int32_t limit);
std::optional<core::Time> next_due_timer(core::Time from); // or sandbox receipt or rematch; nullopt: none

// Looked at in vain: due again, tries + 1.
void retry_timer(const TaskKey &key, core::Time due, const std::string &error);

// At the end of a pause: up to `limit` of those that were put aside are due now. Returns how many.
std::size_t release_paused_timers(core::Time now, std::int32_t limit);

} // namespace hc::store
