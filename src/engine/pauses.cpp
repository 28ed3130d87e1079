// See pauses.hpp. Runs in callers' backends and in workers.
#include "engine/pauses.hpp"

#include "core/error.hpp"
#include "core/json_path.hpp"
#include "core/provider_choice.hpp"
#include "engine/provider_health.hpp"
#include "engine/workflow_types.hpp"
#include "pg/deliveries.hpp"
#include "pg/random.hpp"
#include "pg/time_zone.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"
#include "store/pauses.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

struct Target {
    const char *scope = nullptr;
    std::optional<std::string> name;
    std::int32_t provider = 0;
};

Target find_target(PauseScope scope, const std::optional<std::string> &name) {
    switch (scope) {
    case PauseScope::provider: {
        const std::int32_t id = definitions().providers_of_name(name.value_or("")).front();
        if (definitions().provider(id)->dropped) {
            throw Error(sqlstate::undefined_object, fmt::format("provider \"{}\" was dropped", *name));
        }
        return {store::kPauseProvider, std::nullopt, id};
    }
    case PauseScope::rule: // one that was dropped may still have cascades
        return {store::kPauseRule, name, 0};
    case PauseScope::workflow_type: // one that was dropped may still have executions
        return {store::kPauseWorkflowType, name, 0};
    case PauseScope::tenant:
        break;
    }
    if (name) {
        check_tenant(*name);
    }
    return {store::kPauseTenant, name, 0};
}

void check_target(PauseScope scope, const std::optional<std::string> &name) {
    if (scope == PauseScope::rule) {
        (void)definitions().current_rule(*name); // exists
    } else if (scope == PauseScope::workflow_type) {
        (void)current_workflow_type(*name);
    }
}

} // namespace

bool pause(PauseScope scope, const std::optional<std::string> &name, const std::optional<std::string> &reason) {
    const Target target = find_target(scope, name);
    check_target(scope, name);
    if (reason) {
        check_name(*reason, "reason");
    }
    const bool changed = store::insert_pause(target.scope, target.name, target.provider, pg::now(), reason);
    pg::invalidate_definitions();
    return changed;
}

bool resume(PauseScope scope, const std::optional<std::string> &name) {
    const Target target = find_target(scope, name);
    const bool changed = store::end_pause(target.scope, target.name, target.provider, pg::now());
    if (!changed) {
        check_target(scope, name);
    }
    pg::invalidate_definitions();
    pg::note_task(pg::kTimerQueue, pg::now()); // the supervisor puts back what was put aside
    return changed;
}

BatchSurroundings::BatchSurroundings() : unavailable_(unavailable_providers()) {}

core::Surroundings BatchSurroundings::of(const RuleVersion &rule, const std::optional<std::string> &tenant,
                                         const core::State &state) {
    pauses_.clear();
    for (const store::PauseRow &row : definitions().pauses()) {
        const bool concerns = row.scope == store::kPauseProvider ||
                              (row.scope == store::kPauseTenant && row.name == tenant) ||
                              (row.scope == store::kPauseRule && row.name == rule.name);
        if (concerns) {
            pauses_.push_back({row.since, row.until, row.provider});
        }
    }
    core::Surroundings around{
        .random01 = pg::random01(), .unavailable = unavailable_, .pauses = pauses_, .zone = {}, .deliveries = {}};
    if (!state.time_zone.empty()) {
        around.zone = pg::find_time_zone(state.time_zone).value_or(core::ZoneOffset()); // gone since: UTC
    }
    if (core::looks_at_deliveries(rule.rule)) {
        if (!deliveries_) {
            deliveries_ = pg::delivery_levels(pg::now());
        }
        around.deliveries = *deliveries_;
    }
    return around;
}

core::ZoneOffset zone_clock(const std::string &name) {
    std::optional<core::ZoneOffset> zone = pg::find_time_zone(name);
    if (!zone) {
        throw Error(sqlstate::invalid_parameter, fmt::format("time zone \"{}\" not recognized", name), {},
                    "The view pg_timezone_names lists those that are.");
    }
    return *std::move(zone);
}

std::string time_zone_of(const core::Rule &rule, const std::string &message_json) {
    const auto windowed = [](const core::Step &step) { return step.window.has_value(); };
    if (std::none_of(rule.steps.begin(), rule.steps.end(), windowed)) {
        return {};
    }
    std::string zone = rule.time_zone;
    if (!rule.time_zone_path.empty()) {
        const auto value = core::find_json(message_json, *core::parse_json_path(rule.time_zone_path));
        zone = value ? core::json_scalar_text(*value).value_or(zone) : zone;
    }
    zone_clock(zone); // exists
    return zone;
}

} // namespace hc::engine
