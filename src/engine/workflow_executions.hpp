// The beginning and the end of executions, and what is brought to them in between, whoever does it: callers, turns,
// other executions. As the extension's owner.
#pragma once

#include "core/execution_chain.hpp"
#include "core/execution_replay.hpp"
#include "core/workflow_attributes.hpp"
#include "core/workflow_options.hpp"
#include "engine/workflow_types.hpp"
#include "store/workflow_executions.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

// ---- workflow ids ----

// As it stands in hermes.execution_current.
core::WorkflowId hash_of_workflow_id(const std::optional<std::string> &tenant, const std::string &workflow_id);

struct IdCourse {
    core::StartCourse course{};
    core::WorkflowId existing;      // unless the id was free
    core::ExecutionStatus status{}; // of that one
};
// Takes the workflow id for a new execution, unless the policies want the existing one, or none: then nothing is
// changed. Waits for concurrent starts of the same id.
IdCourse take_workflow_id(const std::optional<std::string> &tenant, const std::string &workflow_id,
                          const core::WorkflowStartOptions &options, const core::WorkflowId &id);
// Of a start that is refused.
core::WorkflowFailure refusal_of(const std::string &workflow_id, const IdCourse &course);

// The id goes on with the next execution, whose predecessor is locked for its close. False: somebody else holds the id.
bool pass_on_workflow_id(const std::optional<std::string> &tenant, const std::string &workflow_id,
                         const core::WorkflowId &next);

// The newest execution of a workflow id, open or closed.
std::optional<core::WorkflowId> newest_execution(const std::optional<std::string> &tenant,
                                                 const std::string &workflow_id);
// The same, waiting for whoever holds the id; the execution that had it, if there was one.
std::optional<core::WorkflowId> take_over_workflow_id(const std::optional<std::string> &tenant,
                                                      const std::string &workflow_id, const core::WorkflowId &next);

// The execution that this request to reset has made: `next`, unless it was there before. Waits for one under way.
core::WorkflowId take_reset_request(const core::WorkflowId &id, const std::string &request_id,
                                    const core::WorkflowId &next);

core::WorkflowId new_execution_id(const std::optional<std::string> &tenant,
                                  const std::optional<std::string> &workflow_id);

// ---- beginning ----

// The row needs no history. `input` as for store::insert_execution. `chain`: what the start gave, or the run before it
// hands on.
void count_events(std::span<const core::ExecutionEvent> written); // in the counters of hermes.stats
void begin_execution(store::ExecutionRow row, std::optional<pg::jsonb_view> input, core::Duration delay,
                     core::ExecutionChain chain, const core::ExecutionAttributes &attributes = {});

// ---- bringing ----

// A task that wakes its executor; the caller has seen to it that it is open, or does not care.
void bring(const core::WorkflowId &id, std::int32_t type_id, store::Kind kind, const std::string &detail);

// A signal as its task carries it; request_id empty: none.
std::string signal_detail(const std::string &name, const std::string &payload_json, const std::string &request_id);
std::string cancel_detail(const std::string &reason);

// ---- the end ----

std::string failure_of_end(const core::ExecutionEvent &end); // as a parent is told: JSON
// That goes on where this end leaves off: by continue_as_new or a reset.
std::optional<core::WorkflowId> following_execution(const core::ExecutionEvent &end);
// A terminate or a cancel for a child, by what it was started as, or the one that goes on for it.
void tell_child(const core::WorkflowId &parent, const std::string &execution_id, store::Kind kind,
                const std::string &reason);
inline constexpr int kLongestChain = 1000; // of such executions that is looked through

// Ends an execution that is locked for its close by this event, whose time is set; `base` is the time of the last event
// stored. Tells the parent, unless another run follows, and the children. False, and nothing done: the parent is held
// by somebody else (only with LockWait::skip).
bool close_execution(const store::ExecutionRow &row, store::ClosingRow locked, const core::Replay &replay,
                     core::ExecutionEvent end, core::Time base, store::LockWait mode);

} // namespace hc::engine
