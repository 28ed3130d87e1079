// Failures of workflow functions and their steps: what an error means, and its stored form.
#pragma once

#include <string>
#include <string_view>

namespace hc::core {

struct WorkflowFailure {
    std::string sqlstate;
    std::string message;
    std::string detail;
    std::string hint;

    bool operator==(const WorkflowFailure &) const = default;
};
std::string failure_json(const WorkflowFailure &failure); // {"sqlstate": .., "message": .., "detail": .., "hint": ..}
WorkflowFailure parse_failure(std::string_view json);     // what is missing is empty

// An error of the moment, in a step: it is not recorded, the turn is tried again. Serialization failures, deadlocks,
// locks not available, lack of resources, shutdowns, lost connections.
bool is_transient(std::string_view sqlstate);

// An error that left the body: the execution has failed. RAISE EXCEPTION, and the SQLSTATEs that an application may
// define for itself. Anything else is a fault of the code (no such column, division by zero), which a correction heals:
// it fails the turn, which is tried again, never the execution.
bool is_application_error(std::string_view sqlstate);

} // namespace hc::core
