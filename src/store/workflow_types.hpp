// Registered workflow functions. All functions run inside an SPI scope, as the extension owner.
#pragma once

#include "pg/spi.hpp"

#include <optional>
#include <string>

namespace hc::store {

struct WorkflowTypeRow {
    std::int32_t id = 0;
    std::string name;
    std::int32_t version = 0;
    std::string function; // its signature, qualified
    pg::bytes digest;
    std::int32_t role_id = 0; // of hermes.executor_role
    pg::json_text options;
    auto fields() { return std::tie(id, name, version, function, digest, role_id, options); }
};
std::optional<WorkflowTypeRow> find_workflow_type(std::int32_t id);
std::optional<WorkflowTypeRow> find_current_workflow_type(const std::string &name);
std::optional<WorkflowTypeRow> find_workflow_version(const std::string &name,
                                                     std::int32_t version);        // unless it was dropped
std::optional<WorkflowTypeRow> find_newest_workflow_type(const std::string &name); // current or not
// The next version of the name, from now on the current one; waits for others who register it.
std::int32_t insert_workflow_type(const WorkflowTypeRow &row);
void update_workflow_type(const WorkflowTypeRow &row); // digest and options of a version
bool retire_workflow_type(const std::string &name);    // false: none is current
void drop_workflow_version(std::int32_t id);           // it is found by its id only
std::int64_t count_executions_of_type(std::int32_t id);

struct FunctionRow {
    std::int64_t oid = 0;
    std::string signature; // qualified, as regprocedure reads it
    std::string arguments; // "jsonb"
    std::string result;    // "jsonb", "void" ..
    std::string kind;      // prokind
    pg::bytes digest;      // of language, source, configuration, signature
    auto fields() { return std::tie(oid, signature, arguments, result, kind, digest); }
};
std::optional<FunctionRow> find_function(Oid function);
std::optional<FunctionRow> find_function(const std::string &signature);
bool may_execute(const std::string &role, const std::string &signature);

} // namespace hc::store
