// The history of a workflow execution: its events, their compact binary form, and their JSON form for people.
// Event names are Temporal's where the idea is Temporal's; a step, whose effect and event are one commit, has no
// counterpart there.
//
// Binary form of one event: type byte, varint time (microseconds since the previous event of the same buffer, the first
// one since 2020-01-01), varint bit mask of the fields present in declaration order, the fields. A buffer is a format
// byte followed by events; encode_execution(.., base) makes bytes to append to a buffer whose last event is at `base`.
// Event ids are positions: 1 is the first event of the history.
#pragma once

#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

enum class ExecutionEventType : std::uint8_t {
    workflow_execution_started = 1,    // name: workflow type, payload: of its chain (execution_chain.hpp), if any
    workflow_execution_completed = 2,  // payload: result
    workflow_execution_failed = 3,     // payload: failure; name: retry state, where there is a policy; text: execution
                                       // id of the next run, if there is one
    workflow_execution_timed_out = 4,  // name, text: likewise
    workflow_execution_canceled = 5,   //
    workflow_execution_terminated = 6, // text: reason, payload: the execution that goes on, when it was reset
    workflow_task_failed = 7,          // payload: failure; of several in a row only the first
    step_completed = 8,                // command, name, hash, payload: first row of the statement
    step_failed = 9,                   // command, name, hash, payload: failure
    marker_recorded = 10,              // command (0: of a version), kind, name, hash, payload; due of a wait_update
    timer_started = 11,                // command, kind (absent: of a sleep), due
    timer_fired = 12,                  // command
    signal_awaited = 13,               // command, name, due (absent: no timeout)
    signal_received = 14,              // name, payload, text: request id
    cancel_requested = 15,             // text: reason
    child_started = 16,                // command, name: workflow type, hash, payload: parent close policy (a word, no
                                       // JSON), text: execution id
    child_start_failed = 17,           // command, payload: failure
    child_completed = 18,              // command, payload: result
    child_failed = 19,                 // command, payload: failure, text: status
    workflow_execution_continued_as_new = 20, // text: execution id of the next
    activity_scheduled = 21,                  // command, name: activity type, hash, payload: options as given, text:
                                              // wait or abandon, of a cancel
    activity_started = 22,                    // command, payload: attempt, since when, text: worker; when it closes
    activity_completed = 23,                  // command, payload: result
    activity_failed = 24,                     // command, payload: failure, text: retry state
    activity_timed_out = 25,                  // command, payload: failure, text: timeout type
    activity_cancel_requested = 26,           // command, kind cancel, payload: command of the activity
    activity_canceled = 27,                   // command, payload: failure
    update_accepted = 28,             // command: of the wait that takes it, if any, name, payload: arguments, text: id
    update_completed = 29,            // command, hash, payload: outcome, text: update id
    timer_canceled = 30,              // command, kind cancel, payload: command of the timer
    condition_awaited = 31,           // command, hash, due (absent: no timeout), payload: tables
    condition_met = 32,               // command
    search_attributes_upserted = 33,  // command (absent: of its start), hash, payload: attributes
    memo_modified = 34,               // command (absent: of its start), hash, payload: fields
    workflow_execution_paused = 35,   // text: reason, name: request id
    workflow_execution_unpaused = 36, // text: reason
    workflow_execution_options_updated = 37, // payload: what has changed, text: execution whose history this was
                                             // up to here, of one that a reset has begun
    child_cancel_requested = 38,             // command, kind cancel, payload: command of the child
    activity_rescheduled = 39,               // command: of one that was open where a reset has cut
};
inline constexpr ExecutionEventType kLastExecutionEventType = ExecutionEventType::activity_rescheduled;

// What the body of a workflow function asks for, in the order in which it asks; each is a command with a number,
// from 1.
enum class CommandKind : std::uint8_t {
    none,
    step,
    fetch,
    side_effect,
    version,
    sleep,
    wait_signal,
    timer,
    child,
    activity,
    wait_until,
    wait_update,
    complete_update,
    cancel, // of what a handle stands for
    set_attributes,
    set_memo,         // no event stores it
    set_query_result, // of a program outside: a marker that has no number, name, payload
};
inline constexpr CommandKind kLastCommandKind = CommandKind::set_query_result;

struct ExecutionEvent {
    ExecutionEventType type{};
    Time time{};
    // Fields in mask order. Zero (or empty, or nullopt) means absent.
    std::uint32_t command = 0;
    CommandKind kind = CommandKind::none;
    std::optional<Time> due{};
    std::uint64_t hash = 0; // of the arguments of the command
    std::string name{};
    std::string payload{}; // JSON
    std::string text{};

    bool operator==(const ExecutionEvent &) const = default;
};

// How an execution ended; numbers are those of hermes.execution_closed.status.
enum class ExecutionStatus : std::uint8_t { running, completed, failed, timed_out, canceled, terminated, continued };

bool is_close(ExecutionEventType type);
ExecutionStatus status_after(ExecutionEventType close);

// A new buffer (format byte first) when base is nullopt, else bytes to append after an event at *base.
std::string encode_execution(std::span<const ExecutionEvent> events, std::optional<Time> base);

// Throws hc::Error WF004 on bytes that are no history. Never reads out of bounds; memory is linear in the input.
std::vector<ExecutionEvent> decode_execution(std::string_view bytes);

std::string_view to_string(ExecutionEventType t); // "WorkflowExecutionStarted", "StepCompleted" ...
std::string_view to_string(ExecutionStatus s);    // "Running", "Completed", "TimedOut" ...
std::string_view to_string(CommandKind k);        // "step", "wait_signal" ...

// The attributes of an event as a JSON object, with the field names of the reference manual; times in ISO 8601 UTC.
std::string execution_attributes_json(const ExecutionEvent &e);

} // namespace hc::core
