// See timers.hpp. Runs in the supervisor.
#include "engine/timers.hpp"

#include "core/dlr.hpp"
#include "engine/advance.hpp"
#include "engine/receipts.hpp"
#include "pg/monitor.hpp"
#include "pg/wake.hpp"
#include "store/receipts.hpp"
#include "store/tasks.hpp"

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
    std::vector<store::TaskKey> keys; // of the items
    std::vector<std::int16_t> tries;  // of the items
    std::vector<Rematch> rematches;
};

Due sort_out(const std::vector<store::ClaimedTask> &tasks) {
    Due due;
    for (const store::ClaimedTask &task : tasks) {
        const store::TaskKey key{task.workflow_id, task.number};
        switch (static_cast<store::Kind>(task.kind)) {
        case store::Kind::timer:
            due.items.push_back({task.workflow_id, core::TimerInput{static_cast<std::uint32_t>(task.number)}});
            due.keys.push_back(key);
            due.tries.push_back(task.tries);
            break;
        case store::Kind::sandbox_receipt:
            due.items.push_back({task.workflow_id, core::parse_dlr(task.detail.value_or(""), {})});
            due.keys.push_back(key);
            due.tries.push_back(task.tries);
            break;
        case store::Kind::rematch:
            due.rematches.push_back({key, parse_hash(task.detail.value_or("")), task.tries});
            break;
        default:
            break; // never on this queue
        }
    }
    return due;
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

Fired fire_due(std::int32_t queue, core::Time from, core::Time now, std::int32_t limit,
               std::vector<store::TaskKey> &read) {
    Fired fired;
    const std::vector<store::ClaimedTask> tasks = store::read_due(queue, from, now, limit);
    fired.tasks = static_cast<std::uint32_t>(tasks.size());
    fired.more = tasks.size() >= static_cast<std::size_t>(limit);
    read.clear();
    for (const store::ClaimedTask &task : tasks) {
        read.push_back({task.workflow_id, task.number});
    }
    const Due due = sort_out(tasks);
    std::vector<store::TaskKey> done;
    const std::vector<ItemResult> results = engine::advance(due.items, store::LockWait::skip);
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].status == ItemStatus::locked) {
            fired.locked = true;
        } else if (results[i].status == ItemStatus::unknown && due.tries[i] < kMaxUnknownTries) {
            store::retry_task(due.keys[i], pg::kTimerQueue, now + kUnknownRetry, "cascade does not exist");
        } else {
            done.push_back(due.keys[i]);
        }
    }
    if (!due.rematches.empty()) {
        run_rematches(due.rematches, now, done);
    }
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        if (static_cast<store::Kind>(tasks[i].kind) == store::Kind::timer && !fired.locked) {
            pg::count(pg::Count::timers_fired);
            pg::record_timer_lateness(now - tasks[i].due);
        }
    }
    store::delete_tasks(done);
    fired.resume = store::next_due(queue, from, store::Alive{});
    fired.locked = fired.locked || (!fired.more && fired.resume && *fired.resume <= now);
    return fired;
}

} // namespace hc::engine
