// What a workflow function says of its execution: search attributes and memo. See workflow_body.hpp.
#include "core/crypto.hpp"
#include "core/error.hpp"
#include "engine/workflow_attributes.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_body_checks.hpp"

namespace hc::engine {

using core::CallAnswer;
using core::Command;
using core::CommandKind;
using core::ExecutionEvent;
using core::ExecutionEventType;

void WorkflowBody::set_attributes(const std::string &attributes) {
    const Command command{CommandKind::set_attributes, "", core::hash64("attributes", attributes)};
    change_attributes(command, {.type = ExecutionEventType::search_attributes_upserted}, attributes);
}

void WorkflowBody::set_memo(const std::string &fields) {
    const Command command{CommandKind::set_memo, "", core::hash64("memo", fields)};
    change_attributes(command, {.type = ExecutionEventType::memo_modified}, fields);
}

// As they are to be recorded. A declaration may change later: what is recorded is not looked at again.
std::string WorkflowBody::checked_changes(const ExecutionEvent &event, const std::string &changes) const {
    core::ExecutionAttributes after = core::attributes_after(replay_.events());
    std::string checked;
    if (event.type == ExecutionEventType::search_attributes_upserted) {
        checked = core::checked_attributes(changes, known_attribute_types(), "$");
        core::change_fields(after.search, checked);
    } else {
        checked = core::checked_memo(changes, "$");
        core::change_fields(after.memo, checked);
    }
    core::check_attribute_limits(after, max_memo_bytes());
    return checked;
}

void WorkflowBody::wrong(const Error &e) {
    wrong_command_ = core::WorkflowFailure{e.sqlstate(), e.message(), e.detail(), e.hint()};
    suspended_ = true; // nothing that it does from here on counts
    throw Error(e);
}

// Of a child that is to be started.
core::ExecutionAttributes WorkflowBody::start_attributes(std::string options_json) {
    try {
        return core::take_start_attributes(options_json, known_attribute_types(), max_memo_bytes());
    } catch (const Error &e) {
        wrong(e);
    }
}

void WorkflowBody::change_attributes(const Command &command, ExecutionEvent event, const std::string &changes) {
    CallAnswer answer = call(command);
    if (answer.kind == CallAnswer::Kind::fresh) {
        may_record();
        try {
            event.payload = checked_changes(event, changes);
        } catch (const Error &e) {
            wrong(e);
        }
        event.time = replay_.now();
        event.hash = command.hash;
        replay_.record(std::move(event));
        answer = replay_.call(command);
    }
    finish(answer);
}

} // namespace hc::engine
