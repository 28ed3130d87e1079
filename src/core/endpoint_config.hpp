// Tenant webhook endpoints: their options, what an answer means, when a failed report is tried again.
//
//   { "secret": "<name of a secret holding whsec_..>",
//     "previous_secret": "<name>", "previous_secret_until": "2026-01-01T00:00:00Z",   rotation: both sign until then
//     "events": ["message.delivered"], "timeout": "15s", "headers": {"X-Env": "prod"},
//     "rate": {"per_second": 50, "burst": 100}, "concurrency": 64,
//     "retry": ["5s", "5m", "1h"], "disable_after": "5d" }                             all optional
#pragma once

#include "core/provider_config.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::core {

inline constexpr std::uint32_t kDefaultEndpointConcurrency = 64;
inline constexpr std::size_t kMaxWebhookRetries = 20;

struct WebhookRate {
    double per_second = 0;
    std::int64_t burst = 1;

    bool operator==(const WebhookRate &) const = default;
};

// 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: the schedule of the Standard Webhooks specification, three days.
std::vector<Duration> default_webhook_retry();

struct EndpointConfig {
    std::string secret_name;                   // empty: not signed
    std::string previous_secret_name;          // signs as well, until previous_secret_until
    std::optional<Time> previous_secret_until; // given when previous_secret_name is
    std::vector<std::string> events;           // empty: all
    Duration timeout = std::chrono::seconds(15);
    std::vector<std::pair<std::string, std::string>> headers;
    std::optional<WebhookRate> rate;
    std::uint32_t concurrency = kDefaultEndpointConcurrency;
    std::vector<Duration> retry = default_webhook_retry(); // delay before the second, third, .. try
    Duration disable_after = std::chrono::days(5);         // of failures without a success between them
};
// Throws hc::Error like parse_rule. Header values are literal; Content-Type is not to be set.
EndpointConfig parse_endpoint_options(std::string_view json);

// The options with another secret; the present one goes on signing until `until` (not kept at all when nullopt, or when
// there was none). `json` must be readable by parse_endpoint_options.
std::string rotate_endpoint_secret(std::string_view json, const std::string &new_secret, std::optional<Time> until);

// Names of the secrets that sign at `now`, newest first.
std::vector<std::string> signing_secrets(const EndpointConfig &config, Time now);

// Standard Webhooks 1.0: any 2xx is delivered, 410 disables the endpoint, everything else is tried again. The answer's
// header webhook-delivery may say "disable" (with any status) or "abort-message" (no further try of this report).
enum class WebhookVerdict : std::uint8_t { delivered, retry, abort, disable };
struct WebhookAnswer {
    WebhookVerdict verdict{};
    std::optional<Duration> retry_after;
    std::string reason;         // stable words, no detail of the address: http_500, not_sent, no_answer ..
    std::int32_t status = 0;    // 0: no answer
    bool throttle = false;      // the whole endpoint is to be left alone for a while
    std::string disable_reason; // not empty: the endpoint is to be disabled, whatever the verdict
};
WebhookAnswer classify_webhook_answer(const HttpAnswer &answer, Time now);

// Delay before the next try after n failed ones, with +-10% jitter (random01 in [0,1), 0.5 gives none); zero for n = 0;
// nullopt: give up.
std::optional<Duration> webhook_retry_delay(std::span<const Duration> schedule, std::uint32_t failed_tries,
                                            double random01);

} // namespace hc::core
