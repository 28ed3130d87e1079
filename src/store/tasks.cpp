// See tasks.hpp.
#include "store/tasks.hpp"

#include "pg/handover.hpp"
#include "pg/table.hpp"
#include "pg/wake.hpp"
#include "pg/xact.hpp"

namespace hc::store {

using core::Time;
using core::WorkflowId;
using Ids = std::vector<WorkflowId>;
using Ints = std::vector<std::int32_t>;
using Smalls = std::vector<std::int16_t>;

namespace {

struct DueRow {
    Time due{};
    auto fields() { return std::tie(due); }
};
struct OwnedRow {
    bool claimed = false;         // or handed over
    std::int64_t transaction = 0; // that wrote it so
    auto fields() { return std::tie(claimed, transaction); }
};
struct BoolRow {
    bool value = false;
    auto fields() { return std::tie(value); }
};
struct IdRow {
    WorkflowId id;
    auto fields() { return std::tie(id); }
};
struct CountRow {
    std::int64_t count = 0;
    auto fields() { return std::tie(count); }
};
} // namespace

TaskKeyColumns columns_of(const std::vector<TaskKey> &keys) {
    TaskKeyColumns columns;
    for (const TaskKey &key : keys) {
        columns.ids.push_back(key.workflow_id);
        columns.numbers.push_back(key.number);
    }
    return columns;
}

void insert_tasks(const std::vector<Task> &tasks) {
    constinit static pg::table_insert<WorkflowId, std::int32_t, std::int16_t, std::int32_t, Time, std::int16_t,
                                      std::int32_t, std::int16_t, std::int16_t, std::optional<std::string>,
                                      std::optional<std::int64_t>>
        insert("task", {"workflow_id", "number", "kind", "queue", "due", "attempt", "target", "claims", "tries",
                        "detail", "owner"});
    struct Row {
        std::int16_t kind, attempt, claims;
        std::optional<std::int64_t> owner;
    };
    static constexpr std::int16_t kNone = 0;
    std::vector<Row> rows;
    rows.reserve(tasks.size());
    for (const Task &task : tasks) {
        const std::optional<std::int64_t> owner =
            task.may_be_handed ? pg::hand_over(task.queue, task.due) : std::nullopt;
        const std::int16_t claims = owner ? 1 : 0;
        rows.push_back({static_cast<std::int16_t>(task.kind), static_cast<std::int16_t>(task.attempt), claims, owner});
    }
    insert.run(tasks.size(), [&](std::size_t i) {
        const Task &task = tasks[i];
        return std::tie(task.workflow_id, task.number, rows[i].kind, task.queue, task.due, rows[i].attempt, task.target,
                        rows[i].claims, kNone, task.detail, rows[i].owner);
    });
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        pg::note_task(tasks[i].queue, tasks[i].due, rows[i].owner.value_or(0));
    }
}

bool send_claimed(const WorkflowId &id) {
    constinit static pg::statement<OwnedRow(WorkflowId)> find(
        "SELECT claims > 0, xmin::text::bigint FROM hermes.task WHERE workflow_id = $1 AND kind = 1 FOR UPDATE");
    for (const OwnedRow &row : find.query(id)) {
        if (row.claimed &&
            !pg::is_own_transaction(row.transaction)) { // one that this transaction hands over waits for its commit
            return true;
        }
    }
    return false;
}

void delete_tasks(const std::vector<TaskKey> &keys) {
    if (keys.empty()) {
        return;
    }
    constinit static pg::table_delete<WorkflowId, std::int32_t> remove("task");
    remove.run(keys.size(), [&keys](std::size_t i) { return std::tie(keys[i].workflow_id, keys[i].number); });
}

std::vector<ClaimedTask> claim_due(std::int32_t queue, Time from, Time until, const Alive &alive, std::int64_t owner,
                                   std::int32_t limit) {
    constinit static pg::statement<ClaimedTask(std::int32_t, Time, Time, std::vector<std::int64_t>, std::int64_t,
                                               std::int32_t, std::int64_t)>
        claim("WITH picked AS MATERIALIZED (SELECT ctid AS place FROM hermes.task "
              "WHERE queue = $1 AND due >= $2 AND due <= $3 "
              "AND (owner IS NULL OR (owner <> ALL ($4) AND NOT (owner > $7 AND owner < $7 + 1000000))) "
              "ORDER BY due LIMIT $6 FOR UPDATE SKIP LOCKED) "
              "UPDATE hermes.task t SET owner = $5, claims = t.claims + 1 FROM picked p WHERE t.ctid = p.place "
              "RETURNING t.workflow_id, t.number, t.kind, t.queue, t.due, t.attempt, t.target, t.claims, t.tries, "
              "t.detail");
    return claim.query(queue, from, until, alive.incarnations, owner, limit, alive.newest);
}

std::vector<ClaimedTask> read_handed(std::int32_t queue, const HandedRange &range, std::int64_t owner) {
    constinit static pg::statement<ClaimedTask(std::int32_t, Time, Time, std::optional<std::int64_t>, std::int64_t,
                                               std::int16_t, std::int64_t)>
        find("SELECT workflow_id, number, kind, queue, due, attempt, target, claims, tries, detail FROM (SELECT * FROM "
             "hermes.task WHERE queue = $1 AND due >= $2 AND due <= $3 ORDER BY due LIMIT $4) seen "
             "WHERE owner = $5 AND kind = $6 ORDER BY due LIMIT $7");
    return find.query(queue, range.from, range.until, range.seen, owner, static_cast<std::int16_t>(Kind::send),
                      range.most);
}

std::vector<ClaimedTask> read_due(std::int32_t queue, Time from, Time until, std::int32_t limit) {
    constinit static pg::statement<ClaimedTask(std::int32_t, Time, Time, std::int32_t)> find(
        "SELECT workflow_id, number, kind, queue, due, attempt, target, claims, tries, detail FROM hermes.task "
        "WHERE queue = $1 AND due >= $2 AND due <= $3 "
        "AND CASE WHEN EXISTS (SELECT FROM hermes.workflow w WHERE w.id = workflow_id) THEN EXISTS "
        "(SELECT FROM hermes.workflow w WHERE w.id = workflow_id FOR NO KEY UPDATE SKIP LOCKED) ELSE true END "
        "ORDER BY due LIMIT $4");
    return find.query(queue, from, until, limit);
}

std::optional<Time> next_due(std::int32_t queue, Time from, const Alive &alive) {
    constinit static pg::statement<DueRow(std::int32_t, Time, std::vector<std::int64_t>, std::int64_t)> find(
        "SELECT due FROM hermes.task WHERE queue = $1 AND due >= $2 "
        "AND (owner IS NULL OR (owner <> ALL ($3) AND NOT (owner > $4 AND owner < $4 + 1000000))) ORDER BY due LIMIT "
        "1");
    const std::optional<DueRow> row = find.query_one(queue, from, alive.incarnations, alive.newest);
    return row ? std::optional<Time>(row->due) : std::nullopt;
}

std::int64_t count_waiting(std::int32_t queue, const std::string &tenant, std::int64_t most) {
    constinit static pg::statement<CountRow(std::int32_t, std::string, std::int64_t)> find(
        "SELECT count(*) FROM (SELECT FROM hermes.task t JOIN hermes.workflow w ON w.id = t.workflow_id "
        "WHERE t.queue = $1 AND t.owner IS NULL AND w.tenant = $2 LIMIT greatest($3, 0)) found");
    return find.query(queue, tenant, most).front().count;
}

void release_tasks(const std::vector<TaskKey> &keys, Time due) {
    if (keys.empty()) {
        return;
    }
    constinit static pg::statement<void(Ids, Ints, Time)> release(
        "UPDATE hermes.task t SET owner = NULL, due = $3, claims = t.claims - 1 FROM unnest($1, $2) AS u (id, number) "
        "WHERE t.workflow_id = u.id AND t.number = u.number");
    const TaskKeyColumns k = columns_of(keys);
    release.execute(k.ids, k.numbers, due);
}

void put_back_sends(const std::vector<TaskKey> &keys, std::optional<Time> due) {
    if (keys.empty()) {
        return;
    }
    constinit static pg::statement<void(Ids, Ints, std::optional<Time>)> put_back(
        "WITH free AS MATERIALIZED (SELECT t.ctid AS place FROM unnest($1, $2) AS u (id, number) JOIN hermes.task t "
        "ON t.workflow_id = u.id AND t.number = u.number FOR UPDATE OF t SKIP LOCKED) "
        "UPDATE hermes.task t SET owner = NULL, due = coalesce($3, t.due), claims = t.claims - 1 FROM free f "
        "WHERE t.ctid = f.place");
    const TaskKeyColumns k = columns_of(keys);
    put_back.execute(k.ids, k.numbers, due);
}

void retry_task(const TaskKey &key, std::int32_t queue, Time due, const std::string &error) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, Time, std::string)> retry(
        "UPDATE hermes.task SET owner = NULL, due = $3, tries = tries + 1, claims = 0, last_error = $4 "
        "WHERE workflow_id = $1 AND number = $2");
    retry.execute(key.workflow_id, key.number, due, error);
    pg::note_task(queue, due);
}

std::optional<BuriedRow> bury_task(const TaskKey &key, const std::optional<std::string> &tenant,
                                   const std::string &error, Time now) {
    constinit static pg::statement<BuriedRow(WorkflowId, std::int32_t, std::optional<std::string>, std::string, Time)>
        bury("WITH gone AS (DELETE FROM hermes.task WHERE workflow_id = $1 AND number = $2 "
             "RETURNING workflow_id, kind, number, queue, target, attempt, tries, detail), "
             "gone_timer AS (DELETE FROM hermes.timer WHERE workflow_id = $1 AND number = $2 "
             "RETURNING workflow_id, 2::smallint, number, 1, 0, 0::smallint, tries, NULL::text) "
             "INSERT INTO hermes.dead_letter (workflow_id, tenant, kind, number, queue, target, attempt, tries, "
             "detail, error, created_at) "
             "SELECT workflow_id, $3, kind, number, queue, target, attempt, tries, detail, $4, $5 "
             "FROM (SELECT * FROM gone UNION ALL SELECT * FROM gone_timer) g RETURNING kind, attempt");
    return bury.query_one(key.workflow_id, key.number, tenant, error, now);
}

std::optional<DeadLetterRow> take_dead_letter(std::int64_t id) {
    constinit static pg::statement<DeadLetterRow(std::int64_t)> take(
        "DELETE FROM hermes.dead_letter WHERE id = $1 "
        "RETURNING id, workflow_id, tenant, kind, number, queue, target, attempt, detail");
    return take.query_one(id);
}

std::optional<WorkflowId> find_dead_timer(std::int64_t id) {
    constinit static pg::statement<IdRow(std::int64_t)> find(
        "SELECT workflow_id FROM hermes.dead_letter WHERE id = $1 AND kind = 2");
    const std::optional<IdRow> row = find.query_one(id);
    return row ? std::optional(row->id) : std::nullopt;
}

bool has_dead_report(const WorkflowId &id) {
    constinit static pg::statement<BoolRow(WorkflowId)> find(
        "SELECT EXISTS (SELECT FROM hermes.dead_letter WHERE workflow_id = $1 AND kind = 3)");
    return find.query(id, true).front().value;
}

std::vector<OutstandingRow> outstanding_reports(const WorkflowId &id) {
    constinit static pg::statement<OutstandingRow(WorkflowId)> find(
        "SELECT kind, due, tries, last_error FROM hermes.task WHERE workflow_id = $1 AND kind = 3");
    return find.query(id, true);
}

} // namespace hc::store
