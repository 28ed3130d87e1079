// Start-time fair queueing of a provider's sends among tenants (Goyal, Vin and Cheng 1996). A send gets its place, a
// virtual start time, when it becomes ready; claims go in the order of places, so their cost does not depend on the
// number of tenants. A tenant's places are apart by a cost divided by its weight; the virtual time of a queue is the
// place served last. Places are written as due times in the past (up to a day back), so every one of them is due.
// State is in shared memory and may be lost: without it the order is that of arrival.
#pragma once

#include "core/time.hpp"

#include <cstdint>

namespace hc::pg {

inline constexpr std::uint32_t kMaxTenantWeight = 1000;

// The place of a tenant's next send in a queue. `tenant`: a hash; `weight`: 1 to kMaxTenantWeight.
core::Time fair_place(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight, core::Time now) noexcept;

// Places given to a tenant that are not served yet.
std::int64_t fair_waiting(std::int32_t queue, std::uint64_t tenant, std::uint32_t weight, core::Time now) noexcept;

// A dispatcher has claimed up to this place.
void fair_served(std::int32_t queue, core::Time place) noexcept;

} // namespace hc::pg
