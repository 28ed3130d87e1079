// See fakes.hpp.
#include "engine/fakes.hpp"

#include "core/error.hpp"
#include "core/fake_activity.hpp"
#include "engine/activities.hpp"
#include "engine/activity_types.hpp"
#include "engine/definitions.hpp"
#include "engine/test_clock.hpp"
#include "engine/workflow_body_checks.hpp"
#include "engine/workflow_types.hpp"
#include "pg/catalog.hpp"
#include "pg/guc.hpp"
#include "pg/user_turn.hpp"
#include "store/fakes.hpp"
#include "store/workflow_types.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

constexpr const char *kWorker = "fake"; // as events name it
constexpr core::Duration kFunctionTimeout = std::chrono::seconds(10);

using core::ActivityState;
using store::ActivityRow;

void check_function(const std::string &signature, const std::string &role) {
    const bool shaped = signature.find('(') != std::string::npos && signature.ends_with(')');
    const std::optional<store::FunctionRow> found = shaped ? store::find_function(signature) : std::nullopt;
    if (!found || found->kind != "f" || found->arguments != "jsonb" || found->result != "jsonb") {
        throw Error(sqlstate::invalid_parameter, "invalid fake activity",
                    fmt::format("There is no function {} that takes jsonb and returns jsonb.", signature),
                    "Give its signature with the schema: app.fake_charge(jsonb)");
    }
    if (!store::may_execute(role, signature)) {
        throw Error(sqlstate::insufficient_privilege,
                    fmt::format("role \"{}\" may not execute function {}", role, signature), {},
                    "The function of a fake is called as the role that has made the fake.");
    }
}

void fail(ActivityRow &row, const core::AttemptFailure &failure, core::Time now) {
    finish_attempt(row, core::end_by_failure(core::parse_activity_options(row.options), activity_of(row), failure, now),
                   store::LockWait::skip);
}

// Calls the function of a fake, read-only, as the role that has made it.
void answer_by_function(ActivityRow &row, const store::FakeRow &fake, core::Time now) {
    core::AttemptFailure attempt;
    const Oid role = pg::role_oid(fake.role);
    if (!OidIsValid(role)) {
        attempt.failure = {sqlstate::undefined_object, fmt::format("role \"{}\" does not exist", fake.role), "", ""};
        fail(row, attempt, now);
        return;
    }
    const std::string input = store::read_activities({{row.execution_id, row.number}}).front().input;
    std::optional<std::string> result;
    pg::Failure failure;
    pg::UserSqlEnd end{};
    {
        const pg::user_scope identity(role);
        end = pg::replay_body_within(statement_of(*fake.function), input, kFunctionTimeout, result, failure);
    }
    if (end == pg::UserSqlEnd::timed_out) {
        attempt.failure = {sqlstate::query_canceled, "function of a fake activity took longer than 10 s", "", ""};
    } else if (end == pg::UserSqlEnd::failed) {
        if (pg::shutdown_requested()) {
            pg::rethrow(failure);
        }
        attempt.failure = {failure.sqlstate, failure.message, failure.detail, failure.hint};
    } else if (result && result->size() > pg::guc::max_message_bytes()) {
        attempt.failure = {sqlstate::limit_exceeded, "result of a fake activity is too large", "", ""};
    } else {
        complete_attempt(row, result.value_or("null"), store::LockWait::skip);
        return;
    }
    fail(row, attempt, now);
}

// As a worker would begin it.
void start_attempt(ActivityRow &row, core::Time now, core::Duration delay) {
    core::Activity activity = activity_of(row);
    activity.state = ActivityState::started;
    activity.started = now;
    activity.heartbeat.reset();
    put_activity(row, activity);
    row.worker = kWorker;
    row.due = now + delay; // of its answer
}

// Its fake is gone: it goes where others of its type go.
void send_away(ActivityRow &row) {
    core::Activity activity = activity_of(row);
    activity.state = ActivityState::scheduled;
    activity.started.reset();
    put_activity(row, activity);
    row.worker.reset();
    row.queue_id = queue_of(row.type, core::parse_activity_options(row.options));
    store::update_activity(row);
    renew_send(row);
}

} // namespace

void fake_activity(const std::string &name, const std::string &answers_json, Oid user) {
    check_test_mode();
    check_command_name(name, "activity");
    check_size(answers_json, "answers");
    store::NewFake fake{name, answers_json, {}, pg::role_name(user)};
    for (const core::FakeAnswer &answer : core::parse_fake_answers(answers_json)) {
        if (!answer.function.empty()) {
            check_function(answer.function, fake.role);
        }
        fake.delays.push_back(answer.delay.count());
    }
    store::put_fake(fake);
    pg::invalidate_definitions();
}

void drop_fake_activity(const std::string &name) {
    check_test_mode();
    if (!store::delete_fake(name)) {
        throw Error(sqlstate::undefined_object, fmt::format("fake activity \"{}\" does not exist", name));
    }
    pg::invalidate_definitions();
}

bool serve_fake(const store::TaskKey &key, core::Time now) {
    load_activity_types();
    if (!store::share_execution(key.workflow_id, store::LockWait::skip) && store::find_execution(key.workflow_id)) {
        return false;
    }
    std::optional<ActivityRow> row = store::lock_activity(key.workflow_id, key.number, store::LockWait::skip);
    if (!row) {
        return false;
    }
    const auto state = static_cast<ActivityState>(row->state);
    if (row->queue_id != store::kFakedQueue || state == ActivityState::paused || row->due > now) {
        return true; // something has happened to it
    }
    const std::optional<store::FakeRow> fake = store::find_fake(row->type, row->attempt);
    if (!fake) {
        send_away(*row);
        return true;
    }
    if (state != ActivityState::started) {
        start_attempt(*row, now, core::Duration(fake->delay));
        if (row->due > now) {
            store::update_activity(*row);
            return true;
        }
    }
    if (fake->function) {
        answer_by_function(*row, *fake, now);
    } else if (fake->failure) {
        fail(*row, core::parse_attempt_failure(*fake->failure), now);
    } else {
        complete_attempt(*row, *fake->result, store::LockWait::skip);
    }
    return true;
}

} // namespace hc::engine
