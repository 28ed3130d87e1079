// See workflow_query.hpp. Runs in callers' backends.
#include "engine/workflow_query.hpp"

#include "core/error.hpp"
#include "core/workflow_commands.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_handlers.hpp"
#include "engine/workflow_types.hpp"
#include "engine/workflow_verbs.hpp"
#include "pg/user_turn.hpp"
#include "store/workflow_executions.hpp"

#include <fmt/format.h>

namespace hc::engine {

WorkflowQuery::WorkflowQuery(const core::WorkflowId &id, Oid user) {
    std::vector<core::ExecutionEvent> events = workflow_history(id, user); // whether the caller may see it
    std::int32_t type_id = 0;
    if (std::optional<store::ExecutionRow> row = store::read_execution(id)) {
        type_id = row->type_id;
        input_ = pg::to_text(row->input);
    } else if (std::optional<store::ClosedExecutionRow> closed = store::read_closed_execution(id)) {
        type_id = closed->type_id;
        input_ = std::move(closed->input.text);
    }
    const WorkflowType &type = workflow_type(type_id);
    external_ = type.is_external();
    if (const auto problem = external_ ? std::nullopt : why_not_registered(type)) {
        throw Error(sqlstate::nondeterminism, problem->message, problem->detail, problem->hint);
    }
    statement_ = type.statement;
    handlers_ = type.options.queries;
    replay_.emplace(id, std::move(events));
}

void WorkflowQuery::throw_unknown(const std::string &name, const WorkflowBody &body) const {
    std::string known;
    const auto add = [&known](const std::string &word) { known += (known.empty() ? "" : ", ") + word; };
    for (const auto &[word, handler] : handlers_) {
        add(word);
    }
    for (const auto &[word, value] : body.all_query_results()) {
        add(word);
    }
    throw Error(
        sqlstate::undefined_object, fmt::format("workflow query \"{}\" does not exist", name),
        known.empty() ? "The execution answers none yet." : fmt::format("The execution answers: {}.", known),
        "It answers what its function gives to hermes.set_query_result, and what its type declares in the option "
        "queries.");
}

void WorkflowQuery::replay(WorkflowBody &body) {
    pg::Failure failure;
    pg::UserSqlEnd end{};
    {
        const RunningBody running(body);
        end = pg::replay_body(statement_, input_, failure);
    }
    if (!body.nondeterminism().empty()) {
        throw Error(sqlstate::nondeterminism, "workflow function does not follow its history",
                    fmt::format("{}.", body.nondeterminism()));
    }
    // the function of an execution that has failed fails here as it did there
    const bool fails = end == pg::UserSqlEnd::failed && !body.suspended();
    if (fails && (!replay_->is_closed() || pg::is_cancel_or_shutdown(failure))) {
        pg::rethrow(failure);
    }
}

std::optional<std::string> WorkflowQuery::run(const std::string &name, const std::string &arguments) {
    WorkflowBody body(*replay_, true);
    body.restart();
    if (external_) {
        for (const auto &[query, value] : core::query_results_of(replay_->events())) {
            body.set_query_result(query, value);
        }
    } else {
        replay(body);
    }
    if (const auto handler = handlers_.find(name); handler != handlers_.end()) {
        return pg::call_handler(handler_statement(handler->second), arguments, body.query_results());
    }
    if (!body.has_query_result(name)) {
        throw_unknown(name, body);
    }
    return body.query_result(name);
}

} // namespace hc::engine
