// Pauses: verbs, and what they mean for a cascade.
#pragma once

#include "core/cascade.hpp"
#include "engine/definitions.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

enum class PauseScope : std::uint8_t { provider, tenant, rule, workflow_type };

// Each returns whether it changed something. Throws 42704 when there is no such provider, rule or workflow type.
bool pause(PauseScope scope, const std::optional<std::string> &name, const std::optional<std::string> &reason);
bool resume(PauseScope scope, const std::optional<std::string> &name);

// What decisions about cascades of a batch depend on; definitions may be loaded at each use, so it is asked for anew
// for each cascade.
class BatchSurroundings {
public:
    BatchSurroundings();
    core::Surroundings of(const RuleVersion &rule, const std::optional<std::string> &tenant, const core::State &state);
    const std::vector<std::int32_t> &unavailable() const { return unavailable_; }

private:
    std::vector<std::int32_t> unavailable_;                      // breaker open, or paused
    std::vector<core::Pause> pauses_;                            // of the cascade asked for last
    std::optional<std::vector<core::DeliveryLevel>> deliveries_; // once a rule has asked for them
};

// The clock of a zone; throws 22023 when there is none of this name.
core::ZoneOffset zone_clock(const std::string &name);

// The recipient's time zone, where the rule has windows; throws 22023 for one that does not exist.
std::string time_zone_of(const core::Rule &rule, const std::string &message_json);

} // namespace hc::engine
