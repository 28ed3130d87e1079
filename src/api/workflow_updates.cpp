// SQL functions of updates and results: send, wait; and what the body of a workflow function calls.
#include "engine/workflow_updates.hpp"
#include "core/error.hpp"
#include "engine/verb.hpp"
#include "engine/workflow_body.hpp"
#include "pg/function.hpp"
#include "pg/group_commit.hpp"
#include "pg/outcomes.hpp"

#include <fmt/format.h>

#include <chrono>

using namespace hc;

namespace {

using Clock = std::chrono::steady_clock;

engine::UpdateRequest request_of(const pg::Arguments &args, int name, int arguments) {
    return {args.text(name, "name"), args.json(arguments, "args"), ""};
}

void read_update_id(const pg::Arguments &args, int i, engine::UpdateRequest &request) {
    if (!args.is_null(i)) {
        request.id = args.text(i, "update_id");
        if (request.id.empty()) {
            throw Error(sqlstate::invalid_parameter, "invalid update id", "It must not be empty; NULL: a new one.");
        }
    }
}

// 0 to a year; a longer one is that.
core::Duration timeout_of(const pg::Arguments &args, int i) {
    const core::Duration timeout = args.interval(i, "timeout");
    if (timeout < core::Duration::zero()) {
        throw Error(sqlstate::invalid_parameter, "invalid timeout", "It must not be negative.");
    }
    return std::min<core::Duration>(timeout, std::chrono::hours(24 * 365));
}

template <class Look>
bool look_once(Look &look) {
    engine::Verb verb;
    const bool over = look.over(verb.user());
    verb.finish();
    return over;
}

// True: it is over. A first look with the caller's eyes, then quiet ones.
template <class Look>
bool wait_for(Look &look, core::Duration timeout, pg::QuietWait::Caller caller) {
    const bool query = caller == pg::QuietWait::Caller::query;
    if (query && look_once(look)) {
        return true;
    }
    if (query && timeout == core::Duration::zero()) {
        return false;
    }
    const Clock::time_point until = Clock::now() + timeout;
    pg::QuietWait quiet(caller);
    bool over = false;
    for (;;) {
        const core::WorkflowId watched = look.id();
        over = quiet.look(watched, [&look] { return look_once(look); });
        const Clock::time_point now = Clock::now();
        if (over || now >= until) {
            break;
        }
        if (look.id() == watched) { // else it has moved on: look again before sleeping
            quiet.sleep(watched, std::chrono::duration_cast<core::Duration>(until - now));
        }
    }
    quiet.finish();
    pg::wait_until_on_disk(); // for what was found
    return over;
}

} // namespace

HC_FUNCTION(hc_update_workflow) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    engine::UpdateRequest request = request_of(args, 1, 2);
    read_update_id(args, 3, request);
    engine::Verb verb;
    const std::string update_id = engine::update_workflow(id, request, verb.user());
    verb.finish();
    return pg::make_text(update_id);
}

HC_FUNCTION(hc_update_with_start) {
    engine::WorkflowStart start;
    start.type = args.text(0, "type");
    start.workflow_id = args.optional_text(1);
    const engine::UpdateRequest request = {args.text(2, "update"), args.json(3, "args"), ""};
    start.input = args.jsonb(4, "input");
    start.tenant = args.optional_text(5);
    start.options_json = args.json(6, "options");
    engine::Verb verb;
    const engine::StartedUpdate started = engine::update_with_start(start, request, verb.user());
    verb.finish();
    return pg::make_row(args, started.execution_id, started.update_id);
}

HC_FUNCTION(hc_update_result) {
    engine::UpdateLook look(args.uuid(0, "execution_id"), args.text(1, "update_id"));
    const core::Duration timeout = timeout_of(args, 2);
    wait_for(look, timeout, pg::QuietWait::Caller::query);
    return pg::make_jsonb(look.answer());
}

HC_FUNCTION(hc_execute_update) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    engine::UpdateRequest request = request_of(args, 1, 2);
    read_update_id(args, 3, request);
    const core::Duration timeout = timeout_of(args, 4);
    engine::Verb verb;
    request.id = engine::update_workflow(id, request, verb.user());
    verb.finish();
    pg::commit_in_procedure(args.raw()->context);
    engine::UpdateLook look(id, request.id);
    wait_for(look, timeout, pg::QuietWait::Caller::procedure);
    // how to ask again stands beside the answer
    const std::string answer = core::update_answer_with_id(look.answer(), request.id);
    return pg::make_row(args, pg::json_value{answer});
}

HC_FUNCTION(hc_workflow_result) {
    engine::ResultLook look(args.uuid(0, "execution_id"));
    if (!wait_for(look, timeout_of(args, 1), pg::QuietWait::Caller::query)) {
        throw Error(sqlstate::still_running,
                    fmt::format("workflow execution {} is still running", core::to_string(look.id())),
                    "The timeout has come before its end.", "Ask again.");
    }
    const std::optional<std::string> result = look.result();
    return result ? pg::make_jsonb(*result) : pg::make_null();
}

// ---- in workflow functions ----

HC_FUNCTION(hc_body_wait_update) {
    const auto timeout = args.is_null(1) ? std::nullopt : std::optional(args.interval(1, "timeout"));
    const auto update = engine::running_body().wait_update(args.optional_text(0), timeout);
    return update ? pg::make_jsonb(*update) : pg::make_null();
}

HC_FUNCTION(hc_body_complete_update) {
    const std::string id = args.text(0, "id");
    engine::running_body().complete_update(id, args.is_null(1) ? "null" : args.json(1, "result"));
    return pg::make_void();
}

HC_FUNCTION(hc_body_fail_update) {
    const std::string id = args.text(0, "id");
    const core::WorkflowFailure failure{args.text(2, "sqlstate"), args.text(1, "message"),
                                        args.optional_text(3).value_or(""), args.optional_text(4).value_or("")};
    engine::running_body().fail_update(id, failure);
    return pg::make_void();
}
