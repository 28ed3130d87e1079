// How much a provider account takes, and when it is left alone: "rate" and "breaker" of its configuration.
//   "rate": {"per_second": 50, "burst": 100}      burst: default one second's worth
//   "breaker": {"failure_percent": 50, "window": 100, "minimum_calls": 20, "consecutive_failures": 10,
//               "open_for": "5s", "max_open_for": "5m", "probes": 1} | false
#pragma once

#include "core/circuit_breaker.hpp"
#include "core/money.hpp"
#include "core/token_bucket.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

struct ProviderLimits {
    std::optional<TokenBucketConfig> rate;                                // none: no limit
    std::optional<CircuitBreakerConfig> breaker = CircuitBreakerConfig{}; // none: never opens
};

// What a tenant may use (hermes.set_tenant_limits).
//   {"weight": 10, "rate": {"per_second": 100, "burst": 200}, "max_backlog": 50000, "cost_per_day": 100,
//    "channels_off": ["sms"]}
struct TenantLimits {
    std::uint32_t weight = 10; // 1 to 1000: share among those that wait for one provider
    std::optional<TokenBucketConfig> rate;
    std::optional<std::int64_t> max_backlog; // sends
    std::optional<Micros> cost_per_day;      // estimated, of a day of UTC
    std::vector<std::string> channels_off;   // nothing is sent over them
};

// Throws hc::Error 22023 with the JSON path. Unknown keys are errors.
TenantLimits parse_tenant_limits(std::string_view json);

} // namespace hc::core
