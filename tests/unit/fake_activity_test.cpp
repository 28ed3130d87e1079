// Answers of fake activities: what is read and what is refused.
#include "core/error.hpp"
#include "core/fake_activity.hpp"

#include <gtest/gtest.h>

using namespace hc;
using namespace hc::core;

TEST(FakeActivity, OneAnswerOrAScript) {
    EXPECT_EQ(parse_fake_answers(R"({"result": null})").size(), 1U);
    EXPECT_EQ(parse_fake_answers(R"({"result": 1, "delay": "2s"})").front().delay, std::chrono::seconds(2));
    EXPECT_EQ(parse_fake_answers(R"-({"function": "app.f(jsonb)"})-").front().function, "app.f(jsonb)");
    const auto script = parse_fake_answers(
        R"-([{"failure": {"message": "busy"}}, {"result": [1], "delay": 0}, {"function": "f(jsonb)"}])-");
    ASSERT_EQ(script.size(), 3U);
    EXPECT_EQ(script[0].function, "");
    EXPECT_EQ(script[1].delay, Duration::zero());
    EXPECT_EQ(script[2].function, "f(jsonb)");
}

TEST(FakeActivity, Refused) {
    const auto detail = [](std::string_view json) -> std::string {
        try {
            parse_fake_answers(json);
        } catch (const Error &e) {
            return std::string(e.sqlstate()) + " " + e.detail();
        }
        return "";
    };
    for (const char *json : {"{}", R"({"delay": "1s"})", R"({"result": 1, "failure": {"message": "x"}})",
                             R"-({"result": 1, "function": "f(jsonb)"})-"})
        EXPECT_EQ(detail(json), "22023 $: must have one answer.") << json;
    for (const char *json : {"1", "[]", "null", "[1]", R"({"result": 1, "retries": 2})", R"({"function": ""})",
                             R"({"function": 1})", R"({"result": 1, "delay": "-1s"})", R"({"failure": {}})",
                             R"({"failure": "busy"})", R"({"result": 1, "delay": "40000d"})"})
        EXPECT_TRUE(detail(json).starts_with("22023 ")) << json << ": " << detail(json);
    EXPECT_EQ(detail(R"([{"result": 1}, {}])"), "22023 $[1]: must have one answer.");
    std::string many = "[";
    for (std::size_t i = 0; i <= kMaxFakeAnswers; ++i)
        many += i == 0 ? R"({"result": 1})" : R"(, {"result": 1})";
    EXPECT_NE(detail(many + "]"), "");
}
