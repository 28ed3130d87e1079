// The attempts that a condition sees: those of cascade_status, with names, and none before the first send.
#include "core/cascade.hpp"
#include "core/report.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hc::core {
namespace {

TEST(AttemptsJsonTest, TheSameAsInTheStatus) {
    State state;
    StatusFacts facts;
    EXPECT_EQ(attempts_json(state, facts), "[]");

    AttemptState failed;
    failed.number = 1;
    failed.phase = AttemptPhase::over;
    failed.receipt.kind = FailureKind::hard;
    AttemptState next;
    next.number = 2;
    next.step = 1;
    state.attempts = {failed, next};
    facts.channels = {"email", "sms"};
    facts.provider_names = {"ses", "texts"};

    const auto attempts = nlohmann::json::parse(attempts_json(state, facts));
    EXPECT_EQ(attempts, nlohmann::json::parse(status_json(state, facts))["attempts"]);
    ASSERT_EQ(attempts.size(), 2U);
    EXPECT_EQ(attempts[0]["channel"], "email");
    EXPECT_EQ(attempts[0]["failure_kind"], "hard");
    EXPECT_EQ(attempts[1]["step"], 2);
    EXPECT_EQ(attempts[1]["provider"], "texts");
}

} // namespace
} // namespace hc::core
