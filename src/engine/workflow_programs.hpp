// Programs outside of the database: their workers poll workflow tasks (a history), and answer with commands. No
// transaction is open while a worker thinks: its token says what it answers for. As the extension's owner.
//
// Locks: the execution, then hermes.program_task. Polls wait for neither.
#pragma once

#include "core/execution_json.hpp"
#include "core/id.hpp"
#include "core/workflow_commands.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

struct ProgramPoll {
    std::string queue;
    std::optional<std::string> worker;
    std::int32_t max_tasks = 1;
    std::optional<core::Duration> lease;
    bool only_new = false; // events, where this worker has completed the task before
};
struct PolledProgram {
    std::string token;
    core::ExecutionDocument document; // with all events
    std::int32_t attempt = 1;
    std::size_t previous = 0; // events up to here are known to the last worker
    std::size_t first = 0;    // events up to here are left out
    std::vector<core::ProgramUpdate> updates;
    core::Time deadline{};
};
std::vector<PolledProgram> poll_workflow_tasks(const ProgramPoll &request, Oid user);

struct ProgramAnswerEnd {
    const char *outcome = "";                     // completed, closed, refused, failed
    std::optional<core::WorkflowFailure> failure; // of failed
};
// Throws WF025 when the token is not that of a task at hand; 55P03 when somebody holds what a close needs.
ProgramAnswerEnd complete_workflow_task(const std::string &token, const std::string &commands_json, Oid user);
void fail_workflow_task(const std::string &token, const std::string &failure_json, Oid user);

// ---- of the supervisor ----

// Ends an execution whose time is over, or whose parent has closed. False: it is held by somebody.
bool end_program(const core::WorkflowId &id);

} // namespace hc::engine
