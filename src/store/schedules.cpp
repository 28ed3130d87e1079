// See schedules.hpp.
#include "store/schedules.hpp"

#include "pg/wake.hpp"
#include "store/workflow_executions.hpp"

#include <algorithm>

namespace hc::store {

using core::Time;
using core::WorkflowId;
using OptionalText = std::optional<std::string>;
using OptionalNumber = std::optional<std::int64_t>;
using OptionalTime = std::optional<Time>;
using Times = std::vector<Time>;

namespace {

struct BoolRow {
    bool value = false;
    auto fields() { return std::tie(value); }
};
struct IdRow {
    WorkflowId id;
    auto fields() { return std::tie(id); }
};
struct JsonRow {
    pg::json_text json;
    auto fields() { return std::tie(json); }
};

} // namespace

// ---- schedules ----

bool insert_schedule(const ScheduleRow &r) {
    constinit static pg::statement<void(WorkflowId, OptionalText, std::string, std::string, std::string, std::int64_t,
                                        bool, bool, OptionalText, OptionalNumber, Time, OptionalTime, std::string,
                                        std::string)>
        insert("INSERT INTO hermes.schedule (id, tenant, name, owner, overlap, catchup_us, pause_on_failure, paused, "
               "note, remaining, cursor, next_time, spec, action, created_at, updated_at) "
               "VALUES ($1, $2, $3, $4::name, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14::jsonb, $11, $11) "
               "ON CONFLICT DO NOTHING");
    return insert.execute(r.id, r.tenant, r.name, r.owner, r.overlap, r.catchup_us, r.pause_on_failure, r.paused,
                          r.note, r.remaining, r.cursor, r.next_time, r.spec.text, r.action.text) != 0;
}

std::optional<ScheduleRow> lock_schedule(const OptionalText &tenant, const std::string &name) {
    constinit static pg::statement<ScheduleRow(OptionalText, std::string)> lock(
        "SELECT id, tenant, name, owner::text, version, overlap, catchup_us, pause_on_failure, paused, note, "
        "remaining, cursor, next_time, actions, missed, skipped, dropped, errors, updated_at, spec, action "
        "FROM hermes.schedule WHERE name = $2 AND (tenant = $1 OR (tenant IS NULL AND $1 IS NULL)) FOR NO KEY UPDATE");
    return lock.query_one(tenant, name);
}

std::optional<ScheduleRow> lock_schedule(const WorkflowId &id) {
    constinit static pg::statement<ScheduleRow(WorkflowId)> lock(
        "SELECT id, tenant, name, owner::text, version, overlap, catchup_us, pause_on_failure, paused, note, "
        "remaining, cursor, next_time, actions, missed, skipped, dropped, errors, updated_at, spec, action "
        "FROM hermes.schedule WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED");
    return lock.query_one(id);
}

bool schedule_exists(const WorkflowId &id) {
    constinit static pg::statement<BoolRow(WorkflowId)> find(
        "SELECT EXISTS (SELECT FROM hermes.schedule WHERE id = $1)");
    return find.query(id).front().value;
}

void update_schedule(const ScheduleRow &r) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, std::string, std::int64_t, bool, bool, OptionalText,
                                        OptionalNumber, Time, OptionalTime, std::int64_t, std::int64_t, std::int64_t,
                                        std::int64_t, std::int64_t, Time)>
        update("UPDATE hermes.schedule SET version = $2, overlap = $3, catchup_us = $4, pause_on_failure = $5, "
               "paused = $6, note = $7, remaining = $8, cursor = $9, next_time = $10, actions = $11, missed = $12, "
               "skipped = $13, dropped = $14, errors = $15, updated_at = $16 WHERE id = $1");
    update.execute(r.id, r.version, r.overlap, r.catchup_us, r.pause_on_failure, r.paused, r.note, r.remaining,
                   r.cursor, r.next_time, r.actions, r.missed, r.skipped, r.dropped, r.errors, r.updated_at);
}

void update_schedule_documents(const ScheduleRow &r) {
    constinit static pg::statement<void(WorkflowId, std::string, std::string)> update(
        "UPDATE hermes.schedule SET spec = $2::jsonb, action = $3::jsonb WHERE id = $1");
    update.execute(r.id, r.spec.text, r.action.text);
}

void delete_schedule(const WorkflowId &id) {
    constinit static pg::statement<void(WorkflowId)> remove(
        "WITH starts AS (DELETE FROM hermes.schedule_start WHERE schedule_id = $1), "
        "runs AS (DELETE FROM hermes.schedule_run WHERE schedule_id = $1), "
        "backfills AS (DELETE FROM hermes.schedule_backfill WHERE schedule_id = $1), "
        "tasks AS (DELETE FROM hermes.task WHERE workflow_id = $1) DELETE FROM hermes.schedule WHERE id = $1");
    remove.execute(id);
}

std::string schedule_payload(const WorkflowId &id) {
    constinit static pg::statement<JsonRow(WorkflowId)> find(
        "SELECT coalesce(action #> '{start_workflow,input}', action #> '{start_cascade,message}', '{}') "
        "FROM hermes.schedule WHERE id = $1");
    return find.query(id).front().json.text;
}

bool may_start(const std::string &role, bool cascade) {
    constinit static pg::statement<BoolRow(std::string, bool)> look(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = $1::name AND has_function_privilege(r.oid, "
        "CASE WHEN $2 THEN 'hermes.start_cascade(text, jsonb, text, text, jsonb)'::regprocedure "
        "ELSE 'hermes.start_workflow(text, jsonb, text, text, jsonb)'::regprocedure END, 'EXECUTE'))");
    return look.query(role, cascade).front().value;
}

// ---- starts that wait ----

std::vector<ScheduleStartRow> schedule_starts(const WorkflowId &id) {
    constinit static pg::statement<ScheduleStartRow(WorkflowId)> find(
        "SELECT nominal, actual, overlap, manual, tries, retry_at FROM hermes.schedule_start WHERE schedule_id = $1 "
        "ORDER BY actual, nominal");
    return find.query(id);
}

void insert_schedule_starts(const WorkflowId &id, const std::vector<ScheduleStartRow> &rows) {
    if (rows.empty()) {
        return;
    }
    constinit static pg::statement<void(WorkflowId, Times, Times, std::vector<OptionalText>, std::vector<bool>)> insert(
        "INSERT INTO hermes.schedule_start (schedule_id, nominal, actual, overlap, manual, retry_at) "
        "SELECT $1, u.nominal, u.actual, u.overlap, u.manual, u.actual "
        "FROM unnest($2, $3, $4, $5) AS u (nominal, actual, overlap, manual) ON CONFLICT DO NOTHING");
    Times nominals, actuals;
    std::vector<OptionalText> overlaps;
    std::vector<bool> manual;
    for (const ScheduleStartRow &row : rows) {
        nominals.push_back(row.nominal);
        actuals.push_back(row.actual);
        overlaps.push_back(row.overlap);
        manual.push_back(row.manual);
    }
    insert.execute(id, nominals, actuals, overlaps, manual);
}

void delete_schedule_starts(const WorkflowId &id, const Times &nominals) {
    if (nominals.empty()) {
        return;
    }
    constinit static pg::statement<void(WorkflowId, Times)> remove(
        "DELETE FROM hermes.schedule_start WHERE schedule_id = $1 AND nominal = ANY ($2)");
    remove.execute(id, nominals);
}

void put_off_schedule_start(const WorkflowId &id, Time nominal, std::int32_t tries, Time retry_at,
                            const std::string &error) {
    constinit static pg::statement<void(WorkflowId, Time, std::int32_t, Time, std::string)> update(
        "UPDATE hermes.schedule_start SET tries = $3, retry_at = $4, last_error = $5 "
        "WHERE schedule_id = $1 AND nominal = $2");
    update.execute(id, nominal, tries, retry_at, error);
}

// ---- what was started ----

void insert_schedule_run(const WorkflowId &schedule, const ScheduleRunRow &row, Time now) {
    constinit static pg::statement<void(WorkflowId, Time, Time, std::int16_t, WorkflowId, WorkflowId, std::string)>
        insert("INSERT INTO hermes.schedule_run (schedule_id, nominal, started_at, kind, hash, execution_id, name) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING");
    insert.execute(schedule, row.nominal, now, row.kind, row.hash, row.execution_id, row.name);
}

std::vector<ScheduleRunState> unended_schedule_runs(const WorkflowId &schedule, bool open, std::int32_t limit) {
    constinit static pg::statement<ScheduleRunState(WorkflowId, bool, std::int32_t)> find(
        "SELECT nominal, kind, hash, execution_id, name, asked, current, open FROM (SELECT r.nominal, r.kind, r.hash, "
        "r.execution_id, r.name, r.asked, k.execution_id AS current, CASE r.kind "
        "WHEN 1 THEN EXISTS (SELECT FROM hermes.execution e WHERE e.id = k.execution_id) "
        "ELSE EXISTS (SELECT FROM hermes.workflow w WHERE w.id = r.hash) END AS open FROM hermes.schedule_run r "
        "LEFT JOIN hermes.execution_current k ON k.hash = r.hash WHERE r.schedule_id = $1 AND r.ended_at IS NULL) f "
        "WHERE open = $2 ORDER BY nominal DESC LIMIT $3");
    return find.query(schedule, open, limit);
}

std::optional<WorkflowId> find_current_execution(const WorkflowId &hash) {
    constinit static pg::statement<IdRow(WorkflowId)> find(
        "SELECT execution_id FROM hermes.execution_current WHERE hash = $1");
    const std::optional<IdRow> row = find.query_one(hash);
    return row ? std::optional(row->id) : std::nullopt;
}

void end_schedule_run(const WorkflowId &schedule, Time nominal, const std::string &status, Time at) {
    constinit static pg::statement<void(WorkflowId, Time, std::string, Time)> update(
        "UPDATE hermes.schedule_run SET status = $3, ended_at = $4 WHERE schedule_id = $1 AND nominal = $2");
    update.execute(schedule, nominal, status, at);
}

void mark_schedule_run(const WorkflowId &schedule, Time nominal, const std::string &asked) {
    constinit static pg::statement<void(WorkflowId, Time, std::string)> update(
        "UPDATE hermes.schedule_run SET asked = $3 WHERE schedule_id = $1 AND nominal = $2");
    update.execute(schedule, nominal, asked);
}

void prune_schedule_runs(const WorkflowId &schedule) {
    constinit static pg::statement<void(WorkflowId)> prune(
        "DELETE FROM hermes.schedule_run WHERE schedule_id = $1 AND ended_at IS NOT NULL AND nominal < "
        "(SELECT nominal FROM hermes.schedule_run WHERE schedule_id = $1 ORDER BY nominal DESC OFFSET 9 LIMIT 1)");
    prune.execute(schedule);
}

std::optional<EndRow> find_execution_end(const WorkflowId &execution) {
    constinit static pg::statement<EndRow(WorkflowId)> find(
        "SELECT status, closed_at FROM hermes.execution_closed WHERE id = $1", pg::Plan::custom);
    return find.query_one(execution);
}

std::optional<EndRow> find_cascade_end(const WorkflowId &cascade) {
    constinit static pg::statement<EndRow(WorkflowId)> find(
        "SELECT outcome, closed_at FROM hermes.closed WHERE id = $1", pg::Plan::custom);
    return find.query_one(cascade);
}

std::optional<WorkflowId> schedule_of_run(const WorkflowId &hash) {
    constinit static pg::statement<IdRow(WorkflowId)> find(
        "SELECT schedule_id FROM hermes.schedule_run WHERE hash = $1 AND ended_at IS NULL LIMIT 1");
    const std::optional<IdRow> row = find.query_one(hash);
    return row ? std::optional(row->id) : std::nullopt;
}

// ---- backfills ----

std::vector<BackfillRow> schedule_backfills(const WorkflowId &id) {
    constinit static pg::statement<BackfillRow(WorkflowId)> find(
        "SELECT number, cursor, until, overlap FROM hermes.schedule_backfill WHERE schedule_id = $1 ORDER BY number");
    return find.query(id);
}

void insert_backfill(const WorkflowId &id, const BackfillRow &row) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, Time, Time, OptionalText)> insert(
        "INSERT INTO hermes.schedule_backfill (schedule_id, number, cursor, until, overlap) "
        "VALUES ($1, $2, $3, $4, $5)");
    insert.execute(id, row.number, row.cursor, row.until, row.overlap);
}

void move_backfill(const WorkflowId &id, std::int32_t number, Time cursor) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, Time)> update(
        "UPDATE hermes.schedule_backfill SET cursor = $3 WHERE schedule_id = $1 AND number = $2");
    update.execute(id, number, cursor);
}

void delete_backfill(const WorkflowId &id, std::int32_t number) {
    constinit static pg::statement<void(WorkflowId, std::int32_t)> remove(
        "DELETE FROM hermes.schedule_backfill WHERE schedule_id = $1 AND number = $2");
    remove.execute(id, number);
}

// ---- when it is looked at ----

void put_schedule_timer(const WorkflowId &id, OptionalTime due) {
    constinit static pg::statement<void(WorkflowId)> remove(
        "DELETE FROM hermes.task WHERE workflow_id = $1 AND number = 0");
    constinit static pg::statement<void(WorkflowId, std::int16_t, std::int32_t, Time)> put(
        "INSERT INTO hermes.task (workflow_id, number, kind, queue, due, attempt, target) "
        "VALUES ($1, 0, $2, $3, $4, 0, 0) ON CONFLICT (workflow_id, number) DO UPDATE SET due = excluded.due");
    if (!due) {
        remove.execute(id);
        return;
    }
    put.execute(id, static_cast<std::int16_t>(Kind::schedule), pg::kScheduleQueue, *due);
    pg::note_task(pg::kScheduleQueue, *due);
}

void call_schedule(const WorkflowId &id, Time now) {
    insert_tasks({{id, next_execution_task_number(), Kind::schedule, pg::kScheduleQueue, now, 0, 0, {}}});
}

void delete_schedule_calls(const WorkflowId &id) {
    constinit static pg::statement<void(WorkflowId)> remove(
        "DELETE FROM hermes.task WHERE workflow_id = $1 AND number <> 0");
    remove.execute(id);
}

std::vector<WorkflowId> due_schedules(Time from, Time until, std::int32_t limit) {
    constinit static pg::statement<IdRow(std::int32_t, Time, Time, std::int32_t)> find(
        "SELECT workflow_id FROM hermes.task WHERE queue = $1 AND due >= $2 AND due <= $3 ORDER BY due LIMIT $4");
    std::vector<WorkflowId> ids;
    for (const IdRow &row : find.query(pg::kScheduleQueue, from, until, limit)) {
        if (std::find(ids.begin(), ids.end(), row.id) == ids.end()) {
            ids.push_back(row.id);
        }
    }
    return ids;
}

} // namespace hc::store
