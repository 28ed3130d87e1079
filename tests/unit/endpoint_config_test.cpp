// Endpoint options, rotation of secrets, webhook verdicts, retry schedules.
#include "core/endpoint_config.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hc::core {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

constexpr Time kNow = from_unix_micros(1767225600000000); // 2026-01-01

std::string refused(const std::string &json) {
    try {
        parse_endpoint_options(json);
    } catch (const Error &e) {
        EXPECT_STREQ(e.sqlstate(), "22023") << json;
        EXPECT_EQ(e.message(), "invalid endpoint options") << json;
        return e.detail();
    }
    return "accepted";
}

TEST(EndpointOptionsTest, DefaultsAndEveryMember) {
    const EndpointConfig none = parse_endpoint_options("{}");
    EXPECT_TRUE(none.secret_name.empty());
    EXPECT_TRUE(none.events.empty());
    EXPECT_EQ(none.timeout, 15s);
    EXPECT_TRUE(none.headers.empty());
    EXPECT_EQ(none.rate, std::nullopt);
    EXPECT_EQ(none.concurrency, 64U);
    EXPECT_EQ(none.retry, default_webhook_retry());
    EXPECT_EQ(none.disable_after, days(5));
    const EndpointConfig all = parse_endpoint_options(
        R"({"secret": "acme", "previous_secret": "old", "previous_secret_until": "2026-01-01T00:00:00Z",
            "events": ["message.failed"], "timeout": "20s", "headers": {"X-Env": "{{not a placeholder"},
            "rate": {"per_second": 2.5, "burst": 7}, "concurrency": 3, "retry": ["1s", 2, "1h"],
            "disable_after": "1d"})");
    EXPECT_EQ(all.secret_name, "acme");
    EXPECT_EQ(all.previous_secret_name, "old");
    EXPECT_EQ(all.previous_secret_until, kNow);
    EXPECT_EQ(all.events, (std::vector<std::string>{"message.failed"}));
    EXPECT_EQ(all.timeout, 20s);
    EXPECT_EQ(all.headers, (std::vector<std::pair<std::string, std::string>>{{"X-Env", "{{not a placeholder"}}));
    EXPECT_EQ(all.rate, (WebhookRate{.per_second = 2.5, .burst = 7}));
    EXPECT_EQ(all.concurrency, 3U);
    EXPECT_EQ(all.retry, (std::vector<Duration>{1s, 2s, 1h}));
    EXPECT_EQ(all.disable_after, days(1));
    EXPECT_EQ(parse_endpoint_options(R"({"rate": {"per_second": 50}})").rate->burst, 50);
    EXPECT_EQ(parse_endpoint_options(R"({"rate": {"per_second": 0.5}})").rate->burst, 1);
}

TEST(EndpointOptionsTest, Refusals) {
    EXPECT_EQ(refused("[]"), "$: must be an object, not an array.");
    EXPECT_EQ(refused(R"({"url": "x"})"), "$.url: unknown key.");
    EXPECT_EQ(refused(R"({"secret": ""})"), "$.secret: must not be empty.");
    EXPECT_EQ(refused(R"({"events": ["sms.sent"]})"), "$.events[0]: is not an allowed value.");
    EXPECT_EQ(refused(R"({"timeout": "10m"})"), "$.timeout: must be at most 5m.");
    EXPECT_EQ(refused(R"({"headers": {"Webhook-Signature": "x"}})"),
              "$.headers.Webhook-Signature: is not an allowed header name.");
    EXPECT_EQ(refused(R"({"headers": {"content-type": "x"}})"), "$.headers: must not set Content-Type.");
    EXPECT_EQ(refused(R"({"secret": "a", "previous_secret": "b"})"), "$.previous_secret: needs its other half.");
    EXPECT_EQ(refused(R"({"previous_secret": "b", "previous_secret_until": "2026-01-01T00:00:00Z"})"),
              "$.previous_secret: needs \"secret\" beside it.");
    EXPECT_EQ(refused(R"({"secret": "a", "previous_secret": "b", "previous_secret_until": "tomorrow"})"),
              "$.previous_secret_until: is not a time.");
    EXPECT_EQ(refused(R"({"rate": {}})"), "$.rate.per_second: is missing.");
    EXPECT_EQ(refused(R"({"rate": {"per_second": 0}})").substr(0, 18), "$.rate.per_second:");
    EXPECT_EQ(refused(R"({"rate": {"per_second": 1, "burst": 0}})"), "$.rate.burst: must be between 1 and 1000000.");
    EXPECT_EQ(refused(R"({"concurrency": 0})"), "$.concurrency: must be between 1 and 256.");
    EXPECT_EQ(refused(R"({"retry": []})"), "$.retry: must not be empty.");
    EXPECT_EQ(refused(R"({"retry": ["0s"]})").substr(0, 11), "$.retry[0]:");
    EXPECT_EQ(refused(R"({"retry": ["31d"]})"), "$.retry[0]: must be at most 30d.");
    EXPECT_EQ(refused(R"({"disable_after": "1ms"})"), "$.disable_after: must be at least 1s.");
    std::string many = R"({"retry": ["1s")";
    for (int i = 0; i < 20; ++i)
        many += R"(, "1s")";
    EXPECT_THROW(parse_endpoint_options(many + "]}"), Error);
}

TEST(EndpointSecretsTest, RotationKeepsTheOldSecretForAWhile) {
    const std::string rotated = rotate_endpoint_secret(R"({"secret": "one", "timeout": "5s"})", "two", kNow + 24h);
    const EndpointConfig config = parse_endpoint_options(rotated);
    EXPECT_EQ(config.timeout, 5s);
    EXPECT_EQ(signing_secrets(config, kNow), (std::vector<std::string>{"two", "one"}));
    EXPECT_EQ(signing_secrets(config, kNow + 24h), (std::vector<std::string>{"two"}));
    // of two rotations the older secret is forgotten
    const EndpointConfig again = parse_endpoint_options(rotate_endpoint_secret(rotated, "three", kNow + 24h));
    EXPECT_EQ(signing_secrets(again, kNow), (std::vector<std::string>{"three", "two"}));
    const EndpointConfig at_once = parse_endpoint_options(rotate_endpoint_secret(rotated, "three", std::nullopt));
    EXPECT_EQ(signing_secrets(at_once, kNow), (std::vector<std::string>{"three"}));
    const EndpointConfig first = parse_endpoint_options(rotate_endpoint_secret("{}", "one", kNow + 24h));
    EXPECT_EQ(signing_secrets(first, kNow), (std::vector<std::string>{"one"}));
    EXPECT_TRUE(signing_secrets(parse_endpoint_options("{}"), kNow).empty());
}

HttpAnswer answer_of(std::int32_t status, std::vector<std::pair<std::string, std::string>> headers = {}) {
    HttpAnswer answer;
    answer.status = status;
    answer.headers = std::move(headers);
    return answer;
}

TEST(WebhookAnswerTest, Verdicts) {
    const auto of = [](std::int32_t status) { return classify_webhook_answer(answer_of(status), kNow); };
    for (const std::int32_t status : {200, 201, 204, 299}) {
        EXPECT_EQ(of(status).verdict, WebhookVerdict::delivered) << status;
        EXPECT_EQ(of(status).reason, "");
        EXPECT_EQ(of(status).status, status);
    }
    EXPECT_EQ(of(410).verdict, WebhookVerdict::disable);
    EXPECT_EQ(of(410).reason, "http_410");
    EXPECT_EQ(of(410).disable_reason, "the receiver answered 410 Gone");
    for (const std::int32_t status : {100, 301, 302, 400, 401, 404, 429, 500, 502, 503, 504}) {
        EXPECT_EQ(of(status).verdict, WebhookVerdict::retry) << status;
        EXPECT_EQ(of(status).reason, "http_" + std::to_string(status));
        EXPECT_EQ(of(status).throttle, status == 429 || status == 502 || status == 504) << status;
        EXPECT_EQ(of(status).disable_reason, "");
    }
    EXPECT_EQ(classify_webhook_answer(answer_of(429, {{"retry-after", "7"}}), kNow).retry_after, 7s);
    EXPECT_TRUE(classify_webhook_answer(answer_of(503, {{"retry-after", "7"}}), kNow).throttle);
    EXPECT_EQ(classify_webhook_answer(answer_of(200, {{"retry-after", "7"}}), kNow).retry_after, std::nullopt);
}

TEST(WebhookAnswerTest, TheReceiverIsInControl) {
    const auto of = [](std::int32_t status, const char *value) {
        return classify_webhook_answer(answer_of(status, {{"webhook-delivery", value}}), kNow);
    };
    EXPECT_EQ(of(500, "abort-message").verdict, WebhookVerdict::abort);
    EXPECT_EQ(of(500, "abort-message").disable_reason, "");
    EXPECT_EQ(of(500, " Abort-Message ").verdict, WebhookVerdict::abort);
    EXPECT_EQ(of(200, "abort-message").verdict, WebhookVerdict::delivered);
    EXPECT_EQ(of(500, "disable").verdict, WebhookVerdict::disable);
    EXPECT_EQ(of(200, "disable").verdict, WebhookVerdict::delivered);
    EXPECT_NE(of(200, "disable").disable_reason, "");
    EXPECT_EQ(of(500, "later").verdict, WebhookVerdict::retry);
}

TEST(WebhookAnswerTest, WithoutAnAnswer) {
    const auto of = [](TransportResult transport) {
        HttpAnswer answer = answer_of(200);
        answer.transport = transport;
        return classify_webhook_answer(answer, kNow);
    };
    EXPECT_EQ(of(TransportResult::not_sent).verdict, WebhookVerdict::retry);
    EXPECT_EQ(of(TransportResult::not_sent).reason, "not_sent");
    EXPECT_EQ(of(TransportResult::not_sent).status, 0);
    EXPECT_EQ(of(TransportResult::no_answer).reason, "no_answer");
    EXPECT_EQ(of(TransportResult::blocked).verdict, WebhookVerdict::retry);
    EXPECT_EQ(of(TransportResult::blocked).reason, "address_blocked");
}

TEST(WebhookRetryTest, Delays) {
    const std::vector<Duration> schedule = default_webhook_retry();
    const Duration expected[] = {0s, 5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h};
    for (std::uint32_t n = 0; n < 10; ++n)
        EXPECT_EQ(webhook_retry_delay(schedule, n, 0.5), expected[n]) << n;
    EXPECT_EQ(webhook_retry_delay(schedule, 10, 0.5), std::nullopt);
    EXPECT_EQ(webhook_retry_delay(schedule, UINT32_MAX, 0.5), std::nullopt);
    const std::vector<Duration> own{1s};
    EXPECT_EQ(webhook_retry_delay(own, 1, 0.5), 1s);
    EXPECT_EQ(webhook_retry_delay(own, 2, 0.5), std::nullopt);
}

TEST(WebhookRetryTest, JitterIsTenPerCentEachWay) {
    const std::vector<Duration> schedule = default_webhook_retry();
    EXPECT_EQ(webhook_retry_delay(schedule, 1, 0.0), 4500ms);
    const auto high = webhook_retry_delay(schedule, 1, 0.999999);
    ASSERT_TRUE(high);
    EXPECT_GT(*high, 5490ms);
    EXPECT_LT(*high, 5500ms);
}

} // namespace
} // namespace hc::core
