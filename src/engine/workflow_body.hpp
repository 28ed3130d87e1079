// What the verbs of a running workflow function work on: a replay of its history, and a list of what it asks for. One a
// process at a time. A verb whose result is not there yet suspends the function: it raises 57014, and from then on
// every verb does, so that what the function goes on to do after catching that has no consequence.
#pragma once

#include "core/error.hpp"
#include "core/execution_replay.hpp"
#include "core/workflow_attributes.hpp"
#include "core/workflow_failure.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hc::engine {

struct StepRequest {
    std::string name;
    std::string statement;
    std::string arguments; // JSON
    std::uint64_t hash = 0;
};

struct ChildRequest {
    std::uint32_t command = 0;
    core::WorkflowId id;
    std::string type;
    std::string input; // JSON
    std::optional<std::string> workflow_id;
    std::optional<core::Duration> run_timeout;
    core::ExecutionAttributes attributes;
};

class WorkflowBody {
public:
    // `for_query`: nothing new is recorded, the function stops where its history does.
    WorkflowBody(core::Replay &replay, bool for_query) : replay_(replay), for_query_(for_query) {}

    void restart(); // before each call

    // ---- the verbs; nullopt: NULL ----

    using Value = std::optional<std::string>; // JSON
    Value step(const std::string &name, const std::string &statement, const std::string &arguments);
    Value fetch(const std::string &query, const std::string &arguments);
    Value side_effect(const std::string &value);
    void sleep(core::Duration duration);
    Value wait_signal(const std::string &name, std::optional<core::Duration> timeout);
    std::int64_t start_timer(core::Duration duration);
    std::int64_t start_child(const std::string &type, const std::string &input,
                             const std::optional<std::string> &workflow_id, const std::string &options_json);
    Value await(std::int64_t handle);
    std::string await_all(std::span<const std::int64_t> handles);
    std::int64_t await_any(std::span<const std::int64_t> handles);
    [[noreturn]] void continue_as_new(const std::string &input);
    std::int32_t version(const std::string &change, std::int32_t oldest, std::int32_t newest);
    void set_query_result(const std::string &name, Value value);
    void set_attributes(const std::string &attributes); // JSON
    void set_memo(const std::string &fields);           // JSON
    core::Time now();
    std::uint64_t random();

    // ---- after a call ----

    bool suspended() const { return suspended_; }
    std::optional<StepRequest> take_step() { return std::exchange(step_, std::nullopt); }
    std::vector<ChildRequest> take_children() { return std::exchange(children_, {}); }
    const std::optional<std::string> &next_input() const { return next_input_; } // of continue_as_new
    const std::string &nondeterminism() const { return nondeterminism_; }        // empty: none was found
    // Of a verb that was given what it can never do; the turn is tried again, the execution goes on.
    const std::optional<core::WorkflowFailure> &wrong_command() const { return wrong_command_; }
    bool exhausted() const { return swallowed_ >= kMostSwallowed; }
    // Whether the error that left the function is one that a verb raised: a recorded failure or the cancel.
    bool raised(const std::string &sqlstate, const std::string &message) const;
    Value query_result(const std::string &name) const;

private:
    static constexpr int kMostSwallowed = 100; // suspensions caught by the function, and gone on after

    void enter();
    [[noreturn]] void suspend();
    core::CallAnswer call(const core::Command &command);
    Value finish(const core::CallAnswer &answer);
    Value wait(const core::Command &command, core::ExecutionEvent event);
    [[noreturn]] void diverged(const core::Nondeterminism &e);
    [[noreturn]] void wrong(const Error &e); // what a verb was given can never be done: the turn fails
    core::ExecutionAttributes start_attributes(std::string options_json);
    void change_attributes(const core::Command &command, core::ExecutionEvent event, const std::string &changes);
    std::string checked_changes(const core::ExecutionEvent &event, const std::string &changes) const;
    void may_record(); // in a query the function ends here; throws 54000 when the history is full

    core::Replay &replay_;
    const bool for_query_;
    bool suspended_ = false;
    int swallowed_ = 0;
    std::optional<StepRequest> step_;
    std::vector<ChildRequest> children_; // to be started, whatever becomes of the call: they are recorded
    std::optional<std::string> next_input_;
    std::optional<core::WorkflowFailure> raised_;
    std::string nondeterminism_;
    std::optional<core::WorkflowFailure> wrong_command_;
    std::map<std::string, Value> query_results_;
};

// The one that is running in this process. Throws 55000 outside of a workflow function.
WorkflowBody &running_body();

class RunningBody { // while it lives
public:
    explicit RunningBody(WorkflowBody &body) noexcept;
    ~RunningBody();
    RunningBody(const RunningBody &) = delete;
    RunningBody &operator=(const RunningBody &) = delete;

private:
    WorkflowBody *const outer_;
};

} // namespace hc::engine
