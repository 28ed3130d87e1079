// Answers of send calls taken by the provider's connector: verdicts, ids of parts, what is left to the general rules.
#include "core/provider_config.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hc::core;
using namespace std::chrono_literals;

constexpr Time kNow = std::chrono::sys_days(std::chrono::year(2026) / 1 / 2);

Connector connector(const std::string &part_mode = "provider") {
    return parse_connector(R"({"name": "x", "part_mode": ")" + part_mode +
                           R"(", "response": {"elements": ["$.body.messages[*]", "$"],
        "fields": {"correlation_id": ["$.id", "$.body.id"], "status": ["$.status", "$.body.status", "$$.http_status"],
                   "code": ["$.code", "$.body.code"]}},
        "response_statuses": [
            {"status": "2xx", "state": "accepted"}, {"status": "queued", "state": "accepted"},
            {"status": "rejected", "state": "rejected", "reason": "unspecified", "by_code": true},
            {"status": "unreachable", "state": "undeliverable", "reason": "invalid_address"},
            {"status": "busy", "state": "failed", "reason": "rate_limited"},
            {"status": "gone", "state": "expired", "reason": "expired_validity"},
            {"status": "withdrawn", "state": "canceled", "reason": "canceled"},
            {"status": "shrug", "state": "unknown"}, {"status": "later", "state": "deferred"},
            {"status": "hm", "disposition": "park"}, {"status": "noop", "disposition": "ignore"},
            {"status": "stop", "disposition": "side_effect_only", "suppress": "opt_out"},
            {"status": "4xx", "state": "failed", "failure_kind": "hard", "reason": "request_error", "by_code": true},
            {"status": "503", "state": "failed", "reason": "provider_error"}],
        "errors": [{"code": "1", "failure_kind": "policy", "reason": "opted_out"},
            {"code": "2", "failure_kind": "config", "reason": "account_problem"},
            {"code": "3", "failure_kind": "soft", "reason": "rate_limited"},
            {"code": "4", "disposition": "ignore", "reason": "duplicate_submit"}]})");
}

SendAnswer classify(std::int32_t status, const std::string &body, const Connector &by = connector(),
                    const std::string &config = "", std::vector<std::pair<std::string, std::string>> headers = {}) {
    const ProviderConfig provider = parse_provider_config(
        R"({"kind": "http", "channel": "sms", "request": {"url": "https://e.com/"})" + config + "}");
    HttpAnswer answer;
    answer.status = status;
    answer.headers = std::move(headers);
    answer.body = body;
    return classify_answer(provider, by, answer, kNow);
}

using Ids = std::vector<std::string>;

TEST(ConnectorAnswer, AnAcceptedMessageHasItsId) {
    const SendAnswer answer = classify(201, R"({"id": "m1", "status": "queued"})");
    EXPECT_EQ(answer.verdict, SendVerdict::accepted);
    EXPECT_EQ(answer.provider_message_id, "m1");
    EXPECT_TRUE(answer.more_message_ids.empty());
    EXPECT_EQ(answer.code, 201);
    EXPECT_EQ(answer.kind, FailureKind::none);
    EXPECT_EQ(answer.reason, "");
    EXPECT_EQ(answer.part_mode, PartMode::provider);
    EXPECT_EQ(classify(200, R"({"id": 17})").provider_message_id, "17");
    EXPECT_EQ(classify(200, "OK").provider_message_id, "");
    EXPECT_EQ(classify(200, "OK").verdict, SendVerdict::accepted);
    EXPECT_EQ(classify(200, R"({"id": "m1", "status": "later"})").verdict, SendVerdict::accepted)
        << "taken, still trying";
}

TEST(ConnectorAnswer, RefusalsByTheirKind) {
    struct Case {
        const char *body;
        SendVerdict verdict;
        FailureKind kind;
        const char *reason;
    };
    for (const Case &c : {
             Case{R"({"status": "busy"})", SendVerdict::retry_same, FailureKind::soft, "rate_limited"},
             Case{R"({"status": "gone"})", SendVerdict::retry_same, FailureKind::soft, "expired_validity"},
             Case{R"({"status": "unreachable", "code": 9})", SendVerdict::next_channel, FailureKind::hard,
                  "invalid_address (9)"},
             Case{R"({"status": "rejected"})", SendVerdict::next_channel, FailureKind::policy, "unspecified"},
             Case{R"({"status": "rejected", "code": "1"})", SendVerdict::next_channel, FailureKind::policy,
                  "opted_out (1)"},
             Case{R"({"status": "rejected", "code": "2"})", SendVerdict::next_provider, FailureKind::config,
                  "account_problem (2)"},
             Case{R"({"status": "rejected", "code": "3"})", SendVerdict::retry_same, FailureKind::soft,
                  "rate_limited (3)"},
         }) {
        for (const std::int32_t status : {200, 202, 400, 422, 429}) {
            const SendAnswer answer = classify(status, c.body);
            EXPECT_EQ(answer.verdict, c.verdict) << c.body << status;
            EXPECT_EQ(answer.kind, c.kind) << c.body;
            EXPECT_EQ(answer.reason, c.reason) << c.body;
            EXPECT_EQ(answer.code, status);
            EXPECT_EQ(answer.provider_message_id, "");
        }
    }
}

TEST(ConnectorAnswer, ACodeThatIsATextIsNotRecorded) {
    const auto reason_of = [](const std::string &code) {
        return classify(400, R"({"status": "unreachable", "code": ")" + code + "\"}").reason;
    };
    EXPECT_EQ(reason_of("21211: +4915112345678 is no number, text was: hello Bob"), "invalid_address (21211)");
    EXPECT_EQ(reason_of("+4915112345678 cannot get: hello Bob"), "invalid_address");
    EXPECT_EQ(reason_of("hello Bob"), "invalid_address");
    EXPECT_EQ(reason_of("E_NUMBER"), "invalid_address (E_NUMBER)");
}

TEST(ConnectorAnswer, RowsOfTheHttpStatus) {
    const SendAnswer refused = classify(400, R"({"error": "x"})");
    EXPECT_EQ(refused.verdict, SendVerdict::next_channel);
    EXPECT_EQ(refused.reason, "request_error");
    EXPECT_EQ(classify(403, R"({"code": 2})").verdict, SendVerdict::next_provider);
    EXPECT_EQ(classify(503, "").reason, "provider_error");
    EXPECT_EQ(classify(503, "").verdict, SendVerdict::retry_same);
}

TEST(ConnectorAnswer, WhatMayHideATakenMessageIsLeftToTheGeneralRules) {
    for (const std::int32_t status : {408, 500, 502, 504, 599}) {
        const SendAnswer answer = classify(status, R"({"status": "unreachable"})");
        EXPECT_EQ(answer.verdict, SendVerdict::ambiguous) << status;
        EXPECT_EQ(answer.reason, "http_" + std::to_string(status));
    }
    HttpAnswer none;
    none.transport = TransportResult::no_answer;
    none.status = 200;
    none.body = R"({"status": "rejected"})";
    EXPECT_EQ(classify_answer(ProviderConfig{}, connector(), none, kNow).verdict, SendVerdict::ambiguous);
    none.transport = TransportResult::not_sent;
    EXPECT_EQ(classify_answer(ProviderConfig{}, connector(), none, kNow).verdict, SendVerdict::retry_same);
    none.transport = TransportResult::blocked;
    EXPECT_EQ(classify_answer(ProviderConfig{}, connector(), none, kNow).verdict, SendVerdict::next_provider);
}

TEST(ConnectorAnswer, WhatTheConnectorDoesNotKnowIsLeftToTheGeneralRules) {
    const Connector strict = parse_connector(R"({"name": "x", "response": {"fields": {"status": ["$.body.status"]}},
        "response_statuses": [{"status": "queued", "state": "accepted"}]})");
    const SendAnswer beamed = classify(200, R"({"status": "beamed", "id": "m1"})", strict);
    EXPECT_EQ(beamed.verdict, SendVerdict::ambiguous) << "a 2xx, but the connector would know a success";
    EXPECT_EQ(beamed.kind, FailureKind::soft);
    EXPECT_EQ(beamed.reason, "unexpected_answer");
    EXPECT_EQ(beamed.code, 200);
    EXPECT_EQ(classify(404, R"({"status": "beamed"})", strict).reason, "http_404");
    EXPECT_EQ(classify(401, "", strict).verdict, SendVerdict::next_provider);
    EXPECT_EQ(classify(429, "", strict).verdict, SendVerdict::retry_same);
    EXPECT_EQ(classify(302, "", strict).verdict, SendVerdict::next_channel);
    EXPECT_EQ(classify(200, R"({"status": "beamed"})", strict,
                       R"(, "response": {"ok": {"path": "$.status", "in": ["queued"]}})")
                  .verdict,
              SendVerdict::ambiguous);
    for (const char *word : {"hm", "noop", "stop", "shrug"})
        EXPECT_EQ(classify(404, R"({"status": ")" + std::string(word) + "\"}").reason, "http_404") << word;
    const Connector without = parse_connector(R"({"name": "x"})");
    EXPECT_EQ(classify(404, R"({"status": "queued", "id": "m1"})", without).reason, "http_404");
}

TEST(ConnectorAnswer, ADuplicateSubmitWasTaken) {
    const SendAnswer answer = classify(400, R"({"status": "rejected", "code": "4", "id": "m1"})");
    EXPECT_EQ(answer.verdict, SendVerdict::accepted);
    EXPECT_EQ(answer.provider_message_id, "m1");
}

TEST(ConnectorAnswer, RetryAfterIsReadOfRefusals) {
    EXPECT_EQ(classify(429, R"({"status": "busy"})", connector(), "", {{"retry-after", "17"}}).retry_after, 17s);
    EXPECT_EQ(classify(429, R"({"status": "busy"})").retry_after, std::nullopt);
    EXPECT_EQ(classify(200, R"({"status": "queued"})", connector(), "", {{"retry-after", "17"}}).retry_after,
              std::nullopt);
    EXPECT_EQ(classify(500, "", connector(), "", {{"retry-after", "17"}}).retry_after, 17s);
}

// ---- several parts ----

const char *const kThree =
    R"({"messages": [{"id": "a", "status": "queued"}, {"id": "b", "status": "queued"}, {"id": "c", "status": "queued"}]})";

TEST(ConnectorAnswer, SeveralPartsGiveSeveralIds) {
    for (const auto &[word, mode] : {std::pair("all", PartMode::all), std::pair("any", PartMode::any)}) {
        const SendAnswer answer = classify(200, kThree, connector(word));
        EXPECT_EQ(answer.verdict, SendVerdict::accepted);
        EXPECT_EQ(answer.provider_message_id, "a");
        EXPECT_EQ(answer.more_message_ids, (Ids{"b", "c"}));
        EXPECT_EQ(answer.part_mode, mode);
    }
}

TEST(ConnectorAnswer, WhereTheProviderAggregatesTheFirstIdCounts) {
    const SendAnswer answer = classify(200, kThree, connector("provider"));
    EXPECT_EQ(answer.provider_message_id, "a");
    EXPECT_TRUE(answer.more_message_ids.empty());
}

TEST(ConnectorAnswer, TheAccountMaySayOtherwise) {
    EXPECT_EQ(classify(200, kThree, connector("provider"), R"(, "receipts": {"part_mode": "any"})").part_mode,
              PartMode::any);
    EXPECT_EQ(classify(200, kThree, connector("provider"), R"(, "receipts": {"part_mode": "any"})").more_message_ids,
              (Ids{"b", "c"}));
    EXPECT_TRUE(
        classify(200, kThree, connector("all"), R"(, "receipts": {"part_mode": "provider"})").more_message_ids.empty());
}

std::string parts(std::initializer_list<const char *> elements) {
    std::string body = R"({"messages": [)";
    for (const char *element : elements)
        body.append(body.ends_with('[') ? "" : ", ").append(element);
    return body + "]}";
}

constexpr const char *kTaken = R"({"id": "b", "status": "queued"})";

TEST(ConnectorAnswer, PartsThatWereNotTakenHaveNoId) {
    const std::string body = parts({R"({"id": "a", "status": "hm"})", kTaken, R"({"status": "queued"})",
                                    R"({"id": "c", "status": "noop"})", R"({"id": "d", "status": "queued"})"});
    const SendAnswer answer = classify(200, body, connector("all"));
    EXPECT_EQ(answer.verdict, SendVerdict::accepted);
    EXPECT_EQ(answer.provider_message_id, "b");
    EXPECT_EQ(answer.more_message_ids, Ids{"d"});
}

TEST(ConnectorAnswer, WhereAllPartsCountARefusedOneRefusesTheMessage) {
    const auto with_refused = [](const char *refused, const char *mode) {
        return classify(200, parts({kTaken, refused, R"({"id": "c", "status": "queued"})"}), connector(mode));
    };
    const SendAnswer hard = with_refused(R"({"status": "unreachable"})", "all");
    EXPECT_EQ(hard.verdict, SendVerdict::next_channel);
    EXPECT_EQ(hard.reason, "invalid_address");
    EXPECT_EQ(hard.provider_message_id, "");
    const SendAnswer soft = with_refused(R"({"status": "busy"})", "all");
    EXPECT_EQ(soft.verdict, SendVerdict::next_provider) << "the same provider has sent the other part";
    EXPECT_EQ(soft.kind, FailureKind::soft);
    EXPECT_EQ(with_refused(R"({"status": "rejected", "code": "2"})", "all").verdict, SendVerdict::next_provider);
    for (const char *mode : {"any", "provider"}) {
        const SendAnswer taken = with_refused(R"({"status": "unreachable"})", mode);
        EXPECT_EQ(taken.verdict, SendVerdict::accepted) << mode;
        EXPECT_EQ(taken.provider_message_id, "b");
        EXPECT_EQ(taken.more_message_ids, mode == std::string("any") ? Ids{"c"} : Ids{});
    }
}

TEST(ConnectorAnswer, WhereNoPartWasTakenTheFirstRefusalCounts) {
    for (const char *mode : {"all", "any", "provider"}) {
        const SendAnswer refused = classify(
            200, parts({R"({"id": "a", "status": "hm"})", R"({"status": "busy"})", R"({"status": "unreachable"})"}),
            connector(mode));
        EXPECT_EQ(refused.verdict, SendVerdict::retry_same) << mode;
        EXPECT_EQ(refused.reason, "rate_limited") << mode;
    }
}

TEST(ConnectorAnswer, AnAnswerPastTheCapsIsOneTheConnectorDoesNotKnow) {
    std::string body = R"({"messages": [{"status": "rejected"})";
    for (std::size_t i = 0; i < kMaxReceiptElements; ++i)
        body += ",1";
    EXPECT_EQ(classify(404, body + "]}").reason, "http_404");
}

// Ids of parts are stored in one text, line by line.
TEST(ConnectorAnswer, AnIdThatCannotBeStoredIsNone) {
    for (const char *id : {R"("a\nb")", R"("a\u0001")", R"("\t")", R"("\u007f")"}) {
        const SendAnswer answer = classify(200, R"({"status": "queued", "id": )" + std::string(id) + "}");
        EXPECT_EQ(answer.verdict, SendVerdict::accepted);
        EXPECT_EQ(answer.provider_message_id, "") << id;
    }
    const SendAnswer parts = classify(
        200,
        R"({"messages": [{"id": "a\nb", "status": "queued"}, {"id": "c", "status": "queued"}, {"id": "d\n", "status": "queued"}]})",
        connector("all"));
    EXPECT_EQ(parts.provider_message_id, "c");
    EXPECT_TRUE(parts.more_message_ids.empty());
    EXPECT_EQ(classify(200, R"({"status": "queued", "id": "\u00fc 1"})").provider_message_id, "\xc3\xbc 1");
}

// M7: an answer tells of the address as a receipt does.
TEST(ConnectorAnswer, WhatItSaysOfTheAddress) {
    EXPECT_EQ(classify(400, R"({"status": "rejected", "code": 1})").suppress, "opt_out");
    EXPECT_EQ(classify(400, R"({"status": "rejected", "code": 2})").suppress, "");
    EXPECT_EQ(classify(400, R"({"status": "busy"})").suppress, "");
    EXPECT_EQ(classify(201, R"({"id": "m1", "status": "queued"})").suppress, "");
    EXPECT_EQ(classify(500, R"({"status": "rejected", "code": 1})").suppress, "") << "not believed";
}

} // namespace
