// See workflow_replay.hpp. Runs in callers' backends.
#include "engine/workflow_replay.hpp"

#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_body.hpp"
#include "pg/catalog.hpp"
#include "pg/sql_text.hpp"
#include "pg/user_turn.hpp"
#include "store/workflow_executions.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

using core::BodyEnd;
using core::BodyOutcome;

constexpr std::int32_t kMostExecutions = 100'000;
constexpr core::Duration kLongestReplay = std::chrono::minutes(2);
constexpr std::size_t kMaxPredicate = 10'000; // bytes

void check_may_execute(Oid user, const std::string &signature) {
    const std::string role = pg::role_name(user);
    if (!store::may_execute(role, signature)) {
        throw Error(sqlstate::insufficient_privilege,
                    fmt::format("role \"{}\" may not execute function {}", role, signature), {},
                    "A replay calls the function as the role that asks for it.");
    }
}

// A suspension is an error that leaves the body, like a cancel of the session; unlike one it bears the words of ours.
bool is_cancel_of_session(const WorkflowBody &body, const pg::Failure &failure) {
    const bool own = body.suspended() && std::string_view(failure.message) == WorkflowBody::kWaits;
    return pg::is_cancel_or_shutdown(failure) && !own && !body.raised(failure.sqlstate, failure.message);
}

BodyOutcome outcome_of(const WorkflowBody &body, pg::UserSqlEnd end, std::optional<std::string> result,
                       const pg::Failure &failure) {
    BodyOutcome outcome{.end = BodyEnd::returned, .divergence = body.nondeterminism()};
    if (end == pg::UserSqlEnd::timed_out) {
        outcome.end = BodyEnd::timed_out;
    } else if (body.suspended() && !body.exhausted()) {
        outcome.end = body.next_input() ? BodyEnd::continues : body.asked_for_more() ? BodyEnd::asks : BodyEnd::waits;
        outcome.asked = body.last_command();
    } else if (end == pg::UserSqlEnd::failed) {
        outcome.end = BodyEnd::failed;
        outcome.failure = {failure.sqlstate, failure.message, failure.detail, failure.hint};
        outcome.raised_by_verb = body.raised(failure.sqlstate, failure.message);
    } else {
        outcome.result = std::move(result);
    }
    return outcome;
}

} // namespace

ReplayFunction replay_function(Oid user, Oid function, core::Duration timeout) {
    const std::optional<store::FunctionRow> found = store::find_function(function);
    if (!found) {
        throw Error(sqlstate::undefined_object, "function does not exist");
    }
    check_workflow_signature(*found);
    check_may_execute(user, found->signature);
    return {statement_of(found->signature), timeout};
}

ReplayFunction replay_function(Oid user, const WorkflowType &type) {
    if (const std::optional<core::WorkflowFailure> problem = why_not_registered(type)) {
        throw Error(sqlstate::nondeterminism, problem->message, problem->detail, problem->hint);
    }
    check_may_execute(user, type.function);
    return {type.statement, type.options.task_timeout};
}

void check_replay_timeout(core::Duration timeout) {
    if (timeout < std::chrono::milliseconds(1) || timeout > kLongestReplay) {
        throw Error(sqlstate::invalid_parameter, "invalid timeout", "It must be between 1 ms and 2 minutes.");
    }
}

std::optional<ReplaySubject> find_replay_subject(Oid user, const core::WorkflowId &id) {
    ReplaySubject subject{.id = id, .workflow_type = {}, .workflow_id = {}, .events = {}, .input = {}};
    std::optional<std::string> tenant;
    std::string history;
    if (std::optional<store::ExecutionRow> row = store::read_execution(id)) {
        history = store::read_chunks(id) + row->history.data;
        tenant = std::move(row->tenant);
        subject.workflow_type = workflow_type(row->type_id).name;
        subject.workflow_id = std::move(row->workflow_id);
        subject.input = pg::to_text(row->input);
    } else if (std::optional<store::ClosedExecutionRow> closed = store::read_closed_execution(id)) {
        history = std::move(closed->history.data);
        tenant = std::move(closed->tenant);
        subject.workflow_type = workflow_type(closed->type_id).name;
        subject.workflow_id = std::move(closed->workflow_id);
        subject.input = std::move(closed->input.text);
    } else {
        return std::nullopt;
    }
    if (!definitions().tenant_allowed(user, tenant)) {
        return std::nullopt;
    }
    subject.events = core::decode_execution(history);
    return subject;
}

core::ReplayVerdict check_replay(const ReplayFunction &function, const ReplaySubject &subject) {
    std::optional<core::Replay> replay;
    try {
        replay.emplace(subject.id, subject.events);
    } catch (const Error &e) { // its events do not fit together
        return {false, fmt::format("{} ({})", e.message(), e.detail()), 0, 0};
    }
    WorkflowBody body(*replay, true);
    body.restart();
    std::optional<std::string> result;
    pg::Failure failure;
    pg::UserSqlEnd end{};
    {
        const RunningBody running(body);
        end = pg::replay_body_within(function.statement, subject.input, function.timeout, result, failure);
    }
    if (end == pg::UserSqlEnd::failed && is_cancel_of_session(body, failure)) {
        throw Error(sqlstate::query_canceled, failure.message);
    }
    return core::judge_replay(*replay, outcome_of(body, end, std::move(result), failure));
}

void check_predicate(const std::string &predicate) {
    const std::string problem = predicate.size() > kMaxPredicate ? "is too long" : pg::why_no_expression(predicate);
    if (!problem.empty()) {
        throw Error(sqlstate::invalid_parameter, "invalid predicate", fmt::format("It {}.", problem),
                    "It is a SQL expression over columns of hermes.workflows.");
    }
}

ReplayCheck make_replay_check(Oid user, Oid function, const std::string &type, const std::string &predicate,
                              std::int32_t max_executions) {
    if (max_executions < 1 || max_executions > kMostExecutions) {
        throw Error(sqlstate::invalid_parameter, "invalid number of executions",
                    fmt::format("It must be between 1 and {}.", kMostExecutions));
    }
    check_predicate(predicate);
    const WorkflowType &newest = newest_workflow_type(type); // of a dropped type too: its histories are there
    return {type, predicate, max_executions, replay_function(user, function, newest.options.task_timeout)};
}

} // namespace hc::engine
