// Fair queueing of a provider's sends among tenants (core/fair_queue.hpp) over shared memory. Places are written as due
// times in the past, so every one of them is due. The state may be lost: without it the order is that of arrival.
#pragma once

#include "core/time.hpp"

#include <cstdint>

namespace hc::pg {

// The place of a tenant's next send in a queue. `tenant`: a hash; `weight`: 1 to core::fair_queue::kMaxWeight.
core::Time fair_place(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight, core::Time now) noexcept;

// Places given to a tenant that are not served yet.
std::int64_t fair_waiting(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight) noexcept;

// A dispatcher has claimed up to this place.
void fair_served(std::int32_t queue, core::Time place) noexcept;

// So many sends of the tenant were counted in the queue.
void fair_settle(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight, std::int64_t waiting) noexcept;
// Leave to count, which costs more the more there is: five times a second in a database.
bool fair_may_count(core::Time now) noexcept;

} // namespace hc::pg
