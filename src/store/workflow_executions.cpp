// See workflow_executions.hpp.
#include "store/workflow_executions.hpp"

#include "pg/table.hpp"
#include "pg/wake.hpp"

#include <algorithm>

namespace hc::store {

using core::Time;
using core::WorkflowId;
using OptionalText = std::optional<std::string>;

namespace {

struct IntRow {
    std::int32_t value = 0;
    auto fields() { return std::tie(value); }
};
struct BytesRow {
    pg::bytes value;
    auto fields() { return std::tie(value); }
};

// Columns of an ExecutionRow, in the order of the row's fields.
constexpr std::array<const char *, 9> kExecutionColumns{"id",        "type_id", "chunks",  "tenant", "workflow_id",
                                                        "parent_id", "command", "history", "input"};

OptionalText unless_empty(const std::string &text) { return text.empty() ? std::nullopt : OptionalText(text); }

} // namespace

std::int32_t next_execution_task_number() {
    constinit static pg::statement<IntRow()> next("SELECT nextval('hermes.execution_task_number'::regclass)::integer");
    return next.query().front().value;
}

// ---- workflow ids ----

bool claim_workflow_id(const WorkflowId &hash, const WorkflowId &id, const std::string &request_id) {
    constinit static pg::statement<void(WorkflowId, WorkflowId, OptionalText)> insert(
        "INSERT INTO hermes.execution_current (hash, execution_id, request_id) VALUES ($1, $2, $3) "
        "ON CONFLICT (hash) DO NOTHING");
    return insert.execute(hash, id, unless_empty(request_id)) != 0;
}

std::optional<CurrentRow> lock_workflow_id(const WorkflowId &hash, LockWait mode) {
    constinit static pg::statement<CurrentRow(WorkflowId)> wait(
        "SELECT execution_id, request_id FROM hermes.execution_current WHERE hash = $1 FOR NO KEY UPDATE");
    constinit static pg::statement<CurrentRow(WorkflowId)> skip(
        "SELECT execution_id, request_id FROM hermes.execution_current WHERE hash = $1 FOR NO KEY UPDATE SKIP LOCKED");
    return mode == LockWait::wait ? wait.query_one(hash) : skip.query_one(hash);
}

void pass_on_workflow_id(const WorkflowId &hash, const WorkflowId &id, const std::string &request_id) {
    constinit static pg::statement<void(WorkflowId, WorkflowId, OptionalText)> update(
        "UPDATE hermes.execution_current SET execution_id = $2, request_id = $3 WHERE hash = $1");
    update.execute(hash, id, unless_empty(request_id));
}

// ---- open ----

void insert_execution(const ExecutionRow &row, std::optional<pg::jsonb_view> input) {
    using Parent = std::optional<WorkflowId>;
    using Number = std::optional<std::int32_t>;
    constinit static pg::table_insert<WorkflowId, std::int32_t, std::int32_t, OptionalText, OptionalText, Parent,
                                      Number, pg::bytes, pg::jsonb_view>
        insert("execution", kExecutionColumns);
    const pg::jsonb_view document = input.value_or(pg::jsonb_view{row.input.datum.data()});
    insert.run(1, [&row, &document](std::size_t) {
        return std::tie(row.id, row.type_id, row.chunks, row.tenant, row.workflow_id, row.parent_id, row.command,
                        row.history, document);
    });
}

std::optional<ExecutionRow> read_execution(const WorkflowId &id) {
    constinit static pg::table_find<ExecutionRow, WorkflowId> find("execution", kExecutionColumns);
    return find.one(id, pg::RowLock::none, pg::IfLocked::wait, nullptr, true);
}

std::optional<ExecutionRow> lock_execution(const WorkflowId &id, LockWait mode) {
    constinit static pg::table_find<ExecutionRow, WorkflowId> find("execution", kExecutionColumns);
    return find.one(id, pg::RowLock::no_key_update, if_locked(mode));
}

std::optional<ClosingRow> lock_execution_for_close(const WorkflowId &id, LockWait mode) {
    constinit static pg::table_find<ClosingRow, WorkflowId> find(
        "execution", {"type_id", "tenant", "workflow_id", "parent_id", "history", "input"});
    std::vector<pg::RowPlace> places;
    std::optional<ClosingRow> row = find.one(id, pg::RowLock::update, if_locked(mode), &places);
    if (row) {
        row->place = places.front();
    }
    return row;
}

std::optional<BriefRow> share_execution(const WorkflowId &id, LockWait mode) {
    constinit static pg::table_find<BriefRow, WorkflowId> find("execution", {"type_id", "tenant"});
    return find.one(id, pg::RowLock::key_share, if_locked(mode));
}

std::optional<BriefRow> find_execution(const WorkflowId &id) {
    constinit static pg::table_find<BriefRow, WorkflowId> find("execution", {"type_id", "tenant"});
    return find.one(id, pg::RowLock::none);
}

std::string read_chunks(const WorkflowId &id) {
    constinit static pg::statement<BytesRow(WorkflowId)> find(
        "SELECT history FROM hermes.execution_chunk WHERE execution_id = $1 ORDER BY number");
    std::string all;
    for (const BytesRow &row : find.query(id, true)) {
        all += row.value.data;
    }
    return all;
}

void append_execution_history(const WorkflowId &id, const std::string &events) {
    constinit static pg::table_find<BytesRow, WorkflowId> find("execution", {"history"});
    constinit static pg::table_update<pg::bytes> update("execution", {"history"});
    std::vector<pg::RowPlace> places;
    if (std::optional<BytesRow> row = find.one(id, pg::RowLock::none, pg::IfLocked::wait, &places)) {
        row->value.data += events;
        update.at(places.front(), row->value);
    }
}

void chunk_execution_history(const WorkflowId &id, std::int32_t chunks, const std::string &events) {
    constinit static pg::statement<void(WorkflowId, std::int32_t)> insert(
        "INSERT INTO hermes.execution_chunk (execution_id, number, history) SELECT id, $2, history "
        "FROM hermes.execution WHERE id = $1");
    constinit static pg::statement<void(WorkflowId, std::int32_t, pg::bytes_view)> update(
        "UPDATE hermes.execution SET chunks = $2, history = $3 WHERE id = $1");
    insert.execute(id, chunks);
    update.execute(id, chunks, {events});
}

void pause_execution(const WorkflowId &id, const std::string &event, std::optional<Time> since) {
    constinit static pg::statement<void(WorkflowId, pg::bytes_view, std::optional<Time>)> update(
        "UPDATE hermes.execution SET history = history || $2, paused_at = $3 WHERE id = $1");
    update.execute(id, {event}, since);
}

void close_execution(const WorkflowId &id, ClosingRow row, std::int32_t chunks, const std::string &events,
                     std::int16_t status, Time at) {
    constinit static pg::table_delete<WorkflowId> remove("execution");
    constinit static pg::table_insert<WorkflowId, Time, std::int32_t, std::int16_t, OptionalText, OptionalText,
                                      std::optional<WorkflowId>, pg::json_document, pg::bytes>
        archive("execution_closed",
                {"id", "closed_at", "type_id", "status", "tenant", "workflow_id", "parent_id", "input", "history"});
    constinit static pg::statement<void(WorkflowId, pg::bytes_view, std::int16_t, Time)> close_long(
        "WITH older AS MATERIALIZED (SELECT string_agg(history, ''::bytea ORDER BY number) AS history "
        "FROM hermes.execution_chunk WHERE execution_id = $1), "
        "dropped AS (DELETE FROM hermes.execution_chunk WHERE execution_id = $1), "
        "gone AS (DELETE FROM hermes.execution WHERE id = $1 RETURNING id, type_id, tenant, workflow_id, parent_id, "
        "history, input) INSERT INTO hermes.execution_closed (id, closed_at, type_id, status, tenant, workflow_id, "
        "parent_id, input, history) SELECT g.id, $4, g.type_id, $3, g.tenant, g.workflow_id, g.parent_id, g.input, "
        "o.history || g.history || $2 FROM gone g, older o");
    if (chunks != 0) {
        close_long.execute(id, {events}, status, at);
        return;
    }
    row.history.data += events;
    remove.at(1, [place = row.place](std::size_t) { return place; });
    archive.run(1, [&](std::size_t) {
        return std::tie(id, at, row.type_id, status, row.tenant, row.workflow_id, row.parent_id, row.input,
                        row.history);
    });
}

// ---- closed ----

std::optional<ClosedExecutionRow> read_closed_execution(const WorkflowId &id) {
    constinit static pg::statement<ClosedExecutionRow(WorkflowId)> find(
        "SELECT id, type_id, status, closed_at, tenant, workflow_id, history, input FROM hermes.execution_closed "
        "WHERE id = $1",
        pg::Plan::custom);
    return find.query_one(id, true);
}

std::optional<ClosedBriefRow> find_closed_execution(const WorkflowId &id) {
    constinit static pg::statement<ClosedBriefRow(WorkflowId)> find(
        "SELECT status, tenant FROM hermes.execution_closed WHERE id = $1", pg::Plan::custom);
    return find.query_one(id);
}

std::optional<std::string> closed_history(const WorkflowId &id) {
    constinit static pg::statement<BytesRow(WorkflowId)> find(
        "SELECT history FROM hermes.execution_closed WHERE id = $1", pg::Plan::custom);
    std::optional<BytesRow> row = find.query_one(id);
    return row ? std::optional(std::move(row->value.data)) : std::nullopt;
}

// ---- tasks ----

std::vector<ExecutionTaskRow> all_execution_tasks(const WorkflowId &id) {
    constinit static pg::table_find<ExecutionTaskRow, WorkflowId> find(
        "task", {"number", "kind", "due", "tries", "detail", "last_error"});
    std::vector<ExecutionTaskRow> rows = find.run(
        1, [&id](std::size_t) { return std::tie(id); }, pg::RowLock::none, pg::IfLocked::wait, nullptr, true);
    std::erase_if(
        rows, [](const ExecutionTaskRow &row) { return row.kind == static_cast<std::int16_t>(Kind::activity_send); });
    std::sort(rows.begin(), rows.end(), [](const ExecutionTaskRow &a, const ExecutionTaskRow &b) {
        return std::tie(a.due, a.number) < std::tie(b.due, b.number);
    });
    return rows;
}

void put_execution_turn(const WorkflowId &id, std::int32_t queue, Time due, std::int16_t tries,
                        const std::string &error) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, std::int32_t, Time, std::int16_t, OptionalText)> put(
        "INSERT INTO hermes.task AS t (workflow_id, number, kind, queue, due, attempt, target, tries, last_error) "
        "VALUES ($1, $2, 7, $3, $4, 0, 0, $5, $6) ON CONFLICT (workflow_id, number) DO UPDATE SET queue = "
        "excluded.queue, due = excluded.due, owner = NULL, claims = 0, tries = excluded.tries, last_error = "
        "excluded.last_error");
    put.execute(id, kTurnNumber, queue, due, tries, unless_empty(error));
    pg::note_task(queue, due);
}

void put_off_execution_task(const TaskKey &key, Time due, const std::string &error) {
    constinit static pg::statement<IntRow(WorkflowId, std::int32_t, Time, std::string)> update(
        "UPDATE hermes.task SET owner = NULL, due = $3, tries = tries + 1, claims = 0, last_error = $4 "
        "WHERE workflow_id = $1 AND number = $2 RETURNING queue");
    if (const std::optional<IntRow> queue = update.query_one(key.workflow_id, key.number, due, error)) {
        pg::note_task(queue->value, due);
    }
}

void delete_execution_tasks(const WorkflowId &id) {
    constinit static pg::table_delete<WorkflowId> remove("task");
    remove.run(1, [&id](std::size_t) { return std::tie(id); });
}

} // namespace hc::store
