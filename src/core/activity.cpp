// See activity.hpp. Pure.
#include "core/activity.hpp"

#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/json_reader.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace hc::core {

namespace {

constexpr std::size_t kMaxFailureBytes = 64 * 1024;
constexpr std::size_t kMaxFailureDepth = 32;
constexpr std::size_t kMaxMessage = 8000;
constexpr std::size_t kMaxType = 200;
constexpr std::size_t kSqlstate = 5;
constexpr const char *kNextRetryDelay = "next_retry_delay"; // of what is kept of a failure

using Json = nlohmann::ordered_json;

// What a DETAIL says beside the message: a JSON object, for a handler to look into.
std::string detail_of(Json json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json json_or_null(std::string_view text) {
    Json json = Json::parse(text, nullptr, false);
    return json.is_discarded() ? Json(nullptr) : json;
}

bool is_sqlstate(const std::string &text) {
    const bool letters =
        std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
    return text.size() == kSqlstate && letters && text.substr(0, 2) > "02"; // no success, no warning
}

std::optional<Time> expiration(const ActivityOptions &options, const Activity &activity) {
    return options.schedule_to_close ? std::optional(activity.scheduled + *options.schedule_to_close) : std::nullopt;
}

// The next attempt: at `due`, or when it is resumed.
Activity next_attempt(const Activity &activity, Time due, Time now) {
    Activity next = activity;
    next.attempt = activity.reset_requested ? 1 : activity.attempt + 1;
    next.due = activity.reset_requested ? now : due;
    next.state = activity.pause_requested ? ActivityState::paused
                 : next.due > now         ? ActivityState::backing_off
                                          : ActivityState::scheduled;
    next.started.reset();
    next.heartbeat.reset();
    next.lease.reset();
    next.pause_requested = next.reset_requested = false;
    return next;
}

WorkflowFailure timeout_failure(ActivityTimeout timeout, const std::string &message, std::int32_t attempt,
                                RetryState state, std::string_view cause) {
    return {sqlstate::activity_timed_out, message,
            detail_of({{"timeout", to_string(timeout)},
                       {"attempt", attempt},
                       {"retry_state", to_string(state)},
                       {"cause", json_or_null(cause)}}),
            ""};
}

// Whether and when an attempt that ended so is followed by another. In Temporal's order: cancel, then the policy, with
// what was asked for while it ran in between.
NextRetry next_of(const ActivityOptions &options, const Activity &activity, const RetryFailure &failure, Time now) {
    if (activity.cancel_requested)
        return {RetryState::cancel_requested, {}};
    if (activity.reset_requested)
        return {RetryState::in_progress, {}};
    if (activity.pause_requested && !is_non_retryable(options.retry, failure))
        return {RetryState::in_progress, {}}; // it waits, whatever the policy says of the number of attempts
    return decide_retry(RetriedThing::activity, &options.retry, failure, activity.attempt, now,
                        expiration(options, activity));
}

constexpr const char *kNoTimeLeft =
    "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";

} // namespace

std::string_view to_string(ActivityTimeout timeout) {
    static constexpr std::array<std::string_view, 4> kNames{"StartToClose", "ScheduleToStart", "ScheduleToClose",
                                                            "Heartbeat"};
    return kNames[static_cast<std::size_t>(timeout)];
}

std::optional<ActivityDeadline> deadline_of(const ActivityOptions &options, const Activity &activity) {
    if (activity.state == ActivityState::paused)
        return std::nullopt;
    std::optional<ActivityDeadline> earliest;
    const auto consider = [&earliest](Time from, const std::optional<Duration> &timeout, ActivityTimeout kind) {
        if (timeout && (!earliest || from + *timeout < earliest->at))
            earliest = ActivityDeadline{from + *timeout, kind};
    };
    if (activity.started)
        consider(*activity.started, options.start_to_close, ActivityTimeout::start_to_close);
    else
        consider(activity.due, options.schedule_to_start, ActivityTimeout::schedule_to_start);
    consider(activity.scheduled, options.schedule_to_close, ActivityTimeout::schedule_to_close);
    if (activity.started) {
        const Time alive = std::max(*activity.started, activity.heartbeat.value_or(*activity.started));
        consider(alive, options.heartbeat, ActivityTimeout::heartbeat);
        consider(alive, activity.lease, ActivityTimeout::heartbeat);
    }
    return earliest;
}

AttemptFailure parse_attempt_failure(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid failure", kMaxFailureBytes, kMaxFailureDepth};
    static constexpr std::array<std::string_view, 6> kKeys{"message",          "type",   "sqlstate", "non_retryable",
                                                           "next_retry_delay", "details"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    AttemptFailure failure;
    failure.failure.sqlstate = sqlstate::activity_failed;
    failure.failure.message = object.require("message").text(kMaxMessage);
    if (const auto type = object.find("type"))
        failure.type = type->text(kMaxType);
    if (const auto code = object.find("sqlstate")) {
        failure.failure.sqlstate = code->text(kSqlstate);
        if (!is_sqlstate(failure.failure.sqlstate))
            code->fail("is no SQLSTATE of an error", "It has five digits and upper-case letters, such as P0001.");
    }
    if (const auto flag = object.find("non_retryable"))
        failure.non_retryable = flag->boolean();
    if (const auto delay = object.find("next_retry_delay"))
        failure.next_retry_delay = delay->duration(Duration::zero(), std::chrono::days(36'500));
    if (const auto details = object.find("details"))
        failure.failure.detail = details->value().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return failure;
}

AttemptEnd end_by_failure(const ActivityOptions &options, const Activity &activity, const AttemptFailure &failure,
                          Time now) {
    const RetryFailure judged{failure.failure.sqlstate, failure.type, failure.non_retryable, failure.next_retry_delay};
    const NextRetry next = next_of(options, activity, judged, now);
    AttemptEnd end;
    end.retry_state = next.state;
    Json last{{"message", failure.failure.message},
              {"type", failure.type},
              {"sqlstate", failure.failure.sqlstate},
              {"details", json_or_null(failure.failure.detail)}};
    if (failure.next_retry_delay)
        last[kNextRetryDelay] = format_duration(*failure.next_retry_delay);
    end.last_failure = detail_of(last);
    if (next.state == RetryState::in_progress) {
        end.course = AttemptEnd::Course::again;
        end.activity = next_attempt(activity, now + next.interval, now);
        return end;
    }
    if (next.state == RetryState::timeout) {
        end.course = AttemptEnd::Course::timed_out;
        end.timeout = ActivityTimeout::schedule_to_close;
        end.failure = timeout_failure(*end.timeout, kNoTimeLeft, activity.attempt, next.state, end.last_failure);
        return end;
    }
    end.course = AttemptEnd::Course::failed;
    end.failure = failure.failure;
    end.failure.detail = detail_of({{"type", failure.type},
                                    {"attempt", activity.attempt},
                                    {"retry_state", to_string(next.state)},
                                    {"details", json_or_null(failure.failure.detail)}});
    return end;
}

AttemptEnd end_by_timeout(const ActivityOptions &options, const Activity &activity, ActivityTimeout timeout,
                          std::string_view last_failure, Time now) {
    const bool may_retry = timeout == ActivityTimeout::start_to_close || timeout == ActivityTimeout::heartbeat;
    const std::string type = fmt::format("TemporalTimeout:{}", to_string(timeout));
    const NextRetry next =
        may_retry ? next_of(options, activity, {.type = type}, now) : NextRetry{RetryState::timeout, {}};
    AttemptEnd end;
    end.retry_state = next.state;
    end.overdue = true;
    end.timeout = timeout;
    std::string message = fmt::format("activity timed out: {}", to_string(timeout));
    if (next.state == RetryState::in_progress) {
        end.course = AttemptEnd::Course::again;
        end.activity = next_attempt(activity, now + next.interval, now);
        end.last_failure =
            detail_of({{"message", message}, {"type", type}, {"sqlstate", sqlstate::activity_timed_out}});
        return end;
    }
    end.course = AttemptEnd::Course::timed_out;
    std::string cause(last_failure);
    if (may_retry && next.state == RetryState::timeout) {
        cause = detail_of({{"message", message}, {"type", type}, {"sqlstate", sqlstate::activity_timed_out}});
        end.timeout = ActivityTimeout::schedule_to_close;
        message = kNoTimeLeft;
    }
    end.failure = timeout_failure(*end.timeout, message, activity.attempt, next.state, cause);
    return end;
}

Activity with_options(const ActivityOptions &before, const ActivityOptions &after, Activity activity,
                      std::string_view last_failure, Time now) {
    const bool backs_off = activity.state == ActivityState::backing_off || activity.state == ActivityState::paused;
    const nlohmann::json failure = nlohmann::json::parse(last_failure, nullptr, false);
    if (!backs_off || activity.attempt < 2 || (failure.is_object() && failure.contains(kNextRetryDelay)))
        return activity;
    const auto interval = [&activity](RetryPolicy policy) {
        policy.maximum_attempts = 0; // none is refused
        return decide_retry(RetriedThing::activity, &policy, {}, activity.attempt - 1, Time{}, std::nullopt).interval;
    };
    activity.due += interval(after.retry) - interval(before.retry);
    if (activity.state == ActivityState::backing_off && activity.due <= now)
        activity.state = ActivityState::scheduled;
    return activity;
}

WorkflowFailure cancel_failure(std::string_view details) {
    return {sqlstate::canceled, "activity was canceled", details.empty() ? "" : detail_of(json_or_null(details)), ""};
}

} // namespace hc::core
