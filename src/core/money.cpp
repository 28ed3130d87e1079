// See money.hpp.
#include "core/money.hpp"

#include "core/json_reader.hpp"

#include <cmath>
#include <limits>

namespace hc::core {

Micros read_amount(const JsonNode &node, std::int64_t most) {
    constexpr double kNoise = 0.05; // of the product; a seventh digit makes at least 0.1
    const double scaled = node.number(0, static_cast<double>(most)) * static_cast<double>(kMicrosPerUnit);
    const Micros micros = std::llround(scaled);
    if (std::fabs(scaled - static_cast<double>(micros)) > kNoise)
        node.fail("has more than six digits after the point", "Amounts are counted in millionths.");
    return micros;
}

Micros add_amounts(Micros a, Micros b) {
    return b > std::numeric_limits<Micros>::max() - a ? std::numeric_limits<Micros>::max() : a + b;
}

} // namespace hc::core
