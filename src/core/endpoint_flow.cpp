// See endpoint_flow.hpp. Runs in dispatchers.
#include "core/endpoint_flow.hpp"

#include <algorithm>

namespace hc::core {

namespace {

constexpr TokenBucketConfig kUnlimited{.milli_rate = 1'000'000'000'000, .burst = 1'000'000'000};
constexpr Duration kFirstPause = std::chrono::milliseconds(100);
constexpr Duration kLastPause = std::chrono::seconds(30);
constexpr Duration kFirstThrottle = std::chrono::seconds(1);
constexpr Duration kLastThrottle = std::chrono::minutes(1);
constexpr Duration kLongestAsked = std::chrono::hours(1); // a report keeps its own Retry-After, up to a day

// The n-th (from 0) of a doubling series.
Duration doubled(Duration first, Duration last, std::uint32_t n) {
    return n >= 16 ? last : std::min(last, first * (std::int64_t{1} << n));
}

} // namespace

EndpointFlow::EndpointFlow() : bucket_config_(kUnlimited) {}

void EndpointFlow::set_limits(std::uint32_t concurrency, const std::optional<WebhookRate> &rate, std::int32_t shares) {
    shares = std::max(shares, 1);
    concurrency_ = std::max(1, static_cast<std::int32_t>(concurrency) / shares);
    window_ = std::min(window_, concurrency_);
    limited_ = rate.has_value();
    bucket_config_ =
        limited_ ? token_bucket::make_config(rate->per_second / shares, std::max<std::int64_t>(1, rate->burst / shares))
                 : kUnlimited;
}

bool EndpointFlow::start(Time now, std::int32_t free) {
    if (load_ >= window_ || load_ >= free || token_bucket::take(bucket_, bucket_config_, now, 1) == 0)
        return false;
    ++load_;
    return true;
}

void EndpointFlow::end(Time began, Time now, FlowEnd how, std::optional<Duration> retry_after) {
    --load_;
    switch (how) {
    case FlowEnd::delivered:
        window_ = std::min(window_ + 1, concurrency_);
        failures_ = 0;
        return;
    case FlowEnd::throttled: {
        const std::uint32_t before = failures_;
        failed(began, now);
        const Duration pause =
            retry_after ? std::min(*retry_after, kLongestAsked) : doubled(kFirstThrottle, kLastThrottle, before);
        token_bucket::penalize_until(bucket_, now + pause);
        return;
    }
    case FlowEnd::failed:
        failed(began, now);
    }
}

void EndpointFlow::pause(Time until) { token_bucket::penalize_until(bucket_, until); }

// Requests that were under way together fail together: they count once.
void EndpointFlow::failed(Time began, Time now) {
    if (failures_ != 0 && began < last_failure_)
        return;
    last_failure_ = now;
    window_ = std::max(1, window_ / 2);
    if (++failures_ >= 2)
        token_bucket::penalize_until(bucket_, now + doubled(kFirstPause, kLastPause, failures_ - 2));
}

std::int32_t EndpointFlow::at_hand(Time now) const {
    if (token_bucket::next_available(bucket_, bucket_config_, now) > now + std::chrono::seconds(1))
        return 0;
    std::int32_t most = kReserve * window_;
    if (limited_) // what is claimed waits for a second at most
        most = static_cast<std::int32_t>(
            std::clamp<std::int64_t>(std::max(bucket_config_.milli_rate / 1000, bucket_config_.burst), 1, most));
    return std::max(most, load_);
}

Time EndpointFlow::open_at(Time now) const {
    return load_ >= window_ ? kNever : token_bucket::next_available(bucket_, bucket_config_, now);
}

bool EndpointFlow::forgettable(Time now) const {
    TokenBucketState full = bucket_;
    return load_ == 0 && failures_ == 0 && window_ >= std::min(kFirstWindow, concurrency_) && open_at(now) <= now &&
           (!limited_ || token_bucket::take(full, bucket_config_, now, bucket_config_.burst) == bucket_config_.burst);
}

} // namespace hc::core
