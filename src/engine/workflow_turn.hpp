// A turn of an execution, in the transaction of an executor: what came for it becomes events, its function is called
// until it waits or ends (by the executor), and what that made is written. All functions act as the extension's owner.
#pragma once

#include "core/execution_replay.hpp"
#include "core/workflow_failure.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_types.hpp"
#include "store/workflow_executions.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

class WorkflowTurn {
public:
    enum class Begin : std::uint8_t {
        ready,
        gone, // closed: its tasks are deleted
        held, // by somebody else: try again in a few ms
    };
    Begin begin(const core::WorkflowId &id); // locks the execution and loads it

    // Tasks that are due become events. True: there were any.
    bool bring();

    core::Replay &replay() { return *replay_; }
    const WorkflowType &type() const { return *type_; }
    const std::string &input() const { return row_.input.text; }
    // Begins the children that the body has asked for. True: some could not be, which the replay knows by now.
    bool start_children(const std::vector<ChildRequest> &children);
    bool terminated() const { return terminated_.has_value(); } // by the close of its parent
    const std::string &reason() const { return *terminated_; }
    bool timed_out() const { return timed_out_; } // the run timeout is over
    std::uint32_t failures() const { return failures_; }

    // ---- ends; each writes everything ----

    void wait();       // for timers, signals
    void go_on_soon(); // more to do: another turn at once
    // Once more after a delay; nothing is wrong with the function.
    void try_again(core::Duration delay, const std::string &reason);
    // Its code failed: tried again later and later.
    void fail(const core::WorkflowFailure &failure);
    // Ends the execution. False: something came meanwhile (it is in the replay), or may be about to: `wait_for` is how
    // long the turn is to be put off then; zero: call the function again.
    bool close(core::ExecutionEvent end, core::Duration &wait_for);
    // Ends it by beginning the next execution of its workflow id; otherwise as close().
    bool continue_as_new(const std::string &input, core::Duration &wait_for);

private:
    void bring_task(const store::ExecutionTaskRow &task);
    void write_events();
    void write_attributes(); // those that the function has changed
    void write_timers();
    void delete_brought();
    void put_turn(core::Time due, std::uint32_t tries, const std::string &error);

    store::ExecutionRow row_;
    const WorkflowType *type_ = nullptr;
    std::optional<core::Replay> replay_;
    core::Time last_{};                      // time of the newest event
    std::vector<store::TaskKey> brought_;    // to be deleted
    std::vector<std::int32_t> seen_;         // numbers of tasks that were brought
    std::vector<std::int32_t> known_timers_; // numbers of tasks of timers
    bool has_turn_task_ = false;
    bool timed_out_ = false;
    std::optional<std::string> terminated_;
    std::uint32_t failures_ = 0; // in a row
};

// A task that could not be run at all (its executor died of it, its role may not run SQL): later.
void put_off_turn(const store::TaskKey &key, std::uint32_t failures, const std::string &reason);

} // namespace hc::engine
