// The retry policy of activities and of workflow executions: its JSON, and whether a failure is tried again. Temporal's
// rules, except where said. The arithmetic is that of retry.hpp, without jitter.
#pragma once

#include "core/retry.hpp"

#include <string_view>

namespace hc::core {

class JsonNode;

// {"initial_interval": "1s", "coefficient": 2, "max_interval": "100s", "max_attempts": 0, "non_retryable": ["22012"]}
// Every key is optional; this is what they are without. max_attempts 0: no limit; 1: never tried again, and nothing
// else of the policy is looked at. max_interval 0: 100 times initial_interval.
RetryPolicy default_retry_policy();
// Throws hc::Error 22023 with the JSON path of what is wrong, checked in Temporal's order.
RetryPolicy read_retry_policy(const JsonNode &node);
RetryPolicy parse_retry_policy(std::string_view json);    // a document of its own
std::string retry_policy_json(const RetryPolicy &policy); // parse_retry_policy reads it back

// What a decision needs to know of a failure. One that wraps another (of an activity, of a child) is judged by itself,
// never by its cause.
struct RetryFailure {
    std::string_view sqlstate{}; // listed by itself or by its class, the first two characters
    std::string_view type{};     // error class of an application, "TemporalTimeout:Heartbeat"; matched whole
    bool non_retryable = false;  // it says so of itself: the flag, a cancel, a terminate
    std::optional<Duration> next_retry_delay{};
};
bool is_non_retryable(const RetryPolicy &policy, const RetryFailure &failure);

// What a given delay means: that of an activity replaces the interval and its maximum, that of an execution only the
// interval. Zero is at once, for both (Temporal: a zero delay of an activity ends it).
enum class RetriedThing : std::uint8_t { activity, workflow };

// After attempt number `attempt` (from 1) has ended at `now`. `expires`: as for next_retry.
// Order: retry_policy_not_set, non_retryable_failure, maximum_attempts_reached, timeout.
NextRetry decide_retry(RetriedThing thing, const RetryPolicy *policy, const RetryFailure &failure, std::int32_t attempt,
                       Time now, std::optional<Time> expires);

std::string_view to_string(RetryState state); // "MaximumAttemptsReached"

} // namespace hc::core
