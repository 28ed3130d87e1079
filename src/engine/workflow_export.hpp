// Histories as documents: exported for tests kept beside the code, and replayed from there.
#pragma once

#include "core/execution_json.hpp"
#include "engine/workflow_replay.hpp"

#include <string>

namespace hc::engine {

core::ExecutionDocument export_history(const core::WorkflowId &id, Oid user); // in a verb; throws WF001
// Stores one that has ended elsewhere among the closed ones; again: nothing. Throws 22023, 42704, 42710, WF004.
void import_history(const core::ExecutionDocument &document, Oid user);
ReplaySubject subject_of(core::ExecutionDocument document);

} // namespace hc::engine
