// See fairness.hpp. Atomics only: any process, at any time.
#include "pg/fairness.hpp"

#include "pg/shmem.hpp"
#include "pg/values.hpp"

#include <algorithm>

namespace hc::pg {

namespace {

// Virtual microseconds a send of weight 1: at 10,000 sends a second of the default weight, virtual time is as fast as
// the clock and stays behind it.
constexpr std::int64_t kCost = 1000;
constexpr std::int64_t kBehind = std::int64_t{24} * 3600 * 1000 * 1000;

std::atomic<std::int64_t> &finish_of(DatabaseSlot &slot, std::int32_t queue, std::uint64_t tenant) noexcept {
    const std::uint64_t mixed =
        (tenant ^ (static_cast<std::uint64_t>(queue) * 0x9E3779B97F4A7C15ULL)) * 0xFF51AFD7ED558CCDULL;
    return slot.fair_finish[(mixed >> 32) % kFairSlots];
}

std::int64_t cost_of(std::uint32_t weight) noexcept {
    return std::max<std::int64_t>(1, kCost / std::clamp<std::int64_t>(weight, 1, kMaxTenantWeight));
}

std::int64_t base_of(const DatabaseSlot &slot, std::int32_t queue, core::Time now) noexcept {
    const std::int64_t served = slot.fair_served[bound_index(queue)].load(std::memory_order_relaxed);
    return std::max(served, core::to_unix_micros(now) - kBehind);
}

} // namespace

core::Time fair_place(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight, core::Time now) noexcept {
    DatabaseSlot *slot = my_database();
    if (slot == nullptr) {
        return now;
    }
    const std::int64_t clock = core::to_unix_micros(now);
    const std::int64_t base = base_of(*slot, queue, now);
    const std::int64_t cost = cost_of(weight);
    std::atomic<std::int64_t> &finish = finish_of(*slot, queue, tenant);
    std::int64_t last = finish.load(std::memory_order_relaxed);
    std::int64_t place = 0;
    do {
        place = std::min(std::max(base, last), clock); // a clock that went back leaves places in the future
    } while (!finish.compare_exchange_weak(last, place + cost, std::memory_order_relaxed));
    return core::from_unix_micros(place);
}

std::int64_t fair_waiting(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight, core::Time now) noexcept {
    DatabaseSlot *slot = my_database();
    if (slot == nullptr) {
        return 0;
    }
    const std::int64_t ahead =
        finish_of(*slot, queue, tenant).load(std::memory_order_relaxed) - base_of(*slot, queue, now);
    return ahead > 0 ? (ahead - 1) / cost_of(weight) : 0; // the one served last counts no more
}

void fair_served(std::int32_t queue, core::Time place) noexcept {
    DatabaseSlot *slot = my_database();
    if (slot == nullptr) {
        return;
    }
    std::atomic<std::int64_t> &served = slot->fair_served[bound_index(queue)];
    std::int64_t known = served.load(std::memory_order_relaxed);
    const std::int64_t to = core::to_unix_micros(place);
    while (known < to && !served.compare_exchange_weak(known, to, std::memory_order_relaxed)) {
    }
}

} // namespace hc::pg
