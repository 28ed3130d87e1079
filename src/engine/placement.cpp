// See placement.hpp.
#include "engine/placement.hpp"

#include "pg/fairness.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"
#include "store/tasks.hpp"

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

Place place_activity(const std::optional<std::string> &tenant, std::int32_t provider, std::int32_t priority,
                     core::Time due) {
    const core::Time now = pg::now();
    if (due > now) {
        return {pg::queue_of_provider(provider, pg::Lane::delayed), due};
    }
    const pg::Lane lane = priority == 1 ? pg::Lane::otp : priority <= 3 ? pg::Lane::transactional : pg::Lane::marketing;
    const std::int32_t queue = pg::queue_of_provider(provider, lane);
    return {queue, pg::fair_place(queue, tenant_hash(tenant), definitions().tenant_limits(tenant).weight, now)};
}

std::int64_t waiting_sends(const RuleVersion &rule, const std::string &tenant, core::Priority priority,
                           std::uint32_t weight, std::int64_t most) {
    const std::uint64_t hash = tenant_hash(tenant);
    std::vector<std::int32_t> queues;
    std::int64_t waiting = 0;
    for (const core::ProviderRef &provider : rule.program.providers.front()) {
        queues.push_back(pg::queue_of_provider(provider.id, lane_of(priority)));
        waiting += pg::fair_waiting(queues.back(), hash, weight);
    }
    if (waiting <= most || !pg::fair_may_count(pg::now())) {
        return waiting;
    }
    waiting = 0;
    for (const std::int32_t queue : queues) {
        const std::int64_t counted = store::count_waiting(queue, tenant, most + 1);
        pg::fair_settle(queue, hash, weight, counted);
        waiting += counted;
    }
    return waiting;
}

} // namespace hc::engine
