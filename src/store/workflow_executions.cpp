// See workflow_executions.hpp.
#include "store/workflow_executions.hpp"

#include "pg/wake.hpp"

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
    constinit static pg::statement<void(WorkflowId, std::int32_t, OptionalText, OptionalText, Parent, Number,
                                        pg::bytes_view, pg::jsonb_view)>
        insert("INSERT INTO hermes.execution (id, type_id, tenant, workflow_id, parent_id, command, history, input) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    constinit static pg::statement<void(WorkflowId, std::int32_t, OptionalText, OptionalText, Parent, Number,
                                        pg::bytes_view, std::string)>
        insert_text("INSERT INTO hermes.execution (id, type_id, tenant, workflow_id, parent_id, command, history, "
                    "input) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)");
    if (input) {
        insert.execute(row.id, row.type_id, row.tenant, row.workflow_id, row.parent_id, row.command, {row.history.data},
                       *input);
    } else {
        insert_text.execute(row.id, row.type_id, row.tenant, row.workflow_id, row.parent_id, row.command,
                            {row.history.data}, row.input.text);
    }
}

std::optional<ExecutionRow> read_execution(const WorkflowId &id) {
    constinit static pg::statement<ExecutionRow(WorkflowId)> find(
        "SELECT id, type_id, chunks, tenant, workflow_id, parent_id, command, history, input FROM hermes.execution "
        "WHERE id = $1");
    return find.query_one(id, true);
}

std::optional<ExecutionRow> lock_execution(const WorkflowId &id, LockWait mode) {
    constinit static pg::statement<ExecutionRow(WorkflowId)> wait(
        "SELECT id, type_id, chunks, tenant, workflow_id, parent_id, command, history, input FROM hermes.execution "
        "WHERE id = $1 "
        "FOR NO KEY UPDATE");
    constinit static pg::statement<ExecutionRow(WorkflowId)> skip(
        "SELECT id, type_id, chunks, tenant, workflow_id, parent_id, command, history, input FROM hermes.execution "
        "WHERE id = $1 "
        "FOR NO KEY UPDATE SKIP LOCKED");
    return mode == LockWait::wait ? wait.query_one(id) : skip.query_one(id);
}

bool lock_execution_for_close(const WorkflowId &id, LockWait mode) {
    constinit static pg::statement<IntRow(WorkflowId)> wait(
        "SELECT type_id FROM hermes.execution WHERE id = $1 FOR UPDATE");
    constinit static pg::statement<IntRow(WorkflowId)> skip(
        "SELECT type_id FROM hermes.execution WHERE id = $1 FOR UPDATE SKIP LOCKED");
    return (mode == LockWait::wait ? wait.query_one(id) : skip.query_one(id)).has_value();
}

std::optional<BriefRow> share_execution(const WorkflowId &id, LockWait mode) {
    constinit static pg::statement<BriefRow(WorkflowId)> wait(
        "SELECT type_id, tenant FROM hermes.execution WHERE id = $1 FOR KEY SHARE");
    constinit static pg::statement<BriefRow(WorkflowId)> skip(
        "SELECT type_id, tenant FROM hermes.execution WHERE id = $1 FOR KEY SHARE SKIP LOCKED");
    return mode == LockWait::wait ? wait.query_one(id) : skip.query_one(id);
}

std::optional<BriefRow> find_execution(const WorkflowId &id) {
    constinit static pg::statement<BriefRow(WorkflowId)> find(
        "SELECT type_id, tenant FROM hermes.execution WHERE id = $1");
    return find.query_one(id);
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
    constinit static pg::statement<void(WorkflowId, pg::bytes_view)> append(
        "UPDATE hermes.execution SET history = history || $2 WHERE id = $1");
    append.execute(id, {events});
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

void close_execution(const WorkflowId &id, std::int32_t chunks, const std::string &events, std::int16_t status,
                     Time at) {
    constinit static pg::statement<void(WorkflowId, pg::bytes_view, std::int16_t, Time)> close(
        "WITH gone AS (DELETE FROM hermes.execution WHERE id = $1 RETURNING id, type_id, tenant, workflow_id, "
        "parent_id, history, input) INSERT INTO hermes.execution_closed (id, closed_at, type_id, status, tenant, "
        "workflow_id, parent_id, input, history) SELECT id, $4, type_id, $3, tenant, workflow_id, parent_id, input, "
        "history || $2 FROM gone");
    constinit static pg::statement<void(WorkflowId, pg::bytes_view, std::int16_t, Time)> close_long(
        "WITH older AS MATERIALIZED (SELECT string_agg(history, ''::bytea ORDER BY number) AS history "
        "FROM hermes.execution_chunk WHERE execution_id = $1), "
        "dropped AS (DELETE FROM hermes.execution_chunk WHERE execution_id = $1), "
        "gone AS (DELETE FROM hermes.execution WHERE id = $1 RETURNING id, type_id, tenant, workflow_id, parent_id, "
        "history, input) INSERT INTO hermes.execution_closed (id, closed_at, type_id, status, tenant, workflow_id, "
        "parent_id, input, history) SELECT g.id, $4, g.type_id, $3, g.tenant, g.workflow_id, g.parent_id, g.input, "
        "o.history || g.history || $2 FROM gone g, older o");
    (chunks == 0 ? close : close_long).execute(id, {events}, status, at);
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
    constinit static pg::statement<ExecutionTaskRow(WorkflowId)> find(
        "SELECT number, kind, due, tries, detail, last_error FROM hermes.task WHERE workflow_id = $1 AND kind <> 18 "
        "ORDER BY due, number");
    return find.query(id, true);
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
    constinit static pg::statement<void(WorkflowId)> remove("DELETE FROM hermes.task WHERE workflow_id = $1");
    remove.execute(id);
}

} // namespace hc::store
