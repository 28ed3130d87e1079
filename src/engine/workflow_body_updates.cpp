// What a workflow function does with updates: takes them one by one, and completes them. See workflow_body.hpp.
#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/history.hpp"
#include "core/workflow_updates.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_body_checks.hpp"
#include "pg/values.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::engine {

using core::CommandKind;
using core::ExecutionEvent;
using core::ExecutionEventType;

namespace {

std::string quoted(const std::string &text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace

WorkflowBody::Value WorkflowBody::wait_update(const std::optional<std::string> &name,
                                              std::optional<core::Duration> timeout) {
    if (name) {
        check_command_name(*name, "update");
    }
    ExecutionEvent event{.type = ExecutionEventType::marker_recorded,
                         .time = pg::now(),
                         .kind = CommandKind::wait_update,
                         .name = name.value_or("")};
    if (timeout) {
        event.due = event.time + checked_wait(*timeout, "timeout");
    }
    const core::Command command{CommandKind::wait_update, event.name, 0};
    const Value args = wait(command, std::move(event));
    const ExecutionEvent *accepted = args ? replay_.accepted_by(replay_.command()) : nullptr;
    if (accepted == nullptr) {
        return std::nullopt;
    }
    // arguments go in as they are: numbers of jsonb have more digits than a double
    return fmt::format("{{\"id\": {}, \"name\": {}, \"args\": {}}}", quoted(accepted->text), quoted(accepted->name),
                       *args);
}

void WorkflowBody::end_update(const std::string &id, const std::string &outcome) {
    enter();
    if (!replay_.has_open_update(id)) {
        throw Error(sqlstate::not_prerequisite,
                    fmt::format("workflow update \"{}\" is not open", core::cut_utf8(id, 200)),
                    "The function has not taken it from hermes.wait_update, or has completed it.");
    }
    const core::Command command{CommandKind::complete_update, "", core::hash64("update", id)};
    wait(command, {.type = ExecutionEventType::update_completed,
                   .time = pg::now(),
                   .hash = command.hash,
                   .payload = outcome,
                   .text = id});
}

void WorkflowBody::complete_update(const std::string &id, const std::string &result) {
    check_size(result, "result");
    end_update(id, core::outcome_of_result(result));
}

void WorkflowBody::fail_update(const std::string &id, const core::WorkflowFailure &failure) {
    core::check_sqlstate(failure.sqlstate);
    const std::string outcome = core::outcome_of_failure(failure);
    check_size(outcome, "failure");
    end_update(id, outcome);
}

std::string WorkflowBody::query_results() const {
    std::string object = "{";
    for (const auto &[name, value] : query_results_) {
        object += fmt::format("{}{}: {}", object.size() > 1 ? ", " : "", quoted(name), value.value_or("null"));
    }
    return object + "}";
}

} // namespace hc::engine
