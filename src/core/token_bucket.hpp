// Token bucket in integers, for a state in shared memory that processes change under a lock: a bucket of `burst` tokens
// that refills at a rate. The state counts what is missing, in units of 10^-9 tokens: a rate of one token in 1000 s is
// then exactly one unit a microsecond, nothing is ever rounded, and zeroed memory is a full bucket.
#pragma once

#include "core/time.hpp"

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace hc::core {

// May change at any time. A bucket that gets larger has the difference at once, one that gets smaller loses it.
struct TokenBucketConfig {
    std::int64_t milli_rate = 0; // tokens in 1000 s; 0 or less: nothing is granted
    std::int64_t burst = 1;      // at least 1 is assumed
};

struct TokenBucketState {
    std::int64_t missing = 0;       // 10^-9 tokens
    std::int64_t refilled_us = 0;   // Unix time up to which the bucket was refilled
    std::int64_t blocked_until = 0; // Unix time in microseconds before which nothing is granted
};
static_assert(std::is_trivially_copyable_v<TokenBucketState> && std::is_standard_layout_v<TokenBucketState>);

namespace token_bucket::detail {

constexpr std::int64_t kUnit = 1'000'000'000; // a token
constexpr std::int64_t kMaxMilliRate = 1'000'000'000'000;
constexpr std::int64_t kMaxBurst = 1'000'000'000; // in units it still fits 64 bits

// Times of several processes are a little out of order; a clock that was set is further back than this.
constexpr std::uint64_t kDisorderUs = 1'000'000;

constexpr std::int64_t rate(const TokenBucketConfig &config) {
    return std::clamp<std::int64_t>(config.milli_rate, 0, kMaxMilliRate);
}

constexpr std::int64_t capacity(const TokenBucketConfig &config) {
    return std::clamp<std::int64_t>(config.burst, 1, kMaxBurst) * kUnit;
}

// Unsigned: the distance of any two times fits.
constexpr std::uint64_t distance(std::int64_t early, std::int64_t late) {
    return static_cast<std::uint64_t>(late) - static_cast<std::uint64_t>(early);
}

constexpr std::int64_t saturated_sum(std::int64_t time, std::int64_t more) { // more is not negative
    return time > INT64_MAX - more ? INT64_MAX : time + more;
}

// Microseconds until `amount` units are refilled, rounded up.
constexpr std::int64_t refill_time(std::int64_t amount, std::int64_t rate) {
    return amount / rate + (amount % rate != 0 ? 1 : 0);
}

// The clock was set back: what is to happen in a while still happens in that while, and what is over stays over.
constexpr void follow_clock_back(TokenBucketState &state, std::int64_t now_us) {
    const std::uint64_t left =
        state.blocked_until > state.refilled_us ? distance(state.refilled_us, state.blocked_until) : 0;
    state.blocked_until = saturated_sum(now_us, static_cast<std::int64_t>(std::min<std::uint64_t>(left, INT64_MAX)));
    state.refilled_us = now_us;
}

constexpr void refill(TokenBucketState &state, const TokenBucketConfig &config, std::int64_t now_us) {
    state.missing = std::clamp<std::int64_t>(state.missing, 0, capacity(config));
    if (now_us < state.refilled_us) {
        if (distance(now_us, state.refilled_us) > kDisorderUs)
            follow_clock_back(state, now_us);
        return;
    }
    const std::uint64_t elapsed = distance(state.refilled_us, now_us);
    state.refilled_us = now_us;
    if (rate(config) == 0)
        return;
    const auto needed = static_cast<std::uint64_t>(refill_time(state.missing, rate(config)));
    state.missing = elapsed >= needed ? 0 : state.missing - static_cast<std::int64_t>(elapsed) * rate(config);
}

} // namespace token_bucket::detail

namespace token_bucket {

// A rate in tokens a second; one that is not positive (or no number) grants nothing.
constexpr TokenBucketConfig make_config(double per_second, std::int64_t burst) {
    constexpr double kMax = static_cast<double>(detail::kMaxMilliRate);
    const double milli = per_second * 1000.0;
    if (!(milli > 0.0))
        return {.milli_rate = 0, .burst = burst};
    if (milli >= kMax)
        return {.milli_rate = detail::kMaxMilliRate, .burst = burst};
    const auto whole = static_cast<std::int64_t>(milli);
    const bool up = milli - static_cast<double>(whole) >= 0.5; // lround is no constant expression
    return {.milli_rate = std::max<std::int64_t>(whole + (up ? 1 : 0), 1), .burst = burst};
}

// Takes up to n tokens; the number granted.
constexpr std::int64_t take(TokenBucketState &state, const TokenBucketConfig &config, Time now, std::int64_t n) {
    const std::int64_t now_us = to_unix_micros(now);
    detail::refill(state, config, now_us);
    if (n <= 0 || detail::rate(config) == 0 || now_us < state.blocked_until)
        return 0;
    const std::int64_t whole = (detail::capacity(config) - state.missing) / detail::kUnit;
    const std::int64_t granted = std::min(n, whole);
    state.missing += granted * detail::kUnit;
    return granted;
}

// Tokens that were granted and not used.
constexpr void give_back(TokenBucketState &state, std::int64_t n) {
    const std::int64_t tokens = std::clamp<std::int64_t>(n, 0, detail::kMaxBurst);
    state.missing = std::max<std::int64_t>(state.missing - tokens * detail::kUnit, 0);
}

// The first time at which take would grant n tokens, `now` when it would already; kNever with a rate of zero, or when
// the bucket never holds so many.
constexpr Time next_available(TokenBucketState state, const TokenBucketConfig &config, Time now, std::int64_t n = 1) {
    const std::int64_t now_us = to_unix_micros(now);
    detail::refill(state, config, now_us);
    if (detail::rate(config) == 0 || n > detail::capacity(config) / detail::kUnit)
        return kNever;
    const std::int64_t short_of =
        state.missing + std::max<std::int64_t>(n, 0) * detail::kUnit - detail::capacity(config);
    std::int64_t time = std::max(now_us, state.blocked_until);
    if (short_of > 0)
        time = std::max(time,
                        detail::saturated_sum(state.refilled_us, detail::refill_time(short_of, detail::rate(config))));
    return from_unix_micros(time);
}

// Nothing is granted before `until` (a Retry-After); an earlier end does not shorten a later one. The bucket goes on
// filling.
constexpr void penalize_until(TokenBucketState &state, Time until) {
    state.blocked_until = std::max(state.blocked_until, to_unix_micros(until));
}

} // namespace token_bucket
} // namespace hc::core
