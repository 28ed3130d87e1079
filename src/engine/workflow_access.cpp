// See workflow_access.hpp. Runs in callers' backends.
#include "engine/workflow_access.hpp"

#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_executions.hpp"
#include "store/workflow_executions.hpp"

#include <fmt/format.h>

namespace hc::engine {

using core::WorkflowId;
using OptionalText = std::optional<std::string>;

void check_tenant_of(Oid user, const OptionalText &tenant) {
    if (tenant) {
        check_tenant(*tenant);
    }
    if (!definitions().tenant_allowed(user, tenant)) {
        throw Error(sqlstate::insufficient_privilege, fmt::format("permission denied for tenant \"{}\"", *tenant), {},
                    "An administrator can grant it with hermes.grant_tenant.");
    }
}

void throw_unknown_execution(const WorkflowId &id) {
    throw Error(sqlstate::cascade_not_found, fmt::format("workflow execution {} does not exist", core::to_string(id)));
}

FoundExecution find_execution(const WorkflowId &id, Oid user) {
    FoundExecution found;
    if (std::optional<store::ExecutionRow> row = store::read_execution(id)) {
        found = {row->type_id, std::move(row->tenant), std::move(row->workflow_id), std::nullopt,
                 core::decode_execution(store::read_chunks(id) + row->history.data)};
    } else if (std::optional<store::ClosedExecutionRow> closed = store::read_closed_execution(id)) {
        found = {closed->type_id, std::move(closed->tenant), std::move(closed->workflow_id), closed->closed_at,
                 core::decode_execution(closed->history.data)};
    } else {
        throw_unknown_execution(id);
    }
    if (!definitions().tenant_allowed(user, found.tenant)) {
        throw_unknown_execution(id);
    }
    return found;
}

bool bring_as(Oid user, const WorkflowId &id, store::Kind kind, const std::string &detail) {
    const std::optional<store::BriefRow> row = store::share_execution(id, store::LockWait::wait);
    if (!row) {
        const std::optional<store::ClosedBriefRow> closed = store::find_closed_execution(id);
        if (!closed || !definitions().tenant_allowed(user, closed->tenant)) {
            throw_unknown_execution(id);
        }
        return false;
    }
    if (!definitions().tenant_allowed(user, row->tenant)) {
        throw_unknown_execution(id);
    }
    bring(id, row->type_id, kind, detail);
    return true;
}

} // namespace hc::engine
