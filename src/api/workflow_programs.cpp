// SQL functions of programs outside of the database: define, poll, answer.
#include "engine/workflow_programs.hpp"
#include "engine/fence.hpp"
#include "engine/verb.hpp"
#include "engine/workflow_types.hpp"
#include "pg/function.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace hc;

namespace {

std::string quoted(const std::string &text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Arguments go in as they are: numbers of jsonb have more digits than a double.
std::string updates_json(const std::vector<core::ProgramUpdate> &updates) {
    std::string json = "[";
    for (const core::ProgramUpdate &update : updates) {
        json += fmt::format("{}{{\"update_id\": {}, \"name\": {}, \"args\": {}}}", json.size() > 1 ? ", " : "",
                            quoted(update.id), quoted(update.name), update.arguments);
    }
    return json + "]";
}

} // namespace

HC_FUNCTION(hc_register_workflow_program) {
    const std::string name = args.text(0, "name"), options = args.json(1, "options");
    engine::Verb verb;
    const std::int32_t version = engine::register_workflow_program(name, options);
    engine::claim_database();
    verb.finish();
    return pg::make_int32(version);
}

HC_FUNCTION(hc_poll_workflow_tasks) {
    engine::ProgramPoll request;
    request.queue = args.text(0, "queue");
    request.worker = args.optional_text(1);
    request.max_tasks = args.integer(2, "max_tasks");
    if (!args.is_null(3)) {
        request.lease = args.interval(3, "lease");
    }
    request.only_new = core::wants_new_events_only(args.json(4, "options"));
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<engine::PolledProgram> tasks = engine::poll_workflow_tasks(request, verb.user());
    verb.finish();
    for (const engine::PolledProgram &task : tasks) {
        const std::string history = core::execution_json(task.document, task.first);
        const std::string updates = updates_json(task.updates);
        rows.add(task.token, task.document.id, task.document.workflow_type, task.document.version,
                 task.document.workflow_id, task.document.tenant, task.attempt,
                 static_cast<std::int32_t>(task.previous), pg::json_value{history}, pg::json_value{updates},
                 task.deadline);
    }
    return rows.done();
}

HC_FUNCTION(hc_complete_workflow_task) {
    const std::string token = args.text(0, "token"), commands = args.large_json(1, "commands");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const engine::ProgramAnswerEnd end = engine::complete_workflow_task(token, commands, verb.user());
    verb.finish();
    const std::string failure = end.failure ? core::failure_json(*end.failure) : "";
    rows.add(std::string(end.outcome),
             end.failure ? std::optional(pg::json_value{failure}) : std::optional<pg::json_value>());
    return rows.done();
}

HC_FUNCTION(hc_fail_workflow_task) {
    const std::string token = args.text(0, "token"), failure = args.json(1, "failure");
    engine::Verb verb;
    engine::fail_workflow_task(token, failure, verb.user());
    verb.finish();
    return pg::make_void();
}
