// See condition_waiters.hpp.
#include "store/condition_waiters.hpp"

#include "pg/spi.hpp"
#include "pg/wake.hpp"
#include "store/workflow_executions.hpp"

#include <algorithm>

namespace hc::store {

using core::Time;
using core::WorkflowId;
using Ints = std::vector<std::int32_t>;
using Longs = std::vector<std::int64_t>;

namespace {

struct IntRow {
    std::int32_t value = 0;
    auto fields() { return std::tie(value); }
};

} // namespace

// The line break ends a comment that may end the condition.
std::string condition_query(const std::string &condition) { return "SELECT (" + condition + "\n)"; }

void put_condition_waiter(const WorkflowId &id, std::int32_t command, std::span<const pg::WatchedTable> tables) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, Ints, Longs)> put(
        "WITH fresh AS (SELECT DISTINCT slot, relation::oid FROM unnest($3, $4) AS f (slot, relation)), "
        "gone AS (DELETE FROM hermes.condition_waiter w WHERE execution_id = $1 AND NOT EXISTS "
        "(SELECT FROM fresh f WHERE f.relation = w.relation)) "
        "INSERT INTO hermes.condition_waiter AS w (execution_id, relation, slot, command) "
        "SELECT $1, relation, slot, $2 FROM fresh ON CONFLICT (execution_id, relation) DO UPDATE SET "
        "command = excluded.command WHERE w.command <> excluded.command");
    Ints slots;
    Longs relations;
    for (const pg::WatchedTable &table : tables) {
        slots.push_back(table.slot);
        relations.push_back(table.relation);
    }
    put.execute(id, command, slots, relations);
}

void delete_condition_waiter(const WorkflowId &id) {
    constinit static pg::statement<void(WorkflowId)> remove(
        "DELETE FROM hermes.condition_waiter WHERE execution_id = $1");
    remove.execute(id);
}

void put_look_again(const WorkflowId &id, std::int32_t queue, Time due) {
    constinit static pg::statement<void(WorkflowId, std::int32_t, std::int32_t, Time)> put(
        "INSERT INTO hermes.task (workflow_id, number, kind, queue, due, attempt, target) "
        "VALUES ($1, $2, 17, $3, $4, 0, 0) ON CONFLICT (workflow_id, number) DO UPDATE SET queue = excluded.queue, "
        "due = excluded.due, owner = NULL, claims = 0");
    put.execute(id, kLookAgainNumber, queue, due);
    pg::note_task(queue, due);
}

std::vector<pg::ChangedSlot> wake_condition_waiters(const std::vector<pg::ChangedSlot> &changed, Time now) {
    constinit static pg::statement<IntRow(Ints)> find("SELECT s.slot FROM unnest($1) AS s (slot) WHERE EXISTS "
                                                      "(SELECT FROM hermes.condition_waiter w WHERE w.slot = s.slot)");
    constinit static pg::statement<IntRow(Ints, std::int32_t, Time)> wake(
        "WITH picked AS MATERIALIZED (SELECT t.workflow_id, t.number FROM hermes.task t WHERE t.number = $2 "
        "AND t.due > $3 AND t.workflow_id IN (SELECT execution_id FROM hermes.condition_waiter WHERE slot = ANY ($1)) "
        "FOR UPDATE SKIP LOCKED), woken AS (UPDATE hermes.task t SET due = $3 FROM picked p WHERE t.workflow_id = "
        "p.workflow_id AND t.number = p.number RETURNING t.queue) SELECT DISTINCT queue FROM woken");
    Ints slots;
    for (const pg::ChangedSlot &slot : changed) {
        slots.push_back(slot.slot);
    }
    std::vector<pg::ChangedSlot> waited;
    for (const IntRow &row : find.query(slots)) {
        waited.push_back(*std::find_if(changed.begin(), changed.end(),
                                       [&row](const pg::ChangedSlot &slot) { return slot.slot == row.value; }));
    }
    if (!waited.empty()) {
        for (const IntRow &row : wake.query(slots, kLookAgainNumber, now)) {
            pg::note_task(row.value, now);
        }
    }
    return waited;
}

} // namespace hc::store
