// Whether a function does what a history says that it did: the verdict on one replay, for people who are about to
// change it. Pure: the replay has taken place, and its outcome is given.
#pragma once

#include "core/execution_replay.hpp"
#include "core/workflow_failure.hpp"

#include <optional>
#include <string>

namespace hc::core {

// How the call of the body ended, in a replay in which nothing new is recorded.
enum class BodyEnd : std::uint8_t {
    returned,
    failed,    // an error left it
    waits,     // for something that the history does not have the end of
    asks,      // for a command that the history does not have
    continues, // as new
    timed_out, // it ran longer than it may
};

struct BodyOutcome {
    BodyEnd end{};
    std::optional<std::string> result{}; // of one that returned: JSON; nullopt: NULL
    WorkflowFailure failure{};           // of one that failed
    bool raised_by_verb = false;         // the failure is a recorded one, or the cancel
    std::string asked{};                 // the command it asks for
    std::string divergence{};            // what it did that the history says otherwise; empty: nothing
};

struct ReplayVerdict {
    bool ok = true;
    std::string problem{};
    std::uint32_t command = 0; // where it was found; 0: at no command
    std::size_t event_id = 0;  // of the history; 0: at none
};

// Of an execution that is open, or was ended from outside, the body may go on with new commands; of one that its body
// ended, the body must end in the same way, with the same result or the same SQLSTATE and message.
ReplayVerdict judge_replay(const Replay &replay, const BodyOutcome &outcome);

} // namespace hc::core
