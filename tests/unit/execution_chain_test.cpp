// Tests of what the runs of an execution have in common, and of the end that has a next run.
#include "core/execution_chain.hpp"
#include "core/workflow_failure.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

using std::chrono::seconds;
using Type = ExecutionEventType;

constexpr Time kNow = from_unix_micros(1'700'000'000'123'456);
constexpr const char *kId = "0190a000-0000-7000-8000-000000000001";

ExecutionChain read_back(const ExecutionChain &chain) {
    return chain_of({.type = Type::workflow_execution_started, .payload = chain_json(chain)});
}

ExecutionEvent failed(const char *sqlstate) {
    return {.type = Type::workflow_execution_failed, .payload = failure_json({sqlstate, "no", "", ""})};
}

TEST(ExecutionChain, NothingIsStoredOfARunOfItsOwn) {
    EXPECT_EQ(chain_json({}), "");
    ExecutionChain chain;
    chain.execution_timeout = seconds(5); // what counts is when it ends
    EXPECT_EQ(chain_json(chain), "");
    EXPECT_EQ(read_back({}).attempt, 1);
    EXPECT_EQ(read_back({}).first_execution_id, "");
}

TEST(ExecutionChain, IsReadBack) {
    ExecutionChain chain;
    chain.attempt = 7;
    chain.first_execution_id = kId;
    chain.expires = kNow;
    chain.run_timeout = Duration{1'500'001};
    chain.retry = parse_retry_policy(R"({"max_attempts": 9, "non_retryable": ["23"]})");
    const ExecutionChain again = read_back(chain);
    EXPECT_EQ(again.attempt, 7);
    EXPECT_EQ(again.first_execution_id, kId);
    EXPECT_EQ(again.expires, kNow);
    EXPECT_EQ(again.run_timeout, Duration{1'500'001});
    ASSERT_TRUE(again.retry);
    EXPECT_EQ(again.retry->maximum_attempts, 9);
    EXPECT_EQ(again.retry->non_retryable, std::vector<std::string>{"23"});
}

TEST(ExecutionChain, OtherPayloadsAreNone) {
    for (const char *payload : {"", "null", "[]", "{", R"({"memo": 1})", R"({"attempt": "x", "expires_at": 7})"}) {
        const ExecutionChain chain = chain_of({.type = Type::workflow_execution_started, .payload = payload});
        EXPECT_EQ(chain.attempt, 1) << payload;
        EXPECT_FALSE(chain.expires || chain.run_timeout || chain.retry) << payload;
    }
}

TEST(ExecutionChain, NextRun) {
    ExecutionChain chain;
    chain.run_timeout = seconds(3);
    const ExecutionChain second = chain.next(kId, 2);
    EXPECT_EQ(second.attempt, 2);
    EXPECT_EQ(second.first_execution_id, kId);
    EXPECT_EQ(second.run_timeout, Duration{seconds(3)});
    EXPECT_EQ(second.next("another", 1).first_execution_id, kId); // stays the first one's
    EXPECT_EQ(second.next("another", 1).attempt, 1);              // of continue_as_new
}

TEST(ExecutionChain, ClosesWithANextRun) {
    EXPECT_TRUE(has_next_run({.type = Type::workflow_execution_continued_as_new, .text = kId}));
    EXPECT_TRUE(has_next_run({.type = Type::workflow_execution_failed, .text = kId}));
    EXPECT_TRUE(has_next_run({.type = Type::workflow_execution_timed_out, .text = kId}));
    EXPECT_FALSE(has_next_run({.type = Type::workflow_execution_failed}));
    EXPECT_FALSE(has_next_run({.type = Type::workflow_execution_timed_out}));
    EXPECT_FALSE(has_next_run({.type = Type::workflow_execution_completed}));
    EXPECT_FALSE(has_next_run({.type = Type::workflow_execution_terminated, .text = kId})); // a reason
    EXPECT_EQ(next_run_of({.type = Type::workflow_execution_failed, .text = kId}), parse_workflow_id(kId));
    EXPECT_FALSE(next_run_of({.type = Type::workflow_execution_terminated, .text = kId}));
    EXPECT_FALSE(next_run_of({.type = Type::workflow_execution_failed, .text = "no id"}));
}

TEST(ExecutionChain, WhichEndsAreRetried) {
    const RetryPolicy policy = parse_retry_policy(R"({"max_attempts": 3, "non_retryable": ["23505"]})");
    const auto state = [&](const ExecutionEvent &end, std::int32_t attempt = 1, bool cancel = false) {
        ExecutionChain chain;
        chain.attempt = attempt;
        return retry_of_run(end, &policy, chain, cancel, kNow).state;
    };
    const ExecutionEvent timed_out{.type = Type::workflow_execution_timed_out};
    EXPECT_EQ(state(failed("P0001")), RetryState::in_progress);
    EXPECT_EQ(state(timed_out), RetryState::in_progress);
    EXPECT_EQ(state(failed("23505")), RetryState::non_retryable_failure);
    EXPECT_EQ(state(failed("P0001"), 3), RetryState::maximum_attempts_reached);
    EXPECT_EQ(state(failed("P0001"), 1, true), RetryState::cancel_requested);
    for (const Type type : {Type::workflow_execution_completed, Type::workflow_execution_canceled,
                            Type::workflow_execution_terminated, Type::workflow_execution_continued_as_new})
        EXPECT_EQ(state({.type = type}), RetryState::retry_policy_not_set);
    EXPECT_EQ(retry_of_run(failed("P0001"), nullptr, {}, false, kNow).state, RetryState::retry_policy_not_set);

    const RetryPolicy picky = parse_retry_policy(R"({"non_retryable": ["TemporalTimeout:StartToClose"]})");
    EXPECT_EQ(retry_of_run(timed_out, &picky, {}, false, kNow).state, RetryState::non_retryable_failure);
    EXPECT_EQ(retry_of_run(failed("P0001"), &picky, {}, false, kNow).state, RetryState::in_progress);
}

TEST(ExecutionChain, TheExecutionTimeoutEndsTheRetries) {
    const RetryPolicy policy = parse_retry_policy(R"({"initial_interval": "10s", "coefficient": 1})");
    ExecutionChain chain;
    chain.attempt = 5;
    chain.expires = kNow + seconds(10);
    EXPECT_EQ(retry_of_run(failed("P0001"), &policy, chain, false, kNow).state, RetryState::in_progress);
    EXPECT_EQ(retry_of_run(failed("P0001"), &policy, chain, false, kNow).interval, Duration{seconds(10)});
    EXPECT_EQ(retry_of_run(failed("P0001"), &policy, chain, false, kNow + Duration{1}).state, RetryState::timeout);
}

} // namespace
} // namespace hc::core
