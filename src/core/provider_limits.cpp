// Limits of providers and tenants: parsing; any process. See provider_limits.hpp.
#include "core/provider_limits.hpp"

#include "core/provider_reader.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace hc::core {

namespace {

constexpr double kMaxRate = 1'000'000;
constexpr std::int64_t kMaxCostPerDay = 100'000'000;
constexpr std::size_t kMaxChannelsOff = 64;
constexpr JsonDocumentRules kTenantDocument{"invalid tenant limits", 4096, 4};

TokenBucketConfig read_rate(const JsonNode &node) {
    static constexpr std::array<std::string_view, 2> kKeys{"per_second", "burst"};
    const JsonObject object(node, kKeys);
    const double per_second = object.require("per_second").number(0.001, kMaxRate);
    const auto burst = object.find("burst");
    return token_bucket::make_config(per_second, burst ? burst->integer(1, static_cast<std::int64_t>(kMaxRate))
                                                       : static_cast<std::int64_t>(std::ceil(per_second)));
}

CircuitBreakerConfig read_breaker(const JsonNode &node) {
    static constexpr std::array<std::string_view, 7> kKeys{
        "failure_percent", "window", "minimum_calls", "consecutive_failures", "open_for", "max_open_for", "probes"};
    const JsonObject object(node, kKeys);
    CircuitBreakerConfig config;
    const auto count = [&object](const char *key, std::int64_t low, std::int64_t high, std::uint32_t &to) {
        if (const auto n = object.find(key))
            to = static_cast<std::uint32_t>(n->integer(low, high));
    };
    count("failure_percent", 0, 100, config.failure_percent);
    count("window", 1, kMaxBreakerWindow, config.window);
    count("minimum_calls", 1, kMaxBreakerWindow, config.minimum_calls);
    count("consecutive_failures", 0, 10'000, config.consecutive_failures);
    count("probes", 1, 100, config.half_open_probes);
    if (const auto n = object.find("open_for"))
        config.open_for = n->duration(kMinConfigDuration, kMaxConfigDuration);
    if (const auto n = object.find("max_open_for"))
        config.max_open_for = n->duration(kMinConfigDuration, kMaxConfigDuration);
    config.max_open_for = std::max(config.max_open_for, config.open_for);
    return config;
}

} // namespace

void read_provider_limits(const JsonObject &provider, ProviderLimits &limits) {
    if (const auto rate = provider.find("rate"))
        limits.rate = read_rate(*rate);
    if (const auto breaker = provider.find("breaker")) {
        if (breaker->value().is_boolean() && !breaker->boolean())
            limits.breaker.reset();
        else
            limits.breaker = read_breaker(*breaker);
    }
}

TenantLimits parse_tenant_limits(std::string_view json) {
    static constexpr std::array<std::string_view, 5> kKeys{"weight", "rate", "max_backlog", "cost_per_day",
                                                           "channels_off"};
    const nlohmann::json document = parse_json_document(json, kTenantDocument);
    const JsonObject object(JsonNode(document, "$", kTenantDocument.message), kKeys);
    TenantLimits limits;
    if (const auto weight = object.find("weight"))
        limits.weight = static_cast<std::uint32_t>(weight->integer(1, 1000));
    if (const auto rate = object.find("rate"))
        limits.rate = read_rate(*rate);
    if (const auto backlog = object.find("max_backlog"))
        limits.max_backlog = backlog->integer(1, 100'000'000);
    if (const auto cost = object.find("cost_per_day"))
        limits.cost_per_day = read_amount(*cost, kMaxCostPerDay);
    if (const auto channels = object.find("channels_off")) {
        for (const JsonNode &channel : channels->items(kMaxChannelsOff))
            limits.channels_off.push_back(channel.name());
    }
    return limits;
}

} // namespace hc::core
