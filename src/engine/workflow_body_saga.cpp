// Compensations of a workflow function: what undoes the steps that were done. A list in memory, made anew by each
// replay; run, they are steps like others. See workflow_body.hpp.
#include "core/error.hpp"
#include "core/workflow_options.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_body_checks.hpp"
#include "pg/user_turn.hpp"

#include <fmt/format.h>

namespace hc::engine {

using core::CallAnswer;
using core::Command;
using core::CommandKind;

void WorkflowBody::add_compensation(const std::string &name, const std::string &statement, pg::jsonb_view arguments) {
    enter();
    check_command_name(name, "compensation");
    if (compensations_.size() >= core::kMaxPendingCommands) {
        throw Error(sqlstate::limit_exceeded, "too many compensations",
                    fmt::format("At most {} are kept.", core::kMaxPendingCommands));
    }
    compensations_.push_back({name, statement, pg::to_document(arguments), hash_of_step(arguments)});
}

// A cancel request does not come in between: it is delivered after. With `stop` the failure of one is raised at once,
// and those that were not run stay on the list.
std::int32_t WorkflowBody::compensate(const std::string &options_json) {
    enter();
    const bool stop = core::parse_compensate_options(options_json).stop;
    std::int32_t run = 0;
    std::string failed_names;
    std::optional<core::WorkflowFailure> first;
    replay_.shield(true);
    while (!compensations_.empty() && !(stop && first)) {
        const StepRequest next = std::move(compensations_.back());
        compensations_.pop_back();
        const CallAnswer answer = call(Command{CommandKind::step, next.name, next.hash});
        if (answer.kind == CallAnswer::Kind::fresh) {
            may_record();
            step_ = next;
            suspend();
        }
        ++run;
        if (answer.kind == CallAnswer::Kind::failure) {
            failed_names += fmt::format("{}\"{}\"", failed_names.empty() ? "" : ", ", next.name);
            if (!first) {
                first = core::parse_failure(answer.payload);
                first->message = fmt::format("compensation \"{}\" failed: {}", next.name, first->message);
            }
        }
    }
    replay_.shield(false);
    if (first) {
        first->hint = fmt::format("Failed: {}. Run: {}, left: {}.", failed_names, run, compensations_.size());
        raised_ = first;
        pg::raise_recorded(first->sqlstate, first->message, first->detail, first->hint);
    }
    return run;
}

} // namespace hc::engine
