// Updates of executions: requests with an answer (Temporal's workflow updates). Stages, limits, what is told of them.
//
//   admitted --a wait of the function takes it--> accepted --complete_update, fail_update--> completed
//      |  `--its validator raises, or its name is not declared--> rejected
//      `--the execution goes on as a new one--> moved: admitted there
//
// Admission and acceptance are as durable as everything else. What an execution that has closed left unfinished has
// failed by that; it needs no write.
#pragma once

#include "core/execution_events.hpp"
#include "core/workflow_failure.hpp"
#include "core/workflow_options.hpp"

#include <string>
#include <string_view>

namespace hc::core {

enum class UpdateStage : std::uint8_t { admitted, accepted, completed, rejected, moved }; // stored
inline constexpr UpdateStage kLastUpdateStage = UpdateStage::moved;

inline constexpr std::int64_t kMaxUpdatesInFlight = 10;    // admitted or accepted, of one execution
inline constexpr std::int64_t kMaxRejectedUpdates = 1'000; // that are kept of one execution
inline constexpr std::size_t kMaxUpdateId = 200;           // bytes

std::string_view to_string(UpdateStage stage); // "admitted" ..

// What update_result() returns; outcome: {"result": ..} or {"failure": {..}}, empty while there is none.
std::string update_answer(UpdateStage stage, std::string_view outcome);

std::string update_answer_with_id(std::string_view answer, const std::string &update_id);

std::string outcome_of_result(std::string_view result_json);
std::string outcome_of_failure(const WorkflowFailure &failure);

// Of a name that the type does not declare; its detail has the ones that it does.
WorkflowFailure undeclared_update(const std::string &name, const DeclaredHandlers &declared);

// What became of an update that its execution left at this stage (admitted, accepted) when it closed.
std::string unfinished_update_answer(UpdateStage stage, ExecutionStatus status);

// Options of update_with_start: those of a start, where conflict_policy is use_existing unless it says otherwise, and
// update_id.
struct UpdateStartOptions {
    std::string start_json; // for parse_workflow_start_options()
    std::string update_id;  // empty: none given
};
UpdateStartOptions parse_update_start_options(std::string_view json); // throws 22023 with the JSON path

} // namespace hc::core
