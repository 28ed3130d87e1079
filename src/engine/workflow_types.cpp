// See workflow_types.hpp. Runs in backends and executors.
#include "engine/workflow_types.hpp"

#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "engine/executor_roles.hpp"
#include "engine/workflow_handlers.hpp"
#include "pg/catalog.hpp"
#include "pg/wake.hpp"
#include "store/workflow_programs.hpp"

#include <fmt/format.h>

#include <unordered_map>

namespace hc::engine {

namespace {

struct Checked { // the row of the catalog that was compared
    Oid function = InvalidOid;
    std::uint64_t stamp = 0;
};

// Of one generation of definitions.
struct Cache {
    std::uint64_t generation = 0;
    std::unordered_map<std::int32_t, WorkflowType> types;
    std::unordered_map<std::string, std::int32_t> current; // by name
    std::unordered_map<std::int32_t, Checked> checked;     // by type
};

Cache &cache() {
    static Cache *instance = new Cache(); // for the life of the process
    const std::uint64_t now = pg::definition_generation();
    if (instance->generation != now) {
        instance->types.clear();
        instance->current.clear();
        instance->checked.clear();
        instance->generation = now;
    }
    return *instance;
}

WorkflowType make_type(const store::WorkflowTypeRow &row) {
    return {row.id,
            row.name,
            row.version,
            row.function,
            statement_of(row.function),
            row.digest.data,
            row.role_id,
            core::parse_workflow_type_options(row.options.text)};
}

std::int32_t role_for(Oid user, const core::WorkflowTypeOptions &options, const std::string &signature) {
    const std::string role = options.run_as.empty() ? pg::role_name(user) : options.run_as;
    const std::int32_t id = allow_executor_role(user, role, "invalid workflow options", "$.run_as");
    const Oid oid = pg::role_oid(role);
    if (!pg::has_role(oid, "hermes_app")) {
        throw Error(sqlstate::invalid_parameter, "invalid workflow options",
                    fmt::format("$.run_as: role \"{}\" is not a member of hermes_app.", role),
                    "Make it a member of hermes_app.");
    }
    if (!store::may_execute(role, signature)) {
        throw Error(sqlstate::insufficient_privilege,
                    fmt::format("role \"{}\" may not execute function {}", role, signature), {},
                    "The role that runs a workflow function needs the privilege EXECUTE on it.");
    }
    return id;
}

[[noreturn]] void refuse_option(const char *path, const char *why) {
    throw Error(sqlstate::invalid_parameter, "invalid workflow options", fmt::format("{}: {}.", path, why));
}

// The next version, or the current one with other options; which.
std::int32_t store_type(store::WorkflowTypeRow row, bool in_place) {
    std::int32_t version = 0;
    if (in_place) {
        const std::optional<store::WorkflowTypeRow> current = store::find_current_workflow_type(row.name);
        if (!current || current->function != row.function || current->role_id != row.role_id) {
            const std::string what = !current ? fmt::format("Workflow type \"{}\" does not exist.", row.name)
                                     : current->function.empty()
                                         ? "The current version is a program of another queue."
                                         : fmt::format("The current version is function {}.", current->function);
            throw Error(sqlstate::invalid_parameter, "no version can be replaced in place", what,
                        "Register it without in_place, as a new version.");
        }
        row.id = current->id;
        version = current->version;
        store::update_workflow_type(row);
    } else {
        version = store::insert_workflow_type(row);
    }
    pg::invalidate_definitions();
    return version;
}

} // namespace

std::int32_t queue_for(const WorkflowType &type, store::Kind kind) {
    const bool ends = kind == store::Kind::run_timeout || kind == store::Kind::terminate;
    return type.is_external() && ends ? pg::kProgramEndQueue : core::executor_queue(type.role_id);
}

std::string statement_of(const std::string &signature) {
    return fmt::format("SELECT {}($1)", signature.substr(0, signature.rfind('(')));
}

void check_workflow_signature(const store::FunctionRow &function) {
    const bool fits = function.kind == "f" && function.arguments == "jsonb" &&
                      (function.result == "jsonb" || function.result == "void");
    if (!fits) {
        throw Error(sqlstate::invalid_parameter, fmt::format("function {} is no workflow function", function.signature),
                    {}, "It must take one jsonb, the input, and return jsonb, the result, or void.");
    }
}

std::int32_t register_workflow(Oid user, const std::string &name, Oid function, const std::string &options_json) {
    check_name(name, "workflow type");
    const core::WorkflowTypeOptions options = core::parse_workflow_type_options(options_json);
    if (!options.task_queue.empty()) {
        refuse_option("$.task_queue", "is for hermes.register_workflow_program");
    }
    const std::optional<store::FunctionRow> found = store::find_function(function);
    if (!found) {
        throw Error(sqlstate::undefined_object, "function does not exist");
    }
    check_workflow_signature(*found);
    store::WorkflowTypeRow row;
    row.name = name;
    row.function = found->signature;
    row.digest = found->digest;
    row.role_id = role_for(user, options, found->signature);
    check_handlers(options, options.run_as.empty() ? pg::role_name(user) : options.run_as);
    row.options.text = options_json;
    return store_type(std::move(row), options.in_place);
}

std::int32_t register_workflow_program(const std::string &name, const std::string &options_json) {
    check_name(name, "workflow type");
    const core::WorkflowTypeOptions options = core::parse_workflow_type_options(options_json);
    if (options.task_queue.empty()) {
        refuse_option("$.task_queue", "is missing");
    }
    if (!options.run_as.empty()) {
        refuse_option("$.run_as", "is not for a program outside of the database");
    }
    for (const auto &[update, validator] : options.updates) {
        if (!validator.empty()) {
            refuse_option("$.updates", "an outside program validates its updates itself");
        }
    }
    check_handlers(options, "");
    store::WorkflowTypeRow row;
    row.name = name;
    row.role_id = core::kFirstProgramRole + store::program_queue(options.task_queue);
    row.options.text = options_json;
    return store_type(std::move(row), options.in_place);
}

void throw_no_version(const std::string &name, std::int32_t version) {
    throw Error(sqlstate::undefined_object, fmt::format("workflow type \"{}\" has no version {}", name, version));
}

void drop_workflow(const std::string &name, std::optional<std::int32_t> version) {
    if (version) {
        const std::optional<store::WorkflowTypeRow> row = store::find_workflow_version(name, *version);
        if (!row) {
            throw_no_version(name, *version);
        }
        if (const std::int64_t pinned = store::count_executions_of_type(row->id); pinned != 0) {
            throw Error(sqlstate::object_in_use,
                        fmt::format("version {} of workflow type \"{}\" is in use", *version, name),
                        fmt::format("Open executions pinned to it: {}.", pinned),
                        "Move them with hermes.move_workflows, end them with hermes.terminate_workflow, or wait.");
        }
        store::drop_workflow_version(row->id); // who is just starting one on it will run on it
    } else if (!store::retire_workflow_type(name)) {
        throw Error(sqlstate::undefined_object, fmt::format("workflow type \"{}\" does not exist", name));
    }
    pg::invalidate_definitions();
}

const WorkflowType &workflow_type(std::int32_t id) {
    Cache &known = cache();
    if (const auto it = known.types.find(id); it != known.types.end()) {
        return it->second;
    }
    const std::optional<store::WorkflowTypeRow> row = store::find_workflow_type(id);
    if (!row) {
        throw Error(sqlstate::corrupt_state, fmt::format("workflow type {} does not exist", id));
    }
    return known.types.emplace(id, make_type(*row)).first->second;
}

const WorkflowType *find_workflow_version(const std::string &name, std::int32_t version) {
    const std::optional<store::WorkflowTypeRow> row = store::find_workflow_version(name, version);
    return row ? &workflow_type(row->id) : nullptr;
}

const WorkflowType &newest_workflow_type(const std::string &name) {
    const std::optional<store::WorkflowTypeRow> row = store::find_newest_workflow_type(name);
    if (!row) {
        throw Error(sqlstate::undefined_object, fmt::format("workflow type \"{}\" does not exist", name), {},
                    "Register a function for it with hermes.register_workflow.");
    }
    return workflow_type(row->id);
}

const WorkflowType *find_current_workflow_type(const std::string &name) {
    Cache &known = cache();
    if (const auto it = known.current.find(name); it != known.current.end()) {
        return &workflow_type(it->second);
    }
    const std::optional<store::WorkflowTypeRow> row = store::find_current_workflow_type(name);
    if (!row) {
        return nullptr;
    }
    known.current.emplace(name, row->id);
    return &workflow_type(row->id);
}

const WorkflowType &current_workflow_type(const std::string &name) {
    const WorkflowType *type = find_current_workflow_type(name);
    if (type == nullptr) {
        throw Error(sqlstate::undefined_object, fmt::format("workflow type \"{}\" does not exist", name), {},
                    "Register a function for it with hermes.register_workflow.");
    }
    return *type;
}

std::variant<Oid, core::WorkflowFailure> registered_function(const WorkflowType &type) {
    Cache &known = cache();
    if (const auto it = known.checked.find(type.id); it != known.checked.end()) {
        const auto [function, stamp] = it->second;
        if (pg::function_stamp(function) == stamp) {
            return function;
        }
    }
    const std::optional<store::FunctionRow> found = store::find_function(type.function);
    if (!found) {
        return core::WorkflowFailure{sqlstate::nondeterminism,
                                     fmt::format("workflow function {} does not exist", type.function), "",
                                     "Create it again as it was."};
    }
    if (found->digest.data != type.digest) {
        return core::WorkflowFailure{
            sqlstate::nondeterminism,
            fmt::format("workflow function {} is not the one that was registered", type.function),
            fmt::format("It was replaced or altered since version {} of \"{}\" was registered.", type.version,
                        type.name),
            "Register a changed function under another name as a new version, or, when running executions can follow "
            "the change, again with the option in_place."};
    }
    const auto function = static_cast<Oid>(found->oid);
    known.checked[type.id] = {function, pg::function_stamp(function)};
    return function;
}

std::optional<core::WorkflowFailure> why_not_registered(const WorkflowType &type) {
    const auto function = registered_function(type);
    const auto *problem = std::get_if<core::WorkflowFailure>(&function);
    return problem == nullptr ? std::nullopt : std::optional(*problem);
}

} // namespace hc::engine
