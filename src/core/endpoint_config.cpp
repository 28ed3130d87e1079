// Webhook endpoint options and answers. See endpoint_config.hpp; any process.
#include "core/endpoint_config.hpp"

#include "core/history.hpp"
#include "core/provider_reader.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::size_t kMaxOptionsDepth = 8;
constexpr Duration kMaxTimeout = std::chrono::minutes(5);
constexpr Duration kMaxRetryDelay = std::chrono::days(30);
constexpr Duration kMinDisableAfter = std::chrono::seconds(1);
constexpr std::int64_t kMaxConcurrency = 256;
constexpr double kMinRate = 0.001;
constexpr double kMaxRate = 1'000'000;
constexpr std::int64_t kMaxBurst = 1'000'000;
constexpr std::size_t kMaxTimeBytes = 64;

constexpr JsonDocumentRules kDocument{"invalid endpoint options", kMaxProviderConfigBytes, kMaxOptionsDepth};
constexpr std::array<std::string_view, 10> kKeys{
    "secret",      "previous_secret", "previous_secret_until", "events", "timeout", "headers", "rate",
    "concurrency", "retry",           "disable_after"};
constexpr std::array<std::string_view, 2> kRateKeys{"per_second", "burst"};

void read_secrets(const JsonObject &object, EndpointConfig &config) {
    if (auto n = object.find("secret"))
        config.secret_name = n->text(kMaxSecretNameBytes);
    const auto previous = object.find("previous_secret");
    const auto until = object.find("previous_secret_until");
    if (previous.has_value() != until.has_value())
        (previous ? *previous : *until)
            .fail("needs its other half", "previous_secret and previous_secret_until stand together.");
    if (!previous)
        return;
    if (config.secret_name.empty())
        previous->fail("needs \"secret\" beside it", "The new secret is \"secret\", the old one \"previous_secret\".");
    config.previous_secret_name = previous->text(kMaxSecretNameBytes);
    config.previous_secret_until = parse_iso8601(until->text(kMaxTimeBytes));
    if (!config.previous_secret_until)
        until->fail("is not a time", "Write an ISO 8601 time with a time zone, such as \"2026-01-01T00:00:00Z\".");
}

WebhookRate read_rate(const JsonNode &node) {
    const JsonObject object(node, kRateKeys);
    WebhookRate rate;
    rate.per_second = object.require("per_second").number(kMinRate, kMaxRate);
    rate.burst = std::max<std::int64_t>(1, static_cast<std::int64_t>(rate.per_second));
    if (auto n = object.find("burst"))
        rate.burst = n->integer(1, kMaxBurst);
    return rate;
}

std::vector<Duration> read_retry(const JsonNode &node) {
    std::vector<Duration> schedule;
    for (const JsonNode &item : node.items(kMaxWebhookRetries))
        schedule.push_back(item.duration(kMinConfigDuration, kMaxRetryDelay));
    return schedule;
}

std::string_view header_of(const HttpAnswer &answer, std::string_view lower_name) {
    for (const auto &[name, value] : answer.headers) {
        if (name == lower_name)
            return value;
    }
    return {};
}

std::string_view word_of(std::string_view value) {
    const std::size_t begin = value.find_first_not_of(" \t");
    if (begin == std::string_view::npos)
        return {};
    return value.substr(begin, value.find_last_not_of(" \t") - begin + 1);
}

std::string_view transport_reason(TransportResult transport) {
    switch (transport) {
    case TransportResult::not_sent:
        return "not_sent";
    case TransportResult::blocked:
        return "address_blocked";
    case TransportResult::no_answer:
    case TransportResult::answered:
        break;
    }
    return "no_answer";
}

} // namespace

std::vector<Duration> default_webhook_retry() {
    using std::chrono::hours;
    using std::chrono::minutes;
    using std::chrono::seconds;
    return {seconds(5), minutes(5), minutes(30), hours(2), hours(5), hours(10), hours(14), hours(20), hours(24)};
}

EndpointConfig parse_endpoint_options(std::string_view json) {
    const nlohmann::json document = parse_json_document(json, kDocument);
    const JsonObject object(JsonNode(document, "$", kDocument.message), kKeys);
    EndpointConfig config;
    read_secrets(object, config);
    if (auto n = object.find("events"))
        config.events = read_webhook_events(*n);
    if (auto n = object.find("timeout"))
        config.timeout = n->duration(kMinConfigDuration, kMaxTimeout);
    if (auto n = object.find("headers")) {
        config.headers = read_headers(*n);
        const bool typed = std::any_of(config.headers.begin(), config.headers.end(),
                                       [](const auto &header) { return lower_case(header.first) == "content-type"; });
        if (typed)
            n->fail("must not set Content-Type", "Webhooks are always sent as application/json.");
    }
    if (auto n = object.find("rate"))
        config.rate = read_rate(*n);
    if (auto n = object.find("concurrency"))
        config.concurrency = static_cast<std::uint32_t>(n->integer(1, kMaxConcurrency));
    if (auto n = object.find("retry"))
        config.retry = read_retry(*n);
    if (auto n = object.find("disable_after"))
        config.disable_after = n->duration(kMinDisableAfter, kMaxConfigDuration);
    return config;
}

std::string rotate_endpoint_secret(std::string_view json, const std::string &new_secret, std::optional<Time> until) {
    nlohmann::json document = parse_json_document(json, kDocument);
    const auto old = document.find("secret");
    const std::string previous = old != document.end() ? old->get<std::string>() : std::string();
    document.erase("previous_secret");
    document.erase("previous_secret_until");
    document["secret"] = new_secret;
    if (!previous.empty() && until) {
        document["previous_secret"] = previous;
        document["previous_secret_until"] = format_iso8601(*until);
    }
    return document.dump();
}

std::vector<std::string> signing_secrets(const EndpointConfig &config, Time now) {
    std::vector<std::string> names;
    if (!config.secret_name.empty())
        names.push_back(config.secret_name);
    if (!config.previous_secret_name.empty() && config.previous_secret_until && now < *config.previous_secret_until)
        names.push_back(config.previous_secret_name);
    return names;
}

WebhookAnswer classify_webhook_answer(const HttpAnswer &answer, Time now) {
    WebhookAnswer result;
    if (answer.transport != TransportResult::answered) {
        result.verdict = WebhookVerdict::retry;
        result.reason = transport_reason(answer.transport);
        return result;
    }
    result.status = answer.status;
    const std::string control = lower_case(word_of(header_of(answer, "webhook-delivery")));
    if (control == "disable")
        result.disable_reason = "the receiver answered webhook-delivery: disable";
    if (answer.status >= 200 && answer.status <= 299) {
        result.verdict = WebhookVerdict::delivered;
        return result;
    }
    result.reason = "http_" + std::to_string(answer.status);
    if (answer.status == 410 && result.disable_reason.empty())
        result.disable_reason = "the receiver answered 410 Gone";
    if (!result.disable_reason.empty()) {
        result.verdict = WebhookVerdict::disable;
        return result;
    }
    result.verdict = control == "abort-message" ? WebhookVerdict::abort : WebhookVerdict::retry;
    result.retry_after = parse_retry_after(header_of(answer, "retry-after"), now);
    result.throttle =
        answer.status == 429 || answer.status == 502 || answer.status == 504 || result.retry_after.has_value();
    return result;
}

std::optional<Duration> webhook_retry_delay(std::span<const Duration> schedule, std::uint32_t failed_tries,
                                            double random01) {
    if (failed_tries == 0)
        return Duration::zero();
    if (failed_tries > schedule.size())
        return std::nullopt;
    const double factor = 0.9 + 0.2 * std::clamp(random01, 0.0, 1.0);
    return Duration{static_cast<std::int64_t>(static_cast<double>(schedule[failed_tries - 1].count()) * factor)};
}

} // namespace hc::core
