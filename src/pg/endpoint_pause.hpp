// Pauses of webhook endpoints, told among the dispatchers of a database: each finds out by itself that an endpoint is
// down or throttles, and spares the others the same. A table in shared memory without chains: an entry may be lost to
// another endpoint, and what it would have told is then found out once more.
#pragma once

#include "core/time.hpp"

#include <cstdint>

namespace hc::pg {

void pause_endpoint(std::int32_t endpoint, core::Time until) noexcept;
core::Time endpoint_paused_until(std::int32_t endpoint) noexcept; // in the past: not paused

} // namespace hc::pg
