// Retry arithmetic for sends, activities and reports alike. Pure; used by every process that decides.
#include "core/retry.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace hc::core {
namespace {

constexpr Duration kDefaultInitialInterval = std::chrono::seconds(1);
constexpr std::int64_t kDefaultCapFactor = 100;

// An initial interval of zero means "not given", as it does for Temporal. It must never mean retrying in a tight loop.
Duration initial_interval(const RetryPolicy &policy) {
    return policy.initial_interval > Duration::zero() ? policy.initial_interval : kDefaultInitialInterval;
}

} // namespace

Duration maximum_interval(const RetryPolicy &policy) {
    if (policy.maximum_interval > Duration::zero())
        return policy.maximum_interval;
    const Duration initial = initial_interval(policy);
    return initial > Duration::max() / kDefaultCapFactor ? Duration::max() : initial * kDefaultCapFactor;
}

namespace {

// Rounded, and capped. Compared as floating point, so that an overflowing power (even infinity, even NaN) ends at the
// cap instead of wrapping.
Duration capped(double micros, Duration cap) {
    if (!(micros >= 0.0 && micros < static_cast<double>(cap.count())))
        return cap;
    return std::min(Duration{std::llround(micros)}, cap);
}

Duration backoff(const RetryPolicy &policy, std::int32_t attempt, double random01) {
    const Duration cap = maximum_interval(policy);
    const auto exponent = static_cast<double>(std::max(attempt, 1) - 1);
    const Duration interval = capped(
        static_cast<double>(initial_interval(policy).count()) * std::pow(policy.backoff_coefficient, exponent), cap);
    const double share = policy.jitter * (2.0 * random01 - 1.0);
    // Without a share the interval stays as it is: a double does not hold every 64-bit number.
    return share == 0.0 ? interval : capped(static_cast<double>(interval.count()) * (1.0 + share), cap);
}

// Whether an attempt `interval` from now would come too late. Exactly at the expiration is in time, but once the
// expiration is reached nothing starts any more.
bool too_late(Time now, Duration interval, Time expires) {
    if (expires <= now)
        return true;
    // Unsigned: the distance of any two times fits.
    const std::uint64_t left =
        static_cast<std::uint64_t>(to_unix_micros(expires)) - static_cast<std::uint64_t>(to_unix_micros(now));
    return static_cast<std::uint64_t>(interval.count()) > left;
}

// Policies written for Temporal name its timeouts as "TemporalTimeout:<type>"; a misspelt type would never match.
constexpr std::string_view kTimeoutPrefix = "TemporalTimeout:";
constexpr std::string_view kTimeoutTypes[] = {"StartToClose", "ScheduleToStart", "ScheduleToClose", "Heartbeat"};

std::optional<std::string> bad_timeout_type(const std::vector<std::string> &reasons) {
    for (const std::string &reason : reasons) {
        if (!reason.starts_with(kTimeoutPrefix))
            continue;
        const std::string_view type = std::string_view(reason).substr(kTimeoutPrefix.size());
        if (std::find(std::begin(kTimeoutTypes), std::end(kTimeoutTypes), type) == std::end(kTimeoutTypes))
            return "invalid timeout type \"" + std::string(type) + "\" in non_retryable";
    }
    return std::nullopt;
}

} // namespace

NextRetry next_retry(const RetryPolicy &policy, std::int32_t attempt, Time now, std::optional<Time> expires,
                     std::optional<Duration> override_interval, double random01) {
    if (policy.maximum_attempts > 0 && std::max(attempt, 1) >= policy.maximum_attempts)
        return {.state = RetryState::maximum_attempts_reached, .interval = {}};
    // A given delay is taken as it is: jitter could start the attempt before the moment the provider asked for.
    const Duration interval =
        override_interval ? std::max(*override_interval, Duration::zero()) : backoff(policy, attempt, random01);
    if (expires && too_late(now, interval, *expires))
        return {.state = RetryState::timeout, .interval = {}};
    return {.state = RetryState::in_progress, .interval = interval};
}

std::optional<std::string> validate(const RetryPolicy &policy) {
    if (policy.maximum_attempts == 1)
        return std::nullopt; // never retried: the rest has no effect
    if (policy.initial_interval < Duration::zero())
        return "initial_interval must not be negative";
    if (!(policy.backoff_coefficient >= 1.0 && std::isfinite(policy.backoff_coefficient)))
        return "backoff_coefficient must be a number not less than 1";
    if (policy.maximum_interval < Duration::zero())
        return "maximum_interval must not be negative";
    if (policy.maximum_interval != Duration::zero() && policy.maximum_interval < policy.initial_interval)
        return "maximum_interval must not be less than initial_interval";
    if (policy.maximum_attempts < 0)
        return "maximum_attempts must not be negative";
    if (std::optional<std::string> reason = bad_timeout_type(policy.non_retryable))
        return reason;
    if (!(policy.jitter >= 0.0 && policy.jitter <= 1.0))
        return "jitter must be between 0 and 1";
    return std::nullopt;
}

} // namespace hc::core
