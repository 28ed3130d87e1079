// Where a send waits: the queue of its provider and priority, at the fair place of its tenant.
#pragma once

#include "core/cascade.hpp"
#include "engine/definitions.hpp"

#include <optional>
#include <string>

namespace hc::engine {

std::uint64_t tenant_hash(const std::optional<std::string> &tenant);

struct Place {
    std::int32_t queue = 0;
    core::Time due{};
};
// A send that is due later stands in the lane of its own, by time.
Place place_send(const std::optional<std::string> &tenant, core::Priority priority, const core::TaskPut &put);

// An HTTP activity; priority 1 (first) to 5.
Place place_activity(const std::optional<std::string> &tenant, std::int32_t provider, std::int32_t priority,
                     core::Time due);

// About how many sends of a tenant wait for the providers of a rule's first step. They are counted when it looks like
// more than `most`, because sends that were rolled back or canceled still seem to wait.
std::int64_t waiting_sends(const RuleVersion &rule, const std::string &tenant, core::Priority priority,
                           std::uint32_t weight, std::int64_t most);

} // namespace hc::engine
