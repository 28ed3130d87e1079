// Turns that call nothing: the execution is paused, its type or its tenant is, or the interval before a retry is not
// over. What comes meanwhile is recorded. See workflow_turn.hpp.
#include "core/execution_chain.hpp"
#include "core/executor_queue.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_turn.hpp"
#include "pg/values.hpp"
#include "store/pauses.hpp"

#include <algorithm>
#include <string_view>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;

bool comes_from_outside(const ExecutionEvent &event) {
    switch (event.type) {
    case ExecutionEventType::workflow_execution_started:
    case ExecutionEventType::signal_received:
    case ExecutionEventType::workflow_execution_paused:
    case ExecutionEventType::workflow_execution_unpaused:
        return true;
    default:
        return false;
    }
}

} // namespace

bool WorkflowTurn::pause_concerns() const {
    const std::vector<store::PauseRow> &pauses = definitions().pauses();
    return std::any_of(pauses.begin(), pauses.end(), [this](const store::PauseRow &pause) {
        return !pause.until && ((pause.scope == store::kPauseWorkflowType && pause.name == type_->name) ||
                                (pause.scope == store::kPauseTenant && pause.name == row_.tenant));
    });
}

// The first turn of a retry does not come early for a signal; for a cancel request it does.
bool WorkflowTurn::is_early() const {
    const std::vector<ExecutionEvent> &events = replay_->events();
    return turn_due_ && *turn_due_ > pg::now() && core::chain_of(events.front()).attempt > 1 &&
           std::all_of(events.begin(), events.end(), comes_from_outside);
}

bool WorkflowTurn::rest() {
    if (replay_->is_paused()) {
        write_events();
        write_timers();
        if (turn_due_ && *turn_due_ <= pg::now()) { // resume_workflow makes another
            brought_.push_back({row_.id, store::kTurnNumber});
        }
        delete_brought();
        write_cancels();
        return true;
    }
    if (pause_concerns()) {
        write_events();
        write_timers();
        delete_brought();
        write_cancels();
        store::put_execution_turn(row_.id, -core::executor_queue(type_->role_id), pg::now(),
                                  static_cast<std::int16_t>(std::min(failures_, 30'000U)), "");
        return true;
    }
    if (is_early()) {
        write_events();
        delete_brought();
        return true;
    }
    return false;
}

} // namespace hc::engine
