// Options of register_workflow and start_workflow, and what a start does when its workflow id was used before
// (Temporal's reuse and conflict policies).
#pragma once

#include "core/execution_events.hpp"
#include "core/retry_policy.hpp"
#include "core/time.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

inline constexpr Duration kLongestWait = std::chrono::days(36'500);

// What a type declares by name, each with the signature of a function as it was given: "app.check(jsonb, jsonb)";
// empty: none.
using DeclaredHandlers = std::map<std::string, std::string>;
inline constexpr std::size_t kMaxHandlers = 100; // of a kind

// {"run_as": "app", "task_timeout": "10s", "step_timeout": "60s", "run_timeout": "30d", "execution_timeout": "90d",
//  "retry": {..}, "in_place": false,
//  "updates": {"add_item": {"validator": "app.check_add_item(jsonb, jsonb)"}}, "queries": {"total": "app.total(jsonb,
//  jsonb)"}}
struct WorkflowTypeOptions {
    std::string run_as; // empty: the role that registers it
    Duration task_timeout = std::chrono::seconds(10);
    Duration step_timeout = std::chrono::seconds(60);
    std::optional<Duration> run_timeout;
    std::optional<Duration> execution_timeout;
    std::optional<RetryPolicy> retry; // without: never retried
    bool in_place = false;
    DeclaredHandlers updates; // with their validators
    std::string task_queue;   // of a program outside of the database; empty: it is a function
    DeclaredHandlers queries; // with their functions
};
WorkflowTypeOptions parse_workflow_type_options(std::string_view json); // throws 22023 with the JSON path

enum class ConflictPolicy : std::uint8_t { fail, use_existing, terminate_existing };
enum class ReusePolicy : std::uint8_t { allow_duplicate, allow_duplicate_failed_only, reject_duplicate };

// {"conflict_policy": "fail", "reuse_policy": "allow_duplicate", "request_id": "..", "start_delay": "1h",
//  "run_timeout": "30d", "execution_timeout": "90d", "retry": {..}}
struct WorkflowStartOptions {
    ConflictPolicy conflict = ConflictPolicy::fail;
    ReusePolicy reuse = ReusePolicy::allow_duplicate;
    std::string request_id; // empty: none
    Duration start_delay{};
    std::optional<Duration> run_timeout; // this and the next two instead of the type's
    std::optional<Duration> execution_timeout;
    std::optional<RetryPolicy> retry;
    std::string signal_request_id; // of signal_with_start; empty: none
};
// `with_signal`: of signal_with_start, where the conflict policy is use_existing unless it says otherwise.
WorkflowStartOptions parse_workflow_start_options(std::string_view json,
                                                  bool with_signal = false); // throws 22023 with the JSON path

// What becomes of a child when its parent closes first (Temporal's parent close policy).
enum class ParentClosePolicy : std::uint8_t { terminate, request_cancel, abandon };

// {"parent_close_policy": "terminate", "run_timeout": "1h", "execution_timeout": "2h", "retry": {..}}
struct ChildOptions {
    ParentClosePolicy parent_close = ParentClosePolicy::terminate;
    std::optional<Duration> run_timeout;
    std::optional<Duration> execution_timeout;
    std::optional<RetryPolicy> retry;
};
ChildOptions parse_child_options(std::string_view json); // throws 22023 with the JSON path
std::string_view to_string(ParentClosePolicy policy);
ParentClosePolicy parse_parent_close(std::string_view word); // of a stored word; terminate when it is none

// {"commit_first": true}
struct StepOptions {
    bool commit_first = false; // what the turn has done before is committed before the step
};
StepOptions parse_step_options(std::string_view json); // throws 22023 with the JSON path
// {"on_error": "continue" | "stop"}
struct CompensateOptions {
    bool stop = false;
};
CompensateOptions parse_compensate_options(std::string_view json); // throws 22023 with the JSON path

// The newest execution of a workflow id.
struct CurrentExecution {
    ExecutionStatus status = ExecutionStatus::running;
    std::string request_id; // of its start
};

enum class StartCourse : std::uint8_t {
    start,
    use_existing,
    terminate_existing, // and start
    refuse_open,        // WF005: it is running
    refuse_closed,      // WF005: the policy wants no other after it
};
StartCourse course_of_start(const WorkflowStartOptions &options, const CurrentExecution &current);

// How long a turn that failed waits before it is tried again: 1 s, doubling, at most ten minutes. `failures`: in a row.
Duration turn_retry_delay(std::uint32_t failures);

} // namespace hc::core
