// See workflow_counts.hpp.
#include "core/workflow_counts.hpp"

namespace hc::core {

namespace {

constexpr std::array<WorkflowCountWords, kWorkflowCounts> kWords{{
    {"workflow_started", "Executions of workflow functions started, each run of a row."},
    {"workflow_success", "Executions completed."},
    {"workflow_failed", "Executions failed."},
    {"workflow_timeout", "Executions timed out."},
    {"workflow_cancel", "Executions canceled."},
    {"workflow_terminate", "Executions terminated, also by a reset."},
    {"workflow_continued_as_new", "Executions that continued as new ones."},
    {"workflow_tasks_completed", "Turns of workflow functions that did not fail."},
    {"failed_workflow_tasks", "Turns that failed and are tried again."},
    {"errors_nondeterministic", "Failed turns whose function does not fit its history, or is not the registered one."},
    {"workflow_steps", "SQL steps that worked."},
    {"workflow_steps_failed", "SQL steps that failed."},
    {"workflow_children", "Child executions started."},
    {"workflow_signals", "Signals that came into histories."},
    {"workflow_updates_accepted", "Updates accepted."},
    {"workflow_updates_rejected", "Updates rejected."},
    {"activity_scheduled", "Activities scheduled."},
    {"activity_success", "Activities completed."},
    {"activity_fail", "Activities failed for good."},
    {"activity_timeout", "Activities timed out for good."},
    {"activity_cancel", "Activities canceled."},
    {"activity_task_fail", "Attempts of activities that failed."},
    {"activity_task_timeout", "Attempts of activities that timed out."},
    {"activity_task_retry", "Attempts of activities that are followed by another."},
    {"schedule_action_success", "Starts by schedules."},
    {"schedule_action_errors", "Starts by schedules that failed."},
    {"schedule_missed_catchup_window", "Starts of schedules that came too late to be made up for."},
}};

} // namespace

const WorkflowCountWords &words_of(WorkflowCount count) { return kWords.at(static_cast<std::size_t>(count)); }

std::optional<WorkflowCount> count_of(ExecutionEventType type) {
    using Type = ExecutionEventType;
    switch (type) {
    case Type::workflow_execution_started:
        return WorkflowCount::started;
    case Type::workflow_execution_completed:
        return WorkflowCount::completed;
    case Type::workflow_execution_failed:
        return WorkflowCount::failed;
    case Type::workflow_execution_timed_out:
        return WorkflowCount::timed_out;
    case Type::workflow_execution_canceled:
        return WorkflowCount::canceled;
    case Type::workflow_execution_terminated:
        return WorkflowCount::terminated;
    case Type::workflow_execution_continued_as_new:
        return WorkflowCount::continued;
    case Type::step_completed:
        return WorkflowCount::steps;
    case Type::step_failed:
        return WorkflowCount::failed_steps;
    case Type::child_started:
        return WorkflowCount::children;
    case Type::signal_received:
        return WorkflowCount::signals;
    case Type::update_accepted:
        return WorkflowCount::updates_accepted;
    case Type::activity_scheduled:
        return WorkflowCount::activities_scheduled;
    case Type::activity_completed:
        return WorkflowCount::activities_completed;
    case Type::activity_failed:
        return WorkflowCount::activities_failed;
    case Type::activity_timed_out:
        return WorkflowCount::activities_timed_out;
    case Type::activity_canceled:
        return WorkflowCount::activities_canceled;
    default: // failed turns, of which only the first of a row is an event, are counted where they fail
        return std::nullopt;
    }
}

} // namespace hc::core
