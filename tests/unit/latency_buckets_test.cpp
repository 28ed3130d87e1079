// Buckets of durations: bounds, the bucket of a value, quantiles.
#include "core/latency_buckets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

namespace hc::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Counts = std::array<std::uint64_t, kLatencyBuckets>;

TEST(LatencyBuckets, BoundsAscendByAQuarter) {
    EXPECT_EQ(kLatencyUpper.front(), milliseconds(1));
    EXPECT_EQ(kLatencyUpper[10], milliseconds(10));
    EXPECT_EQ(kLatencyUpper[30], seconds(1));
    EXPECT_EQ(kLatencyUpper.back(), seconds(1'000'000));
    for (std::size_t i = 1; i < kLatencyBounds; ++i) {
        const double ratio =
            static_cast<double>(kLatencyUpper[i].count()) / static_cast<double>(kLatencyUpper[i - 1].count());
        EXPECT_GT(ratio, 1.2) << i;
        EXPECT_LT(ratio, 1.29) << i;
    }
}

TEST(LatencyBuckets, ABoundBelongsToItsBucket) {
    for (std::size_t i = 0; i < kLatencyBounds; ++i) {
        EXPECT_EQ(latency_bucket(kLatencyUpper[i]), i);
        EXPECT_EQ(latency_bucket(kLatencyUpper[i] + Duration(1)), i + 1);
    }
    EXPECT_EQ(latency_bucket(Duration::zero()), 0U);
    EXPECT_EQ(latency_bucket(-seconds(5)), 0U);
    EXPECT_EQ(latency_bucket(Duration::max()), kLatencyBuckets - 1);
}

TEST(LatencyBuckets, NothingHasNoQuantile) {
    const Counts none{};
    EXPECT_EQ(latency_total(none), 0U);
    EXPECT_FALSE(latency_quantile(none, 0.5));
}

TEST(LatencyBuckets, QuantilesOfOneBucket) {
    Counts counts{};
    counts[latency_bucket(milliseconds(100))] = 4; // between 80 and 100 ms
    EXPECT_EQ(*latency_quantile(counts, 0.5), milliseconds(90));
    EXPECT_EQ(*latency_quantile(counts, 1), milliseconds(100));
    EXPECT_EQ(*latency_quantile(counts, 0), milliseconds(80));
    EXPECT_EQ(*latency_quantile(counts, 7), milliseconds(100));
    counts = {};
    counts[kLatencyBuckets - 1] = 1;
    EXPECT_EQ(*latency_quantile(counts, 0.5), kLatencyUpper.back()) << "at least this long";
}

TEST(LatencyBuckets, QuantilesAreWithinABucketOfTheTruth) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 50; ++round) {
        std::lognormal_distribution<double> latency(static_cast<double>(round % 10), 1.5); // of milliseconds
        std::vector<Duration> values;
        Counts counts{};
        for (int i = 0; i < 2000; ++i) {
            const Duration value(static_cast<std::int64_t>(latency(random) * 1000) + 1000);
            values.push_back(value);
            ++counts[latency_bucket(value)];
        }
        std::sort(values.begin(), values.end());
        for (const double q : {0.5, 0.95, 0.99}) {
            const auto truth = static_cast<double>(values[static_cast<std::size_t>(q * 2000) - 1].count());
            const auto found = static_cast<double>(latency_quantile(counts, q)->count());
            EXPECT_LT(std::abs(found - truth) / truth, 0.29) << q << " in round " << round;
        }
        EXPECT_EQ(latency_total(counts), 2000U);
        EXPECT_EQ(latency_up_to(counts, seconds(1)),
                  static_cast<std::uint64_t>(std::upper_bound(values.begin(), values.end(), Duration(seconds(1))) -
                                             values.begin()));
    }
}

} // namespace
} // namespace hc::core
