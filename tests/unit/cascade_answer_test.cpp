// The sharp cases of answers to sends by name: retries, refusals, ambiguity, repeated and late records.
#include "cascade_fixture.hpp"

namespace hc::core::test {
namespace {

TEST(CascadeAnswer, RetrySameKeepsTheAttemptAndHonoursRetryAfter) {
    Bench b;
    b.start();
    SendAnswer in;
    in.attempt = 1;
    in.verdict = SendVerdict::retry_same;
    in.code = 429;
    in.reason = "http_429";
    in.retry_after = 17s;
    const Decision d = b.give(in);
    ASSERT_EQ(d.puts.size(), 1U);
    EXPECT_EQ(d.puts[0].attempt, 1);
    EXPECT_EQ(d.puts[0].due, kStart + 17s);
    EXPECT_EQ(d.drops.size(), 1U);
    EXPECT_EQ(b.attempt(1).sends, 2);
    EXPECT_EQ(b.state.attempts.size(), 1U);
}

TEST(CascadeAnswer, RetriesUsedUpGoToTheNextProvider) {
    Bench b;
    b.start();
    b.answer(1, SendVerdict::retry_same);
    b.answer(1, SendVerdict::retry_same);
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::over);
    EXPECT_EQ(b.attempt(1).receipt.state, ReceiptState::failed);
    EXPECT_EQ(b.attempt(1).receipt.kind, FailureKind::soft);
    EXPECT_EQ(b.attempt(2).provider, 2);
}

TEST(CascadeAnswer, RetryNeverPassesTheValidity) {
    Bench b;
    b.rule.validity = 10s;
    b.start();
    SendAnswer in;
    in.attempt = 1;
    in.verdict = SendVerdict::retry_same;
    in.retry_after = 11s;
    b.give(in);
    EXPECT_EQ(b.attempt(2).provider, 2);
}

TEST(CascadeAnswer, NextProviderAndNextChannelRecordWhy) {
    struct Case {
        SendVerdict verdict;
        FailureKind given;
        ReceiptState state;
        FailureKind kind;
        std::int32_t next;
    };
    for (const Case &c : {
             Case{SendVerdict::next_provider, FailureKind::none, ReceiptState::rejected, FailureKind::config, 2},
             Case{SendVerdict::next_provider, FailureKind::soft, ReceiptState::rejected, FailureKind::soft, 2},
             Case{SendVerdict::next_channel, FailureKind::none, ReceiptState::undeliverable, FailureKind::hard, 3},
             Case{SendVerdict::next_channel, FailureKind::policy, ReceiptState::rejected, FailureKind::policy, 3},
             Case{SendVerdict::next_channel, FailureKind::config, ReceiptState::rejected, FailureKind::config, 3},
             Case{SendVerdict::next_channel, FailureKind::soft, ReceiptState::failed, FailureKind::soft, 3},
         }) {
        Bench b;
        b.start();
        b.answer(1, c.verdict, "", c.given);
        EXPECT_EQ(b.attempt(1).receipt.state, c.state);
        EXPECT_EQ(b.attempt(1).receipt.kind, c.kind);
        EXPECT_EQ(b.attempt(1).reason, "refused");
        EXPECT_EQ(b.attempt(2).provider, c.next);
    }
}

TEST(CascadeAnswer, RepeatedRecordIsIgnored) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    const Decision d = b.accept(1, "other");
    EXPECT_EQ(d.result, SignalResult::ignored);
    EXPECT_TRUE(d.events.empty());
    EXPECT_EQ(b.attempt(1).provider_message_id, "id1");
}

TEST(CascadeAnswer, RecordOfAnEarlierSendOfTheSameAttemptIsIgnored) {
    Bench b;
    b.start();
    const std::uint32_t first = b.attempt(1).task;
    b.answer(1, SendVerdict::retry_same);
    SendAnswer again;
    again.attempt = 1;
    again.verdict = SendVerdict::retry_same;
    again.task = first;
    const Decision d = b.give(again);
    EXPECT_EQ(d.result, SignalResult::ignored);
    EXPECT_EQ(d.drops, std::vector<std::uint32_t>{first});
    EXPECT_EQ(b.attempt(1).sends, 2);
}

TEST(CascadeAnswer, UnknownAttemptIsIgnored) {
    Bench b;
    b.start();
    EXPECT_EQ(b.accept(2).result, SignalResult::ignored);
    EXPECT_EQ(b.accept(0).result, SignalResult::ignored);
}

TEST(CascadeAnswer, AmbiguousFollowsTheRule) {
    struct Case {
        OnAmbiguous mode;
        bool idempotent;
        AttemptPhase phase;
        std::size_t attempts;
    };
    for (const Case &c : {
             Case{OnAmbiguous::automatic, false, AttemptPhase::ambiguous, 1},
             Case{OnAmbiguous::automatic, true, AttemptPhase::queued, 1},
             Case{OnAmbiguous::retry, false, AttemptPhase::queued, 1},
             Case{OnAmbiguous::wait_for_dlr, true, AttemptPhase::ambiguous, 1},
             Case{OnAmbiguous::next_channel, true, AttemptPhase::over, 2},
         }) {
        Bench b;
        b.rule.steps[0].on_ambiguous = c.mode;
        b.providers[0][0].idempotent = c.idempotent;
        b.start();
        b.answer(1, SendVerdict::ambiguous);
        EXPECT_EQ(b.attempt(1).phase, c.phase);
        EXPECT_EQ(b.state.attempts.size(), c.attempts);
        EXPECT_TRUE(b.attempt(1).contact) << "it may have reached the recipient";
        if (c.phase == AttemptPhase::ambiguous) {
            EXPECT_EQ(b.receipt_deadline(), kStart + 60s);
        }
    }
}

TEST(CascadeAnswer, AmbiguousRetriesUsedUpWaitForTheReceipt) {
    Bench b;
    b.rule.steps[0].on_ambiguous = OnAmbiguous::retry;
    b.start();
    b.answer(1, SendVerdict::ambiguous);
    b.answer(1, SendVerdict::ambiguous);
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::ambiguous);
    EXPECT_TRUE(b.receipt_deadline());
}

TEST(CascadeAnswer, AmbiguousIsNotRepeatedWhenAReceiptProvesItWasTaken) {
    Bench b;
    b.rule.steps[0].on_ambiguous = OnAmbiguous::retry;
    b.start();
    b.receipt(1, ReceiptState::sent);
    b.answer(1, SendVerdict::ambiguous);
    EXPECT_EQ(b.attempt(1).sends, 1);
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::answered);
}

TEST(CascadeAnswer, LateAnswerOfAGivenUpAttemptIsRecordedOnly) {
    Bench b;
    b.rule.steps[0].dispatch_timeout = 5s;
    b.start();
    b.fire();
    EXPECT_EQ(b.newest(EventType::step_failed).reason, "dispatch timeout");
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::over);
    const Decision d = b.accept(1, "id1");
    EXPECT_EQ(d.result, SignalResult::applied);
    EXPECT_EQ(d.events.size(), 1U);
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::answered);
    EXPECT_EQ(b.state.step, 1);
    EXPECT_FALSE(b.receipt_deadline());
    b.receipt_by_id("id1", ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered) << "its late success counts";
}

} // namespace
} // namespace hc::core::test
