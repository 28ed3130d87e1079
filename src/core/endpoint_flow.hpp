// How fast one dispatcher sends to one webhook endpoint. Pure: told of every start and end, asked before a start.
//
//   window   how many requests may be under way: begins small, one more with every success up to the configured
//            concurrency, half after a failure, never below one
//   rate     token bucket, if configured
//   pause    after repeated failures (0.1 s doubling to 30 s), or as long as the receiver asked for
//
// A dead endpoint is thus tried by one request now and then, whatever waits for it; one success opens it again.
#pragma once

#include "core/endpoint_config.hpp"
#include "core/token_bucket.hpp"

namespace hc::core {

enum class FlowEnd : std::uint8_t { delivered, failed, throttled };

class EndpointFlow {
public:
    static constexpr std::int32_t kFirstWindow = 16;
    static constexpr std::int32_t kReserve = 4; // windows of reports that may be at hand, those under way included

    EndpointFlow();

    // `shares`: how many processes send to the endpoint; each takes its part of the limits.
    void set_limits(std::uint32_t concurrency, const std::optional<WebhookRate> &rate, std::int32_t shares);

    // Takes a slot and a token; false: not now. `free`: slots that all endpoints together have left. None takes more
    // than what it leaves to the others, so that there is always room for one that has none.
    bool start(Time now, std::int32_t free);
    void end(Time began, Time now, FlowEnd how, std::optional<Duration> retry_after);

    void pause(Time until); // another process found out

    std::int32_t load() const { return load_; }
    std::int32_t window() const { return window_; }
    // Reports worth having at hand, those under way included; 0 during a pause.
    std::int32_t at_hand(Time now) const;
    // When time alone lets the next one start (now: it does already); kNever when an end is awaited.
    Time open_at(Time now) const;
    // Nothing is known that a new one would not know.
    bool forgettable(Time now) const;

private:
    void failed(Time began, Time now);

    std::int32_t concurrency_ = static_cast<std::int32_t>(kDefaultEndpointConcurrency);
    std::int32_t window_ = kFirstWindow;
    std::int32_t load_ = 0;
    std::uint32_t failures_ = 0; // rounds that failed since the last success
    Time last_failure_{};
    bool limited_ = false;
    TokenBucketConfig bucket_config_;
    TokenBucketState bucket_;
};

} // namespace hc::core
