// Retry policy and back-off arithmetic as Temporal defines them (interval = initial * coefficient^(attempt-1), capped).
#pragma once

#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hc::core {

struct RetryPolicy {
    Duration initial_interval = std::chrono::seconds(1);
    double backoff_coefficient = 2.0;
    Duration maximum_interval = Duration::zero(); // zero: 100 x initial_interval
    std::int32_t maximum_attempts = 3;            // 0: unlimited; 1: never retried
    double jitter = 0.1;                          // share of the interval, 0 to 1: delay is interval * (1 +- jitter)
    std::vector<std::string> non_retryable;       // failure reasons that are never retried
};

enum class RetryState : std::uint8_t {
    in_progress,              // a further attempt is allowed
    maximum_attempts_reached, //
    timeout,                  // the next attempt would start after the expiration, or that is reached already
    non_retryable_failure,
    // of activities and executions only
    retry_policy_not_set,
    cancel_requested,
};

struct NextRetry {
    RetryState state = RetryState::in_progress;
    Duration interval{}; // meaningful when state is in_progress
};

// The retry after `attempt` attempts (below 1 counts as 1) ended at `now`. `expires`: no attempt may start after it
// (exactly then is in time), and none is planned once it is reached. An initial_interval of zero counts as the default.
// `override_interval` (a Retry-After, a next-retry delay) replaces the computed interval, without jitter, and ignores
// maximum_interval; zero means at once.
// `random01` in [0,1): source of jitter, 0.5 gives none. Without an override the interval never exceeds the maximum.
NextRetry next_retry(const RetryPolicy &policy, std::int32_t attempt, Time now, std::optional<Time> expires,
                     std::optional<Duration> override_interval, double random01);

// The longest interval: what the policy says, or 100 times the initial one.
Duration maximum_interval(const RetryPolicy &policy);

// nullopt when valid, else the reason, in the order Temporal checks (all checks are skipped if maximum_attempts is 1).
std::optional<std::string> validate(const RetryPolicy &policy);

} // namespace hc::core
