// See activity_types.hpp. Runs in backends and executors.
#include "engine/activity_types.hpp"

#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "pg/catalog.hpp"
#include "store/activities.hpp"
#include "store/fakes.hpp"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

namespace hc::engine {

namespace {

struct Cache { // of one generation of definitions
    std::uint64_t generation = 0;
    std::unordered_map<std::string, core::ActivityTypeOptions> types;
    std::unordered_set<std::string> faked;
};

Cache &cache() {
    static Cache *instance = new Cache(); // for the life of the process
    return *instance;
}

} // namespace

void register_activity(const std::string &name, const std::string &options_json) {
    check_name(name, "activity type");
    const core::ActivityTypeOptions type = core::parse_activity_type(options_json);
    if (type.kind == core::ActivityKind::http) {
        definitions().providers_of_name(type.provider); // throws when there is none
    }
    store::put_activity_type(name, options_json);
    pg::invalidate_definitions();
}

void drop_activity(const std::string &name) {
    if (!store::delete_activity_type(name)) {
        throw Error(sqlstate::undefined_object, fmt::format("activity type \"{}\" does not exist", name));
    }
    pg::invalidate_definitions();
}

void load_activity_types() {
    Cache &known = cache();
    const std::uint64_t now = pg::definition_generation();
    if (known.generation == now) {
        return;
    }
    known.types.clear();
    for (const store::ActivityTypeRow &row : store::all_activity_types()) {
        known.types.emplace(row.name, core::parse_activity_type(row.options));
    }
    known.faked.clear();
    for (std::string &name : store::faked_types()) {
        known.faked.insert(std::move(name));
    }
    known.generation = now;
}

const core::ActivityTypeOptions &activity_type(const std::string &name) {
    static const auto *const kUnknown = new core::ActivityTypeOptions();
    const Cache &known = cache();
    const auto it = known.types.find(name);
    return it != known.types.end() ? it->second : *kUnknown;
}

bool is_faked(const std::string &name) { return cache().faked.contains(name); }

} // namespace hc::engine
