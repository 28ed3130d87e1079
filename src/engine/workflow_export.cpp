// See workflow_export.hpp. Runs in callers' backends.
#include "engine/workflow_export.hpp"

#include "engine/workflow_access.hpp"
#include "store/workflow_executions.hpp"

namespace hc::engine {

core::ExecutionDocument export_history(const core::WorkflowId &id, Oid user) {
    FoundExecution found = find_execution(id, user);
    const WorkflowType &type = workflow_type(found.type_id);
    core::ExecutionDocument document{.id = id,
                                     .workflow_type = type.name,
                                     .version = type.version,
                                     .function = type.function,
                                     .digest = type.digest,
                                     .workflow_id = std::move(found.workflow_id),
                                     .tenant = std::move(found.tenant),
                                     .input = {},
                                     .events = std::move(found.events)};
    if (std::optional<store::ExecutionRow> row = store::read_execution(id)) {
        document.input = pg::to_text(row->input);
    } else if (std::optional<store::ClosedExecutionRow> closed = store::read_closed_execution(id)) {
        document.input = std::move(closed->input.text);
    }
    return document;
}

ReplaySubject subject_of(core::ExecutionDocument document) {
    return {document.id, std::move(document.workflow_type), std::move(document.workflow_id), std::move(document.events),
            std::move(document.input)};
}

} // namespace hc::engine
