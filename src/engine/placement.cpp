// See placement.hpp.
#include "engine/placement.hpp"

#include "pg/fairness.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"

namespace hc::engine {

namespace {

pg::Lane lane_of(core::Priority priority) {
    switch (priority) {
    case core::Priority::otp:
        return pg::Lane::otp;
    case core::Priority::marketing:
        return pg::Lane::marketing;
    case core::Priority::transactional:
        break;
    }
    return pg::Lane::transactional;
}

} // namespace

std::uint64_t tenant_hash(const std::optional<std::string> &tenant) {
    return std::hash<std::string>()(tenant.value_or("")); // within one server run only
}

Place place_send(const std::optional<std::string> &tenant, core::Priority priority, const core::TaskPut &put) {
    const core::Time now = pg::now();
    if (put.due > now) {
        return {pg::queue_of_provider(put.provider, pg::Lane::delayed), put.due};
    }
    const std::int32_t queue = pg::queue_of_provider(put.provider, lane_of(priority));
    const std::uint32_t weight = definitions().tenant_limits(tenant).weight;
    return {queue, pg::fair_place(queue, tenant_hash(tenant), weight, now)};
}

std::int64_t waiting_sends(const RuleVersion &rule, const std::optional<std::string> &tenant, core::Priority priority,
                           std::uint32_t weight, core::Time now) {
    std::int64_t waiting = 0;
    for (const core::ProviderRef &provider : rule.program.providers.front()) {
        const std::int32_t queue = pg::queue_of_provider(provider.id, lane_of(priority));
        waiting += pg::fair_waiting(queue, tenant_hash(tenant), weight, now);
    }
    return waiting;
}

} // namespace hc::engine
