// The server's per-process random generator, seeded from strong randomness at process start.
#pragma once

#include <cstdint>

namespace hc::pg {

std::uint64_t random64() noexcept;
double random01() noexcept; // [0, 1)

} // namespace hc::pg
