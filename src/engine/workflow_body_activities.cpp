// Activities that a workflow function starts, and what it cancels. See workflow_body.hpp.
#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/workflow_commands.hpp"
#include "engine/activity_types.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_body_checks.hpp"
#include "pg/values.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

using core::CallAnswer;
using core::Command;
using core::CommandKind;
using core::ExecutionEventType;

std::int64_t WorkflowBody::start_activity(const std::string &type, const std::string &input,
                                          const std::string &options_json) {
    check_command_name(type, "activity type");
    check_size(input, "input");
    const Command command{CommandKind::activity, type, core::hash64(type, input)};
    const CallAnswer answer = call(command);
    if (answer.kind != CallAnswer::Kind::fresh) {
        finish(answer); // raises when it is canceled
        reschedule(type, input, options_json);
        return replay_.command();
    }
    may_begin(ExecutionEventType::activity_scheduled);
    core::ActivityOptions options =
        core::normalized(core::parse_activity_options(options_json, activity_type(type)), run_timeout_);
    replay_.record({.type = ExecutionEventType::activity_scheduled,
                    .time = pg::now(),
                    .hash = command.hash,
                    .name = type,
                    .payload = options_json == "{}" ? "" : options_json,
                    .text = core::cancellation_word(options.cancellation)});
    replay_.call(command);
    requests_.activities.push_back({replay_.command(), type, input, std::move(options)});
    return replay_.command();
}

// After a reset to where it was open: done by a new one, from its first attempt. One that was asked to end ends at
// once.
void WorkflowBody::reschedule(const std::string &type, const std::string &input, const std::string &options_json) {
    const std::uint32_t number = replay_.command();
    if (for_query_ || !replay_.is_lost(number)) {
        return;
    }
    may_record();
    core::ActivityOptions options =
        core::normalized(core::parse_activity_options(options_json, activity_type(type)), run_timeout_);
    const auto asks = [number](const core::ExecutionEvent &event) {
        return event.type == ExecutionEventType::activity_cancel_requested && event.payload == fmt::to_string(number);
    };
    const auto &events = replay_.events();
    if (std::any_of(events.begin(), events.end(), asks) ||
        (replay_.cancel_requested() && options.cancellation != core::ActivityCancellation::abandon)) {
        requests_.cancels.push_back(number);
    }
    replay_.add({.type = ExecutionEventType::activity_rescheduled, .time = pg::now(), .command = number});
    requests_.activities.push_back({number, type, input, std::move(options)});
}

void WorkflowBody::cancel(std::int64_t handle) {
    const Command command{CommandKind::cancel, "", static_cast<std::uint64_t>(handle)};
    const CallAnswer answer = call(command);
    if (answer.kind != CallAnswer::Kind::fresh) {
        finish(answer);
        return;
    }
    may_record();
    const auto target = static_cast<std::uint32_t>(handle);
    ExecutionEventType type = ExecutionEventType::timer_canceled;
    try {
        const ExecutionEventType begin = replay_.begin_of(target).type;
        if (begin == ExecutionEventType::activity_scheduled) {
            type = ExecutionEventType::activity_cancel_requested;
        } else if (begin == ExecutionEventType::child_started) {
            type = ExecutionEventType::child_cancel_requested;
        }
    } catch (const core::Nondeterminism &e) {
        diverged(e);
    }
    if (type != ExecutionEventType::timer_canceled && replay_.is_open(target)) {
        requests_.cancels.push_back(target);
    }
    replay_.record({.type = type,
                    .time = pg::now(),
                    .kind = CommandKind::cancel,
                    .hash = command.hash,
                    .payload = fmt::to_string(target)});
    replay_.call(command);
}

} // namespace hc::engine
