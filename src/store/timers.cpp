// See timers.hpp.
#include "store/timers.hpp"

#include "pg/spi.hpp"
#include "pg/wake.hpp"

namespace hc::store {

using core::Time;
using core::WorkflowId;
using Ids = std::vector<WorkflowId>;
using Ints = std::vector<std::int32_t>;

namespace {

struct DueRow {
    std::optional<Time> due;
    auto fields() { return std::tie(due); }
};

} // namespace

void insert_timers(const std::vector<Timer> &timers) {
    constinit static pg::table_insert<WorkflowId, std::int32_t, Time, std::int16_t, bool, std::optional<std::int32_t>,
                                      std::optional<pg::bytes>>
        insert("timer", {"workflow_id", "number", "due", "tries", "put_aside", "history_at", "history"});
    static constexpr std::int16_t kNone = 0;
    struct Part {
        std::optional<std::int32_t> at;
        std::optional<pg::bytes> events;
    };
    std::vector<Part> parts(timers.size());
    for (std::size_t i = 0; i < timers.size(); ++i) {
        if (timers[i].history) {
            parts[i] = {timers[i].history->at, timers[i].history->events};
        }
    }
    insert.run(timers.size(), [&](std::size_t i) {
        const Timer &timer = timers[i];
        return std::tie(timer.workflow_id, timer.number, timer.due, kNone, timer.put_aside, parts[i].at,
                        parts[i].events);
    });
    for (const Timer &timer : timers) {
        pg::note_task(pg::kTimerQueue, timer.due);
    }
}

void delete_seen_timers(const std::vector<SeenTimer> &timers) {
    if (timers.empty()) {
        return;
    }
    constinit static pg::table_delete<WorkflowId> remove("timer");
    remove.run_seen(
        timers.size(), [&timers](std::size_t i) { return std::tie(timers[i].workflow_id); },
        [&timers](std::size_t i) { return std::optional(timers[i].place); });
}

void delete_timers(const std::vector<TaskKey> &keys) {
    if (keys.empty()) {
        return;
    }
    constinit static pg::statement<void(Ids, Ints)> remove(
        "DELETE FROM hermes.timer t USING unnest($1, $2) AS u (id, number) "
        "WHERE t.workflow_id = u.id AND t.number = u.number");
    const TaskKeyColumns k = columns_of(keys);
    remove.execute(k.ids, k.numbers);
}

std::vector<DueTask> read_due_timers(Time from, Time until, std::int32_t limit) {
    // Each branch with the limit, so that each is a scan of its index and locks no more than that.
    constinit static pg::statement<DueTask(Time, Time, std::int32_t)> find(
        "(SELECT workflow_id, number, kind, due, tries, detail FROM hermes.task "
        "WHERE queue = 1 AND due >= $1 AND due <= $2 "
        "AND CASE WHEN EXISTS (SELECT FROM hermes.workflow w WHERE w.id = workflow_id) THEN EXISTS "
        "(SELECT FROM hermes.workflow w WHERE w.id = workflow_id FOR NO KEY UPDATE SKIP LOCKED) ELSE true END "
        "ORDER BY due LIMIT $3) UNION ALL "
        "(SELECT workflow_id, number, 2::smallint, due, tries, NULL FROM hermes.timer WHERE due >= $1 AND due <= $2 "
        "AND CASE WHEN EXISTS (SELECT FROM hermes.workflow w WHERE w.id = workflow_id) THEN EXISTS "
        "(SELECT FROM hermes.workflow w WHERE w.id = workflow_id FOR NO KEY UPDATE SKIP LOCKED) ELSE true END "
        "ORDER BY due LIMIT $3) ORDER BY due LIMIT $3");
    return find.query(from, until, limit);
}

std::optional<Time> next_due_timer(Time from) {
    constinit static pg::statement<DueRow(Time)> find(
        "SELECT least((SELECT due FROM hermes.task WHERE queue = 1 AND due >= $1 ORDER BY due LIMIT 1), "
        "(SELECT due FROM hermes.timer WHERE due >= $1 ORDER BY due LIMIT 1))");
    return find.query(from).front().due;
}

void retry_timer(const TaskKey &key, Time due, const std::string &error) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, Time, std::string)> retry(
        "UPDATE hermes.timer SET due = $3, tries = tries + 1, last_error = $4 WHERE workflow_id = $1 AND number = $2");
    retry.execute(key.workflow_id, key.number, due, error);
    pg::note_task(pg::kTimerQueue, due);
}

std::size_t release_paused_timers(Time now, std::int32_t limit) {
    constinit static pg::statement<DueRow(Time, std::int32_t)> release(
        "WITH picked AS MATERIALIZED (SELECT workflow_id FROM hermes.timer WHERE put_aside ORDER BY due LIMIT $2 "
        "FOR UPDATE SKIP LOCKED) "
        "UPDATE hermes.timer t SET put_aside = false, due = $1 FROM picked p WHERE t.workflow_id = p.workflow_id "
        "RETURNING t.due");
    const std::size_t released = release.query(now, limit).size();
    if (released != 0) {
        pg::note_task(pg::kTimerQueue, now);
    }
    return released;
}

} // namespace hc::store
