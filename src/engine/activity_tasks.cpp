// What external workers do with activities: poll, answer, tell that they live. See activities.hpp. Runs in their
// backends.
#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/task_token.hpp"
#include "core/token_bucket.hpp"
#include "engine/activities.hpp"
#include "engine/definitions.hpp"
#include "engine/task_polls.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_body_checks.hpp"
#include "pg/random.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ActivityState;
using core::WorkflowId;
using store::ActivityRow;
using OptionalText = std::optional<std::string>;

[[noreturn]] void throw_stale() {
    throw Error(sqlstate::stale_token, "task token is not that of an attempt under way",
                "The attempt has timed out or was answered, the activity or its workflow is over, or the token is "
                "not one of hermes.poll_tasks.",
                "Roll back what was done for this task, and poll for another.");
}

// The activity that a worker answers for, locked; before it the execution, as in every order of locks.
ActivityRow lock_attempt(const std::string &text, Oid user) {
    const std::optional<core::TaskToken> token = core::parse_token(text);
    if (!token || !store::share_execution(token->id, store::LockWait::wait)) {
        throw_stale();
    }
    std::optional<ActivityRow> row = store::lock_activity(token->id, token->number, store::LockWait::wait);
    const bool under_way = row && row->state == static_cast<std::int16_t>(ActivityState::started) &&
                           row->token == token->secret && !store::is_http_queue(row->queue_id);
    if (!under_way || !definitions().tenant_allowed(user, row->tenant)) {
        throw_stale();
    }
    return std::move(*row);
}

void fail(ActivityRow &row, const std::string &failure_json) {
    finish_attempt(row,
                   core::end_by_failure(core::parse_activity_options(row.options), activity_of(row),
                                        core::parse_attempt_failure(failure_json), pg::now()),
                   store::LockWait::wait);
}

// How many tasks the rate of a queue lets go, which is taken from its bucket; put_back() gives back what was not used.
class Rate {
public:
    Rate(const store::ActivityQueueRow &queue, core::Time now) : id_(queue.id) {
        if (queue.rate) {
            const store::ActivityQueueRow locked = store::lock_activity_queue(queue.id).value_or(queue);
            const double rate = locked.rate.value_or(0);
            const auto burst =
                static_cast<std::int64_t>(locked.burst.value_or(std::max(1, static_cast<int>(rate + 0.999))));
            config_ = core::token_bucket::make_config(rate, burst);
            state_ = {locked.missing, locked.refilled, 0};
            limited_ = true;
            now_ = now;
        }
    }
    std::int32_t take(std::int32_t most) {
        granted_ = limited_ ? core::token_bucket::take(state_, config_, now_, most) : most;
        return static_cast<std::int32_t>(granted_);
    }
    void used(std::size_t count) {
        if (limited_) {
            core::token_bucket::give_back(state_, granted_ - static_cast<std::int64_t>(count));
            store::write_activity_bucket(id_, state_.missing, state_.refilled_us);
        }
    }

private:
    std::int32_t id_;
    bool limited_ = false;
    core::TokenBucketConfig config_;
    core::TokenBucketState state_;
    core::Time now_{};
    std::int64_t granted_ = 0;
};

} // namespace

ActivityRow lock_activity_by_id(const WorkflowId &id, const std::string &activity_id, Oid user) {
    const std::optional<store::BriefRow> execution = store::share_execution(id, store::LockWait::wait);
    if (!execution || !definitions().tenant_allowed(user, execution->tenant)) {
        throw_unknown_execution(id);
    }
    std::optional<ActivityRow> row = store::lock_activity_by_id(id, activity_id);
    if (!row) {
        throw Error(sqlstate::undefined_object, fmt::format("activity \"{}\" is not pending", activity_id),
                    fmt::format("Execution {} waits for no activity of this id.", core::to_string(id)),
                    "hermes.activities shows what is pending.");
    }
    return std::move(*row);
}

std::vector<PolledTask> poll_tasks(const PollRequest &request, Oid user) {
    check_poll(request.max_tasks, request.worker, request.lease);
    std::vector<PolledTask> tasks;
    const std::optional<store::ActivityQueueRow> queue = store::find_activity_queue(request.queue);
    if (!queue || queue->paused_at) {
        return tasks;
    }
    const core::Time now = pg::now();
    store::end_back_offs(queue->id, now);
    Rate rate(*queue, now);
    const std::int32_t limit = rate.take(request.max_tasks);
    std::vector<ActivityRow> rows;
    if (limit > 0) {
        rows = store::claim_activities(queue->id, definitions().allowed_tenants(user), limit);
    }
    rate.used(rows.size());
    for (ActivityRow &row : rows) {
        core::Activity activity = activity_of(row);
        activity.state = ActivityState::started;
        activity.started = now;
        activity.heartbeat.reset();
        activity.lease = request.lease;
        put_activity(row, activity);
        row.worker = request.worker;
        row.token = static_cast<std::int64_t>(pg::random64());
    }
    std::vector<std::string> inputs = store::start_attempts(rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const core::TaskToken token{rows[i].execution_id, rows[i].number, rows[i].token};
        tasks.push_back({core::format_token(token), std::move(rows[i]), std::move(inputs[i])});
    }
    return tasks;
}

void complete_task(const std::string &token, const std::string &result_json, Oid user) {
    check_size(result_json, "result");
    ActivityRow row = lock_attempt(token, user);
    complete_attempt(row, result_json, store::LockWait::wait);
}

void fail_task(const std::string &token, const std::string &failure_json, Oid user) {
    ActivityRow row = lock_attempt(token, user);
    fail(row, failure_json);
}

void cancel_task(const std::string &token, const OptionalText &details_json, Oid user) {
    check_size(details_json.value_or(""), "details");
    ActivityRow row = lock_attempt(token, user);
    if ((row.flags & store::kCancelRequested) == 0) {
        throw Error(sqlstate::not_prerequisite, "activity was not asked to cancel", {},
                    "Answer with hermes.complete_task or hermes.fail_task.");
    }
    core::AttemptEnd end;
    end.course = core::AttemptEnd::Course::canceled;
    end.failure = core::cancel_failure(details_json.value_or(""));
    finish_attempt(row, end, store::LockWait::wait);
}

HeartbeatAnswer heartbeat_task(const std::string &token, const OptionalText &details_json, Oid user) {
    check_size(details_json.value_or(""), "details");
    const ActivityRow row = lock_attempt(token, user);
    store::heartbeat_activity(row.execution_id, row.number, pg::now(), details_json);
    return {(row.flags & store::kCancelRequested) != 0, (row.flags & store::kPauseRequested) != 0,
            (row.flags & store::kResetRequested) != 0};
}

void complete_activity(const WorkflowId &id, const std::string &activity_id, const std::string &result_json, Oid user) {
    check_size(result_json, "result");
    ActivityRow row = lock_activity_by_id(id, activity_id, user);
    complete_attempt(row, result_json, store::LockWait::wait);
}

void fail_activity(const WorkflowId &id, const std::string &activity_id, const std::string &failure_json, Oid user) {
    ActivityRow row = lock_activity_by_id(id, activity_id, user);
    fail(row, failure_json);
}

} // namespace hc::engine
