// See workflow_export.hpp. Runs in callers' backends.
#include "engine/workflow_export.hpp"

#include "core/error.hpp"
#include "core/workflow_attributes.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_attributes.hpp"
#include "pg/values.hpp"
#include "store/workflow_executions.hpp"
#include "store/workflow_moves.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

constexpr core::Time kEarliest = core::from_unix_micros(1'577'836'800'000'000); // 2020: no history is older

} // namespace

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

void import_history(const core::ExecutionDocument &document, Oid user) {
    core::check_closed_document(document);
    check_tenant_of(user, document.tenant);
    const core::Time begun = core::time_of(document.id);
    if (begun < kEarliest || begun > pg::now() + std::chrono::days(1)) {
        throw Error(sqlstate::invalid_parameter, "invalid history",
                    "$.execution_id: must be a UUID of version 7 of its start.");
    }
    const WorkflowType *exact = find_workflow_version(document.workflow_type, document.version);
    const WorkflowType &type = exact != nullptr ? *exact : newest_workflow_type(document.workflow_type);
    const core::ExecutionEvent &end = document.events.back();
    store::ImportedRow row{.id = document.id,
                           .closed_at = end.time,
                           .type_id = type.id,
                           .status = static_cast<std::int16_t>(core::status_after(end.type)),
                           .tenant = document.tenant,
                           .workflow_id = document.workflow_id,
                           .input = document.input,
                           .history = core::encode_execution(document.events, std::nullopt)};
    const pg::fresh_reads_scope afresh; // also of what this very statement has imported
    const std::optional<store::ClosedExecutionRow> known = store::read_closed_execution(document.id);
    if (known && known->history.data == row.history && known->input.text == row.input) {
        return;
    }
    if (known || store::find_execution(document.id)) {
        throw Error(sqlstate::duplicate_object,
                    fmt::format("workflow execution {} exists with another history", core::to_string(document.id)));
    }
    store::insert_closed_execution(row);
    const core::ExecutionAttributes attributes = core::attributes_after(document.events);
    if (!attributes.empty()) {
        store_attributes(document.id, attributes);
    }
}

ReplaySubject subject_of(core::ExecutionDocument document) {
    return {document.id, std::move(document.workflow_type), std::move(document.workflow_id), std::move(document.events),
            std::move(document.input)};
}

} // namespace hc::engine
