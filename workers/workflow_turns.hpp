// Turns of workflow functions, in an executor: one transaction each, in which the engine acts as the extension's owner
// and the function and its steps as the role of the process. The function is called until it waits or ends; each SQL
// step that it comes to is run outside of its call, recorded, and the function called again.
#pragma once

#include "engine/executor.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_turn.hpp"
#include "pg/user_turn.hpp"
#include "workers/session.hpp"

namespace hc::workers {

class WorkflowTurns {
public:
    enum class End : std::uint8_t {
        done,
        held,    // somebody else holds the execution: try again in a few ms
        stopped, // the worker is to end; what was done is kept, the rest is for another
        stale,   // not run: definitions or roles have changed since `generation`
    };
    // Leaves by an error when nothing of the turn stands.
    End run(const engine::SqlTask &task, std::int32_t queue, std::uint64_t generation);
    bool ran_steps() const { return ran_steps_; } // in the last turn: they may have left something in the session

private:
    enum class Next : std::uint8_t { again, over, stopped };

    Next call(engine::WorkflowTurn &turn, const pg::RunningTask &task);
    Next offer_updates(engine::WorkflowTurn &turn, const engine::WorkflowBody &body, const pg::RunningTask &task);
    Next run_step(engine::WorkflowTurn &turn, const engine::StepRequest &step, const pg::RunningTask &task);
    Next returned(engine::WorkflowTurn &turn, const std::optional<std::string> &result);
    Next failed(engine::WorkflowTurn &turn, const engine::WorkflowBody &body, const pg::Failure &failure);
    Next close(engine::WorkflowTurn &turn, core::ExecutionEvent end);
    Next continue_as_new(engine::WorkflowTurn &turn, const std::string &input);
    Next put_off(engine::WorkflowTurn &turn, core::Duration wait_for);
    Next fail(engine::WorkflowTurn &turn, const core::WorkflowFailure &failure);

    pg::UserPlans plans_;
    pg::UserPlans validators_; // of their own: they have two parameters
    bool ran_steps_ = false;
};

} // namespace hc::workers
