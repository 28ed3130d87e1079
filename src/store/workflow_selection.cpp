// See workflow_selection.hpp.
#include "store/workflow_selection.hpp"

#include "pg/user_turn.hpp"

#include <fmt/format.h>

namespace hc::store {

std::vector<core::WorkflowId> select_executions(const std::string &type, const std::string &predicate,
                                                std::int32_t limit) {
    const std::string query =
        fmt::format("SELECT execution_id FROM hermes.workflows WHERE workflow_type OPERATOR(pg_catalog.=) $1 AND "
                    "$2 IS NOT NULL AND (\n{}\n) ORDER BY execution_id DESC LIMIT {}",
                    predicate, limit);
    return pg::read_ids(query, type, {});
}

std::vector<core::WorkflowId> select_executions_of(const std::vector<core::WorkflowId> &ids, const std::string &type,
                                                   const std::string &predicate) {
    const std::string query =
        fmt::format("SELECT execution_id FROM hermes.workflows WHERE workflow_type OPERATOR(pg_catalog.=) $1 AND "
                    "execution_id OPERATOR(pg_catalog.=) ANY ($2) AND (\n{}\n) ORDER BY execution_id",
                    predicate);
    return pg::read_ids(query, type, ids);
}

} // namespace hc::store
