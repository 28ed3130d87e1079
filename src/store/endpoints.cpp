// See endpoints.hpp.
#include "store/endpoints.hpp"

#include "pg/wake.hpp"

namespace hc::store {

using core::Time;
using core::WorkflowId;
using Ids = std::vector<WorkflowId>;
using Ints = std::vector<std::int32_t>;
using Smalls = std::vector<std::int16_t>;
using Texts = std::vector<std::string>;

std::vector<ClaimedReport> claim_reports(std::int32_t queue, Time from, Time until, const Alive &alive,
                                         std::int64_t owner, std::int32_t limit, const Rooms &rooms) {
    constinit static pg::statement<ClaimedReport(std::int32_t, Time, Time, std::vector<std::int64_t>, std::int64_t,
                                                 std::int32_t, std::int64_t, Ints, Ints, std::int32_t, std::int32_t)>
        claim("WITH picked AS MATERIALIZED (SELECT ctid AS place, target, due FROM hermes.task "
              "WHERE queue = $1 AND due >= $2 AND due <= $3 "
              "AND (owner IS NULL OR (owner <> ALL ($4) AND NOT (owner > $7 AND owner < $7 + 1000000))) "
              "ORDER BY due LIMIT $6 FOR UPDATE SKIP LOCKED), "
              "placed AS MATERIALIZED (SELECT p.place, "
              "pg_catalog.row_number() OVER (PARTITION BY p.target ORDER BY p.due) <= coalesce(r.room, $10) AS welcome "
              "FROM picked p LEFT JOIN unnest($8, $9) AS r (target, room) ON r.target = p.target) "
              "UPDATE hermes.task t SET owner = CASE WHEN p.welcome THEN $5 END, "
              "claims = t.claims + p.welcome::integer, "
              "queue = CASE WHEN p.welcome THEN t.queue ELSE $11 + 2 * t.target END "
              "FROM placed p WHERE t.ctid = p.place RETURNING t.workflow_id, t.number, t.queue, t.due, t.attempt, "
              "t.target, t.claims, t.tries, "
              "CASE WHEN p.welcome THEN t.detail END");
    return claim.query(queue, from, until, alive.incarnations, owner, limit, alive.newest, rooms.endpoints, rooms.rooms,
                       rooms.others, pg::kFirstEndpointQueue);
}

std::vector<ClaimedReport> read_handed_reports(std::int32_t queue, const HandedRange &range, std::int64_t owner) {
    constinit static pg::statement<ClaimedReport(std::int32_t, Time, Time, std::optional<std::int64_t>, std::int64_t,
                                                 std::int64_t)>
        find("SELECT workflow_id, number, queue, due, attempt, target, claims, tries, detail FROM (SELECT * FROM "
             "hermes.task WHERE queue = $1 AND due >= $2 AND due <= $3 ORDER BY due LIMIT $4) seen "
             "WHERE owner = $5 ORDER BY due LIMIT $6");
    return find.query(queue, range.from, range.until, range.seen, owner, range.most);
}

void put_back_reports(const std::vector<TaskKey> &keys) {
    if (keys.empty()) {
        return;
    }
    constinit static pg::statement<void(Ids, Ints, std::int32_t)> put_back(
        "UPDATE hermes.task t SET owner = NULL, claims = t.claims - 1, "
        "queue = CASE WHEN t.queue < $3 THEN $3 + 2 * t.target ELSE t.queue END "
        "FROM unnest($1, $2) AS u (id, number) WHERE t.workflow_id = u.id AND t.number = u.number");
    const TaskKeyColumns k = columns_of(keys);
    put_back.execute(k.ids, k.numbers, pg::kFirstEndpointQueue);
}

std::vector<EndpointQueueRow> endpoint_queues(std::int32_t limit) {
    constinit static pg::statement<EndpointQueueRow(std::int32_t, std::int32_t)> find(
        "WITH RECURSIVE held AS ("
        "(SELECT t.queue, t.due FROM hermes.task t WHERE t.queue >= $1 ORDER BY t.queue, t.due LIMIT 1) UNION ALL "
        "SELECT n.queue, n.due FROM held h CROSS JOIN LATERAL (SELECT t.queue, t.due FROM hermes.task t "
        "WHERE t.queue > h.queue ORDER BY t.queue, t.due LIMIT 1) n) "
        "SELECT queue, due FROM held LIMIT $2");
    return find.query(pg::kFirstEndpointQueue, limit);
}

void retry_reports(const ReportRetries &retries) {
    if (retries.keys.empty()) {
        return;
    }
    constinit static pg::statement<void(Ids, Ints, Ints, std::vector<Time>, Texts)> retry(
        "UPDATE hermes.task t SET owner = NULL, queue = u.queue, due = u.due, tries = t.tries + 1, claims = 0, "
        "last_error = u.error FROM unnest($1, $2, $3, $4, $5) AS u (id, number, queue, due, error) "
        "WHERE t.workflow_id = u.id AND t.number = u.number");
    const TaskKeyColumns k = columns_of(retries.keys);
    retry.execute(k.ids, k.numbers, retries.queues, retries.dues, retries.errors);
    for (std::size_t i = 0; i < retries.keys.size(); ++i) {
        pg::note_task(retries.queues[i], retries.dues[i]);
    }
}

std::uint64_t bury_reports(const std::vector<TaskKey> &keys, const Texts &errors, Time now) {
    if (keys.empty()) {
        return 0;
    }
    constinit static pg::statement<void(Ids, Ints, Texts, Time)> bury(
        "WITH gone AS (DELETE FROM hermes.task t USING unnest($1, $2, $3) AS u (id, number, error) "
        "WHERE t.workflow_id = u.id AND t.number = u.number "
        "RETURNING t.workflow_id, t.kind, t.number, t.queue, t.target, t.attempt, t.tries, t.detail, u.error) "
        "INSERT INTO hermes.dead_letter (workflow_id, tenant, kind, number, queue, target, attempt, tries, detail, "
        "error, created_at) "
        "SELECT g.workflow_id, (SELECT e.tenant FROM hermes.endpoint e WHERE e.id = g.target), g.kind, g.number, "
        "g.queue, g.target, g.attempt, g.tries, g.detail, g.error, $4 FROM gone g");
    const TaskKeyColumns k = columns_of(keys);
    return bury.execute(k.ids, k.numbers, errors, now);
}

std::uint64_t bury_endpoint_queue(std::int32_t queue, const Alive &alive, const std::string &error, std::int32_t limit,
                                  Time now) {
    constinit static pg::statement<void(std::int32_t, std::vector<std::int64_t>, std::int64_t, std::int32_t,
                                        std::string, Time)>
        bury("WITH picked AS MATERIALIZED (SELECT workflow_id, number FROM hermes.task WHERE queue = $1 "
             "AND (owner IS NULL OR (owner <> ALL ($2) AND NOT (owner > $3 AND owner < $3 + 1000000))) "
             "ORDER BY due LIMIT $4 FOR UPDATE SKIP LOCKED), "
             "gone AS (DELETE FROM hermes.task t USING picked p "
             "WHERE t.workflow_id = p.workflow_id AND t.number = p.number "
             "RETURNING t.workflow_id, t.kind, t.number, t.queue, t.target, t.attempt, t.tries, t.detail) "
             "INSERT INTO hermes.dead_letter (workflow_id, tenant, kind, number, queue, target, attempt, tries, "
             "detail, error, created_at) "
             "SELECT g.workflow_id, (SELECT e.tenant FROM hermes.endpoint e WHERE e.id = g.target), g.kind, g.number, "
             "g.queue, g.target, g.attempt, g.tries, g.detail, $5, $6 FROM gone g");
    return bury.execute(queue, alive.incarnations, alive.newest, limit, error, now);
}

void note_deliveries(const Ints &endpoints, Time now) {
    if (endpoints.empty()) {
        return;
    }
    constinit static pg::statement<void(Ints, Time)> note(
        "UPDATE hermes.endpoint e SET failing_since = NULL, last_delivery_at = $2 "
        "FROM (SELECT id FROM hermes.endpoint WHERE id = ANY ($1) AND (failing_since IS NOT NULL "
        "OR last_delivery_at IS NULL OR last_delivery_at < $2 - interval '1 minute') ORDER BY id FOR NO KEY UPDATE "
        "SKIP "
        "LOCKED) f WHERE e.id = f.id");
    note.execute(endpoints, now);
}

void note_failures(const Ints &endpoints, const Texts &errors, Time now) {
    if (endpoints.empty()) {
        return;
    }
    // failures that are days apart do not make a long failure
    constinit static pg::statement<void(Ints, Texts, Time)> note(
        "UPDATE hermes.endpoint e SET failing_since = CASE WHEN e.last_failure_at > $3 - interval '2 days' "
        "THEN coalesce(e.failing_since, $3) ELSE $3 END, last_failure_at = $3, last_error = u.error "
        "FROM (SELECT id FROM hermes.endpoint WHERE id = ANY ($1) AND (failing_since IS NULL "
        "OR last_failure_at IS NULL OR last_failure_at < $3 - interval '1 minute') ORDER BY id FOR NO KEY UPDATE SKIP "
        "LOCKED) f, unnest($1, $2) AS u (id, error) WHERE e.id = f.id AND e.id = u.id");
    note.execute(endpoints, errors, now);
}

std::vector<FailingRow> failing_endpoints(const Ints &endpoints) {
    constinit static pg::statement<FailingRow(Ints)> find(
        "SELECT id, failing_since FROM hermes.endpoint WHERE id = ANY ($1) AND failing_since IS NOT NULL "
        "AND disabled_at IS NULL AND dropped_at IS NULL");
    return find.query(endpoints);
}

bool disable_endpoint(std::int32_t id, const std::string &reason) {
    constinit static pg::statement<void(std::int32_t, std::string)> disable(
        "UPDATE hermes.endpoint SET disabled_at = pg_catalog.clock_timestamp(), disabled_reason = $2 "
        "WHERE id = (SELECT id FROM hermes.endpoint WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE SKIP "
        "LOCKED)");
    return disable.execute(id, reason) != 0;
}

bool enable_endpoint(std::int32_t id) {
    constinit static pg::statement<void(std::int32_t)> enable(
        "UPDATE hermes.endpoint SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL "
        "WHERE id = $1 AND dropped_at IS NULL");
    return enable.execute(id) != 0;
}

namespace {
struct OptionsRow {
    pg::json_text options;
    auto fields() { return std::tie(options); }
};
} // namespace

std::optional<pg::json_text> lock_endpoint_options(std::int32_t id) {
    constinit static pg::statement<OptionsRow(std::int32_t)> lock(
        "SELECT options FROM hermes.endpoint WHERE id = $1 AND dropped_at IS NULL FOR NO KEY UPDATE");
    std::optional<OptionsRow> row = lock.query_one(id);
    return row ? std::optional(std::move(row->options)) : std::nullopt;
}

void set_endpoint_options(std::int32_t id, const std::string &options) {
    constinit static pg::statement<void(std::int32_t, std::string)> set(
        "UPDATE hermes.endpoint SET options = $2::jsonb WHERE id = $1");
    set.execute(id, options);
}

void insert_deliveries(const std::vector<DeliveryRow> &rows, Time now) {
    if (rows.empty()) {
        return;
    }
    using OptionalTexts = std::vector<std::optional<std::string>>;
    constinit static pg::statement<void(Time, Ids, Ints, OptionalTexts, Texts, Smalls, Smalls,
                                        std::vector<std::optional<std::int16_t>>, Smalls,
                                        std::vector<std::optional<std::int32_t>>, OptionalTexts)>
        insert(
            "INSERT INTO hermes.delivery (at, cascade_id, endpoint_id, tenant, event, sequence, try, status, result, "
            "duration_ms, error) SELECT $1, u.* FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS u");
    Ids cascades;
    Ints endpoints;
    OptionalTexts tenants, errors;
    Texts events;
    Smalls sequences, attempts, results;
    std::vector<std::optional<std::int16_t>> statuses;
    std::vector<std::optional<std::int32_t>> durations;
    for (const DeliveryRow &row : rows) {
        cascades.push_back(row.cascade);
        endpoints.push_back(row.endpoint);
        tenants.push_back(row.tenant);
        events.push_back(row.event);
        sequences.push_back(row.sequence);
        attempts.push_back(row.attempt);
        statuses.push_back(row.status);
        results.push_back(row.result);
        durations.push_back(row.duration_ms);
        errors.push_back(row.error);
    }
    insert.execute(now, cascades, endpoints, tenants, events, sequences, attempts, statuses, results, durations,
                   errors);
}

// The block ranges of closed_at prune what did not end in the range: rows stand in the order in which they ended.
std::vector<EndedRow> ended_between(const std::optional<std::string> &tenant, Time since, Time until,
                                    std::int32_t limit) {
    constinit static pg::statement<EndedRow(std::optional<std::string>, Time, Time, std::int32_t)> find(
        "SELECT id, closed_at, rule_id, key, history FROM hermes.closed_between($1, $2, $3, $4)");
    return find.query(tenant, since, until, limit);
}

std::vector<DeadReportRow> dead_reports(std::int32_t endpoint, Time since, Time until, std::int32_t limit) {
    constinit static pg::statement<DeadReportRow(std::int32_t, Time, Time, std::int32_t)> find(
        "SELECT d.workflow_id, d.number, d.attempt, d.detail, m.made FROM hermes.dead_letter d CROSS JOIN LATERAL "
        "(SELECT (d.detail::jsonb ->> 'timestamp')::timestamptz AS made) m "
        "WHERE d.kind = 3 AND d.target = $1 AND m.made >= $2 AND m.made < $3 "
        "ORDER BY m.made FETCH FIRST $4 ROWS WITH TIES");
    return find.query(endpoint, since, until, limit);
}

std::uint64_t put_replays(const std::vector<Task> &tasks) {
    if (tasks.empty()) {
        return 0;
    }
    // one that a dispatcher has claimed must not be locked: it would wait for this transaction
    constinit static pg::statement<void(Ids, Ints, Ints, Time)> forward(
        "WITH free AS MATERIALIZED (SELECT t.workflow_id, t.number, u.queue FROM unnest($1, $2, $3) AS u (id, number, "
        "queue) JOIN hermes.task t ON t.workflow_id = u.id AND t.number = u.number "
        "WHERE t.owner IS NULL FOR UPDATE OF t SKIP LOCKED) "
        "UPDATE hermes.task t SET queue = f.queue, due = $4 FROM free f "
        "WHERE t.workflow_id = f.workflow_id AND t.number = f.number");
    constinit static pg::statement<void(Ids, Ints, Ints, Time, Smalls, Ints, Texts)> insert(
        "INSERT INTO hermes.task (workflow_id, number, kind, queue, due, attempt, target, detail) "
        "SELECT u.id, u.number, 3, u.queue, $4, u.attempt, u.target, u.detail "
        "FROM unnest($1, $2, $3, $5, $6, $7) AS u (id, number, queue, attempt, target, detail) "
        "ON CONFLICT (workflow_id, number) DO NOTHING");
    constinit static pg::statement<void(Ids, Ints)> forget(
        "DELETE FROM hermes.dead_letter d USING unnest($1, $2) AS u (id, number) "
        "WHERE d.workflow_id = u.id AND d.number = u.number AND d.kind = 3");
    Ids ids;
    Ints numbers, queues, targets;
    Smalls attempts;
    Texts details;
    for (const Task &task : tasks) {
        ids.push_back(task.workflow_id);
        numbers.push_back(task.number);
        queues.push_back(task.queue);
        attempts.push_back(static_cast<std::int16_t>(task.attempt));
        targets.push_back(task.target);
        details.push_back(task.detail.value_or(""));
    }
    const Time due = tasks.front().due;
    const std::uint64_t forwarded = forward.execute(ids, numbers, queues, due);
    const std::uint64_t inserted = insert.execute(ids, numbers, queues, due, attempts, targets, details);
    forget.execute(ids, numbers);
    for (const Task &task : tasks) {
        pg::note_task(task.queue, due);
    }
    return forwarded + inserted;
}

} // namespace hc::store
