// Tasks: one row of hermes.task for each outstanding thing but the timers of cascades, and dead letters.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"
#include "pg/table.hpp"

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace hc::store {

enum class Kind : std::int16_t {
    send = 1,
    timer = 2, // a row of hermes.timer (store/timers.hpp)
    report = 3,
    sandbox_receipt = 4,
    rematch = 5,
    condition = 6,
    // of executions of workflow functions
    turn = 7,           // the function is to be called
    function_timer = 8, // number: of its command
    signal = 9,         // detail: name, payload (JSON text), request_id
    cancel = 10,        // detail: reason
    run_timeout = 11,
    child_closed = 12,      // detail: command, failed, payload, status
    terminate = 13,         // detail: reason
    activity_closed = 14,   // detail: command, end, payload, text; attempt, started_at, worker
    cancel_activities = 15, // those that somebody held when the cancel came
    activity_send = 18,     // in a lane of its provider; number: of its command
    update = 16,
    look_again = 17, // at the condition of a wait_until
    schedule = 19,   // a schedule is to be looked at; workflow_id: its id
};
inline constexpr bool is_of_function(std::int16_t kind) { return kind >= static_cast<std::int16_t>(Kind::turn); }

// Numbers from here on are the engine's: sandbox receipts, rematches, reports. Below: given out by the state machine.
inline constexpr std::size_t kMaxEndpointsPerTenant = 64;
inline constexpr std::int32_t kSandboxNumbers = 1 << 21;
inline constexpr std::int32_t kRematchNumber = 1 << 22;
inline constexpr std::int32_t kReportNumbers = 1 << 30;

// The same for a report and an endpoint whenever it is made: a report is outstanding once. A cascade makes at most 64;
// endpoints of one tenant are not eight million ids apart.
inline constexpr std::int32_t report_number(std::uint32_t sequence, std::int32_t endpoint) {
    return kReportNumbers + ((endpoint & ((1 << 23) - 1)) << 7) + static_cast<std::int32_t>(sequence & 127U);
}

struct Task {
    core::WorkflowId workflow_id;
    std::int32_t number = 0;
    Kind kind{};
    std::int32_t queue = 0;
    core::Time due{};
    std::int32_t attempt = 0; // of a send; the step (0-based) of a condition
    std::int32_t target = 0;  // provider of a send or receipt, endpoint of a report
    std::optional<std::string> detail{};
    bool may_be_handed = true; // false: what a claim of it does has to be one commit with the claim
};
void insert_tasks(const std::vector<Task> &tasks); // notes the wake-ups; hands over (pg/handover.hpp)

struct TaskKey {
    core::WorkflowId workflow_id;
    std::int32_t number = 0;
    bool operator==(const TaskKey &) const = default;
};
struct TaskKeyHash {
    std::size_t operator()(const TaskKey &key) const noexcept {
        return std::hash<core::WorkflowId>()(key.workflow_id) ^ static_cast<std::size_t>(key.number);
    }
};
using TaskKeys = std::unordered_set<TaskKey, TaskKeyHash>;
// The keys as parameters of a statement: two arrays of one length.
struct TaskKeyColumns {
    std::vector<core::WorkflowId> ids;
    std::vector<std::int32_t> numbers;
};
TaskKeyColumns columns_of(const std::vector<TaskKey> &keys);

// Whether the outstanding send of an execution was ever claimed or handed over, and may have left; waits for a
// dispatcher that is claiming it just now. The caller holds the execution, and deletes the task if it wants none to
// claim it later.
bool send_claimed(const core::WorkflowId &id);
void delete_tasks(const std::vector<TaskKey> &keys);

struct ClaimedTask {
    core::WorkflowId workflow_id;
    std::int32_t number = 0;
    std::int16_t kind = 0;
    std::int32_t queue = 0;
    core::Time due{};
    std::int16_t attempt = 0;
    std::int32_t target = 0;
    std::int16_t claims = 0; // this claim included
    std::int16_t tries = 0;
    std::optional<std::string> detail;
    auto fields() { return std::tie(workflow_id, number, kind, queue, due, attempt, target, claims, tries, detail); }
};
// Due tasks of a queue not owned by a live worker, in due order, marked as ours: SKIP LOCKED from a lower bound.
// A worker is alive when its incarnation was running when the list was read, or came (at most a million) after it.
struct Alive {
    std::vector<std::int64_t> incarnations;
    std::int64_t newest = 0;
};
std::vector<ClaimedTask> claim_due(std::int32_t queue, core::Time from, core::Time until, const Alive &alive,
                                   std::int64_t owner, std::int32_t limit);
// Which of the rows an owner has may have been handed to it.
struct HandedRange {
    core::Time from{}, until{};
    std::int64_t most = 0;            // rows, those under way included
    std::optional<std::int64_t> seen; // rows of anybody to look at; nullopt: as many as there are
};
// Sends of a queue that this owner has, those under way included, by due time.
std::vector<ClaimedTask> read_handed(std::int32_t queue, const HandedRange &range, std::int64_t owner);
// Due tasks without claiming them: the row lock of the execution serializes them. Locks the executions and passes over
// those that somebody else holds, so that they hide nobody behind them.
std::vector<ClaimedTask> read_due(std::int32_t queue, core::Time from, core::Time until, std::int32_t limit);
// Unclaimed tasks of a tenant in a queue of sends, counted up to `most`.
std::int64_t count_waiting(std::int32_t queue, const std::string &tenant, std::int64_t most);
// Smallest due time of unclaimed tasks after `from`; nullopt: none.
std::optional<core::Time> next_due(std::int32_t queue, core::Time from, const Alive &alive);
// Gives claimed tasks back, due at a later time.
void release_tasks(const std::vector<TaskKey> &keys, core::Time due);
// The same of sends that were claimed or handed over, if a time is given; a client that holds one is not waited for.
void put_back_sends(const std::vector<TaskKey> &keys, std::optional<core::Time> due);

// A failed try: due again, tries + 1.
void retry_task(const TaskKey &key, std::int32_t queue, core::Time due, const std::string &error);

struct DeadLetterRow {
    std::int64_t id = 0;
    core::WorkflowId workflow_id;
    std::optional<std::string> tenant;
    std::int16_t kind = 0;
    std::int32_t number = 0;
    std::int32_t queue = 0;
    std::int32_t target = 0;
    std::int16_t attempt = 0;
    std::optional<std::string> detail;
    auto fields() { return std::tie(id, workflow_id, tenant, kind, number, queue, target, attempt, detail); }
};
struct BuriedRow {
    std::int16_t kind = 0;
    std::int16_t attempt = 0;
    auto fields() { return std::tie(kind, attempt); }
};
// Moves a task or timer to the dead letters; nullopt when it is gone.
std::optional<BuriedRow> bury_task(const TaskKey &key, const std::optional<std::string> &tenant,
                                   const std::string &error, core::Time now);
std::optional<DeadLetterRow> take_dead_letter(std::int64_t id);   // deletes it
std::optional<core::WorkflowId> find_dead_timer(std::int64_t id); // whose it was, if the letter is a timer
bool has_dead_report(const core::WorkflowId &id);

struct OutstandingRow { // for cascade_status
    std::int16_t kind = 0;
    core::Time due{};
    std::int16_t tries = 0;
    std::optional<std::string> last_error;
    auto fields() { return std::tie(kind, due, tries, last_error); }
};
std::vector<OutstandingRow> outstanding_reports(const core::WorkflowId &id);

} // namespace hc::store
