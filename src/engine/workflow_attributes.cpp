// See workflow_attributes.hpp. Runs in backends and executors.
#include "engine/workflow_attributes.hpp"

#include "core/error.hpp"
#include "pg/catalog.hpp"
#include "pg/guc.hpp"
#include "store/workflow_attributes.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

struct Cache {
    std::uint64_t generation = 0; // of the definitions
    bool loaded = false;
    core::AttributeTypes types;
};
Cache &cache() {
    static Cache *instance = new Cache(); // for the life of the process
    return *instance;
}

} // namespace

void create_search_attribute(const std::string &name, const std::string &type) {
    core::check_attribute_name(name);
    const core::AttributeType wanted = core::parse_attribute_type(type);
    if (store::insert_search_attribute(name, std::string(core::to_string(wanted)))) {
        pg::invalidate_definitions();
        return;
    }
    const std::optional<std::string> existing = store::find_search_attribute(name);
    if (existing != type) {
        throw Error(sqlstate::duplicate_object,
                    fmt::format("search attribute \"{}\" already exists with type {}", name, existing.value_or("none")),
                    {}, "Use another name, or drop it first: executions that have it keep the values of before.");
    }
}

void drop_search_attribute(const std::string &name) {
    if (!store::delete_search_attribute(name)) {
        throw Error(sqlstate::undefined_object, fmt::format("search attribute \"{}\" does not exist", name));
    }
    pg::invalidate_definitions();
}

const core::AttributeTypes &search_attribute_types() {
    Cache &known = cache();
    const std::uint64_t now = pg::definition_generation();
    if (!known.loaded || known.generation != now) {
        core::AttributeTypes types;
        for (const store::SearchAttributeRow &row : store::all_search_attributes()) {
            types.emplace(row.name, core::parse_attribute_type(row.type));
        }
        known.types = std::move(types);
        known.generation = now;
        known.loaded = true;
    }
    return known.types;
}

const core::AttributeTypes &known_attribute_types() { return cache().types; }

std::size_t max_memo_bytes() { return static_cast<std::size_t>(pg::guc::max_message_size) * 1024; } // kB

core::ExecutionAttributes take_start_attributes(std::string &options_json) {
    if (!core::mentions_attributes(options_json)) {
        return {};
    }
    return core::take_start_attributes(options_json, search_attribute_types(), max_memo_bytes());
}

void store_attributes(const core::WorkflowId &id, const core::ExecutionAttributes &attributes) {
    const auto json = [](const core::JsonFields &fields) {
        return fields.empty() ? std::nullopt : std::optional(core::join_json_object(fields));
    };
    store::put_execution_attributes(id, json(attributes.search), json(attributes.memo));
}

} // namespace hc::engine
