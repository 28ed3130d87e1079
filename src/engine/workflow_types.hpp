// Registered workflow functions: define them, and know them. A process keeps what it has read until definitions change.
#pragma once

#include "core/executor_queue.hpp"
#include "core/workflow_failure.hpp"
#include "core/workflow_options.hpp"
#include "pg/values.hpp"
#include "store/tasks.hpp"
#include "store/workflow_types.hpp"

#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace hc::engine {

struct WorkflowType {
    std::int32_t id = 0;
    std::string name;
    std::int32_t version = 0;
    std::string function;  // signature
    std::string statement; // that calls it: "SELECT app.payment($1)"
    std::string digest;
    std::int32_t role_id = 0; // of a program outside: the number of its queue
    core::WorkflowTypeOptions options;

    bool is_external() const { return role_id >= core::kFirstProgramRole; }
};

std::int32_t register_workflow(Oid user, const std::string &name, Oid function, const std::string &options_json);
[[noreturn]] void throw_no_version(const std::string &name, std::int32_t version); // 42704
// A program outside of the database, whose workers poll a queue.
std::int32_t register_workflow_program(const std::string &name, const std::string &options_json);
// nullopt: the type is taken out of use. Throws 42704, 55006.
void drop_workflow(const std::string &name, std::optional<std::int32_t> version);

// Good until the next transaction. Throws WF004 when there is none.
const WorkflowType &workflow_type(std::int32_t id);
const WorkflowType &current_workflow_type(const std::string &name);                       // throws 42704
const WorkflowType *find_current_workflow_type(const std::string &name);                  // nullptr: there is none
const WorkflowType *find_workflow_version(const std::string &name, std::int32_t version); // nullptr: there is none
const WorkflowType &newest_workflow_type(const std::string &name); // of a dropped type too; throws 42704

// Where a task of an execution waits. What ends one whose program is outside waits for the supervisor.
std::int32_t queue_for(const WorkflowType &type, store::Kind kind);

// Takes one jsonb and returns jsonb or void. Throws 22023.
void check_workflow_signature(const store::FunctionRow &function);
std::string statement_of(const std::string &signature); // that calls a function: "SELECT app.payment($1)"

// The function, or what is wrong when it is not the one that was registered, or gone.
std::variant<Oid, core::WorkflowFailure> registered_function(const WorkflowType &type);
std::optional<core::WorkflowFailure> why_not_registered(const WorkflowType &type); // nullopt: nothing

} // namespace hc::engine
