// See workflow_programs.hpp. Runs in backends of workers, and in the supervisor.
#include "engine/workflow_programs.hpp"

#include "core/error.hpp"
#include "core/execution_chain.hpp"
#include "core/task_token.hpp"
#include "engine/activity_types.hpp"
#include "engine/definitions.hpp"
#include "engine/task_polls.hpp"
#include "engine/workflow_attributes.hpp"
#include "engine/workflow_executions.hpp"
#include "engine/workflow_turn.hpp"
#include "pg/guc.hpp"
#include "pg/outcomes.hpp"
#include "pg/random.hpp"
#include "store/workflow_programs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;
using core::ProgramCommand;
using core::ProgramCommandType;
using core::WorkflowFailure;
using core::WorkflowId;

const char *const kLateHint = "Forget what was done for this task, and poll for another.";

[[noreturn]] void throw_stale() {
    throw Error(sqlstate::stale_token, "task token is not that of a workflow task at hand",
                "The lease is over, the task was answered, its workflow is over, or the token is not one of "
                "hermes.poll_workflow_tasks.",
                kLateHint);
}

std::vector<core::ProgramUpdate> updates_of(const WorkflowId &id) {
    std::vector<core::ProgramUpdate> updates;
    for (store::AdmittedUpdate &update : store::admitted_updates(id)) {
        updates.push_back({std::move(update.update_id), std::move(update.name), std::move(update.arguments.text)});
    }
    return updates;
}

// Ends it when it has come to that by itself. False: somebody holds what that needs.
bool end_by_itself(WorkflowTurn &turn) {
    core::Duration wait_for{};
    return turn.terminated()
               ? turn.close({.type = ExecutionEventType::workflow_execution_terminated, .text = turn.reason()},
                            wait_for)
               : turn.close({.type = ExecutionEventType::workflow_execution_timed_out}, wait_for);
}

// The task of one execution that has something due, or nullopt: there is none, or nobody is to have it now.
std::optional<PolledProgram> take_task(const WorkflowId &id, const ProgramPoll &request) {
    WorkflowTurn turn;
    if (turn.begin_outside(id, store::LockWait::skip, true) != WorkflowTurn::Begin::ready) {
        return std::nullopt;
    }
    const core::Time now = pg::now();
    store::ProgramTaskRow row = store::lock_program_task(id).value_or(store::ProgramTaskRow{.execution_id = id});
    if (row.deadline && *row.deadline > now) { // given to somebody since it was found
        return std::nullopt;
    }
    if (turn.terminated() || turn.timed_out()) {
        end_by_itself(turn);
        return std::nullopt;
    }
    if (turn.rest()) {
        return std::nullopt;
    }
    if (row.deadline) { // the last worker has let it lie
        turn.note_failure({sqlstate::activity_timed_out, "workflow task timed out", row.worker.value_or(""), ""});
        row.last_worker.reset();
    }
    PolledProgram task;
    task.updates = updates_of(id);
    const std::vector<ExecutionEvent> &events = turn.replay().events();
    if (!turn.is_called() && task.updates.empty() && events.size() <= static_cast<std::size_t>(row.shown)) {
        turn.wait(); // what woke it is nothing to it
        return std::nullopt;
    }
    task.deadline = now + request.lease.value_or(turn.type().options.task_timeout);
    task.attempt = static_cast<std::int32_t>(turn.failures()) + 1;
    task.previous = static_cast<std::size_t>(row.previous);
    task.first = request.only_new && request.worker && row.last_worker == request.worker ? task.previous : 0;
    turn.hand_out(task.deadline);
    row.token = static_cast<std::int64_t>(pg::random64());
    row.shown = static_cast<std::int32_t>(events.size());
    row.started_at = now;
    row.deadline = task.deadline;
    row.worker = request.worker;
    store::put_program_task(row);
    task.token = core::format_token({id, store::kTurnNumber, row.token});
    task.document = {.id = id,
                     .workflow_type = turn.type().name,
                     .version = turn.type().version,
                     .function = "",
                     .digest = "",
                     .workflow_id = turn.row().workflow_id,
                     .tenant = turn.row().tenant,
                     .input = pg::to_text(turn.input()),
                     .events = events};
    return task;
}

// The task that a worker answers for, its execution locked.
store::ProgramTaskRow lock_task(const std::string &text, Oid user, WorkflowTurn &turn) {
    const std::optional<core::TaskToken> token = core::parse_token(text);
    if (!token || token->number != store::kTurnNumber ||
        turn.begin_outside(token->id, store::LockWait::wait, false) != WorkflowTurn::Begin::ready) {
        throw_stale();
    }
    std::optional<store::ProgramTaskRow> row = store::lock_program_task(token->id);
    const bool at_hand = row && row->deadline && *row->deadline > pg::now() && row->token == token->secret;
    if (!at_hand || !turn.type().is_external() || !definitions().tenant_allowed(user, turn.row().tenant)) {
        throw_stale();
    }
    return std::move(*row);
}

// Nobody has it any more.
void give_back(store::ProgramTaskRow row) {
    row.deadline.reset();
    row.last_worker.reset();
    row.worker.reset();
    store::put_program_task(row);
}

void note_completed(store::ProgramTaskRow row, std::size_t events) {
    row.deadline.reset();
    row.previous = std::exchange(row.shown, static_cast<std::int32_t>(events));
    row.last_worker = std::exchange(row.worker, std::nullopt);
    store::put_program_task(row);
}

ProgramAnswerEnd fail(WorkflowTurn &turn, const store::ProgramTaskRow &row, const WorkflowFailure &failure) {
    turn.fail(failure);
    give_back(row);
    return {"failed", failure};
}

std::vector<ProgramCommand> read_answer(WorkflowTurn &turn, const std::string &json,
                                        const std::vector<core::ProgramUpdate> &updates) {
    core::ProgramRules rules;
    rules.max_payload = pg::guc::max_message_bytes();
    rules.max_memo = max_memo_bytes();
    rules.attributes = search_attribute_types();
    rules.activity_type = [](const std::string &name) { return activity_type(name); };
    const core::ExecutionChain chain = core::chain_of(turn.replay().events().front());
    rules.run_timeout = chain.run_timeout ? chain.run_timeout : turn.type().options.run_timeout;
    rules.updates = updates;
    return core::read_program_answer(json, core::program_state(turn.replay()), rules);
}

ChildRequest child_request(const ProgramCommand &command, const WorkflowId &id) {
    core::ExecutionChain chain;
    chain.run_timeout = command.child.run_timeout;
    chain.execution_timeout = command.child.execution_timeout;
    chain.retry = command.child.retry;
    return {command.number,    id, command.event.name, command.input, command.workflow_id, std::move(chain),
            command.attributes};
}

// What it records, and what is to be done then.
void apply(WorkflowTurn &turn, const ProgramCommand &command, BodyRequests &requests) {
    const WorkflowId &id = turn.row().id;
    ExecutionEvent event = command.event;
    event.time = pg::now();
    switch (command.type) {
    case ProgramCommandType::start_activity:
        requests.activities.push_back({command.number, event.name, command.input, command.activity});
        break;
    case ProgramCommandType::start_timer:
        event.due = event.time + command.duration;
        break;
    case ProgramCommandType::start_child: {
        const WorkflowId child = new_execution_id(turn.row().tenant, command.workflow_id);
        event.text = core::to_string(child);
        requests.children.push_back(child_request(command, child));
        break;
    }
    case ProgramCommandType::cancel_activity:
    case ProgramCommandType::cancel_child:
        if (turn.replay().is_open(command.handle)) {
            requests.cancels.push_back(command.handle);
        }
        break;
    case ProgramCommandType::accept_update:
        store::set_update_stage(id, command.update_id, core::UpdateStage::accepted, "");
        break;
    case ProgramCommandType::reject_update:
        turn.reject_update({command.update_id, "", {}}, command.failure);
        break;
    default:
        break;
    }
    if (command.number != 0) {
        turn.replay().append(std::move(event));
    } else if (event.type != ExecutionEventType{} && !command.closes()) {
        turn.replay().add(std::move(event));
    }
}

// False: something has come that its worker has not seen. From here on nobody brings anything.
bool may_close(WorkflowTurn &turn) {
    store::lock_execution_for_close(turn.row().id, store::LockWait::wait);
    const pg::fresh_reads_scope afresh; // of what was waited for
    return !turn.bring();
}

void close(WorkflowTurn &turn, const ProgramCommand &command) {
    core::Duration wait_for{};
    const bool closed = command.type == ProgramCommandType::continue_as_new
                            ? turn.continue_as_new(command.input, wait_for)
                            : turn.close(command.event, wait_for);
    if (!closed) {
        throw Error("55P03", "could not close the workflow execution",
                    "Somebody is about to start one of its workflow id, or holds its parent.", "Answer again.");
    }
}

} // namespace

std::vector<PolledProgram> poll_workflow_tasks(const ProgramPoll &request, Oid user) {
    check_poll(request.max_tasks, request.worker, request.lease);
    std::vector<PolledProgram> tasks;
    const std::optional<std::int32_t> queue = store::find_program_queue(request.queue);
    if (!queue) {
        return tasks;
    }
    const std::int32_t waiting = core::executor_queue(core::kFirstProgramRole + *queue);
    const auto tenants = definitions().allowed_tenants(user);
    const pg::fresh_reads_scope afresh;
    std::vector<WorkflowId> seen;
    for (;;) {
        const auto missing = request.max_tasks - static_cast<std::int32_t>(tasks.size());
        const std::vector<WorkflowId> due =
            missing > 0 ? store::due_programs(waiting, pg::now(), tenants, seen, missing) : std::vector<WorkflowId>();
        if (due.empty()) {
            return tasks;
        }
        for (const WorkflowId &id : due) {
            seen.push_back(id);
            if (std::optional<PolledProgram> task = take_task(id, request)) {
                tasks.push_back(std::move(*task));
            }
        }
    }
}

ProgramAnswerEnd complete_workflow_task(const std::string &token, const std::string &commands_json, Oid user) {
    const pg::fresh_reads_scope afresh;
    WorkflowTurn turn;
    const store::ProgramTaskRow row = lock_task(token, user, turn);
    const WorkflowId id = turn.row().id;
    const std::vector<core::ProgramUpdate> updates = updates_of(id);
    std::vector<ProgramCommand> commands;
    try {
        commands = read_answer(turn, commands_json, updates);
    } catch (const Error &e) {
        return fail(turn, row, {e.sqlstate(), e.message(), e.detail(), e.hint()});
    }
    const bool closes = !commands.empty() && commands.back().closes();
    if (closes && !may_close(turn)) {
        turn.go_on_soon();
        give_back(row);
        return {"refused", std::nullopt};
    }
    if (turn.terminated() || turn.timed_out()) {
        if (!end_by_itself(turn)) {
            throw_stale(); // the supervisor ends it in a moment
        }
        return {"closed", std::nullopt};
    }
    BodyRequests requests;
    for (const ProgramCommand &command : commands) {
        apply(turn, command, requests);
    }
    const bool more = turn.carry_out(requests); // something has ended at once
    if (closes) {
        close(turn, commands.back());
        return {"closed", std::nullopt};
    }
    note_completed(row, turn.replay().events().size());
    more ? turn.go_on_soon() : turn.wait();
    return {"completed", std::nullopt};
}

void fail_workflow_task(const std::string &token, const std::string &failure_json, Oid user) {
    const WorkflowFailure failure = core::read_program_failure(failure_json);
    const pg::fresh_reads_scope afresh;
    WorkflowTurn turn;
    const store::ProgramTaskRow row = lock_task(token, user, turn);
    fail(turn, row, failure);
}

bool end_program(const WorkflowId &id) {
    WorkflowTurn turn;
    switch (turn.begin_outside(id, store::LockWait::skip, true)) {
    case WorkflowTurn::Begin::ready:
        break;
    case WorkflowTurn::Begin::gone:
        store::delete_execution_tasks(id);
        return true;
    default:
        return false;
    }
    if (!turn.terminated() && !turn.timed_out()) { // it was done meanwhile
        return true;
    }
    return end_by_itself(turn);
}

} // namespace hc::engine
