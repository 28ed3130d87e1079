// See timers.hpp. Runs in the supervisor.
#include "engine/timers.hpp"

#include "core/dlr.hpp"
#include "engine/advance.hpp"
#include "engine/receipts.hpp"
#include "pg/monitor.hpp"
#include "pg/wake.hpp"
#include "store/tasks.hpp"

#include <charconv>

namespace hc::engine {

namespace {

std::int64_t parse_hash(const std::string &text) {
    std::int64_t hash = 0;
    std::from_chars(text.data(), text.data() + text.size(), hash);
    return hash;
}

struct Due {
    std::vector<Item> items;
    std::vector<store::TaskKey> keys; // of the items
    std::vector<std::int64_t> hashes; // of rematches
    std::vector<store::TaskKey> rematches;
};

Due sort_out(const std::vector<store::ClaimedTask> &tasks, core::Time now) {
    Due due;
    for (const store::ClaimedTask &task : tasks) {
        const store::TaskKey key{task.workflow_id, task.number};
        switch (static_cast<store::Kind>(task.kind)) {
        case store::Kind::timer:
            due.items.push_back({task.workflow_id, core::TimerInput{static_cast<std::uint32_t>(task.number)}});
            due.keys.push_back(key);
            pg::count(pg::Count::timers_fired);
            pg::record_timer_lateness(now - task.due);
            break;
        case store::Kind::sandbox_receipt:
            due.items.push_back({task.workflow_id, core::parse_dlr(task.detail.value_or(""), {})});
            due.keys.push_back(key);
            break;
        case store::Kind::rematch:
            due.hashes.push_back(parse_hash(task.detail.value_or("")));
            due.rematches.push_back(key);
            break;
        case store::Kind::send:
        case store::Kind::report:
            break; // never on this queue
        }
    }
    return due;
}

} // namespace

Fired fire_due(core::Time from, core::Time now, std::int32_t limit) {
    Fired fired;
    const std::vector<store::ClaimedTask> tasks = store::read_due(pg::kTimerQueue, from, now, limit);
    fired.tasks = static_cast<std::uint32_t>(tasks.size());
    fired.more = tasks.size() >= static_cast<std::size_t>(limit);
    const Due due = sort_out(tasks, now);
    std::vector<store::TaskKey> done;
    const std::vector<ItemResult> results = engine::advance(due.items, store::LockWait::skip);
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i].status == ItemStatus::locked) {
            fired.locked = true;
        } else {
            done.push_back(due.keys[i]);
        }
    }
    if (!due.hashes.empty()) {
        if (rematch(due.hashes)) {
            done.insert(done.end(), due.rematches.begin(), due.rematches.end());
        } else {
            fired.locked = true;
        }
    }
    store::delete_tasks(done);
    fired.resume = store::next_due(pg::kTimerQueue, from, {});
    return fired;
}

} // namespace hc::engine
