// See activities.hpp. What workers do is in activity_tasks.cpp.
#include "engine/activities.hpp"

#include "core/error.hpp"
#include "core/execution_events.hpp"
#include "engine/activity_types.hpp"
#include "engine/definitions.hpp"
#include "engine/placement.hpp"
#include "engine/workflow_executions.hpp"
#include "pg/wake.hpp"
#include "store/workflow_executions.hpp"

#include <nlohmann/json.hpp>

namespace hc::engine {

namespace {

using core::ActivityState;
using core::ExecutionEventType;
using store::ActivityRow;

bool has(const ActivityRow &row, store::ActivityFlag flag) { return (row.flags & flag) != 0; }

std::optional<core::ActivityDeadline> deadline_of(const ActivityRow &row) {
    return core::deadline_of(core::parse_activity_options(row.options), activity_of(row));
}

// What the function is told, in the commit of whoever ends the activity.
AttemptResult close_activity(const ActivityRow &row, ExecutionEventType end, const std::string &payload,
                             const std::string &text, store::LockWait mode) {
    const std::optional<store::BriefRow> execution = store::share_execution(row.execution_id, mode);
    if (!execution && mode == store::LockWait::skip && store::find_execution(row.execution_id)) {
        return AttemptResult::execution_held;
    }
    store::delete_activity(row.execution_id, row.number);
    if (store::is_http_queue(row.queue_id)) {
        store::delete_tasks({{row.execution_id, row.number}});
    }
    if (execution) {
        nlohmann::json detail{{"command", row.number}, {"end", static_cast<int>(end)}, {"payload", payload}};
        if (!text.empty()) {
            detail["text"] = text;
        }
        if (row.started_at) {
            detail["attempt"] = row.attempt;
            detail["started_at"] = core::format_iso8601(*row.started_at);
            detail["worker"] = row.worker.value_or("");
        }
        bring(row.execution_id, execution->type_id, store::Kind::activity_closed, detail.dump());
    }
    return AttemptResult::done;
}

void count_attempt(const core::AttemptEnd &end) {
    pg::count(end.overdue ? core::WorkflowCount::attempts_timed_out : core::WorkflowCount::attempts_failed);
}

AttemptResult counted(const core::AttemptEnd &end, AttemptResult result) {
    if (result == AttemptResult::done) {
        count_attempt(end);
    }
    return result;
}

} // namespace

core::Activity activity_of(const ActivityRow &row) {
    core::Activity activity;
    activity.state = static_cast<ActivityState>(row.state);
    activity.attempt = row.attempt;
    activity.scheduled = row.scheduled_at;
    activity.due = row.due;
    activity.started = row.started_at;
    activity.heartbeat = row.heartbeat_at;
    if (row.lease) {
        activity.lease = core::Duration(*row.lease);
    }
    activity.cancel_requested = has(row, store::kCancelRequested);
    activity.pause_requested = has(row, store::kPauseRequested);
    activity.reset_requested = has(row, store::kResetRequested);
    return activity;
}

void put_activity(ActivityRow &row, const core::Activity &activity) {
    row.state = static_cast<std::int16_t>(activity.state);
    row.attempt = activity.attempt;
    row.due = activity.due;
    row.started_at = activity.started;
    row.heartbeat_at = activity.heartbeat;
    row.lease = activity.lease ? std::optional(activity.lease->count()) : std::nullopt;
    if (!activity.started && !activity.reset_requested && has(row, store::kDropHeartbeat)) {
        row.heartbeat.reset();
    }
    row.flags = static_cast<std::int16_t>(
        (activity.cancel_requested ? store::kCancelRequested : 0) |
        (activity.pause_requested ? store::kPauseRequested : 0) |
        (activity.reset_requested ? store::kResetRequested | (row.flags & store::kDropHeartbeat) : 0));
    const std::optional<core::ActivityDeadline> deadline = deadline_of(row);
    row.deadline = deadline ? std::optional(deadline->at) : std::nullopt;
}

// ---- of a turn ----

std::int32_t queue_of(const std::string &type, const core::ActivityOptions &options) {
    if (is_faked(type)) {
        return store::kFakedQueue;
    }
    const core::ActivityTypeOptions &known = activity_type(type);
    return known.kind == core::ActivityKind::queue ? store::activity_queue(options.queue)
                                                   : -definitions().providers_of_name(known.provider).front();
}

std::optional<core::WorkflowFailure> schedule_activity(const core::WorkflowId &id,
                                                       const std::optional<std::string> &tenant,
                                                       const ActivityRequest &request) {
    ActivityRow row;
    row.execution_id = id;
    row.number = static_cast<std::int32_t>(request.command);
    row.priority = static_cast<std::int16_t>(request.options.priority);
    row.scheduled_at = row.due = pg::now();
    row.tenant = tenant;
    if (!request.options.fairness_key.empty()) {
        row.fairness_key = request.options.fairness_key;
    }
    row.type = request.type;
    row.options = core::activity_options_json(request.options);
    try {
        row.queue_id = queue_of(request.type, request.options);
    } catch (const Error &e) {
        return core::WorkflowFailure{e.sqlstate(), e.message(), e.detail(), e.hint()};
    }
    put_activity(row, activity_of(row));
    store::insert_activity(row, request.options.fairness_weight, request.input);
    renew_send(row);
    return std::nullopt;
}

CanceledActivities cancel_activities(const core::WorkflowId &id, std::optional<std::uint32_t> only) {
    CanceledActivities canceled;
    const std::vector<store::ActivityBrief> all = store::activities_of(id);
    for (const store::ActivityBrief &brief : all) {
        const bool meant = only ? brief.number == static_cast<std::int32_t>(*only) : brief.cancellation != "abandon";
        if (!meant) {
            continue;
        }
        std::optional<ActivityRow> row = store::lock_activity(id, brief.number, store::LockWait::skip);
        if (!row) {
            canceled.held = true;
        } else if (row->state == static_cast<std::int16_t>(ActivityState::started)) {
            row->flags |= store::kCancelRequested;
            store::update_activity(*row);
        } else {
            store::delete_activity(id, brief.number);
            if (store::is_http_queue(row->queue_id)) {
                store::delete_tasks({{id, brief.number}});
            }
            canceled.ended.push_back(brief.number);
        }
    }
    return canceled;
}

// ---- an attempt that ended ----

AttemptResult complete_attempt(ActivityRow &row, const std::string &result_json, store::LockWait mode) {
    return close_activity(row, ExecutionEventType::activity_completed, result_json, "", mode);
}

AttemptResult finish_attempt(ActivityRow &row, const core::AttemptEnd &end, store::LockWait mode) {
    const std::string failure = core::failure_json(end.failure);
    switch (end.course) {
    case core::AttemptEnd::Course::again:
        count_attempt(end);
        pg::count(core::WorkflowCount::attempts_again);
        put_activity(row, end.activity);
        row.worker.reset();
        row.token = 0;
        row.last_failure = end.last_failure;
        store::update_activity(row);
        renew_send(row);
        return AttemptResult::done;
    case core::AttemptEnd::Course::failed:
        return counted(end, close_activity(row, ExecutionEventType::activity_failed, failure,
                                           std::string(core::to_string(end.retry_state)), mode));
    case core::AttemptEnd::Course::timed_out:
        return counted(end, close_activity(row, ExecutionEventType::activity_timed_out, failure,
                                           std::string(core::to_string(*end.timeout)), mode));
    case core::AttemptEnd::Course::canceled:
        break;
    }
    return close_activity(row, ExecutionEventType::activity_canceled, failure, "", mode);
}

void renew_send(const ActivityRow &row) {
    if (!store::is_http_queue(row.queue_id)) {
        return;
    }
    const store::TaskKey key{row.execution_id, row.number};
    const auto state = static_cast<ActivityState>(row.state);
    if (state == ActivityState::paused) {
        store::delete_tasks({key});
    } else if (state != ActivityState::started) {
        const Place place = place_activity(row.tenant, -row.queue_id, row.priority, row.due);
        store::put_activity_send(key, place.queue, place.due, -row.queue_id);
    }
}

// ---- of the supervisor ----

// Heartbeats do not move the deadline of a row: it is looked at when the one of before has passed.
Overdue end_overdue_activities(core::Time from, core::Time now, std::int32_t limit) {
    Overdue overdue;
    std::vector<ActivityRow> rows = store::overdue_activities(from, now, limit);
    for (ActivityRow &row : rows) {
        const std::optional<core::ActivityDeadline> deadline = deadline_of(row);
        if (!deadline || deadline->at > now) {
            row.deadline = deadline ? std::optional(deadline->at) : std::nullopt;
            store::update_activity(row);
            continue;
        }
        const core::AttemptEnd end = core::end_by_timeout(core::parse_activity_options(row.options), activity_of(row),
                                                          deadline->timeout, row.last_failure.value_or(""), now);
        overdue.locked =
            finish_attempt(row, end, store::LockWait::skip) == AttemptResult::execution_held || overdue.locked;
    }
    overdue.more = rows.size() >= static_cast<std::size_t>(limit);
    overdue.resume = store::next_activity_deadline(from);
    overdue.locked = overdue.locked || (!overdue.more && overdue.resume && *overdue.resume <= now);
    return overdue;
}

} // namespace hc::engine
