// What a workflow function begins and awaits later: timers and children. See workflow_body.hpp.
#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/workflow_options.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_body_checks.hpp"
#include "pg/random.hpp"
#include "pg/values.hpp"

#include <fmt/format.h>

namespace hc::engine {

using core::CallAnswer;
using core::Command;
using core::CommandKind;
using core::ExecutionEventType;

std::int64_t WorkflowBody::start_timer(core::Duration duration) {
    const core::Time now = pg::now();
    wait({CommandKind::timer, "", 0}, {.type = ExecutionEventType::timer_started,
                                       .time = now,
                                       .kind = CommandKind::timer,
                                       .due = now + checked_wait(duration, "duration")});
    return replay_.command();
}

std::int64_t WorkflowBody::start_child(const std::string &type, const std::string &input,
                                       const std::optional<std::string> &workflow_id, const std::string &options_json) {
    check_command_name(type, "workflow type");
    check_size(input, "input");
    const core::ChildOptions options = core::parse_child_options(core::without_start_attributes(options_json));
    const Command command{CommandKind::child, type, core::hash64(workflow_id.value_or(""), input)};
    const CallAnswer answer = call(command);
    if (answer.kind == CallAnswer::Kind::fresh) {
        may_begin(ExecutionEventType::child_started);
        core::ExecutionAttributes attributes = start_attributes(options_json);
        const core::WorkflowId id = core::make_workflow_id(
            pg::now(), static_cast<std::uint16_t>(pg::random64() % core::kBuckets), pg::random64());
        replay_.record({.type = ExecutionEventType::child_started,
                        .time = pg::now(),
                        .hash = command.hash,
                        .name = type,
                        .payload = std::string(core::to_string(options.parent_close)),
                        .text = core::to_string(id)});
        replay_.call(command);
        core::ExecutionChain chain;
        chain.run_timeout = options.run_timeout;
        chain.execution_timeout = options.execution_timeout;
        chain.retry = options.retry;
        requests_.children.push_back(
            {replay_.command(), id, type, input, workflow_id, std::move(chain), std::move(attributes)});
    } else {
        finish(answer); // raises when it is canceled
    }
    return replay_.command();
}

WorkflowBody::Value WorkflowBody::await(std::int64_t handle) {
    enter();
    try {
        return finish(replay_.await(static_cast<std::uint32_t>(handle)));
    } catch (const core::Nondeterminism &e) {
        diverged(e);
    }
}

std::string WorkflowBody::await_all(std::span<const std::int64_t> handles) {
    std::string all = "[";
    for (const std::int64_t handle : handles) {
        all += fmt::format("{}{}", all.size() > 1 ? ", " : "", await(handle).value_or("null"));
    }
    return all + "]";
}

std::int64_t WorkflowBody::await_any(std::span<const std::int64_t> handles) {
    enter();
    if (handles.empty() || handles.size() > core::kMaxPendingCommands) {
        throw Error(sqlstate::invalid_parameter, "invalid handles",
                    fmt::format("There must be 1 to {}.", core::kMaxPendingCommands));
    }
    std::vector<std::uint32_t> commands;
    commands.reserve(handles.size());
    for (const std::int64_t handle : handles) {
        commands.push_back(static_cast<std::uint32_t>(handle));
    }
    try {
        CallAnswer answer;
        if (const std::optional<std::uint32_t> first = replay_.await_any(commands, answer)) {
            return *first;
        }
        finish(answer); // raises: it waits, or is canceled
        return 0;
    } catch (const core::Nondeterminism &e) {
        diverged(e);
    }
}

} // namespace hc::engine
