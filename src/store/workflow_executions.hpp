// Executions of workflow functions: open, closed, their workflow ids, and what waits for them in hermes.task.
// All functions run inside an SPI scope, as the extension owner.
#pragma once

#include "core/id.hpp"
#include "store/executions.hpp"
#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

// ---- numbers of tasks ----

inline constexpr std::int32_t kRunTimeoutNumber = 0;
// 1 and up: timers, by the number of their command.
inline constexpr std::int32_t kTurnNumber = 1 << 20;
inline constexpr std::int32_t kCancelActivitiesNumber = kTurnNumber + 1;
inline constexpr std::int32_t kLookAgainNumber = kTurnNumber + 2; // of the wait_until that it is in
std::int32_t next_execution_task_number();                        // of what comes from outside

// ---- workflow ids ----

struct CurrentRow {
    core::WorkflowId execution_id;
    std::optional<std::string> request_id;
    auto fields() { return std::tie(execution_id, request_id); }
};
// True: it was free, and is this execution's. Waits for a concurrent start that is not committed.
bool claim_workflow_id(const core::WorkflowId &hash, const core::WorkflowId &id, const std::string &request_id);
std::optional<CurrentRow> lock_workflow_id(const core::WorkflowId &hash, LockWait mode);
void pass_on_workflow_id(const core::WorkflowId &hash, const core::WorkflowId &id, const std::string &request_id);

// ---- open ----

struct ExecutionRow {
    core::WorkflowId id;
    std::int32_t type_id = 0;
    std::int32_t chunks = 0;
    std::optional<std::string> tenant;
    std::optional<std::string> workflow_id;
    std::optional<core::WorkflowId> parent_id;
    std::optional<std::int32_t> command; // of the parent
    pg::bytes history;                   // the newest part
    pg::json_document input;
    auto fields() { return std::tie(id, type_id, chunks, tenant, workflow_id, parent_id, command, history, input); }
};
// The input is the row's, or `input` where there is one.
void insert_execution(const ExecutionRow &row, std::optional<pg::jsonb_view> input);
std::optional<ExecutionRow> read_execution(const core::WorkflowId &id);
// FOR NO KEY UPDATE: whoever moves an execution holds it. `skip`: nullopt when somebody else does.
std::optional<ExecutionRow> lock_execution(const core::WorkflowId &id, LockWait mode);
// What becomes of an open row when it is closed. Good as long as the transaction does not change the row.
struct ClosingRow {
    std::int32_t type_id = 0;
    std::optional<std::string> tenant, workflow_id;
    std::optional<core::WorkflowId> parent_id;
    pg::bytes history; // the newest part
    pg::json_document input;
    pg::RowPlace place{};
    auto fields() { return std::tie(type_id, tenant, workflow_id, parent_id, history, input); }
};
// FOR UPDATE: nobody is about to bring it anything. nullopt: somebody is (only with `skip`), or it is closed.
std::optional<ClosingRow> lock_execution_for_close(const core::WorkflowId &id, LockWait mode);

// What a bringer needs to know; the row is kept from being closed (FOR KEY SHARE).
struct BriefRow {
    std::int32_t type_id = 0;
    std::optional<std::string> tenant;
    auto fields() { return std::tie(type_id, tenant); }
};
std::optional<BriefRow> share_execution(const core::WorkflowId &id, LockWait mode);
std::optional<BriefRow> find_execution(const core::WorkflowId &id);

std::string read_chunks(const core::WorkflowId &id); // one after the other: a history without its newest part
void append_execution_history(const core::WorkflowId &id, const std::string &events);
// The newest part becomes chunk number `chunks`, and `events` the newest part.
void chunk_execution_history(const core::WorkflowId &id, std::int32_t chunks, const std::string &events);
// Its history goes on by this event; paused since then, or not any more.
void pause_execution(const core::WorkflowId &id, const std::string &event, std::optional<core::Time> since);
void close_execution(const core::WorkflowId &id, ClosingRow row, std::int32_t chunks, const std::string &events,
                     std::int16_t status, core::Time at);

// ---- closed ----

struct ClosedExecutionRow {
    core::WorkflowId id;
    std::int32_t type_id = 0;
    std::int16_t status = 0;
    core::Time closed_at{};
    std::optional<std::string> tenant;
    std::optional<std::string> workflow_id;
    pg::bytes history;
    pg::json_text input;
    auto fields() { return std::tie(id, type_id, status, closed_at, tenant, workflow_id, history, input); }
};
std::optional<ClosedExecutionRow> read_closed_execution(const core::WorkflowId &id); // in the caller's snapshot

struct ClosedBriefRow {
    std::int16_t status = 0;
    std::optional<std::string> tenant;
    auto fields() { return std::tie(status, tenant); }
};
std::optional<ClosedBriefRow> find_closed_execution(const core::WorkflowId &id); // with a new snapshot

std::optional<std::string> closed_history(const core::WorkflowId &id); // with a new snapshot

// ---- tasks ----

struct ExecutionTaskRow {
    std::int32_t number = 0;
    std::int16_t kind = 0;
    core::Time due{};
    std::int16_t tries = 0;
    std::optional<std::string> detail;
    std::optional<std::string> last_error;
    auto fields() { return std::tie(number, kind, due, tries, detail, last_error); }
};
// What waits for its executor; sends of its HTTP activities are not.
std::vector<ExecutionTaskRow> all_execution_tasks(const core::WorkflowId &id); // in due order
// The turn is to be tried then; claimed by nobody.
void put_execution_turn(const core::WorkflowId &id, std::int32_t queue, core::Time due, std::int16_t tries,
                        const std::string &error);
// Claimed by nobody, due later, with an error.
void put_off_execution_task(const TaskKey &key, core::Time due, const std::string &error);
void delete_execution_tasks(const core::WorkflowId &id); // it is closed

} // namespace hc::store
