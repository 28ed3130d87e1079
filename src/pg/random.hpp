// The server's per-process random generator, seeded from strong randomness at process start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hc::pg {

std::uint64_t random64() noexcept;
double random01() noexcept;                   // [0, 1)
std::string strong_random(std::size_t bytes); // for keys; throws hc::Error XX000 when the system has none

} // namespace hc::pg
