// See fairness.hpp. Any process, at any time.
#include "pg/fairness.hpp"

#include "pg/shmem.hpp"

namespace hc::pg {

namespace {

core::fair_queue::Word &finish_of(DatabaseSlot &slot, std::int32_t queue, std::uint64_t tenant) noexcept {
    const std::uint64_t mixed =
        (tenant ^ (static_cast<std::uint64_t>(queue) * 0x9E3779B97F4A7C15ULL)) * 0xFF51AFD7ED558CCDULL;
    return slot.fair_finish[(mixed >> 32) % kFairSlots];
}

} // namespace

core::Time fair_place(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight, core::Time now) noexcept {
    DatabaseSlot *slot = my_database();
    return slot == nullptr ? now
                           : core::fair_queue::place(slot->fair_served[bound_index(queue)],
                                                     finish_of(*slot, queue, tenant), weight, now);
}

std::int64_t fair_waiting(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight) noexcept {
    DatabaseSlot *slot = my_database();
    return slot == nullptr ? 0
                           : core::fair_queue::waiting(slot->fair_served[bound_index(queue)],
                                                       finish_of(*slot, queue, tenant), weight);
}

void fair_served(std::int32_t queue, core::Time place) noexcept {
    if (DatabaseSlot *slot = my_database()) {
        core::fair_queue::serve(slot->fair_served[bound_index(queue)], place);
    }
}

void fair_settle(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight, std::int64_t waiting) noexcept {
    if (DatabaseSlot *slot = my_database()) {
        core::fair_queue::settle(slot->fair_served[bound_index(queue)], finish_of(*slot, queue, tenant), weight,
                                 waiting);
    }
}

bool fair_may_count(core::Time now) noexcept {
    constexpr std::int64_t kApart = 200'000;
    DatabaseSlot *slot = my_database();
    if (slot == nullptr) {
        return false;
    }
    const std::int64_t clock = core::to_unix_micros(now);
    std::int64_t last = slot->fair_counted.load(std::memory_order_relaxed);
    return (clock >= last + kApart || clock < last) && slot->fair_counted.compare_exchange_strong(last, clock);
}

} // namespace hc::pg
