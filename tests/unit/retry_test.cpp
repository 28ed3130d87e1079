// Tests of the retry arithmetic and of the policy checks. The tables restate Temporal's behaviour.
#include "core/retry.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace hc::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kNow = from_unix_micros(1'700'000'000'000'000);
constexpr double kNoJitter = 0.5;
constexpr std::optional<int> kNone;

RetryPolicy policy_of(int initial_s, double coefficient, int maximum_s, std::int32_t attempts) {
    RetryPolicy policy;
    policy.initial_interval = seconds(initial_s);
    policy.backoff_coefficient = coefficient;
    policy.maximum_interval = seconds(maximum_s);
    policy.maximum_attempts = attempts;
    return policy;
}

struct BackoffCase {
    const char *name;
    std::int32_t attempt, maximum_attempts;
    int initial_s, maximum_s;
    std::optional<int> expires_in_s;
    double coefficient;
    std::optional<int> interval_s; // none: no further attempt
    RetryState state;
};

constexpr auto kGo = RetryState::in_progress;
constexpr auto kUsedUp = RetryState::maximum_attempts_reached;
constexpr auto kTimeout = RetryState::timeout;

const BackoffCase kBackoffCases[] = {
    {"first attempt uses the initial interval", 1, 5, 5, 10, 30, 2, 5, kGo},
    {"attempt below 1 is treated as 1", -1, 5, 5, 10, 30, 2, 5, kGo},
    {"n-th attempt", 4, 5, 2, 200, 600, 3, 54, kGo},
    {"capped at the maximum interval", 5, 20, 3, 1, 600, 2, 1, kGo},
    {"attempts used up", 10, 10, 3, 10, 600, 2, kNone, kUsedUp},
    {"no limit of attempts", 10, 0, 2, 1800, 3600, 2, 1024, kGo},
    {"beyond the expiration", 10, 0, 2, 1800, 60, 2, kNone, kTimeout},
    {"expiration is now", 10, 0, 2, 1800, 0, 2, kNone, kTimeout},
    {"default policy, attempt 1", 1, 0, 1, 100, kNone, 2, 1, kGo},
    {"default policy, attempt 2", 2, 0, 1, 100, kNone, 2, 2, kGo},
    {"default policy, attempt 3", 3, 0, 1, 100, kNone, 2, 4, kGo},
    {"default policy, attempt 4", 4, 0, 1, 100, kNone, 2, 8, kGo},
    {"default policy, attempt 5", 5, 0, 1, 100, kNone, 2, 16, kGo},
    {"default policy, attempt 6", 6, 0, 1, 100, kNone, 2, 32, kGo},
    {"default policy, attempt 7", 7, 0, 1, 100, kNone, 2, 64, kGo},
    {"default policy, attempt 8", 8, 0, 1, 100, kNone, 2, 100, kGo},
    {"default policy, attempt 9", 9, 0, 1, 100, kNone, 2, 100, kGo},
    {"default policy, attempt 30", 30, 0, 1, 100, kNone, 2, 100, kGo},
    {"last allowed attempt", 4, 5, 1, 100, kNone, 2, 8, kGo},
    {"one attempt is never retried", 1, 1, 1, 100, kNone, 2, kNone, kUsedUp},
    {"exactly at the expiration is in time", 1, 0, 5, 100, 5, 2, 5, kGo},
    {"an overflowing power ends at the cap", 2000, 0, 1, 3600, kNone, 2, 3600, kGo},
    {"no maximum given", 5, 0, 1, 0, kNone, 2, 16, kGo},
    {"no maximum given: a hundred times the initial interval", 50, 0, 2, 0, kNone, 2, 200, kGo},
    {"highest attempt number", INT32_MAX, 0, 1, 100, kNone, 1.5, 100, kGo},
    {"lowest attempt number", INT32_MIN, 2, 1, 100, kNone, 1.5, 1, kGo},
    {"coefficient 1 keeps the interval", INT32_MAX, 0, 7, 100, kNone, 1, 7, kGo},
    {"expiration passed", 1, 0, 1, 100, -1, 2, kNone, kTimeout},
    {"used up is said before expired", 3, 3, 1, 100, -1, 2, kNone, kUsedUp},
    {"an initial interval of zero is the default", 2, 0, 0, 0, kNone, 2, 2, kGo},
};

TEST(Retry, BackoffTable) {
    for (const BackoffCase &c : kBackoffCases) {
        const RetryPolicy policy = policy_of(c.initial_s, c.coefficient, c.maximum_s, c.maximum_attempts);
        std::optional<Time> expires;
        if (c.expires_in_s)
            expires = kNow + seconds(*c.expires_in_s);
        const NextRetry next = next_retry(policy, c.attempt, kNow, expires, std::nullopt, kNoJitter);
        EXPECT_EQ(next.state, c.state) << c.name;
        if (c.interval_s) {
            EXPECT_EQ(next.interval, Duration{seconds(*c.interval_s)}) << c.name;
        }
    }
}

TEST(Retry, DefaultPolicy) {
    const RetryPolicy policy;
    EXPECT_FALSE(validate(policy));
    EXPECT_EQ(next_retry(policy, 1, kNow, {}, {}, kNoJitter).interval, Duration{seconds(1)});
    EXPECT_EQ(next_retry(policy, 2, kNow, {}, {}, kNoJitter).interval, Duration{seconds(2)});
    EXPECT_EQ(next_retry(policy, 3, kNow, {}, {}, kNoJitter).state, kUsedUp);
}

TEST(Retry, FractionsOfASecond) {
    RetryPolicy policy = policy_of(1, 1.1, 100, 0);
    EXPECT_EQ(next_retry(policy, 3, kNow, {}, {}, kNoJitter).interval, Duration{1'210'000});
    policy.initial_interval = Duration{3};
    policy.backoff_coefficient = 1.5;
    EXPECT_EQ(next_retry(policy, 3, kNow, {}, {}, kNoJitter).interval, Duration{7}); // 6.75
}

TEST(Retry, GivenDelayReplacesTheInterval) {
    const RetryPolicy policy = policy_of(1, 2, 120, 0);
    const auto with = [&](Duration given, std::optional<Time> expires, double random01) {
        return next_retry(policy, 1, kNow, expires, given, random01);
    };
    EXPECT_EQ(with(seconds(60), {}, kNoJitter).interval, Duration{seconds(60)});
    EXPECT_EQ(with(seconds(180), {}, kNoJitter).interval, Duration{seconds(180)}); // beats the maximum interval
    EXPECT_EQ(with(seconds(60), {}, 0.0).interval, Duration{seconds(60)});         // no jitter either way
    EXPECT_EQ(with(seconds(60), {}, 0.999).interval, Duration{seconds(60)});
    EXPECT_EQ(with(seconds(60), kNow + seconds(60), kNoJitter).state, kGo);
    EXPECT_EQ(with(seconds(60), kNow + milliseconds(59'999), kNoJitter).state, kTimeout);

    const NextRetry at_once = with(seconds(0), {}, kNoJitter);
    EXPECT_EQ(at_once.state, kGo);
    EXPECT_EQ(at_once.interval, Duration::zero());
    EXPECT_EQ(with(seconds(-5), {}, kNoJitter).interval, Duration::zero());
    EXPECT_EQ(with(seconds(0), kNow, kNoJitter).state, kTimeout); // the expiration is reached
    EXPECT_EQ(with(Duration::max(), kNow + seconds(1), kNoJitter).state, kTimeout);
    EXPECT_EQ(with(Duration::max(), kNever, kNoJitter).state, kTimeout);
    EXPECT_EQ(next_retry(policy_of(1, 2, 120, 2), 2, kNow, {}, Duration{seconds(1)}, kNoJitter).state, kUsedUp);
}

TEST(Retry, ExtremeTimesAndIntervalsDoNotOverflow) {
    RetryPolicy policy = policy_of(1, 2, 0, 0);
    policy.initial_interval = Duration::max();
    const NextRetry next = next_retry(policy, 5, kNow, {}, {}, 0.99);
    EXPECT_EQ(next.state, kGo);
    EXPECT_EQ(next.interval, Duration::max());
    EXPECT_EQ(next_retry(policy, 5, Time::min(), Time::max(), {}, kNoJitter).state, kGo);
    EXPECT_EQ(next_retry(policy, 5, Time::max(), Time::min(), {}, kNoJitter).state, kTimeout);
    policy.maximum_interval = Duration::max();
    policy.initial_interval = seconds(1);
    EXPECT_EQ(next_retry(policy, 5000, kNow, {}, {}, kNoJitter).interval, Duration::max());
}

TEST(Retry, NonsenseCoefficientsEndAtTheCap) {
    for (const double coefficient :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -3.0}) {
        const NextRetry next = next_retry(policy_of(1, coefficient, 10, 0), 2, kNow, {}, {}, kNoJitter);
        EXPECT_EQ(next.interval, Duration{seconds(10)}) << coefficient;
    }
}

TEST(Retry, JitterSpreadsAroundTheInterval) {
    RetryPolicy policy = policy_of(10, 2, 1000, 0);
    policy.jitter = 0.1;
    EXPECT_EQ(next_retry(policy, 1, kNow, {}, {}, 0.0).interval, Duration{seconds(9)});
    EXPECT_EQ(next_retry(policy, 1, kNow, {}, {}, 0.75).interval, Duration{milliseconds(10'500)});
    policy.jitter = 1.0;
    EXPECT_EQ(next_retry(policy, 1, kNow, {}, {}, 0.0).interval, Duration::zero());
    policy.jitter = 0.0;
    EXPECT_EQ(next_retry(policy, 1, kNow, {}, {}, 0.0).interval, Duration{seconds(10)});
    // The expiration is compared with the delay as it is, jitter included.
    policy.jitter = 0.1;
    EXPECT_EQ(next_retry(policy, 1, kNow, kNow + seconds(10), {}, 0.75).state, kTimeout);
    EXPECT_EQ(next_retry(policy, 1, kNow, kNow + seconds(10), {}, 0.25).state, kGo);
}

TEST(Retry, PropertiesOfTheInterval) {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> unit(0.0, 1.0);
    for (int i = 0; i < 20000; ++i) {
        RetryPolicy policy;
        policy.initial_interval = Duration{1 + static_cast<std::int64_t>(random() % 3'600'000'000ULL)};
        policy.backoff_coefficient = 1.0 + unit(random) * 9.0;
        policy.maximum_interval = policy.initial_interval * static_cast<std::int64_t>(1 + random() % 1000);
        policy.maximum_attempts = 0;
        policy.jitter = unit(random);
        ASSERT_FALSE(validate(policy));
        const auto attempt = static_cast<std::int32_t>(1 + random() % 500);

        const Duration plain = next_retry(policy, attempt, kNow, {}, {}, kNoJitter).interval;
        EXPECT_GE(plain, policy.initial_interval);
        EXPECT_LE(plain, policy.maximum_interval);
        EXPECT_GE(next_retry(policy, attempt + 1, kNow, {}, {}, kNoJitter).interval, plain);

        const Duration spread = next_retry(policy, attempt, kNow, {}, {}, unit(random)).interval;
        EXPECT_LE(spread, policy.maximum_interval);
        const double share = policy.jitter * static_cast<double>(plain.count()) + 1.0;
        EXPECT_LE(std::abs(static_cast<double>((spread - plain).count())), share);
    }
}

struct PolicyCase {
    const char *name;
    RetryPolicy policy;
    const char *error; // nullptr: valid
};

std::vector<PolicyCase> policy_cases() {
    const auto made = [](auto change) {
        RetryPolicy policy;
        change(policy);
        return policy;
    };
    const auto reasons = [&](std::vector<std::string> list) {
        return made([&](RetryPolicy &p) { p.backoff_coefficient = 1, p.non_retryable = std::move(list); });
    };
    return {
        {"default", RetryPolicy{}, nullptr},
        {"one attempt skips every other check", made([](RetryPolicy &p) {
             p.backoff_coefficient = 0.5, p.maximum_attempts = 1, p.initial_interval = seconds(-1), p.jitter = 9;
         }),
         nullptr},
        {"negative initial interval", made([](RetryPolicy &p) { p.initial_interval = seconds(-22); }),
         "initial_interval must not be negative"},
        {"coefficient below 1", made([](RetryPolicy &p) { p.backoff_coefficient = 0.8; }),
         "backoff_coefficient must be a number not less than 1"},
        {"coefficient is no number", made([](RetryPolicy &p) { p.backoff_coefficient = std::nan(""); }),
         "backoff_coefficient must be a number not less than 1"},
        {"coefficient is infinite",
         made([](RetryPolicy &p) { p.backoff_coefficient = std::numeric_limits<double>::infinity(); }),
         "backoff_coefficient must be a number not less than 1"},
        {"negative maximum interval", made([](RetryPolicy &p) { p.maximum_interval = seconds(-2); }),
         "maximum_interval must not be negative"},
        {"maximum below initial interval",
         made([](RetryPolicy &p) { p.initial_interval = seconds(10), p.maximum_interval = seconds(5); }),
         "maximum_interval must not be less than initial_interval"},
        {"maximum equals initial interval",
         made([](RetryPolicy &p) { p.initial_interval = p.maximum_interval = seconds(10); }), nullptr},
        {"no maximum interval", made([](RetryPolicy &p) { p.initial_interval = seconds(10); }), nullptr},
        {"negative attempts", made([](RetryPolicy &p) { p.maximum_attempts = -3; }),
         "maximum_attempts must not be negative"},
        {"unlimited attempts", made([](RetryPolicy &p) { p.maximum_attempts = 0; }), nullptr},
        {"the four timeout types",
         reasons({"TemporalTimeout:StartToClose", "TemporalTimeout:ScheduleToStart", "TemporalTimeout:ScheduleToClose",
                  "TemporalTimeout:Heartbeat"}),
         nullptr},
        {"unspecified timeout type", reasons({"TemporalTimeout:Unspecified"}),
         "invalid timeout type \"Unspecified\" in non_retryable"},
        {"unknown timeout type", reasons({"spam", "TemporalTimeout:unknown"}),
         "invalid timeout type \"unknown\" in non_retryable"},
        {"empty timeout type", reasons({"TemporalTimeout:"}), "invalid timeout type \"\" in non_retryable"},
        {"words of one's own", reasons({"spam", "TemporalTimeout", "30007"}), nullptr},
        {"negative jitter", made([](RetryPolicy &p) { p.jitter = -0.1; }), "jitter must be between 0 and 1"},
        {"jitter above 1", made([](RetryPolicy &p) { p.jitter = 1.1; }), "jitter must be between 0 and 1"},
        {"jitter is no number", made([](RetryPolicy &p) { p.jitter = std::nan(""); }),
         "jitter must be between 0 and 1"},
    };
}

TEST(Retry, ValidationTable) {
    for (const PolicyCase &c : policy_cases()) {
        const std::optional<std::string> reason = validate(c.policy);
        if (c.error == nullptr) {
            EXPECT_FALSE(reason) << c.name << ": " << reason.value_or("");
        } else {
            EXPECT_EQ(reason, c.error) << c.name;
        }
    }
}

TEST(Retry, ValidationTellsTheFirstFault) {
    RetryPolicy policy = policy_of(-1, 0.5, -1, -1);
    policy.non_retryable = {"TemporalTimeout:x"};
    policy.jitter = 2;
    const auto expect_then_fix = [&](std::string_view start, auto fix) {
        EXPECT_TRUE(validate(policy).value_or("").starts_with(start)) << validate(policy).value_or("valid");
        fix();
    };
    expect_then_fix("initial_interval", [&] { policy.initial_interval = seconds(9); });
    expect_then_fix("backoff_coefficient", [&] { policy.backoff_coefficient = 2; });
    expect_then_fix("maximum_interval must not be negative", [&] { policy.maximum_interval = seconds(1); });
    expect_then_fix("maximum_interval must not be less", [&] { policy.maximum_interval = seconds(9); });
    expect_then_fix("maximum_attempts", [&] { policy.maximum_attempts = 2; });
    expect_then_fix("invalid timeout type", [&] { policy.non_retryable.clear(); });
    expect_then_fix("jitter", [&] { policy.jitter = 1; });
    EXPECT_FALSE(validate(policy));
}

} // namespace
} // namespace hc::core
