// Updates in a turn. One is looked at when the function has come to a wait that wants it: then it is validated, against
// the state that the function is in, and accepted or rejected. See workflow_turn.hpp.
#include "engine/workflow_turn.hpp"
#include "pg/outcomes.hpp"
#include "pg/wake.hpp"

namespace hc::engine {

using core::ExecutionEvent;
using core::ExecutionEventType;
using core::UpdateStage;

std::optional<store::AdmittedUpdate> WorkflowTurn::next_update() {
    const ExecutionEvent *wait = replay_->pending_update();
    if (wait == nullptr || type_->options.updates.empty()) {
        return std::nullopt;
    }
    for (store::AdmittedUpdate &update : store::admitted_updates(row_.id)) {
        if (!wait->name.empty() && wait->name != update.name) {
            continue;
        }
        if (!type_->options.updates.contains(update.name)) { // it was, when the update was sent
            reject_update(update, core::undeclared_update(update.name, type_->options.updates));
            continue;
        }
        return std::move(update);
    }
    return std::nullopt;
}

void WorkflowTurn::accept_update(const store::AdmittedUpdate &update) {
    store::set_update_stage(row_.id, update.update_id, UpdateStage::accepted, "");
    replay_->add({.type = ExecutionEventType::update_accepted,
                  .time = pg::now(),
                  .command = replay_->pending_update()->command,
                  .name = update.name,
                  .payload = update.arguments.text,
                  .text = update.update_id});
}

void WorkflowTurn::reject_update(const store::AdmittedUpdate &update, const core::WorkflowFailure &failure) {
    store::set_update_stage(row_.id, update.update_id, UpdateStage::rejected, core::outcome_of_failure(failure));
    store::forget_old_rejections(row_.id);
    pg::count(core::WorkflowCount::updates_rejected);
    pg::note_outcome(row_.id);
}

// Outcomes that the function has recorded in this turn.
void WorkflowTurn::write_updates() {
    for (const ExecutionEvent &event : replay_->added()) {
        if (event.type == ExecutionEventType::update_completed) {
            store::set_update_stage(row_.id, event.text, UpdateStage::completed, event.payload);
            pg::note_outcome(row_.id);
        }
    }
}

} // namespace hc::engine
