// See latency_buckets.hpp.
#include "core/latency_buckets.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hc::core {

namespace {

// The Renard series R10, in parts of a hundredth, rounded to what reads well.
constexpr std::array<std::int64_t, 10> kSteps{100, 125, 160, 200, 250, 315, 400, 500, 630, 800};

constexpr std::array<Duration, kLatencyBounds> make_bounds() {
    std::array<Duration, kLatencyBounds> bounds{};
    std::int64_t decade = 10; // microseconds of a hundredth of a millisecond
    for (std::size_t i = 0; i < kLatencyBounds; ++i) {
        bounds[i] = Duration{kSteps[i % kSteps.size()] * decade};
        if (i % kSteps.size() == kSteps.size() - 1)
            decade *= 10;
    }
    return bounds;
}

} // namespace

constexpr std::array<Duration, kLatencyBounds> kLatencyUpper = make_bounds();
static_assert(kLatencyUpper.front() == std::chrono::milliseconds(1));
static_assert(kLatencyUpper.back() == std::chrono::seconds(1'000'000));

std::size_t latency_bucket(Duration value) {
    return static_cast<std::size_t>(std::lower_bound(kLatencyUpper.begin(), kLatencyUpper.end(), value) -
                                    kLatencyUpper.begin());
}

std::uint64_t latency_total(LatencyCounts counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t latency_up_to(LatencyCounts counts, Duration bound) {
    const std::size_t last = latency_bucket(bound);
    return std::accumulate(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(last + 1), std::uint64_t{0});
}

std::optional<Duration> latency_quantile(LatencyCounts counts, double q) {
    const std::uint64_t total = latency_total(counts);
    if (total == 0)
        return std::nullopt;
    const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < kLatencyBounds; ++i) {
        const std::uint64_t here = counts[i];
        if (here != 0 && static_cast<double>(below + here) >= rank) {
            const Duration low = i == 0 ? Duration::zero() : kLatencyUpper[i - 1];
            const double part = std::max(0.0, rank - static_cast<double>(below)) / static_cast<double>(here);
            const auto width = static_cast<double>((kLatencyUpper[i] - low).count());
            return low + Duration{std::llround(width * part)};
        }
        below += here;
    }
    return kLatencyUpper.back(); // longer than all: what is known for sure
}

} // namespace hc::core
