// Activities of workflow functions: their options, and what becomes of one when an attempt ends or a deadline passes.
// Temporal's rules (timeouts, retry, heartbeats, pause, reset), pure: the row that holds an activity is the caller's.
//
// {"kind": "queue", "queue": "payments",                        a type's only: kind; http: "provider" in place of
// "queue"
//  "start_to_close": "30s", "schedule_to_close": "1h", "schedule_to_start": "5m", "heartbeat": "10s",
//  "retry": {..}, "priority": 3, "fairness_key": "tenant-7", "fairness_weight": 1.5,
//  "activity_id": "charge-7", "cancellation": "try_cancel"}     of one activity only: activity_id
// At least one of start_to_close and schedule_to_close is needed, by the type or the activity.
#pragma once

#include "core/retry_policy.hpp"
#include "core/time.hpp"
#include "core/workflow_failure.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

enum class ActivityKind : std::uint8_t { queue, http };

// What a cancel of the workflow means for an activity: asked to end, and the function goes on; asked, and waited for;
// let be.
enum class ActivityCancellation : std::uint8_t { try_cancel, wait, abandon };

inline constexpr std::int32_t kDefaultPriority = 3; // 1 goes first, 5 last
inline constexpr std::size_t kMaxActivityId = 200;
inline constexpr std::size_t kMaxFairnessKey = 64;

struct ActivityOptions {
    std::optional<Duration> schedule_to_start, start_to_close, schedule_to_close, heartbeat;
    RetryPolicy retry = default_retry_policy();
    std::string queue = "default"; // name
    std::int32_t priority = kDefaultPriority;
    std::string fairness_key; // empty: none
    double fairness_weight = 1.0;
    std::string activity_id; // empty: the number of its command
    ActivityCancellation cancellation = ActivityCancellation::try_cancel;
};

struct ActivityTypeOptions {
    ActivityKind kind = ActivityKind::queue;
    std::string provider; // of kind http
    ActivityOptions defaults;
};
ActivityTypeOptions parse_activity_type(std::string_view json); // throws 22023 with the JSON path

// Options of one activity over those of its type. Throws 22023 with the JSON path.
ActivityOptions parse_activity_options(std::string_view json, const ActivityTypeOptions &type = {});

// Some options of an activity replaced, as hermes.update_activity_options has them: null takes one away, retry: null
// gives the default policy. Not activity_id and cancellation.
ActivityOptions updated_options(const ActivityOptions &options, std::string_view json);

// Temporal's normalisation: what is not given follows from what is, and nothing is longer than the run. Throws 22023
// when neither start_to_close nor schedule_to_close is given.
ActivityOptions normalized(ActivityOptions options, std::optional<Duration> run_timeout);

struct ActivityReset { // {"keep_paused": false, "reset_heartbeat": false}
    bool keep_paused = false;
    bool drop_heartbeat = false;
};
ActivityReset parse_activity_reset(std::string_view json); // throws 22023 with the JSON path

struct ActivityQueueOptions { // {"rate": 10, "burst": 20}: tasks a second; neither: no limit
    std::optional<double> rate;
    std::optional<std::int32_t> burst;
};
ActivityQueueOptions parse_activity_queue(std::string_view json); // throws 22023 with the JSON path

std::string activity_options_json(const ActivityOptions &options); // parse_activity_options reads it back

enum class ActivityState : std::int16_t { scheduled = 1, started = 2, backing_off = 3, paused = 4 };

struct Activity {
    ActivityState state = ActivityState::scheduled;
    std::int32_t attempt = 1;
    Time scheduled{};                // first
    Time due{};                      // of this attempt: from then on it may start
    std::optional<Time> started{};   // of this attempt
    std::optional<Time> heartbeat{}; // the last sign of life of this attempt
    std::optional<Duration> lease{}; // of the worker that has it
    bool cancel_requested = false;
    bool pause_requested = false; // while started
    bool reset_requested = false; // while started
};

enum class ActivityTimeout : std::uint8_t { start_to_close, schedule_to_start, schedule_to_close, heartbeat };
std::string_view to_string(ActivityTimeout timeout); // "StartToClose"

struct ActivityDeadline {
    Time at{};
    ActivityTimeout timeout{};
    bool operator==(const ActivityDeadline &) const = default;
};
// The earliest one; of two at one time the first in the order of the enum. nullopt: it may wait for ever. A lease
// counts as a heartbeat timeout. A paused one has none but while its last attempt still runs.
std::optional<ActivityDeadline> deadline_of(const ActivityOptions &options, const Activity &activity);

// How an attempt has ended that did not complete.
struct AttemptFailure {
    WorkflowFailure failure;
    std::string type; // of the application; empty: none
    bool non_retryable = false;
    std::optional<Duration> next_retry_delay;
};

// {"message": "card declined", "type": "CardError", "sqlstate": "P0001", "non_retryable": true,
//  "next_retry_delay": "5m", "details": <any JSON>}. Throws 22023 with the JSON path.
AttemptFailure parse_attempt_failure(std::string_view json);

struct AttemptEnd {
    enum class Course : std::uint8_t {
        again,  // `activity` is what it is from now on
        failed, // it closes so, with `failure`
        timed_out,
        canceled,
    };
    Course course{};
    Activity activity;
    RetryState retry_state{};
    WorkflowFailure failure;  // as the function is to see it
    std::string last_failure; // JSON, of the attempt: kept beside a further attempt
    std::optional<ActivityTimeout> timeout;
    bool overdue = false; // the attempt has not failed: a timeout came first
};
AttemptEnd end_by_failure(const ActivityOptions &options, const Activity &activity, const AttemptFailure &failure,
                          Time now);
// `last_failure`: of the attempt before, JSON or empty.
AttemptEnd end_by_timeout(const ActivityOptions &options, const Activity &activity, ActivityTimeout timeout,
                          std::string_view last_failure, Time now);

// Between two attempts, with other options: a back-off is as long as their policy says, counted from the end of the
// attempt before, unless its failure said how long (`last_failure`, JSON or empty).
Activity with_options(const ActivityOptions &before, const ActivityOptions &after, Activity activity,
                      std::string_view last_failure, Time now);

// Its worker says that it has been canceled.
WorkflowFailure cancel_failure(std::string_view details);

} // namespace hc::core
