// Tests of the retry policy of activities and workflow executions: its JSON, and the decision.
#include "core/error.hpp"
#include "core/retry_policy.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kNow = from_unix_micros(1'700'000'000'000'000);
constexpr auto kActivity = RetriedThing::activity;
constexpr auto kWorkflow = RetriedThing::workflow;

std::string fault_of(std::string_view json) {
    try {
        parse_retry_policy(json);
    } catch (const Error &e) {
        return std::string(e.sqlstate()) + " " + e.detail();
    }
    return "";
}

TEST(RetryPolicy, WithoutKeysItIsTheDefault) {
    const RetryPolicy policy = parse_retry_policy("{}");
    EXPECT_EQ(policy.initial_interval, Duration{seconds(1)});
    EXPECT_EQ(policy.backoff_coefficient, 2.0);
    EXPECT_EQ(maximum_interval(policy), Duration{seconds(100)});
    EXPECT_EQ(policy.maximum_attempts, 0);
    EXPECT_TRUE(policy.non_retryable.empty());
    EXPECT_EQ(policy.jitter, 0.0);
}

TEST(RetryPolicy, ReadsEveryKey) {
    const RetryPolicy policy =
        parse_retry_policy(R"({"initial_interval": "500ms", "coefficient": 1.5, "max_interval": 30, "max_attempts": 7,
                               "non_retryable": ["22012", "23", "Declined"]})");
    EXPECT_EQ(policy.initial_interval, Duration{milliseconds(500)});
    EXPECT_EQ(policy.backoff_coefficient, 1.5);
    EXPECT_EQ(policy.maximum_interval, Duration{seconds(30)});
    EXPECT_EQ(policy.maximum_attempts, 7);
    EXPECT_EQ(policy.non_retryable, (std::vector<std::string>{"22012", "23", "Declined"}));
}

struct FaultCase {
    const char *json;
    const char *fault; // start of it; empty: none
};
const FaultCase kFaults[] = {
    {R"({"max_attempts": 1, "initial_interval": -1, "coefficient": 0.5, "max_interval": -1})", ""},
    {R"({"max_attempts": -3, "initial_interval": -1, "coefficient": 0.5, "max_interval": -1})",
     "22023 $.initial_interval: must not be negative"},
    {R"({"max_attempts": -3, "coefficient": 0.5, "max_interval": -1})", "22023 $.coefficient: must be"},
    {R"({"max_attempts": -3, "max_interval": -1})", "22023 $.max_interval: must not be negative"},
    {R"({"max_attempts": -3, "initial_interval": 9, "max_interval": 8})",
     "22023 $.max_interval: must not be less than initial_interval"},
    {R"({"max_attempts": -3, "non_retryable": ["TemporalTimeout:x"]})", "22023 $.max_attempts: must not be negative"},
    {R"({"non_retryable": ["TemporalTimeout:x"]})", "22023 $.non_retryable: has an invalid timeout type \"x\""},
    {R"({"non_retryable": ["TemporalTimeout:Heartbeat", "TemporalTimeout:StartToClose"]})", ""},
    {R"({"non_retryable": []})", ""},
    {R"({"non_retryable": "22012"})", "22023 $.non_retryable"},
    {R"({"non_retryable": [7]})", "22023 $.non_retryable[0]"},
    {R"({"initial_interval": 0, "max_interval": 0, "max_attempts": 0, "coefficient": 1})", ""},
    {R"({"max_attempts": 1.5})", "22023 $.max_attempts"},
    {R"({"max_attempts": 2147483648})", "22023 $.max_attempts"},
    {R"({"coefficient": "2"})", "22023 $.coefficient"},
    {R"({"coefficient": 1e9})", "22023 $.coefficient"},
    {R"({"initial_interval": "soon"})", "22023 $.initial_interval: is not a valid duration"},
    {R"({"backoff_coefficient": 2})", "22023 $.backoff_coefficient"},
    {R"({"max_attempts": 1, "attempts": 2})", "22023 $.attempts"},
    {"[]", "22023 $"},
    {"3", "22023 $"},
};

TEST(RetryPolicy, FaultsInTheirOrder) {
    for (const FaultCase &c : kFaults) {
        const std::string fault = fault_of(c.json);
        if (*c.fault == '\0')
            EXPECT_EQ(fault, "") << c.json;
        else
            EXPECT_TRUE(fault.starts_with(c.fault)) << c.json << ": " << fault;
    }
}

TEST(RetryPolicy, IsWrittenAndReadBack) {
    for (const char *json : {"{}", R"({"initial_interval": "1500ms", "coefficient": 1.1, "max_interval": "3h2m1s",
        "max_attempts": 2147483647, "non_retryable": ["a \"b\"", "23505"]})",
                             R"({"max_attempts": 1})", R"({"initial_interval": 0, "max_interval": 0.000001})"}) {
        const std::string text = retry_policy_json(parse_retry_policy(json));
        const RetryPolicy policy = parse_retry_policy(json);
        const RetryPolicy again = parse_retry_policy(text);
        EXPECT_EQ(again.initial_interval, policy.initial_interval) << text;
        EXPECT_EQ(again.backoff_coefficient, policy.backoff_coefficient) << text;
        EXPECT_EQ(again.maximum_interval, policy.maximum_interval) << text;
        EXPECT_EQ(again.maximum_attempts, policy.maximum_attempts) << text;
        EXPECT_EQ(again.non_retryable, policy.non_retryable) << text;
    }
}

TEST(RetryPolicy, WhatIsNonRetryable) {
    const RetryPolicy policy = parse_retry_policy(R"({"non_retryable": ["22012", "23", "Declined", "P0001x",
                                                     "TemporalTimeout:Heartbeat"]})");
    const auto judged = [&](const RetryFailure &failure) { return is_non_retryable(policy, failure); };
    EXPECT_TRUE(judged({.sqlstate = "22012"}));
    EXPECT_FALSE(judged({.sqlstate = "22013"}));
    EXPECT_TRUE(judged({.sqlstate = "23505"})); // by its class
    EXPECT_FALSE(judged({.sqlstate = "23"}));   // no SQLSTATE
    EXPECT_FALSE(judged({.sqlstate = "P0001"}));
    EXPECT_TRUE(judged({.sqlstate = "P0001", .type = "Declined"}));
    EXPECT_FALSE(judged({.sqlstate = "P0001", .type = "declined"}));
    EXPECT_FALSE(judged({.sqlstate = "P0001", .type = "Declined by the bank"}));
    EXPECT_TRUE(judged({.type = "TemporalTimeout:Heartbeat"}));
    EXPECT_FALSE(judged({.type = "TemporalTimeout:StartToClose"}));
    EXPECT_FALSE(judged({}));
    EXPECT_TRUE(judged({.non_retryable = true}));
    EXPECT_FALSE(is_non_retryable(default_retry_policy(), {.sqlstate = "22012", .type = "Declined"}));
}

struct DecisionCase {
    const char *name;
    RetriedThing thing;
    const char *policy; // nullptr: none
    RetryFailure failure;
    std::int32_t attempt;
    std::optional<int> expires_in_s;
    RetryState state;
    int interval_s;
};
constexpr std::optional<int> kNone;
const DecisionCase kDecisions[] = {
    {"no policy", kWorkflow, nullptr, {}, 1, kNone, RetryState::retry_policy_not_set, 0},
    {"no policy is said before all else",
     kActivity,
     nullptr,
     {.non_retryable = true},
     9,
     -1,
     RetryState::retry_policy_not_set,
     0},
    {"first", kWorkflow, "{}", {}, 1, kNone, RetryState::in_progress, 1},
    {"fourth", kActivity, "{}", {}, 4, kNone, RetryState::in_progress, 8},
    {"hundred times the first", kActivity, "{}", {}, 8, kNone, RetryState::in_progress, 100},
    {"overflow ends at the cap", kActivity, "{}", {}, INT32_MAX, kNone, RetryState::in_progress, 100},
    {"one attempt", kWorkflow, R"({"max_attempts": 1})", {}, 1, kNone, RetryState::maximum_attempts_reached, 0},
    {"last but one", kWorkflow, R"({"max_attempts": 3})", {}, 2, kNone, RetryState::in_progress, 2},
    {"last", kWorkflow, R"({"max_attempts": 3})", {}, 3, kNone, RetryState::maximum_attempts_reached, 0},
    {"exactly at the expiration", kWorkflow, "{}", {}, 1, 1, RetryState::in_progress, 1},
    {"after the expiration", kWorkflow, "{}", {}, 2, 1, RetryState::timeout, 0},
    {"attempts are said before the expiration",
     kWorkflow,
     R"({"max_attempts": 2})",
     {},
     2,
     1,
     RetryState::maximum_attempts_reached,
     0},
    {"non-retryable before attempts",
     kWorkflow,
     R"({"max_attempts": 1})",
     {.non_retryable = true},
     1,
     kNone,
     RetryState::non_retryable_failure,
     0},
    {"listed",
     kWorkflow,
     R"({"non_retryable": ["P0001"]})",
     {.sqlstate = "P0001"},
     1,
     kNone,
     RetryState::non_retryable_failure,
     0},
    {"delay of an activity passes the maximum",
     kActivity,
     R"({"max_interval": 5})",
     {.next_retry_delay = seconds(60)},
     1,
     kNone,
     RetryState::in_progress,
     60},
    {"delay of a workflow does not",
     kWorkflow,
     R"({"max_interval": 5})",
     {.next_retry_delay = seconds(60)},
     1,
     kNone,
     RetryState::in_progress,
     5},
    {"delay below the maximum",
     kWorkflow,
     "{}",
     {.next_retry_delay = seconds(60)},
     1,
     kNone,
     RetryState::in_progress,
     60},
    {"delay of zero is at once",
     kActivity,
     "{}",
     {.next_retry_delay = seconds(0)},
     5,
     kNone,
     RetryState::in_progress,
     0},
    {"delay is bound by the expiration",
     kActivity,
     "{}",
     {.next_retry_delay = seconds(60)},
     1,
     59,
     RetryState::timeout,
     0},
    {"delay is bound by the attempts",
     kActivity,
     R"({"max_attempts": 2})",
     {.next_retry_delay = seconds(1)},
     2,
     kNone,
     RetryState::maximum_attempts_reached,
     0},
};

TEST(RetryPolicy, DecisionTable) {
    for (const DecisionCase &c : kDecisions) {
        std::optional<RetryPolicy> policy;
        if (c.policy != nullptr)
            policy = parse_retry_policy(c.policy);
        std::optional<Time> expires;
        if (c.expires_in_s)
            expires = kNow + seconds(*c.expires_in_s);
        const NextRetry next = decide_retry(c.thing, policy ? &*policy : nullptr, c.failure, c.attempt, kNow, expires);
        EXPECT_EQ(next.state, c.state) << c.name;
        EXPECT_EQ(next.interval, Duration{seconds(c.interval_s)}) << c.name;
    }
}

TEST(RetryPolicy, WordsOfTheStates) {
    EXPECT_EQ(to_string(RetryState::in_progress), "InProgress");
    EXPECT_EQ(to_string(RetryState::maximum_attempts_reached), "MaximumAttemptsReached");
    EXPECT_EQ(to_string(RetryState::timeout), "Timeout");
    EXPECT_EQ(to_string(RetryState::non_retryable_failure), "NonRetryableFailure");
    EXPECT_EQ(to_string(RetryState::retry_policy_not_set), "RetryPolicyNotSet");
    EXPECT_EQ(to_string(RetryState::cancel_requested), "CancelRequested");
}

} // namespace
} // namespace hc::core
