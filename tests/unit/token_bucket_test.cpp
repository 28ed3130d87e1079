// Tests of the token bucket: exact refilling, clocks that go back, changed configurations, and what holds for any
// sequence.
#include "core/token_bucket.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace hc::core {
namespace {

using namespace token_bucket;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kStart = from_unix_micros(1'700'000'000'000'000);

TokenBucketConfig per_second(double rate, std::int64_t burst) { return make_config(rate, burst); }

TEST(TokenBucket, ZeroedMemoryIsAFullBucket) {
    TokenBucketState state;
    std::memset(static_cast<void *>(&state), 0, sizeof state);
    EXPECT_EQ(next_available(state, per_second(1, 5), kStart), kStart);
    EXPECT_EQ(take(state, per_second(1, 5), kStart, 100), 5);
    EXPECT_EQ(take(state, per_second(1, 5), kStart, 1), 0);
}

TEST(TokenBucket, GrantsWhatIsThere) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(10, 20);
    EXPECT_EQ(take(state, config, kStart, 0), 0);
    EXPECT_EQ(take(state, config, kStart, -5), 0);
    EXPECT_EQ(take(state, config, kStart, 15), 15);
    EXPECT_EQ(take(state, config, kStart, 15), 5);
    EXPECT_EQ(take(state, config, kStart + milliseconds(99), 15), 0);
    EXPECT_EQ(take(state, config, kStart + milliseconds(100), 15), 1);
    EXPECT_EQ(take(state, config, kStart + milliseconds(1100), 15), 10);
    EXPECT_EQ(take(state, config, kStart + hours(1), 1000), 20);
    EXPECT_EQ(take(state, config, kStart + hours(1), std::numeric_limits<std::int64_t>::max()), 0);
}

TEST(TokenBucket, RatesBelowOneASecond) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(0.001, 1); // one in 1000 s
    EXPECT_EQ(take(state, config, kStart, 1), 1);
    EXPECT_EQ(next_available(state, config, kStart), kStart + seconds(1000));
    EXPECT_EQ(take(state, config, kStart + seconds(1000) - microseconds(1), 1), 0);
    EXPECT_EQ(take(state, config, kStart + seconds(1000), 1), 1);
}

TEST(TokenBucket, WhenSoManyAreThere) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(2, 10);
    EXPECT_EQ(next_available(state, config, kStart, 10), kStart);
    EXPECT_EQ(next_available(state, config, kStart, 11), kNever);
    EXPECT_EQ(take(state, config, kStart, 10), 10);
    EXPECT_EQ(next_available(state, config, kStart, 0), kStart);
    EXPECT_EQ(next_available(state, config, kStart, 1), kStart + milliseconds(500));
    EXPECT_EQ(next_available(state, config, kStart, 3), kStart + milliseconds(1500));
    EXPECT_EQ(next_available(state, config, kStart + milliseconds(1200), 3), kStart + milliseconds(1500));
    EXPECT_EQ(take(state, config, kStart + milliseconds(1500), 3), 3);
    EXPECT_EQ(next_available(state, per_second(2, 1'000'000'000), kStart, 1'000'000'001), kNever);
}

TEST(TokenBucket, NothingIsLostByAskingOften) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(1157, 1); // no whole number of microseconds a token
    std::int64_t granted = take(state, config, kStart, 1) - 1;
    for (std::int64_t us = 0; us <= 10'000'000; us += 7)
        granted += take(state, config, kStart + microseconds(us), 10);
    EXPECT_GE(granted, 11'500); // the bucket of one token is full now and then
    TokenBucketState other;
    const TokenBucketConfig deep = per_second(1157, 100);
    EXPECT_EQ(take(other, deep, kStart, 100), 100);
    granted = 0;
    for (std::int64_t us = 0; us <= 10'000'000; us += 7)
        granted += take(other, deep, kStart + microseconds(us), 10);
    EXPECT_EQ(granted, 11'569); // 11,570 less the one that 9,999,997 us have not finished
}

TEST(TokenBucket, MakesConfigurations) {
    EXPECT_EQ(make_config(1, 1).milli_rate, 1000);
    EXPECT_EQ(make_config(0.5, 1).milli_rate, 500);
    EXPECT_EQ(make_config(0.0004, 1).milli_rate, 1); // never stops altogether
    EXPECT_EQ(make_config(0.0015, 1).milli_rate, 2);
    EXPECT_EQ(make_config(1e30, 1).milli_rate, 1'000'000'000'000);
    EXPECT_EQ(make_config(std::numeric_limits<double>::infinity(), 1).milli_rate, 1'000'000'000'000);
    for (const double none : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()})
        EXPECT_EQ(make_config(none, 1).milli_rate, 0);
    EXPECT_EQ(make_config(1, 7).burst, 7);
}

TEST(TokenBucket, ARateOfZeroGrantsNothing) {
    TokenBucketState state;
    const TokenBucketConfig config{.milli_rate = 0, .burst = 100};
    EXPECT_EQ(take(state, config, kStart, 1), 0);
    EXPECT_EQ(next_available(state, config, kStart), kNever);
    EXPECT_EQ(take(state, {.milli_rate = -5, .burst = 100}, kStart, 1), 0);
    EXPECT_EQ(take(state, per_second(1, 100), kStart, 1), 1); // and is a pause
}

TEST(TokenBucket, ABurstBelowOneIsOne) {
    for (const std::int64_t burst : {std::int64_t{0}, std::int64_t{-7}, std::numeric_limits<std::int64_t>::min()}) {
        TokenBucketState state;
        EXPECT_EQ(take(state, per_second(1, burst), kStart, 10), 1);
        EXPECT_EQ(next_available(state, per_second(1, burst), kStart), kStart + seconds(1));
    }
}

TEST(TokenBucket, ExtremeConfigurations) {
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    TokenBucketState state;
    EXPECT_EQ(take(state, {.milli_rate = kMax, .burst = kMax}, kStart, kMax), 1'000'000'000);
    EXPECT_EQ(take(state, {.milli_rate = kMax, .burst = kMax}, kStart + microseconds(1), kMax), 1000);
    EXPECT_EQ(take(state, {.milli_rate = 1, .burst = kMax}, kNever, kMax), 1'000'000'000);
    EXPECT_EQ(next_available(state, {.milli_rate = 1, .burst = 1}, kNever), kNever);
    EXPECT_EQ(take(state, {.milli_rate = 1, .burst = 1}, Time::min(), 1), 0);
    EXPECT_GT(next_available(state, {.milli_rate = 1, .burst = 1}, Time::min()), Time::min());
}

TEST(TokenBucket, NextAvailableIsExact) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 2000; ++round) {
        TokenBucketState state;
        const TokenBucketConfig config{.milli_rate = 1 + static_cast<std::int64_t>(random() % 5'000'000),
                                       .burst = 1 + static_cast<std::int64_t>(random() % 20)};
        Time now = kStart;
        for (int i = 0; i < 5; ++i) {
            now += microseconds(random() % 3'000'000);
            (void)take(state, config, now, static_cast<std::int64_t>(random() % 25));
            if (random() % 4 == 0)
                penalize_until(state, now + microseconds(random() % 5'000'000));
        }
        const Time next = next_available(state, config, now);
        ASSERT_GE(next, now);
        TokenBucketState before = state;
        if (next > now) {
            EXPECT_EQ(take(before, config, next - microseconds(1), 1), 0);
            EXPECT_EQ(next_available(before, config, next - microseconds(1)), next);
        }
        EXPECT_EQ(take(state, config, next, 1), 1);
    }
}

TEST(TokenBucket, GivenBackTokensAreThereAgain) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(1, 10);
    EXPECT_EQ(take(state, config, kStart, 10), 10);
    give_back(state, 4);
    give_back(state, -4);
    EXPECT_EQ(take(state, config, kStart, 10), 4);
    give_back(state, std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(take(state, config, kStart, 100), 10); // never more than the bucket holds
}

TEST(TokenBucket, APenaltyBlocksUntilItsEnd) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(100, 10);
    penalize_until(state, kStart + seconds(30));
    penalize_until(state, kStart + seconds(10)); // does not shorten
    EXPECT_EQ(next_available(state, config, kStart), kStart + seconds(30));
    EXPECT_EQ(take(state, config, kStart + seconds(30) - microseconds(1), 1), 0);
    EXPECT_EQ(take(state, config, kStart + seconds(30), 100), 10);
    penalize_until(state, kStart); // long past
    EXPECT_EQ(take(state, config, kStart + seconds(31), 1), 1);
    penalize_until(state, kNever);
    EXPECT_EQ(take(state, config, kStart + hours(1000), 1), 0);
    EXPECT_EQ(next_available(state, config, kStart + hours(1000)), kNever);
}

TEST(TokenBucket, TimesALittleOutOfOrderRefillOnce) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(1000, 1000);
    EXPECT_EQ(take(state, config, kStart, 1000), 1000);
    EXPECT_EQ(take(state, config, kStart + milliseconds(100), 1000), 100);
    EXPECT_EQ(take(state, config, kStart + milliseconds(50), 1000), 0);
    EXPECT_EQ(take(state, config, kStart + milliseconds(100), 1000), 0); // not refilled twice
    EXPECT_EQ(next_available(state, config, kStart + milliseconds(50)), kStart + milliseconds(101));
    EXPECT_EQ(take(state, config, kStart + milliseconds(150), 1000), 50);
}

TEST(TokenBucket, AClockSetBackStopsNothing) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(10, 10);
    EXPECT_EQ(take(state, config, kStart, 10), 10);
    penalize_until(state, kStart + seconds(5));
    const Time back = kStart - hours(2);
    EXPECT_EQ(take(state, config, back, 10), 0); // and refills nothing by itself
    EXPECT_EQ(next_available(state, config, back), back + seconds(5));
    EXPECT_EQ(take(state, config, back + seconds(5), 100), 10);
    EXPECT_EQ(take(state, config, back + seconds(6), 100), 10);
    EXPECT_EQ(take(state, config, kStart - hours(3), 100), 0);
    EXPECT_EQ(take(state, config, kStart - hours(3) + milliseconds(500), 100), 5);
}

TEST(TokenBucket, AClockSetForwardFillsTheBucketAndNoMore) {
    TokenBucketState state;
    const TokenBucketConfig config = per_second(10, 10);
    EXPECT_EQ(take(state, config, kStart, 10), 10);
    EXPECT_EQ(take(state, config, kStart + hours(24 * 365 * 100), 1000), 10);
    EXPECT_EQ(take(state, config, kStart, 1000), 0);
    EXPECT_EQ(take(state, config, kStart + seconds(1), 1000), 10);
}

TEST(TokenBucket, ConfigurationsMayChange) {
    TokenBucketState state;
    EXPECT_EQ(take(state, per_second(10, 100), kStart, 60), 60); // 40 left
    EXPECT_EQ(take(state, per_second(10, 20), kStart, 100), 0);  // less than what is missing
    EXPECT_EQ(take(state, per_second(10, 20), kStart + seconds(1), 100), 10);
    EXPECT_EQ(take(state, per_second(10, 200), kStart + seconds(1), 1000), 180);
    EXPECT_EQ(take(state, per_second(1000, 200), kStart + milliseconds(1010), 1000), 10); // the new rate at once
}

TEST(TokenBucket, GarbageInSharedMemoryHeals) {
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
    for (const std::int64_t missing : {kMin, std::int64_t{-1}, kMax}) {
        for (const std::int64_t refilled : {kMin, std::int64_t{0}, kMax}) {
            TokenBucketState state{.missing = missing, .refilled_us = refilled, .blocked_until = 0};
            (void)take(state, per_second(10, 10), kStart, 1);
            EXPECT_LE(next_available(state, per_second(10, 10), kStart), kStart + seconds(1));
            EXPECT_LE(take(state, per_second(10, 10), kStart, 100), 10);
            EXPECT_EQ(take(state, per_second(10, 10), kStart + seconds(2), 100), 10);
        }
    }
}

// Over any stretch of a run: never more than a full bucket and what the rate gives in that time. And not less than the
// rate for one who always takes all.
TEST(TokenBucket, NeverMoreThanBurstAndRateAndNotLess) {
    std::mt19937_64 random(17);
    for (int round = 0; round < 200; ++round) {
        const TokenBucketConfig config{.milli_rate = 1 + static_cast<std::int64_t>(random() % 3'000'000),
                                       .burst = 2 + static_cast<std::int64_t>(random() % 50)};
        const bool greedy = random() % 2 == 0;
        const bool disorder = random() % 2 == 0;
        TokenBucketState state;
        std::vector<std::pair<std::int64_t, std::int64_t>> grants; // time, tokens
        std::int64_t clock = to_unix_micros(kStart);
        std::int64_t total = 0;
        for (int i = 0; i < 200; ++i) {
            // A greedy one comes before the bucket is full again.
            const std::int64_t full_us = (config.burst - 1) * 1'000'000'000 / config.milli_rate;
            clock += static_cast<std::int64_t>(random() % 2'000'000) %
                     (greedy ? std::max<std::int64_t>(full_us, 1) : 2'000'000);
            const std::int64_t now = clock - (disorder ? static_cast<std::int64_t>(random() % 900'000) : 0);
            const std::int64_t n = greedy ? 1000 : static_cast<std::int64_t>(random() % 60);
            const std::int64_t granted = take(state, config, from_unix_micros(now), n);
            ASSERT_GE(granted, 0);
            ASSERT_LE(granted, std::min(n, config.burst));
            grants.emplace_back(now, granted);
            total += granted;
        }
        for (std::size_t from = 0; from < grants.size(); from += 7) {
            std::int64_t sum = 0;
            std::int64_t first = grants[from].first;
            std::int64_t last = first;
            for (std::size_t i = 0; i <= from; ++i) // what was refilled up to then counts from there
                first = std::max(first, grants[i].first);
            for (std::size_t i = from; i < grants.size(); ++i) {
                sum += grants[i].second;
                last = std::max(last, grants[i].first);
                const std::int64_t elapsed = std::max<std::int64_t>(last - first, 0);
                ASSERT_LE((sum - config.burst) * 1'000'000'000, elapsed * config.milli_rate);
            }
        }
        if (greedy && !disorder) {
            const std::int64_t elapsed = clock - to_unix_micros(kStart);
            ASSERT_GT((total + 1) * 1'000'000'000, elapsed * config.milli_rate);
        }
    }
}

TEST(TokenBucket, AnythingMayBeAsked) {
    std::mt19937_64 random(23);
    TokenBucketState state;
    for (int i = 0; i < 20'000; ++i) {
        const auto any = [&] {
            return static_cast<std::int64_t>(random() >> random() % 64) * (random() % 2 == 0 ? 1 : -1);
        };
        const TokenBucketConfig config{.milli_rate = any(), .burst = any()};
        const std::int64_t n = any();
        const std::int64_t granted = take(state, config, from_unix_micros(any()), n);
        ASSERT_GE(granted, 0);
        ASSERT_LE(granted, std::max<std::int64_t>(n, 0));
        (void)next_available(state, config, from_unix_micros(any()));
        give_back(state, any());
        if (random() % 8 == 0)
            penalize_until(state, from_unix_micros(any()));
        ASSERT_GE(state.missing, 0);
    }
}

// Usable in constant expressions: nothing in it is undefined.
constexpr std::int64_t constant_grants() {
    TokenBucketState state;
    const TokenBucketConfig config = make_config(2.0, 3);
    return take(state, config, kStart, 10) * 10 + take(state, config, kStart + seconds(1), 10);
}
static_assert(constant_grants() == 32);

} // namespace
} // namespace hc::core
