// What a program may ask of its execution, and the checks of that. A program outside of the database answers a workflow
// task with an array of commands; a workflow function calls verbs. The rules on names, sizes, waits and the length of
// a history are the same ones. Pure.
//
//   [{"type": "start_activity", "activity": "charge", "input": {..}, "options": {..}, "command": 1}, ..]
//
// Of an answer all commands are valid or none is taken. `command` is the number that the program counts; when it is
// given it must be the one that the history gives.
#pragma once

#include "core/activity.hpp"
#include "core/execution_events.hpp"
#include "core/workflow_attributes.hpp"
#include "core/workflow_failure.hpp"
#include "core/workflow_limits.hpp"
#include "core/workflow_options.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

class Replay;

// ---- of all kinds of program ----

void check_command_name(std::string_view name, const char *what);                      // 1 to 200 bytes; throws 22023
void check_payload(std::string_view payload, const char *what, std::size_t max_bytes); // throws 54000
Duration checked_wait(Duration wait, const char *what);                                // 0 to 100 years; throws 22023
void check_sqlstate(std::string_view sqlstate);                                        // of a failure; throws 22023
std::string cancellation_word(ActivityCancellation cancellation); // as an event has it; empty: try_cancel
void check_history_room(const ExecutionUse &use); // whether a history takes one event more; throws 54000
// Whether one more may be open of what an event begins; throws 54000.
void check_may_begin(const ExecutionUse &use, ExecutionEventType begins);

// ---- of programs outside ----

inline constexpr std::size_t kMaxProgramAnswer = 64 * 1024 * 1024; // bytes

enum class ProgramCommandType : std::uint8_t {
    start_activity,
    start_timer,
    start_child,
    cancel_activity,
    cancel_timer,
    cancel_child,
    record_marker,
    record_version,
    set_attributes,
    set_memo,
    set_query_result,
    accept_update,
    reject_update,
    complete_update,
    complete_workflow,
    fail_workflow,
    cancel_workflow,
    continue_as_new,
};

struct ProgramCommand {
    ProgramCommandType type{};
    std::uint32_t number = 0; // in the history; 0: it is not counted
    ExecutionEvent event;     // that records it, without its time and number; of a rejection: of no type
    // of an activity
    ActivityOptions activity{};
    std::string input{}; // JSON; also of a child, and of continue_as_new
    // of a child
    ChildOptions child{};
    std::optional<std::string> workflow_id{};
    ExecutionAttributes attributes{};
    Duration duration{};       // of a timer
    std::uint32_t handle = 0;  // what a cancel is for: the number of its command
    std::string update_id{};   // of accept_update, reject_update, complete_update
    WorkflowFailure failure{}; // of reject_update

    bool closes() const { return type >= ProgramCommandType::complete_workflow; }
};

// What a history says that an answer is checked against.
struct ProgramState {
    std::uint32_t commands = 0; // counted so far
    ExecutionUse use;
    std::map<std::uint32_t, ExecutionEventType> begun; // timers, activities, children: what began them
    std::map<std::string, std::uint32_t> activity_ids; // of those that are open
    std::set<std::string> versions;
    std::set<std::string> accepted; // updates that are not completed
    std::map<std::string, std::string> query_results;
    ExecutionAttributes attributes;
};
ProgramState program_state(const Replay &replay);

// What the results of queries are after a history: JSON by name.
std::map<std::string, std::string> query_results_of(std::span<const ExecutionEvent> events);

// {"message": "..", "sqlstate": "P0001", "detail": "..", "hint": ".."}. Throws 22023 with the JSON path.
WorkflowFailure read_program_failure(std::string_view json);
bool wants_new_events_only(std::string_view json); // {"history": "full" | "new"} of a poll; throws likewise

struct ProgramUpdate { // that was admitted, and is not accepted
    std::string id, name;
    std::string arguments; // JSON
};

struct ProgramRules {
    std::size_t max_payload = 0, max_memo = 0;
    AttributeTypes attributes;
    std::function<ActivityTypeOptions(const std::string &)> activity_type;
    std::optional<Duration> run_timeout;
    std::span<const ProgramUpdate> updates;
};

// Throws 22023 (54000, WF021, ..) with the JSON path of what is wrong first.
std::vector<ProgramCommand> read_program_answer(std::string_view json, ProgramState state, const ProgramRules &rules);

} // namespace hc::core
