// What the verbs of a running workflow function work on: a replay of its history, and a list of what it asks for. One a
// process at a time. A verb whose result is not there yet suspends the function: it raises 57014, and from then on
// every verb does, so that what the function goes on to do after catching that has no consequence.
#pragma once

#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/execution_chain.hpp"
#include "core/execution_replay.hpp"
#include "core/workflow_attributes.hpp"
#include "core/workflow_failure.hpp"
#include "pg/table.hpp"
#include "pg/watch.hpp"

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
    pg::json_document arguments;
    std::uint64_t hash = 0;
    bool commit_first = false;
};

struct ChildRequest {
    std::uint32_t command = 0;
    core::WorkflowId id;
    std::string type;
    std::string input; // JSON
    std::optional<std::string> workflow_id;
    core::ExecutionChain chain; // the timeouts and the policy that it was given
    core::ExecutionAttributes attributes;
};

struct ActivityRequest {
    std::uint32_t command = 0;
    std::string type;
    std::string input; // JSON
    core::ActivityOptions options;
};

// What is to be done, whatever becomes of the call: it is recorded.
struct BodyRequests {
    std::vector<ChildRequest> children;
    std::vector<ActivityRequest> activities;
    std::vector<std::uint32_t> cancels; // handles
};

class WorkflowBody {
public:
    static constexpr const char *kWaits = "workflow function waits"; // the message of a suspension

    // `for_query`: nothing new is recorded, the function stops where its history does.
    // `run_timeout`: of the execution, which its activities do not outlive.
    WorkflowBody(core::Replay &replay, bool for_query, std::optional<core::Duration> run_timeout = {})
        : replay_(replay), for_query_(for_query), run_timeout_(run_timeout) {}

    void restart(); // before each call

    // ---- the verbs; nullopt: NULL ----

    using Value = std::optional<std::string>; // JSON
    // Suspended afterwards, with no value: the step is to be run; the caller raises suspension().
    Value step(const std::string &name, const std::string &statement, pg::jsonb_view arguments,
               const std::string &options_json);
    Value fetch(const std::string &query, const std::string &arguments);
    Value side_effect(std::optional<pg::jsonb_view> value); // not read in a replay
    void sleep(core::Duration duration);
    Value wait_signal(const std::string &name, std::optional<core::Duration> timeout);
    // True: the condition was seen to hold; false: the timeout came first.
    bool wait_until(const std::string &condition, std::span<const Oid> tables, const std::string &arguments,
                    std::optional<core::Duration> timeout);
    void add_compensation(const std::string &name, const std::string &statement, pg::jsonb_view arguments);
    std::int32_t compensate(const std::string &options_json); // how many it has run
    std::int64_t start_timer(core::Duration duration);
    std::int64_t start_child(const std::string &type, const std::string &input,
                             const std::optional<std::string> &workflow_id, const std::string &options_json);
    std::int64_t start_activity(const std::string &type, const std::string &input, const std::string &options_json);
    void cancel(std::int64_t handle);
    Value await(std::int64_t handle);
    std::string await_all(std::span<const std::int64_t> handles);
    std::int64_t await_any(std::span<const std::int64_t> handles);
    Value wait_update(const std::optional<std::string> &name, std::optional<core::Duration> timeout);
    void complete_update(const std::string &id, const std::string &result);
    void fail_update(const std::string &id, const core::WorkflowFailure &failure);
    [[noreturn]] void continue_as_new(const std::string &input);
    std::int32_t version(const std::string &change, std::int32_t oldest, std::int32_t newest);
    void set_query_result(const std::string &name, Value value);
    void set_attributes(const std::string &attributes); // JSON
    void set_memo(const std::string &fields);           // JSON
    core::Time now();
    std::string info(); // JSON
    std::uint64_t random();

    // ---- after a call ----

    static Error suspension(); // what ends a call of a function that waits
    const bool &suspended() const { return suspended_; }
    std::optional<StepRequest> take_step() { return std::exchange(step_, std::nullopt); }
    bool has_requests() const {
        return !requests_.children.empty() || !requests_.activities.empty() || !requests_.cancels.empty();
    }
    BodyRequests take_requests() { return std::exchange(requests_, {}); }
    std::vector<pg::WatchedTable> take_watched() { return std::exchange(watched_, {}); } // of what it waits for
    const std::optional<std::string> &next_input() const { return next_input_; }         // of continue_as_new
    const std::string &nondeterminism() const { return nondeterminism_; }                // empty: none was found
    // Of a verb that was given what it can never do; the turn is tried again, the execution goes on.
    const std::optional<core::WorkflowFailure> &wrong_command() const { return wrong_command_; }
    bool exhausted() const { return swallowed_ >= kMostSwallowed; }
    // Whether the error that left the function is one that a verb raised: a recorded failure or the cancel.
    bool raised(const std::string &sqlstate, const std::string &message) const;
    bool has_query_result(const std::string &name) const { return query_results_.contains(name); }
    Value query_result(const std::string &name) const;
    const std::map<std::string, Value> &all_query_results() const { return query_results_; }
    std::string query_results() const; // all of them, a JSON object
    // In a query: whether it came to a command that the history does not have, and which.
    bool asked_for_more() const { return asked_for_more_; }
    std::string last_command() const { return core::words_of(last_.kind, last_.name); }

private:
    static constexpr int kMostSwallowed = 100; // suspensions caught by the function, and gone on after

    void enter();
    [[noreturn]] void suspend();
    core::CallAnswer call(const core::Command &command);
    Value finish(const core::CallAnswer &answer);
    Value wait(const core::Command &command, core::ExecutionEvent event);
    void end_update(const std::string &id, const std::string &outcome);
    [[noreturn]] void diverged(const core::Nondeterminism &e);
    void watch(std::span<const Oid> tables, bool known);
    [[noreturn]] void wrong(const Error &e); // what a verb was given can never be done: the turn fails
    void reschedule(const std::string &type, const std::string &input, const std::string &options_json);
    core::ExecutionAttributes start_attributes(std::string options_json);
    void change_attributes(const core::Command &command, core::ExecutionEvent event, const std::string &changes);
    std::string checked_changes(const core::ExecutionEvent &event, const std::string &changes) const;
    template <class Check>
    void may(Check check);
    void may_record(); // in a query the function ends here; throws 54000 when the history is full
    void may_begin(core::ExecutionEventType begins); // likewise, or when too many are open

    core::Replay &replay_;
    const bool for_query_;
    const std::optional<core::Duration> run_timeout_;
    bool suspended_ = false;
    bool asked_for_more_ = false;
    core::Command last_; // that was called
    int swallowed_ = 0;
    std::optional<StepRequest> step_;
    BodyRequests requests_;
    std::vector<pg::WatchedTable> watched_;
    std::vector<StepRequest> compensations_; // the newest is the last
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
