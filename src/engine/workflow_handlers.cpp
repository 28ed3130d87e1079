// See workflow_handlers.hpp. Runs in backends and executors.
#include "engine/workflow_handlers.hpp"

#include "core/error.hpp"
#include "store/workflow_types.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

void check_handler(const std::string &path, const std::string &signature, const char *result, const char *hint) {
    const bool shaped = signature.find('(') != std::string::npos && signature.ends_with(')');
    const std::optional<store::FunctionRow> found = shaped ? store::find_function(signature) : std::nullopt;
    if (!found) {
        throw Error(sqlstate::invalid_parameter, "invalid workflow options",
                    fmt::format("{}: function {} does not exist.", path, signature),
                    "Give its signature with the schema: app.check(jsonb, jsonb)");
    }
    if (found->kind != "f" || found->arguments != "jsonb, jsonb" || found->result != result) {
        throw Error(sqlstate::invalid_parameter, "invalid workflow options",
                    fmt::format("{}: function {} has another shape.", path, found->signature), hint);
    }
}

} // namespace

void check_handlers(const core::WorkflowTypeOptions &options, const std::string &role) {
    for (const auto &[name, validator] : options.updates) {
        if (validator.empty()) {
            continue;
        }
        check_handler(
            fmt::format("$.updates.{}.validator", name), validator, "void",
            "A validator takes the arguments and the query results (jsonb, jsonb) and returns void; it raises "
            "an error to reject.");
        if (!store::may_execute(role, validator)) {
            throw Error(sqlstate::insufficient_privilege,
                        fmt::format("role \"{}\" may not execute function {}", role, validator), {},
                        "The role that runs a workflow function needs the privilege EXECUTE on its validators.");
        }
    }
    for (const auto &[name, handler] : options.queries) {
        check_handler(fmt::format("$.queries.{}", name), handler, "jsonb",
                      "A query handler takes the arguments and the query results (jsonb, jsonb) and returns jsonb.");
    }
}

std::string handler_statement(const std::string &signature) {
    return fmt::format("SELECT {}($1, $2)", signature.substr(0, signature.rfind('(')));
}

} // namespace hc::engine
