// Activities of workflow functions while they are pending: scheduled by turns, handed to workers, answered, timed out.
// A worker's verbs run in its own transaction: what it does there, its answer, and what the function is told are one
// commit. As the extension's owner.
//
// Locks: the execution (FOR KEY SHARE), then the activity. Turns and the supervisor wait for neither.
#pragma once

#include "core/activity.hpp"
#include "engine/workflow_body.hpp"
#include "pg/values.hpp"
#include "store/activities.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

core::Activity activity_of(const store::ActivityRow &row);
void put_activity(store::ActivityRow &row, const core::Activity &activity); // and its deadline, by its options

// ---- of a turn ----

// The failure when it could not be scheduled.
std::optional<core::WorkflowFailure>
schedule_activity(const core::WorkflowId &id, const std::optional<std::string> &tenant, const ActivityRequest &request);
// The queue that those of a type wait in. Throws 42704 when their provider is gone.
std::int32_t queue_of(const std::string &type, const core::ActivityOptions &options);
struct CanceledActivities {
    std::vector<std::int32_t> ended; // no worker had them: they are over
    bool held = false;               // some are held by somebody: ask again
};
// `only`: of that command, else all that are not let be.
CanceledActivities cancel_activities(const core::WorkflowId &id, std::optional<std::uint32_t> only);

// ---- of workers ----

struct PollRequest {
    std::string queue;
    std::optional<std::string> worker;
    std::int32_t max_tasks = 1;
    std::optional<core::Duration> lease;
};
struct PolledTask {
    std::string token;
    store::ActivityRow row;
    std::string input; // JSON
};
std::vector<PolledTask> poll_tasks(const PollRequest &request, Oid user);

// Each throws WF025 when the token is not that of an attempt under way.
void complete_task(const std::string &token, const std::string &result_json, Oid user);
void fail_task(const std::string &token, const std::string &failure_json, Oid user);
void cancel_task(const std::string &token, const std::optional<std::string> &details_json,
                 Oid user); // 55000: not asked
struct HeartbeatAnswer {
    bool cancel_requested = false, pause_requested = false, reset_requested = false;
};
HeartbeatAnswer heartbeat_task(const std::string &token, const std::optional<std::string> &details_json, Oid user);

// By the id of the activity, whichever attempt it is, also between attempts. Throws 42704.
void complete_activity(const core::WorkflowId &id, const std::string &activity_id, const std::string &result_json,
                       Oid user);
void fail_activity(const core::WorkflowId &id, const std::string &activity_id, const std::string &failure_json,
                   Oid user);

// A pending one, by the id that its function gave it, else the number of its command; locked. Throws WF001, 42704.
store::ActivityRow lock_activity_by_id(const core::WorkflowId &id, const std::string &activity_id, Oid user);

// ---- an attempt that ended ----

enum class AttemptResult : std::uint8_t { done, execution_held };
// A locked row: tried again, or closed. With LockWait::skip nothing is done when somebody holds the execution.
AttemptResult finish_attempt(store::ActivityRow &row, const core::AttemptEnd &end, store::LockWait mode);
// Of kind http: the task of its send follows its state. Of other kinds nothing is done.
void renew_send(const store::ActivityRow &row);
AttemptResult complete_attempt(store::ActivityRow &row, const std::string &result_json, store::LockWait mode);

// ---- of the supervisor ----

struct Overdue {
    bool more = false;                // more may be due now
    bool locked = false;              // something was held by others: look again in a few ms
    std::optional<core::Time> resume; // where to scan from next time
};
Overdue end_overdue_activities(core::Time from, core::Time now, std::int32_t limit);

} // namespace hc::engine
