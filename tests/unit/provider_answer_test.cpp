// Classification of answers, Retry-After.
#include "core/provider_config.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hc::core;
using namespace std::chrono_literals;

constexpr Time kNow = std::chrono::sys_days(std::chrono::year(1994) / 11 / 6) + 8h + 49min + 37s;

ProviderConfig config_with(const std::string &response) {
    return parse_provider_config(
        R"({"kind": "http", "channel": "sms", "request": {"url": "https://e.com/"}, "response": {)" + response + "}}");
}

HttpAnswer answer_of(std::int32_t status, std::string body = "",
                     std::vector<std::pair<std::string, std::string>> headers = {}) {
    return {.transport = TransportResult::answered,
            .status = status,
            .headers = std::move(headers),
            .body = std::move(body),
            .error = {}};
}

SendAnswer by_default(std::int32_t status) { return classify_answer(ProviderConfig{}, answer_of(status), kNow); }

TEST(ProviderAnswerTest, DefaultClasses) {
    struct Case {
        std::int32_t status;
        SendVerdict verdict;
        FailureKind kind;
        const char *reason;
    };
    const Case cases[] = {
        {200, SendVerdict::accepted, FailureKind::none, ""},
        {202, SendVerdict::accepted, FailureKind::none, ""},
        {299, SendVerdict::accepted, FailureKind::none, ""},
        {100, SendVerdict::ambiguous, FailureKind::soft, "http_100"},
        {301, SendVerdict::next_channel, FailureKind::config, "http_301"},
        {400, SendVerdict::next_channel, FailureKind::hard, "http_400"},
        {401, SendVerdict::next_provider, FailureKind::config, "http_401"},
        {403, SendVerdict::next_provider, FailureKind::config, "http_403"},
        {404, SendVerdict::next_channel, FailureKind::hard, "http_404"},
        {408, SendVerdict::ambiguous, FailureKind::soft, "http_408"},
        {429, SendVerdict::retry_same, FailureKind::soft, "http_429"},
        {500, SendVerdict::ambiguous, FailureKind::soft, "http_500"},
        {501, SendVerdict::ambiguous, FailureKind::soft, "http_501"},
        {502, SendVerdict::ambiguous, FailureKind::soft, "http_502"},
        {503, SendVerdict::retry_same, FailureKind::soft, "http_503"},
        {504, SendVerdict::ambiguous, FailureKind::soft, "http_504"},
    };
    for (const Case &c : cases) {
        const SendAnswer answer = by_default(c.status);
        EXPECT_EQ(answer.verdict, c.verdict) << c.status;
        EXPECT_EQ(answer.kind, c.kind) << c.status;
        EXPECT_EQ(answer.reason, c.reason) << c.status;
        EXPECT_EQ(answer.code, c.status);
        EXPECT_EQ(answer.retry_after, std::nullopt);
    }
}

TEST(ProviderAnswerTest, WithoutAnAnswer) {
    const auto of = [](TransportResult transport) {
        // Status and body left over from an earlier use must not matter.
        return classify_answer(
            config_with(R"("classes": [{"status": [200], "class": "accepted"}])"),
            {.transport = transport, .status = 200, .headers = {{"retry-after", "5"}}, .body = "{}", .error = "e"},
            kNow);
    };
    const SendAnswer not_sent = of(TransportResult::not_sent);
    EXPECT_EQ(not_sent.verdict, SendVerdict::retry_same);
    EXPECT_EQ(not_sent.kind, FailureKind::soft);
    EXPECT_EQ(not_sent.reason, "not_sent");
    EXPECT_EQ(not_sent.code, 0);
    EXPECT_EQ(not_sent.retry_after, std::nullopt);
    const SendAnswer blocked = of(TransportResult::blocked);
    EXPECT_EQ(blocked.verdict, SendVerdict::next_provider);
    EXPECT_EQ(blocked.kind, FailureKind::config);
    EXPECT_EQ(blocked.reason, "address_blocked");
    const SendAnswer lost = of(TransportResult::no_answer);
    EXPECT_EQ(lost.verdict, SendVerdict::ambiguous);
    EXPECT_EQ(lost.kind, FailureKind::soft);
    EXPECT_EQ(lost.reason, "no_answer");
}

TEST(ProviderAnswerTest, ClassesComeBeforeOkAndInOrder) {
    // As a provider that answers 200 always and says in the body what it means.
    const ProviderConfig config = config_with(R"("ok": {"status": [200], "path": "$.messages[0].status", "in": ["0"]},
        "message_id": {"path": "$.messages[0].id"},
        "classes": [{"path": "$.messages[0].status", "in": ["1", "5"], "class": "retry_same", "reason": "throttled"},
                    {"path": "$.messages[0].status", "in": ["2", "1"], "class": "next_channel", "kind": "policy"},
                    {"status": [409], "class": "accepted"}])");
    const auto of = [&](const std::string &status) {
        return classify_answer(config, answer_of(200, R"({"messages": [{"status": ")" + status + R"(", "id": "m1"}]})"),
                               kNow);
    };
    EXPECT_EQ(of("0").verdict, SendVerdict::accepted);
    EXPECT_EQ(of("0").provider_message_id, "m1");
    EXPECT_EQ(of("0").reason, "");
    EXPECT_EQ(of("1").verdict, SendVerdict::retry_same);
    EXPECT_EQ(of("1").reason, "throttled");
    EXPECT_EQ(of("1").provider_message_id, "");
    EXPECT_EQ(of("2").verdict, SendVerdict::next_channel);
    EXPECT_EQ(of("2").kind, FailureKind::policy);
    EXPECT_EQ(of("2").reason, "http_200");
    EXPECT_EQ(of("9").verdict, SendVerdict::ambiguous);
    EXPECT_EQ(of("9").reason, "unexpected_answer");
    EXPECT_EQ(of("9").provider_message_id, "m1");
    const SendAnswer taken = classify_answer(config, answer_of(409), kNow);
    EXPECT_EQ(taken.verdict, SendVerdict::accepted);
    EXPECT_EQ(taken.reason, "");
}

TEST(ProviderAnswerTest, OkWithoutStatusStillNeedsA2xx) {
    const ProviderConfig config = config_with(R"("ok": {"path": "$.id"})");
    EXPECT_EQ(classify_answer(config, answer_of(200, R"({"id": 1})"), kNow).verdict, SendVerdict::accepted);
    EXPECT_EQ(classify_answer(config, answer_of(400, R"({"id": 1})"), kNow).verdict, SendVerdict::next_channel);
    EXPECT_EQ(classify_answer(config, answer_of(200, R"({"id": null})"), kNow).verdict, SendVerdict::ambiguous);
    EXPECT_EQ(classify_answer(config, answer_of(200, "{}"), kNow).verdict, SendVerdict::ambiguous);
    EXPECT_EQ(classify_answer(config, answer_of(200, R"({"id": 1)"), kNow).verdict, SendVerdict::ambiguous); // cut off
    const ProviderConfig redirect = config_with(R"("ok": {"status": [302]})");
    EXPECT_EQ(classify_answer(redirect, answer_of(302), kNow).verdict, SendVerdict::accepted);
    EXPECT_EQ(classify_answer(redirect, answer_of(200), kNow).verdict, SendVerdict::ambiguous);
}

TEST(ProviderAnswerTest, ValuesAreComparedAsJson) {
    const ProviderConfig config =
        config_with(R"("classes": [{"path": "$.c", "in": [21610, "x", true, null], "class": "next_channel"}])");
    const auto matches = [&](const std::string &c) {
        return classify_answer(config, answer_of(200, "{\"c\": " + c + "}"), kNow).verdict == SendVerdict::next_channel;
    };
    for (const char *c : {"21610", "21610.0", "2.161e4", "\"x\"", "\"\\u0078\"", "true", "null"})
        EXPECT_TRUE(matches(c)) << c;
    for (const char *c : {"\"21610\"", "21611", "\"X\"", "false", "[]", "{}", "[21610]", "\"\""})
        EXPECT_FALSE(matches(c)) << c;
}

TEST(ProviderAnswerTest, StatusAndPathOfAClassMustBothMatch) {
    const ProviderConfig config =
        config_with(R"("classes": [{"status": [400], "path": "$.c", "in": [1], "class": "retry_same"}])");
    EXPECT_EQ(classify_answer(config, answer_of(400, R"({"c": 1})"), kNow).verdict, SendVerdict::retry_same);
    EXPECT_EQ(classify_answer(config, answer_of(422, R"({"c": 1})"), kNow).verdict, SendVerdict::next_channel);
    EXPECT_EQ(classify_answer(config, answer_of(400, R"({"c": 2})"), kNow).verdict, SendVerdict::next_channel);
}

TEST(ProviderAnswerTest, MessageIds) {
    const auto from_body = [](const std::string &body) {
        return classify_answer(config_with(R"("message_id": {"path": "$.id"})"), answer_of(200, body), kNow)
            .provider_message_id;
    };
    EXPECT_EQ(from_body(R"({"id": "SM\u00e91"})"), "SM\xc3\xa9"
                                                   "1");
    EXPECT_EQ(from_body(R"({"id": 12345678901234567890123})"), "12345678901234567890123");
    for (const char *body :
         {"", "{}", R"({"id": null})", R"({"id": {}})", R"({"id": ""})", R"({"id": "a\u0000b"})", R"({"id": "a\nb"})"})
        EXPECT_EQ(from_body(body), "") << body;
    EXPECT_EQ(from_body("{\"id\": \"" + std::string(kMaxProviderMessageIdBytes, 'i') + "\"}").size(),
              kMaxProviderMessageIdBytes);
    EXPECT_EQ(from_body("{\"id\": \"" + std::string(kMaxProviderMessageIdBytes + 1, 'i') + "\"}"), "");
    const auto from_header = [](const std::string &value) {
        return classify_answer(config_with(R"("message_id": {"header": "X-Message-Id"})"),
                               answer_of(202, "", {{"x-message-id", value}}), kNow)
            .provider_message_id;
    };
    EXPECT_EQ(from_header("abc.1"), "abc.1");
    EXPECT_EQ(from_header("a\xff"), "");
}

TEST(ProviderAnswerTest, RetryAfterIsReadFromRefusals) {
    const auto of = [](std::int32_t status, const std::string &value) {
        return classify_answer(ProviderConfig{}, answer_of(status, "", {{"retry-after", value}}), kNow).retry_after;
    };
    EXPECT_EQ(of(429, "120"), 120s);
    EXPECT_EQ(of(503, "Sun, 06 Nov 1994 08:50:37 GMT"), 60s);
    EXPECT_EQ(of(429, "soon"), std::nullopt);
    EXPECT_EQ(of(200, "120"), std::nullopt);
    EXPECT_EQ(of(429, "1000000"), 24h);
}

TEST(RetryAfterTest, Seconds) {
    EXPECT_EQ(parse_retry_after("0", kNow), 0s);
    EXPECT_EQ(parse_retry_after("120", kNow), 120s);
    EXPECT_EQ(parse_retry_after(" 120\t", kNow), 120s);
    EXPECT_EQ(parse_retry_after("86400", kNow), 24h);
    EXPECT_EQ(parse_retry_after("86401", kNow), 24h);
    EXPECT_EQ(parse_retry_after("99999999999999999999999999", kNow), 24h);
    for (const char *text : {"", " ", "-1", "+1", "1.5", "1s", "0x10", "1 2", "NaN"})
        EXPECT_EQ(parse_retry_after(text, kNow), std::nullopt) << text;
}

TEST(RetryAfterTest, Dates) {
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kNow), 0s);
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 09:49:37 GMT", kNow), 1h);
    EXPECT_EQ(parse_retry_after("Mon, 07 Nov 1994 08:49:37 GMT", kNow), 24h);
    EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:60 GMT", kNow), 24h);
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:36 GMT", kNow), std::nullopt);
    for (const char *text :
         {"Sun, 06 Nov 1994 08:49:38", "Sun, 06 Nov 1994 08:49:38 UTC", "sun, 06 Nov 1994 08:49:38 GMT",
          "Xyz, 06 Nov 1994 08:49:38 GMT", "Sun, 06 nov 1994 08:49:38 GMT", "Sun, 6 Nov 1994 08:49:38 GMT",
          "Sun, 31 Feb 1995 08:49:38 GMT", "Sun, 00 Nov 1995 08:49:38 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
          "Sun, 06 Nov 1994 08:60:38 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, -6 Nov 1994 08:49:38 GMT",
          "Sun, 06 Nov -994 08:49:38 GMT", "Sunday, 06-Nov-94 08:49:38 GMT", "Sun Nov  6 08:49:38 1994"})
        EXPECT_EQ(parse_retry_after(text, kNow), std::nullopt) << text;
}

} // namespace
