// SQL functions of activities: define, poll and answer, control.
#include "core/error.hpp"
#include "engine/activities.hpp"
#include "engine/activity_control.hpp"
#include "engine/activity_types.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"

using namespace hc;

namespace {

std::optional<std::string> optional_json(const pg::Arguments &args, int i, const char *name) {
    return args.is_null(i) ? std::nullopt : std::optional(args.json(i, name));
}

std::string json_or_null(const pg::Arguments &args, int i, const char *name) {
    return args.is_null(i) ? "null" : args.json(i, name);
}

std::optional<pg::json_value> shown(const std::optional<std::string> &json) {
    return json ? std::optional(pg::json_value{*json}) : std::nullopt;
}

} // namespace

HC_FUNCTION(hc_register_activity) {
    const std::string name = args.text(0, "name"), options = args.json(1, "options");
    engine::Verb verb;
    engine::register_activity(name, options);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_drop_activity) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    engine::drop_activity(name);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_poll_tasks) {
    engine::PollRequest request;
    request.queue = args.text(0, "queue");
    request.worker = args.optional_text(1);
    request.max_tasks = args.integer(2, "max_tasks");
    if (!args.is_null(3)) {
        request.lease = args.interval(3, "lease");
    }
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<engine::PolledTask> tasks = engine::poll_tasks(request, verb.user());
    verb.finish();
    for (const engine::PolledTask &task : tasks) {
        const store::ActivityRow &row = task.row;
        const std::string id = core::parse_activity_options(row.options).activity_id;
        rows.add(task.token, row.type, pg::json_value{task.input}, row.attempt, row.execution_id,
                 id.empty() ? std::to_string(row.number) : id, row.tenant, row.scheduled_at, row.deadline,
                 shown(row.heartbeat), shown(row.last_failure));
    }
    return rows.done();
}

HC_FUNCTION(hc_complete_task) {
    const std::string token = args.text(0, "token"), result = json_or_null(args, 1, "result");
    engine::Verb verb;
    engine::complete_task(token, result, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_fail_task) {
    const std::string token = args.text(0, "token"), failure = args.json(1, "failure");
    engine::Verb verb;
    engine::fail_task(token, failure, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_cancel_task) {
    const std::string token = args.text(0, "token");
    const std::optional<std::string> details = optional_json(args, 1, "details");
    engine::Verb verb;
    engine::cancel_task(token, details, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_heartbeat_task) {
    const std::string token = args.text(0, "token");
    const std::optional<std::string> details = optional_json(args, 1, "details");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const engine::HeartbeatAnswer answer = engine::heartbeat_task(token, details, verb.user());
    verb.finish();
    rows.add(answer.cancel_requested, answer.pause_requested, answer.reset_requested);
    return rows.done();
}

HC_FUNCTION(hc_complete_activity) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::string activity_id = args.text(1, "activity_id"), result = json_or_null(args, 2, "result");
    engine::Verb verb;
    engine::complete_activity(id, activity_id, result, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_fail_activity) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::string activity_id = args.text(1, "activity_id"), failure = args.json(2, "failure");
    engine::Verb verb;
    engine::fail_activity(id, activity_id, failure, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_pause_activity) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::string activity_id = args.text(1, "activity_id");
    engine::Verb verb;
    engine::pause_activity(id, activity_id, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_resume_activity) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::string activity_id = args.text(1, "activity_id");
    engine::Verb verb;
    engine::resume_activity(id, activity_id, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_reset_activity) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::string activity_id = args.text(1, "activity_id"), options = args.json(2, "options");
    engine::Verb verb;
    engine::reset_activity(id, activity_id, options, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_update_activity_options) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::string activity_id = args.text(1, "activity_id"), options = args.json(2, "options");
    engine::Verb verb;
    engine::update_activity_options(id, activity_id, options, verb.user());
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_alter_activity_queue) {
    const std::string name = args.text(0, "name"), options = args.json(1, "options");
    engine::Verb verb;
    engine::alter_activity_queue(name, options);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_pause_activity_queue) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    engine::pause_activity_queue(name);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_resume_activity_queue) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    engine::resume_activity_queue(name);
    verb.finish();
    return pg::make_void();
}
