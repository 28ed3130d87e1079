// What the answer of a provider means for an activity of kind http (core/activity_http.hpp).
#include "core/activity_http.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hc::core {
namespace {

SendAnswer answer_of(SendVerdict verdict, const char *reason = "") {
    SendAnswer answer;
    answer.verdict = verdict;
    answer.reason = reason;
    return answer;
}

HttpAnswer http_of(std::int32_t status, const std::string &body) {
    HttpAnswer http;
    http.status = status;
    http.body = body;
    return http;
}

TEST(HttpActivity, CompletesWithStatusAndBody) {
    const std::pair<std::string, std::string> cases[] = {
        {R"({"n": 12345678901234567890.25})", R"({"status": 200, "body": {"n": 12345678901234567890.25}})"},
        {"", R"({"status": 200, "body": null})"},
        {"plain \"text\"", R"({"status": 200, "body": "plain \"text\""})"},
        {"[1", R"({"status": 200, "body": "[1"})"},
        {std::string("a\0b", 3), R"({"status": 200, "body": "ab"})"},
        {R"("\u0000")", R"({"status": 200, "body": "\"\\u0000\""})"},
        {"\xff", "{\"status\": 200, \"body\": \"\xef\xbf\xbd\"}"},
    };
    for (const auto &[body, expected] : cases) {
        const HttpActivityEnd end = end_of_http_activity(answer_of(SendVerdict::accepted), http_of(200, body));
        EXPECT_FALSE(end.failure);
        EXPECT_EQ(end.result, expected);
        EXPECT_TRUE(nlohmann::json::accept(end.result));
    }
}

TEST(HttpActivity, FailsByTheVerdict) {
    const std::pair<SendVerdict, bool> cases[] = {{SendVerdict::retry_same, false},
                                                  {SendVerdict::ambiguous, false},
                                                  {SendVerdict::next_provider, true},
                                                  {SendVerdict::next_channel, true}};
    for (const auto &[verdict, for_good] : cases) {
        SendAnswer answer = answer_of(verdict, "http_418");
        answer.retry_after = std::chrono::seconds(7);
        const HttpActivityEnd end = end_of_http_activity(answer, http_of(418, std::string(5000, 'x')));
        ASSERT_TRUE(end.failure);
        EXPECT_EQ(end.failure->non_retryable, for_good);
        EXPECT_EQ(end.failure->type, "http_418");
        EXPECT_EQ(end.failure->next_retry_delay, std::chrono::seconds(7));
        EXPECT_EQ(nlohmann::json::parse(end.failure->failure.detail)["status"], 418);
        EXPECT_LT(end.failure->failure.detail.size(), 2100U);
    }
    EXPECT_EQ(end_of_http_activity(answer_of(SendVerdict::ambiguous), {}).failure->type, "unexpected_answer");
}

} // namespace
} // namespace hc::core
