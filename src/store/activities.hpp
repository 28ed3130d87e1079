// Activities: pending ones, their types and their queues.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"
#include "store/tasks.hpp"
#include "store/workflow_executions.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

enum ActivityFlag : std::int16_t {
    kCancelRequested = 1,
    kPauseRequested = 2,
    kResetRequested = 4,
    kDropHeartbeat = 8,
};

// ---- types ----

void put_activity_type(const std::string &name, const std::string &options_json);
bool delete_activity_type(const std::string &name);
struct ActivityTypeRow {
    std::string name;
    std::string options; // JSON
    auto fields() { return std::tie(name, options); }
};
std::vector<ActivityTypeRow> all_activity_types();

// ---- queues ----

// Activities that dispatchers send have the number of their provider, negative.
// Those of fake activities (fakes.hpp), which the supervisor answers.
inline constexpr std::int32_t kFakedQueue = 0;
inline constexpr bool is_http_queue(std::int32_t queue) { return queue < 0; }

struct ActivityQueueRow {
    std::int32_t id = 0;
    std::optional<double> rate;
    std::optional<std::int32_t> burst;
    std::int64_t missing = 0, refilled = 0;
    std::optional<core::Time> paused_at;
    auto fields() { return std::tie(id, rate, burst, missing, refilled, paused_at); }
};
std::int32_t activity_queue(const std::string &name); // makes it
std::optional<ActivityQueueRow> find_activity_queue(const std::string &name);
std::optional<ActivityQueueRow> lock_activity_queue(std::int32_t id);
void write_activity_bucket(std::int32_t id, std::int64_t missing, std::int64_t refilled);
void set_activity_rate(std::int32_t id, std::optional<double> rate, std::optional<std::int32_t> burst);
void pause_activity_queue(std::int32_t id, std::optional<core::Time> since);

// ---- activities ----

struct ActivityRow {
    core::WorkflowId execution_id;
    std::int32_t number = 0, queue_id = 0;
    std::int16_t state = 1, priority = 3;
    std::int32_t attempt = 1;
    std::int16_t flags = 0;
    std::int64_t token = 0;
    core::Time scheduled_at{}, due{};
    std::optional<core::Time> started_at, heartbeat_at;
    std::optional<std::int64_t> lease; // microseconds
    std::optional<core::Time> deadline;
    std::optional<std::string> tenant, fairness_key, worker;
    std::string type;
    std::string options;                                // JSON
    std::optional<std::string> heartbeat, last_failure; // JSON
    auto fields() {
        return std::tie(execution_id, number, queue_id, state, priority, attempt, flags, token, scheduled_at, due,
                        started_at, heartbeat_at, lease, deadline, tenant, fairness_key, worker, type, options,
                        heartbeat, last_failure);
    }
};

// `weight`: of its fairness key. Its place follows from what waits already.
void insert_activity(const ActivityRow &row, double weight, const std::string &input_json);

std::optional<ActivityRow> lock_activity(const core::WorkflowId &id, std::int32_t number, LockWait mode);
// By the id that its function gave it, else the number of its command.
std::optional<ActivityRow> lock_activity_by_id(const core::WorkflowId &id, const std::string &activity_id);
struct ActivityBrief {
    std::int32_t number = 0;
    std::string cancellation; // word of its options; empty: try_cancel
    auto fields() { return std::tie(number, cancellation); }
};
std::vector<ActivityBrief> activities_of(const core::WorkflowId &id);

// Those that may start now, in their order, locked; none that somebody else is about to take. `tenants`: nullopt: of
// all.
std::vector<ActivityRow> claim_activities(std::int32_t queue, const std::optional<std::vector<std::string>> &tenants,
                                          std::int32_t limit);
// Those whose back-off is over become scheduled.
void end_back_offs(std::int32_t queue, core::Time now);

// Writes rows that claim_activities has given and that are started now; their inputs in the same order.
std::vector<std::string> start_attempts(const std::vector<ActivityRow> &rows);
void update_activity(const ActivityRow &row); // everything but what names and orders it
void heartbeat_activity(const core::WorkflowId &id, std::int32_t number, core::Time now,
                        const std::optional<std::string> &details);
bool delete_activity(const core::WorkflowId &id, std::int32_t number);
// Of an execution; one that a worker is just taking stays until its deadline: its answer will be refused.
void delete_activities(const core::WorkflowId &id);

struct HttpActivityRow {
    core::WorkflowId execution_id;
    std::int32_t number = 0, attempt = 1;
    std::string type, options, input; // JSON the last two
    std::optional<std::string> tenant;
    auto fields() { return std::tie(execution_id, number, attempt, type, options, input, tenant); }
};
std::vector<HttpActivityRow> read_activities(const std::vector<TaskKey> &keys);
// The task of its send, claimed by nobody.
void put_activity_send(const TaskKey &key, std::int32_t queue, core::Time due, std::int32_t provider);

// Whose deadline has passed, locked; those that somebody holds are passed over.
std::vector<ActivityRow> overdue_activities(core::Time from, core::Time until, std::int32_t limit);
std::optional<core::Time> next_activity_deadline(core::Time from);

} // namespace hc::store
