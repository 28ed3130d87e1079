// A turn of an execution, in the transaction of an executor: what came for it becomes events, its function is called
// until it waits or ends (by the executor), and what that made is written. All functions act as the extension's owner.
#pragma once

#include "core/execution_replay.hpp"
#include "core/workflow_failure.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_types.hpp"
#include "store/workflow_executions.hpp"
#include "store/workflow_updates.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

inline constexpr auto kHeldCloseRetry = std::chrono::milliseconds(20); // while somebody is about to bring something

class WorkflowTurn {
public:
    enum class Begin : std::uint8_t {
        ready,
        gone,  // closed: its tasks are deleted
        held,  // by somebody else: try again in a few ms
        moved, // another role runs its function by now: its tasks are in the queue of that one
    };
    // Locks the execution and loads it; `queue`: of the executor.
    Begin begin(const core::WorkflowId &id, std::int32_t queue);
    // Of a program outside, whichever its queue is. `bring`: what is due; else that waits, while its worker answers.
    Begin begin_outside(const core::WorkflowId &id, store::LockWait mode, bool bring);

    // Tasks that are due become events. True: there were any.
    bool bring();

    core::Replay &replay() { return *replay_; }
    const WorkflowType &type() const { return *type_; }
    const pg::json_document &input() const { return row_.input; }
    // Begins and cancels what the body has asked for. True: something of it has ended at once, which the replay knows
    // by now.
    bool carry_out(const BodyRequests &requests);
    // The first update that the function waits for; nullopt: none. Then one of:
    std::optional<store::AdmittedUpdate> next_update();
    void accept_update(const store::AdmittedUpdate &update); // the function is to be called again
    void reject_update(const store::AdmittedUpdate &update, const core::WorkflowFailure &failure);
    bool terminated() const { return terminated_.has_value(); } // by the close of its parent
    const std::string &reason() const { return *terminated_; }
    bool timed_out() const { return timed_out_; } // the run timeout is over
    const store::ExecutionRow &row() const { return row_; }
    bool is_called() const { return has_turn_task_; } // not only for what has come
    std::uint32_t failures() const { return failures_; }
    bool failed() const { return failed_; } // by fail()
    // The tables whose change the function waits for; to be compared once the turn is committed.
    void watch(std::vector<pg::WatchedTable> tables) { watched_ = std::move(tables); }
    const std::vector<pg::WatchedTable> &watched() const { return watched_; }

    // Nothing is to be called now: it is paused, or its retry is not due. Then everything is written.
    bool rest();

    // ---- ends; each writes everything ----

    void wait();       // for timers, signals
    void go_on_soon(); // more to do: another turn at once
    // Once more after a delay; nothing is wrong with the function.
    void try_again(core::Duration delay, const std::string &reason);
    // A worker has its task until then; then another one may.
    void hand_out(core::Time until);
    void note_failure(const core::WorkflowFailure &failure); // of several in a row the first is an event
    // Its code failed: tried again later and later.
    void fail(const core::WorkflowFailure &failure);
    // Ends the execution. False: something came meanwhile (it is in the replay), or may be about to: `wait_for` is how
    // long the turn is to be put off then; zero: call the function again. A run that has failed or timed out begins the
    // next one where its policy says so.
    bool close(core::ExecutionEvent end, core::Duration &wait_for);
    // Ends it by beginning the next execution of its workflow id; otherwise as close().
    bool continue_as_new(const std::string &input, core::Duration &wait_for);

private:
    bool load(const core::WorkflowId &id, store::LockWait mode);
    void decode();
    void know(const store::ExecutionTaskRow &task);
    bool close_now(core::ExecutionEvent end, core::Duration &wait_for);
    bool close_for_next(core::ExecutionEvent end, pg::json_document input, core::Duration delay,
                        core::ExecutionChain chain, core::Duration &wait_for);
    bool pause_concerns() const;
    bool is_early() const;
    void bring_task(const store::ExecutionTaskRow &task);
    void start_children(const std::vector<ChildRequest> &children);
    void start_activities(const std::vector<ActivityRequest> &activities);
    void do_cancels(const std::vector<std::uint32_t> &handles);
    void bring_activity_end(const nlohmann::json &detail);
    void cancel_all();
    void cancel_child(const std::string &execution_id);
    void cancel_activities(std::optional<std::uint32_t> only);
    void write_cancels();
    void write_events();
    void warn_of_limits() const;
    void write_updates();
    void write_attributes(); // those that the function has changed
    void write_timers();
    void write_watch();
    void delete_brought();
    void put_again(core::Time due, std::uint32_t tries, const std::string &error); // writes everything
    void put_turn(core::Time due, std::uint32_t tries, const std::string &error);

    store::ExecutionRow row_;
    const WorkflowType *type_ = nullptr;
    std::optional<core::Replay> replay_;
    core::Time last_{};                      // time of the newest event
    std::vector<store::TaskKey> brought_;    // to be deleted
    std::vector<std::int32_t> seen_;         // numbers of tasks that were brought
    std::vector<std::int32_t> known_timers_; // numbers of tasks of timers
    bool has_turn_task_ = false;
    std::optional<core::Time> turn_due_;
    std::vector<pg::WatchedTable> watched_;
    std::optional<core::Time> look_due_; // when the condition that it waits for is looked at again
    bool waited_for_condition_ = false;  // at the begin
    bool timed_out_ = false;
    bool cancel_again_ = false;      // some activities could not be asked to cancel
    bool cancel_task_waits_ = false; // a look at them is planned
    std::optional<std::string> terminated_;
    std::uint32_t failures_ = 0; // in a row
    bool failed_ = false;
    std::string last_error_;
};

// A task that could not be run at all (its executor died of it, its role may not run SQL): later.
void put_off_turn(const store::TaskKey &key, std::uint32_t failures, const std::string &reason);

} // namespace hc::engine
