// The end of a run, and the run after it: continued as new, or retried. See workflow_turn.hpp.
#include "core/execution_chain.hpp"
#include "engine/workflow_executions.hpp"
#include "engine/workflow_turn.hpp"
#include "pg/values.hpp"

namespace hc::engine {

using core::ExecutionEvent;
using core::ExecutionEventType;
using store::Kind;

bool WorkflowTurn::close(ExecutionEvent end, core::Duration &wait_for) {
    const core::ExecutionChain chain = core::chain_of(replay_->events().front());
    const std::optional<core::RetryPolicy> &policy = chain.retry ? chain.retry : type_->options.retry;
    const core::NextRetry retry =
        core::retry_of_run(end, policy ? &*policy : nullptr, chain, replay_->cancel_requested(), pg::now());
    if (retry.state != core::RetryState::retry_policy_not_set) {
        end.name = core::to_string(retry.state);
    }
    if (retry.state != core::RetryState::in_progress) {
        return close_now(std::move(end), wait_for);
    }
    if (timed_out_) { // its function was not called: which signals it has taken, the history says
        replay_->follow_history();
    }
    return close_for_next(std::move(end), row_.input, retry.interval,
                          chain.next(core::to_string(row_.id), chain.attempt + 1), wait_for);
}

bool WorkflowTurn::continue_as_new(const std::string &input, core::Duration &wait_for) {
    const core::ExecutionChain chain = core::chain_of(replay_->events().front());
    return close_for_next({.type = ExecutionEventType::workflow_execution_continued_as_new}, pg::to_document(input), {},
                          chain.next(core::to_string(row_.id), 1), wait_for);
}

// Signals that nobody has taken go with it, and a cancel request that was not delivered.
bool WorkflowTurn::close_for_next(ExecutionEvent end, pg::json_document input, core::Duration delay,
                                  core::ExecutionChain chain, core::Duration &wait_for) {
    store::ExecutionRow next;
    next.id = new_execution_id(row_.tenant, row_.workflow_id);
    const WorkflowType *type = find_current_workflow_type(type_->name);
    next.type_id = type != nullptr ? type->id : row_.type_id; // of a dropped type the version that there is
    next.tenant = row_.tenant;
    next.workflow_id = row_.workflow_id;
    next.parent_id = row_.parent_id;
    next.command = row_.command;
    next.input = std::move(input);
    if (row_.workflow_id && !pass_on_workflow_id(row_.tenant, *row_.workflow_id, next.id)) {
        wait_for = kHeldCloseRetry; // somebody is about to start one of this id
        return false;
    }
    end.text = core::to_string(next.id);
    if (!close_now(std::move(end), wait_for)) {
        if (row_.workflow_id) {
            pass_on_workflow_id(row_.tenant, *row_.workflow_id, row_.id);
        }
        return false;
    }
    begin_execution(next, std::nullopt, delay, std::move(chain), core::attributes_after(replay_->events()));
    if (!type_->is_external()) { // whose workers have seen all that is in the history
        for (const ExecutionEvent *event : replay_->untaken_signals()) {
            engine::bring(next.id, next.type_id, Kind::signal, signal_detail(event->name, event->payload, event->text));
        }
    }
    if (type_->is_external() || !type_->options.updates.empty()) {
        store::move_updates(row_.id, next.id);
    }
    const std::optional<std::string> reason = replay_->undelivered_cancel();
    if (reason && !type_->is_external()) {
        engine::bring(next.id, next.type_id, Kind::cancel, cancel_detail(*reason));
    }
    return true;
}

bool WorkflowTurn::close_now(ExecutionEvent end, core::Duration &wait_for) {
    const bool by_code = end.type != ExecutionEventType::workflow_execution_timed_out &&
                         end.type != ExecutionEventType::workflow_execution_terminated;
    wait_for = core::Duration::zero();
    std::optional<store::ClosingRow> locked = store::lock_execution_for_close(row_.id, store::LockWait::skip);
    if (!locked) {
        wait_for = kHeldCloseRetry;
        return false;
    }
    if (bring() && by_code) {
        return false;
    }
    write_attributes();
    if (!close_execution(row_, std::move(*locked), *replay_, std::move(end), last_, store::LockWait::skip)) {
        wait_for = kHeldCloseRetry;
        return false;
    }
    write_updates();
    return true;
}

} // namespace hc::engine
