// See activities.hpp.
#include "store/activities.hpp"

#include "pg/wake.hpp"

namespace hc::store {

using core::Time;
using core::WorkflowId;
using OptionalText = std::optional<std::string>;
using OptionalTime = std::optional<Time>;

namespace {

struct TimeRow {
    OptionalTime value;
    auto fields() { return std::tie(value); }
};

// The columns of an ActivityRow.
#define HC_ACTIVITY_COLUMNS                                                                                            \
    "a.execution_id, a.number, a.queue_id, a.state, a.priority, a.attempt, a.flags, a.token, a.scheduled_at, a.due, "  \
    "a.started_at, a.heartbeat_at, a.lease, a.deadline, a.tenant, a.fairness_key, a.worker, a.type, a.options::text, " \
    "a.heartbeat::text, a.last_failure::text"

void note_deadline(const OptionalTime &deadline) {
    if (deadline) {
        pg::note_task(pg::kActivityQueue, *deadline);
    }
}

void note_activity(const ActivityRow &row) {
    note_deadline(row.deadline);
    if (row.queue_id == kFakedQueue) {
        pg::note_task(pg::kFakeQueue, row.due);
    }
}

} // namespace

// ---- types ----

void put_activity_type(const std::string &name, const std::string &options_json) {
    constinit static pg::statement<void(std::string, std::string)> put(
        "INSERT INTO hermes.activity_type (name, options) VALUES ($1, $2::jsonb) ON CONFLICT (name) DO UPDATE SET "
        "options = excluded.options, registered_at = pg_catalog.now()");
    put.execute(name, options_json);
}

bool delete_activity_type(const std::string &name) {
    constinit static pg::statement<void(std::string)> remove("DELETE FROM hermes.activity_type WHERE name = $1");
    return remove.execute(name) != 0;
}

std::vector<ActivityTypeRow> all_activity_types() {
    constinit static pg::statement<ActivityTypeRow()> find("SELECT name, options::text FROM hermes.activity_type");
    return find.query();
}

// ---- queues ----

std::optional<ActivityQueueRow> find_activity_queue(const std::string &name) {
    constinit static pg::statement<ActivityQueueRow(std::string)> find(
        "SELECT id, rate, burst, missing, refilled, paused_at FROM hermes.activity_queue WHERE name = $1");
    return find.query_one(name);
}

std::int32_t activity_queue(const std::string &name) {
    constinit static pg::statement<void(std::string)> insert(
        "INSERT INTO hermes.activity_queue (name) VALUES ($1) ON CONFLICT (name) DO NOTHING");
    for (;;) { // at most twice, but for a queue that is dropped by hand in between
        if (const std::optional<ActivityQueueRow> row = find_activity_queue(name)) {
            return row->id;
        }
        insert.execute(name);
    }
}

std::optional<ActivityQueueRow> lock_activity_queue(std::int32_t id) {
    constinit static pg::statement<ActivityQueueRow(std::int32_t)> lock(
        "SELECT id, rate, burst, missing, refilled, paused_at FROM hermes.activity_queue WHERE id = $1 "
        "FOR NO KEY UPDATE");
    return lock.query_one(id);
}

void write_activity_bucket(std::int32_t id, std::int64_t missing, std::int64_t refilled) {
    constinit static pg::statement<void(std::int32_t, std::int64_t, std::int64_t)> update(
        "UPDATE hermes.activity_queue SET missing = $2, refilled = $3 WHERE id = $1");
    update.execute(id, missing, refilled);
}

void set_activity_rate(std::int32_t id, std::optional<double> rate, std::optional<std::int32_t> burst) {
    constinit static pg::statement<void(std::int32_t, std::optional<double>, std::optional<std::int32_t>)> update(
        "UPDATE hermes.activity_queue SET rate = $2, burst = $3 WHERE id = $1");
    update.execute(id, rate, burst);
}

void pause_activity_queue(std::int32_t id, OptionalTime since) {
    constinit static pg::statement<void(std::int32_t, OptionalTime)> update(
        "UPDATE hermes.activity_queue SET paused_at = $2 WHERE id = $1");
    update.execute(id, since);
}

// ---- activities ----

// Places are microseconds. Those of a fairness key are apart by a second divided by its weight, and begin with the
// smallest that waits: so keys take turns, each as often as its weight says, whatever came first.
void insert_activity(const ActivityRow &row, double weight, const std::string &input_json) {
    using MaybeInt = std::optional<std::int64_t>;
    constinit static pg::statement<void(WorkflowId, std::int32_t, std::int32_t, std::int16_t, Time, OptionalTime,
                                        OptionalText, OptionalText, std::string, std::string, std::string, MaybeInt)>
        insert("INSERT INTO hermes.activity (execution_id, number, queue_id, state, priority, attempt, place, "
               "scheduled_at, due, deadline, tenant, fairness_key, type, options, input) VALUES ($1, $2, $3, 1, $4, 1, "
               "coalesce($12, (extract(epoch FROM $5) * 1000000)::bigint), $5, $5, $6, $7, $8, $9, $10::jsonb, "
               "$11::jsonb)");
    struct PlaceRow {
        MaybeInt first, last;
        auto fields() { return std::tie(first, last); }
    };
    constinit static pg::statement<PlaceRow(std::int32_t, std::int16_t, OptionalText)> places(
        "SELECT (SELECT a.place FROM hermes.activity a WHERE a.queue_id = $1 AND a.priority = $2 AND a.state = 1 "
        "ORDER BY a.place LIMIT 1), (SELECT a.place FROM hermes.activity a WHERE a.queue_id = $1 AND a.fairness_key = "
        "$3 AND a.state = 1 ORDER BY a.place DESC LIMIT 1)");
    MaybeInt place;
    if (row.fairness_key) {
        constexpr double kApart = 1'000'000;
        const PlaceRow known = *places.query_one(row.queue_id, row.priority, row.fairness_key);
        const std::int64_t first = known.first.value_or(core::to_unix_micros(row.due));
        place = known.last ? std::max(first, *known.last + static_cast<std::int64_t>(kApart / weight)) : first;
    }
    insert.execute(row.execution_id, row.number, row.queue_id, row.priority, row.due, row.deadline, row.tenant,
                   row.fairness_key, row.type, row.options, input_json, place);
    note_activity(row);
}

std::optional<ActivityRow> lock_activity(const WorkflowId &id, std::int32_t number, LockWait mode) {
    constinit static pg::statement<ActivityRow(WorkflowId, std::int32_t)> wait(
        "SELECT " HC_ACTIVITY_COLUMNS " FROM hermes.activity a WHERE a.execution_id = $1 AND a.number = $2 FOR UPDATE");
    constinit static pg::statement<ActivityRow(WorkflowId, std::int32_t)> skip(
        "SELECT " HC_ACTIVITY_COLUMNS " FROM hermes.activity a WHERE a.execution_id = $1 AND a.number = $2 "
        "FOR UPDATE SKIP LOCKED");
    return mode == LockWait::wait ? wait.query_one(id, number) : skip.query_one(id, number);
}

std::optional<ActivityRow> lock_activity_by_id(const WorkflowId &id, const std::string &activity_id) {
    constinit static pg::statement<ActivityRow(WorkflowId, std::string)> lock(
        "SELECT " HC_ACTIVITY_COLUMNS " FROM hermes.activity a WHERE a.execution_id = $1 AND coalesce(a.options ->> "
        "'activity_id', a.number::text) = $2 ORDER BY a.number LIMIT 1 FOR UPDATE");
    return lock.query_one(id, activity_id);
}

std::vector<ActivityBrief> activities_of(const WorkflowId &id) {
    constinit static pg::statement<ActivityBrief(WorkflowId)> find(
        "SELECT number, coalesce(options ->> 'cancellation', '') FROM hermes.activity WHERE execution_id = $1 "
        "ORDER BY number");
    return find.query(id);
}

std::vector<ActivityRow> claim_activities(std::int32_t queue, const std::optional<std::vector<std::string>> &tenants,
                                          std::int32_t limit) {
    constinit static pg::statement<ActivityRow(std::int32_t, std::int32_t)> any(
        "SELECT " HC_ACTIVITY_COLUMNS " FROM hermes.activity a WHERE a.queue_id = $1 AND a.state = 1 "
        "ORDER BY a.priority, a.place LIMIT $2 FOR UPDATE SKIP LOCKED");
    constinit static pg::statement<ActivityRow(std::int32_t, std::int32_t, std::vector<std::string>)> some(
        "SELECT " HC_ACTIVITY_COLUMNS " FROM hermes.activity a WHERE a.queue_id = $1 AND a.state = 1 AND (a.tenant IS "
        "NULL OR a.tenant = ANY ($3)) ORDER BY a.priority, a.place LIMIT $2 FOR UPDATE SKIP LOCKED");
    return tenants ? some.query(queue, limit, *tenants) : any.query(queue, limit);
}

void end_back_offs(std::int32_t queue, Time now) {
    constinit static pg::statement<void(std::int32_t, Time)> update(
        "UPDATE hermes.activity SET state = 1 WHERE (execution_id, number) IN (SELECT a.execution_id, a.number FROM "
        "hermes.activity a WHERE a.queue_id = $1 AND a.state = 3 AND a.due <= $2 ORDER BY a.due LIMIT 1000 "
        "FOR UPDATE SKIP LOCKED)");
    update.execute(queue, now);
}

std::vector<std::string> start_attempts(const std::vector<ActivityRow> &rows) {
    using Ids = std::vector<WorkflowId>;
    using Ints = std::vector<std::int32_t>;
    using BigInts = std::vector<std::int64_t>;
    struct StartedRow {
        std::int32_t position = 0;
        std::string input;
        auto fields() { return std::tie(position, input); }
    };
    constinit static pg::statement<StartedRow(Ids, Ints, BigInts, std::vector<OptionalTime>, Ints, Time, OptionalText,
                                              std::optional<std::int64_t>)>
        update("UPDATE hermes.activity a SET state = 2, token = s.token, started_at = $6, heartbeat_at = NULL, lease = "
               "$8, deadline = s.deadline, worker = $7 FROM unnest($1, $2, $3, $4, $5) AS s (id, number, token, "
               "deadline, position) WHERE a.execution_id = s.id AND a.number = s.number RETURNING s.position, "
               "a.input::text");
    std::vector<std::string> inputs(rows.size());
    if (rows.empty()) {
        return inputs;
    }
    Ids ids;
    Ints numbers, positions;
    BigInts tokens;
    std::vector<OptionalTime> deadlines;
    for (const ActivityRow &row : rows) {
        ids.push_back(row.execution_id);
        numbers.push_back(row.number);
        tokens.push_back(row.token);
        deadlines.push_back(row.deadline);
        positions.push_back(static_cast<std::int32_t>(positions.size()));
        note_deadline(row.deadline);
    }
    for (StartedRow &started : update.query(ids, numbers, tokens, deadlines, positions, *rows.front().started_at,
                                            rows.front().worker, rows.front().lease)) {
        inputs.at(static_cast<std::size_t>(started.position)) = std::move(started.input);
    }
    return inputs;
}

void update_activity(const ActivityRow &row) {
    using MaybeInt = std::optional<std::int64_t>;
    constinit static pg::statement<void(WorkflowId, std::int32_t, std::int32_t, std::int16_t, std::int16_t,
                                        std::int32_t, std::int16_t, std::int64_t, Time, OptionalTime, OptionalTime,
                                        MaybeInt, OptionalTime, OptionalText, std::string, OptionalText, OptionalText)>
        update("UPDATE hermes.activity SET queue_id = $3, state = $4, priority = $5, attempt = $6, flags = $7, token = "
               "$8, due = $9, started_at = $10, heartbeat_at = $11, lease = $12, deadline = $13, worker = $14, options "
               "= $15::jsonb, heartbeat = $16::jsonb, last_failure = $17::jsonb WHERE execution_id = $1 AND number = "
               "$2");
    update.execute(row.execution_id, row.number, row.queue_id, row.state, row.priority, row.attempt, row.flags,
                   row.token, row.due, row.started_at, row.heartbeat_at, row.lease, row.deadline, row.worker,
                   row.options, row.heartbeat, row.last_failure);
    note_activity(row);
}

void heartbeat_activity(const WorkflowId &id, std::int32_t number, Time now, const OptionalText &details) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, Time, OptionalText)> update(
        "UPDATE hermes.activity SET heartbeat_at = $3, heartbeat = coalesce($4::jsonb, heartbeat) "
        "WHERE execution_id = $1 AND number = $2");
    update.execute(id, number, now, details);
}

bool delete_activity(const WorkflowId &id, std::int32_t number) {
    constinit static pg::statement<void(WorkflowId, std::int32_t)> remove(
        "DELETE FROM hermes.activity WHERE execution_id = $1 AND number = $2");
    return remove.execute(id, number) != 0;
}

void delete_activities(const WorkflowId &id) {
    constinit static pg::statement<void(WorkflowId)> remove(
        "DELETE FROM hermes.activity WHERE (execution_id, number) IN (SELECT a.execution_id, a.number FROM "
        "hermes.activity a WHERE a.execution_id = $1 FOR UPDATE SKIP LOCKED)");
    remove.execute(id);
}

std::vector<HttpActivityRow> read_activities(const std::vector<TaskKey> &keys) {
    constinit static pg::statement<HttpActivityRow(std::vector<WorkflowId>, std::vector<std::int32_t>)> find(
        "SELECT a.execution_id, a.number, a.attempt, a.type, a.options::text, a.input::text, a.tenant FROM unnest($1, "
        "$2) AS k (id, number) JOIN hermes.activity a ON a.execution_id = k.id AND a.number = k.number");
    const TaskKeyColumns columns = columns_of(keys);
    return find.query(columns.ids, columns.numbers);
}

void put_activity_send(const TaskKey &key, std::int32_t queue, Time due, std::int32_t provider) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, std::int32_t, Time, std::int32_t)> put(
        "INSERT INTO hermes.task AS t (workflow_id, number, kind, queue, due, attempt, target) VALUES ($1, $2, 18, $3, "
        "$4, 0, $5) ON CONFLICT (workflow_id, number) DO UPDATE SET queue = excluded.queue, due = excluded.due, owner "
        "= "
        "NULL, claims = 0, tries = 0");
    put.execute(key.workflow_id, key.number, queue, due, provider);
    pg::note_task(queue, due);
}

std::vector<ActivityRow> overdue_activities(Time from, Time until, std::int32_t limit) {
    constinit static pg::statement<ActivityRow(Time, Time, std::int32_t)> find(
        "SELECT " HC_ACTIVITY_COLUMNS " FROM hermes.activity a WHERE a.deadline >= $1 AND a.deadline <= $2 "
        "ORDER BY a.deadline LIMIT $3 FOR UPDATE SKIP LOCKED");
    return find.query(from, until, limit);
}

OptionalTime next_activity_deadline(Time from) {
    constinit static pg::statement<TimeRow(Time)> find(
        "SELECT min(deadline) FROM hermes.activity WHERE deadline >= $1");
    return find.query_one(from)->value;
}

} // namespace hc::store
