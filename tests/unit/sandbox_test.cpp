// The sandbox provider: which script entry an attempt gets.
#include "core/error.hpp"
#include "core/provider_config.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hc::core;
using namespace std::chrono_literals;

ProviderConfig scripted() {
    return parse_provider_config(R"({"kind": "sandbox", "channel": "sms-1", "script": [
        {"answer": "retry_same", "code": 429}, {"answer": "ambiguous"},
        {"receipts": [{"status": "read", "after": "10ms"}]}]})");
}

TEST(SandboxTest, TheNthAttemptTakesTheNthEntryAndTheLastRepeats) {
    const ProviderConfig config = scripted();
    EXPECT_EQ(sandbox_step(config, "{}", 1).answer.verdict, SendVerdict::retry_same);
    EXPECT_EQ(sandbox_step(config, "{}", 2).answer.verdict, SendVerdict::ambiguous);
    for (const std::uint32_t n : {3U, 4U, 1000U, UINT32_MAX}) {
        const SandboxStep step = sandbox_step(config, "{}", n);
        EXPECT_EQ(step.answer.verdict, SendVerdict::accepted) << n;
        ASSERT_EQ(step.receipts.size(), 1U);
        EXPECT_EQ(step.receipts[0].after, 10ms);
    }
    EXPECT_EQ(sandbox_step(config, "{}", 0).answer.verdict, SendVerdict::retry_same);
}

TEST(SandboxTest, WithoutAScriptTheMessageIsDelivered) {
    const SandboxStep step = sandbox_step(ProviderConfig{}, "{}", 1);
    EXPECT_EQ(step.answer.verdict, SendVerdict::accepted);
    ASSERT_EQ(step.receipts.size(), 1U);
    EXPECT_EQ(step.receipts[0].status, "delivered");
}

TEST(SandboxTest, TheMessageOverridesTheScript) {
    const char *message =
        R"({"to": "x", "sandbox": {"sms-1": [{"answer": "next_channel", "kind": "hard", "reason": "gone"},
                                                               {"answer": "accepted"}]}})";
    const SandboxStep first = sandbox_step(scripted(), message, 1);
    EXPECT_EQ(first.answer.verdict, SendVerdict::next_channel);
    EXPECT_EQ(first.answer.kind, FailureKind::hard);
    EXPECT_EQ(first.answer.reason, "gone");
    const SandboxStep later = sandbox_step(scripted(), message, 5);
    EXPECT_EQ(later.answer.verdict, SendVerdict::accepted);
    EXPECT_TRUE(later.receipts.empty());
}

TEST(SandboxTest, OtherChannelsAndOtherMessagesDoNotOverride) {
    for (const char *message :
         {R"({"sandbox": {"email": [{"answer": "next_channel"}]}})", R"({"sandbox": 1})", R"({"sandbox": {}})",
          R"({"sandbox": {"sms-1": null}})", R"({"text": "sandbox"})", "", "sandbox", "[\"sandbox\"]"})
        EXPECT_EQ(sandbox_step(scripted(), message, 1).answer.verdict, SendVerdict::retry_same) << message;
}

TEST(SandboxTest, MalformedOverridesAreRefusedWithTheirPlaceInTheMessage) {
    const auto refused = [](const std::string &script) {
        try {
            sandbox_step(scripted(), R"({"sandbox": {"sms-1": )" + script + "}}", 1);
        } catch (const hc::Error &e) {
            EXPECT_EQ(e.message(), "invalid sandbox script in the message");
            return std::string(e.sqlstate()) + " " + e.detail();
        }
        return std::string("accepted");
    };
    EXPECT_EQ(refused("[]"), "22023 $.sandbox.sms-1: must not be empty.");
    EXPECT_EQ(refused("1"), "22023 $.sandbox.sms-1: must be an array, not a number.");
    EXPECT_EQ(refused(R"([{"answer": "ok"}])"), "22023 $.sandbox.sms-1[0].answer: is not an allowed value.");
    EXPECT_EQ(refused(std::string(20'000, '[') + std::string(20'000, ']')),
              "54000 $.sandbox.sms-1: the document is nested too deeply.");
    EXPECT_EQ(refused("[\"" + std::string(kMaxProviderConfigBytes, 'x') + "\"]").substr(0, 5), "54000");
}

} // namespace
