// See timers.hpp. Runs in the supervisor.
#include "engine/timers.hpp"

#include "core/dispatcher_plan.hpp"
#include "core/dlr.hpp"
#include "engine/advance.hpp"
#include "engine/receipts.hpp"
#include "pg/monitor.hpp"
#include "pg/wake.hpp"
#include "store/receipts.hpp"
#include "store/timers.hpp"

#include <algorithm>
#include <charconv>

namespace hc::engine {

namespace {

std::int64_t parse_hash(const std::string &text) {
    std::int64_t hash = 0;
    std::from_chars(text.data(), text.data() + text.size(), hash);
    return hash;
}

// A rematch task lives as long as its receipt waits: 5 ms, 20 ms, ... 22 min after the last look.
constexpr std::int16_t kMaxRematches = 10;

// A task without its cascade: a load in some other order than ours may bring it yet.
constexpr std::int16_t kMaxUnknownTries = 10;
constexpr auto kUnknownRetry = std::chrono::minutes(1);

struct Rematch {
    store::TaskKey key;
    std::int64_t hash = 0;
    std::int16_t tries = 0;
};

struct Due {
    std::vector<Item> items;
    std::vector<const store::DueTask *> tasks; // of the items
    std::vector<Rematch> rematches;
};

bool is_timer(const store::DueTask &task) { return static_cast<store::Kind>(task.kind) == store::Kind::timer; }

Due sort_out(const std::vector<store::DueTask> &tasks) {
    Due due;
    for (const store::DueTask &task : tasks) {
        if (is_timer(task)) {
            due.items.push_back({task.workflow_id, core::TimerInput{static_cast<std::uint32_t>(task.number)}});
            due.tasks.push_back(&task);
        } else if (static_cast<store::Kind>(task.kind) == store::Kind::sandbox_receipt) {
            due.items.push_back({task.workflow_id, core::parse_dlr(task.detail.value_or(""), {})});
            due.tasks.push_back(&task);
        } else {
            const store::TaskKey key{task.workflow_id, task.number};
            due.rematches.push_back({key, parse_hash(task.detail.value_or("")), task.tries});
        }
    }
    return due;
}

// What is done with. A timer that has moved its cascade is gone with that; others are of no use any more.
struct Done {
    std::vector<store::TaskKey> tasks, timers;

    void add(const store::DueTask &task, const ItemResult &result) {
        if (!is_timer(task)) {
            tasks.push_back({task.workflow_id, task.number});
        } else if (result.status == ItemStatus::unknown || result.result != core::SignalResult::applied) {
            timers.push_back({task.workflow_id, task.number});
        }
    }
};

void retry_later(const store::DueTask &task, core::Time due) {
    const char *const error = "cascade does not exist";
    const store::TaskKey key{task.workflow_id, task.number};
    if (is_timer(task)) {
        store::retry_timer(key, due, error);
    } else {
        store::retry_task(key, pg::kTimerQueue, due, error);
    }
}

void run_rematches(const std::vector<Rematch> &rematches, core::Time now, std::vector<store::TaskKey> &done) {
    std::vector<std::int64_t> hashes;
    hashes.reserve(rematches.size());
    for (const Rematch &r : rematches) {
        hashes.push_back(r.hash);
    }
    rematch(hashes);
    const std::vector<std::int64_t> waiting = store::waiting_hashes(hashes); // also what another worker holds just now
    for (const Rematch &r : rematches) {
        const bool wait = std::find(waiting.begin(), waiting.end(), r.hash) != waiting.end() && r.tries < kMaxRematches;
        if (wait) {
            store::retry_task(r.key, pg::kTimerQueue, now + std::chrono::milliseconds(5) * (1 << (2 * r.tries)), "");
        } else {
            done.push_back(r.key);
        }
    }
}

} // namespace

Fired fire_due(core::Time from, core::Time now, std::int32_t limit, std::vector<store::TaskKey> &read) {
    Fired fired;
    read.clear();
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<store::DueTask> tasks = store::read_due_timers(from, now, limit);
    fired.scan = std::chrono::duration_cast<core::Duration>(std::chrono::steady_clock::now() - begin);
    fired.tasks = static_cast<std::uint32_t>(tasks.size());
    fired.more = tasks.size() >= static_cast<std::size_t>(limit);
    for (const store::DueTask &task : tasks) {
        read.push_back({task.workflow_id, task.number});
    }
    const Due due = sort_out(tasks);
    Done done;
    const std::vector<ItemResult> results = engine::advance(due.items, store::LockWait::skip);
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].status == ItemStatus::locked) {
            fired.locked = true;
        } else if (results[i].status == ItemStatus::unknown && due.tasks[i]->tries < kMaxUnknownTries) {
            retry_later(*due.tasks[i], now + kUnknownRetry);
        } else {
            done.add(*due.tasks[i], results[i]);
        }
    }
    if (!due.rematches.empty()) {
        run_rematches(due.rematches, now, done.tasks);
    }
    for (const store::DueTask &task : tasks) {
        if (is_timer(task) && !fired.locked) {
            pg::count(pg::Count::timers_fired);
            pg::record_timer_lateness(now - task.due);
        }
    }
    store::delete_timers(done.timers);
    store::delete_tasks(done.tasks);
    fired.resume = store::next_due_timer(from);
    fired.locked = fired.locked || core::held_by_others(fired.tasks, fired.resume, now);
    return fired;
}

} // namespace hc::engine
