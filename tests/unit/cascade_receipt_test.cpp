// The sharp cases of receipts by name: early, matched, ranked, late, after the end (rules R1 to R9).
#include "cascade_fixture.hpp"

namespace hc::core::test {
namespace {

// ---- receipts before the answer (R4) ----

TEST(CascadeEarly, ReceiptByIdWaitsForTheAnswer) {
    Bench b;
    b.start();
    EXPECT_EQ(b.receipt_by_id("id1", ReceiptState::delivered).result, SignalResult::buffered);
    EXPECT_FALSE(b.state.closed_p());
    b.accept(1, "id1");
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_TRUE(b.state.buffered.empty());
    EXPECT_EQ(b.newest(EventType::receipt_recorded).text, "id1");
}

TEST(CascadeEarly, BufferedReceiptsAreTakenInOrderAndOthersKept) {
    Bench b;
    b.start();
    b.receipt_by_id("id1", ReceiptState::sent);
    b.receipt_by_id("id9", ReceiptState::delivered);
    b.receipt_by_id("id1", ReceiptState::failed);
    b.accept(1, "id1");
    EXPECT_EQ(b.count(EventType::receipt_recorded), 2U);
    EXPECT_EQ(b.attempt(1).receipt.state, ReceiptState::failed);
    EXPECT_EQ(b.state.attempts.size(), 2U) << "the buffered failure led to a retry";
    EXPECT_EQ(b.state.buffered.size(), 1U);
}

TEST(CascadeEarly, BufferedFailureBeatsAcceptedAsSuccess) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::accepted;
    b.start();
    b.receipt_by_id("id1", ReceiptState::undeliverable);
    b.accept(1, "id1");
    EXPECT_FALSE(b.state.closed_p());
    EXPECT_EQ(b.state.step, 1);
}

TEST(CascadeEarly, TooManyWaitingReceiptsAreUnmatched) {
    Bench b;
    b.start();
    for (std::size_t i = 0; i < kMaxBufferedReceipts; ++i)
        EXPECT_EQ(b.receipt_by_id("x", ReceiptState::sent).result, SignalResult::buffered);
    EXPECT_EQ(b.receipt_by_id("x", ReceiptState::sent).result, SignalResult::unmatched);
}

TEST(CascadeEarly, SuccessByAttemptNumberWithdrawsTheSend) {
    Bench b;
    b.start();
    const Decision d = b.receipt(1, ReceiptState::delivered);
    EXPECT_TRUE(d.completed);
    EXPECT_EQ(d.drops.size(), 1U);
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::answered);
}

TEST(CascadeEarly, FailureByAttemptNumberActsAndTheAnswerIsRecordedOnly) {
    Bench b;
    b.start();
    b.receipt(1, ReceiptState::undeliverable);
    EXPECT_EQ(b.state.step, 1);
    const Decision d = b.accept(1, "id1");
    EXPECT_EQ(d.events.size(), 1U);
    EXPECT_EQ(b.attempt(1).receipt.state, ReceiptState::undeliverable);
    EXPECT_EQ(b.attempt(1).provider_message_id, "id1");
    EXPECT_FALSE(b.receipt_deadline());
}

TEST(CascadeEarly, HigherRankedReceiptStaysWhenTheAnswerComes) {
    Bench b;
    b.start();
    b.receipt(1, ReceiptState::sent);
    b.accept(1, "id1");
    EXPECT_EQ(b.attempt(1).receipt.state, ReceiptState::sent);
    EXPECT_EQ(b.receipt_deadline(), kStart + 60s);
}

// ---- matching (R5) ----

TEST(CascadeMatch, NothingNamedMeansTheOnlyAttempt) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    EXPECT_EQ(b.receipt(0, ReceiptState::sent).result, SignalResult::applied);
    b.fire();
    EXPECT_EQ(b.receipt(0, ReceiptState::delivered).result, SignalResult::unmatched);
}

TEST(CascadeMatch, AttemptAndIdMustAgree) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    ReceiptInput in;
    in.attempt = 1;
    in.provider_message_id = "id2";
    in.facts.state = ReceiptState::delivered;
    in.hash = 1;
    EXPECT_EQ(b.give(in).result, SignalResult::unmatched);
    in.provider_message_id = "id1";
    EXPECT_EQ(b.give(in).result, SignalResult::applied) << "an unmatched receipt may come again";
}

TEST(CascadeMatch, UnknownAttemptOrIdIsUnmatched) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    EXPECT_EQ(b.receipt(2, ReceiptState::delivered).result, SignalResult::unmatched);
    EXPECT_EQ(b.receipt_by_id("ID1", ReceiptState::delivered).result, SignalResult::unmatched) << "ids match exactly";
}

TEST(CascadeMatch, AmbiguousAttemptLearnsItsIdFromTheReceipt) {
    Bench b;
    b.start();
    b.answer(1, SendVerdict::ambiguous);
    ReceiptInput in;
    in.attempt = 1;
    in.provider_message_id = "id1";
    in.facts.state = ReceiptState::sent;
    in.hash = 99;
    b.give(in);
    EXPECT_EQ(b.attempt(1).provider_message_id, "id1");
    EXPECT_EQ(b.receipt_by_id("id1", ReceiptState::delivered).result, SignalResult::applied);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

// ---- rank, duplicates, conflicts (R1 to R3) ----

TEST(CascadeReceipt, LowerRankIsStale) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::read;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.receipt(1, ReceiptState::sent).result, SignalResult::stale);
    EXPECT_EQ(b.attempt(1).receipt.state, ReceiptState::delivered);
}

TEST(CascadeReceipt, DuplicateIsRecordedWithoutEffect) {
    Bench b;
    b.start();
    b.accept(1);
    ReceiptInput in;
    in.attempt = 1;
    in.facts.state = ReceiptState::failed;
    in.hash = 77;
    b.give(in);
    const Decision d = b.give(in);
    EXPECT_EQ(d.result, SignalResult::duplicate);
    EXPECT_EQ(d.events.size(), 1U);
    EXPECT_EQ(b.state.attempts.size(), 2U);
}

TEST(CascadeReceipt, FailureAfterDeliveredIsAConflict) {
    Bench b;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::delivered);
    const Decision d = b.receipt(1, ReceiptState::failed);
    EXPECT_EQ(d.result, SignalResult::conflict);
    EXPECT_FALSE(d.report);
    EXPECT_EQ(effective_outcome(b.state), Outcome::delivered);
}

TEST(CascadeReceipt, FailureAfterDeliveredMovesOnWhereItIsRevocable) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::read;
    b.rule.steps[0].revocable = true;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.receipt(1, ReceiptState::undeliverable).result, SignalResult::corrected);
    EXPECT_EQ(b.state.step, 1);
}

// ---- late receipts while running (R8) ----

TEST(CascadeLate, FailureOfStepOneDoesNotTouchStepTwo) {
    Bench b = waiting_in_step_two();
    const std::uint32_t timer = b.state.timer_task;
    b.receipt(1, ReceiptState::failed);
    EXPECT_FALSE(b.state.closed_p());
    EXPECT_EQ(b.state.step, 1);
    EXPECT_EQ(b.state.timer_task, timer);
    EXPECT_EQ(b.state.attempts.size(), 2U);
}

TEST(CascadeLate, SuccessOfStepOneCompletesAndFlagsTheSecondContact) {
    Bench b = waiting_in_step_two();
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(deciding_attempt(b.state)->number, 1);
    EXPECT_EQ(b.newest(EventType::cascade_completed).step, 0);
    EXPECT_EQ(b.state.flags, kFlagDuplicateContact);
}

TEST(CascadeLate, SuccessOfStepOneMayBeIgnored) {
    Rule rule = make_rule();
    rule.late_success = LateSuccess::ignore;
    Bench b = waiting_in_step_two(rule);
    EXPECT_EQ(b.receipt(1, ReceiptState::delivered).result, SignalResult::applied);
    EXPECT_FALSE(b.state.closed_p());
    EXPECT_EQ(b.attempt(1).receipt.state, ReceiptState::delivered);
}

TEST(CascadeLate, IgnoringLateSuccessConcernsEarlierStepsOnly) {
    Rule rule = make_rule();
    rule.late_success = LateSuccess::ignore;
    Bench b = waiting_in_step_two(rule);
    b.receipt(2, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

TEST(CascadeLate, UnknownOfStepOneActsOnNothing) {
    for (const OnUnknown mode : {OnUnknown::success, OnUnknown::failure}) {
        Rule rule = make_rule();
        rule.steps[0].on_unknown = mode;
        Bench b = waiting_in_step_two(rule);
        const Decision d = b.receipt(1, ReceiptState::unknown);
        EXPECT_EQ(d.events.size(), 1U);
        EXPECT_FALSE(b.state.closed_p());
    }
}

TEST(CascadeLate, ProgressOfStepOneIsNoSuccess) {
    Bench b = waiting_in_step_two();
    b.receipt(1, ReceiptState::sent);
    EXPECT_FALSE(b.state.closed_p());
}

TEST(CascadeLate, WithdrawnSendsAreNoDuplicateContact) {
    Bench b;
    b.rule.steps[0].retry.initial_interval = 1h;
    b.start();
    b.accept(1, "id1");
    b.receipt(1, ReceiptState::failed);
    b.receipt(1, ReceiptState::delivered); // corrected; the retry has not left
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(b.state.flags, 0U);
}

TEST(CascadeLate, OrdinaryFallbackIsNoDuplicateContact) {
    Bench b = waiting_in_step_two();
    b.receipt(2, ReceiptState::delivered);
    EXPECT_EQ(b.state.flags, 0U);
}

// ---- receipts after the end (R9) ----

TEST(CascadeClosed, LateSuccessCorrectsTheOutcome) {
    Bench b = waiting_in_step_two();
    b.fire();
    const Decision d = b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(d.result, SignalResult::corrected);
    EXPECT_TRUE(d.report);
    EXPECT_FALSE(d.completed);
    EXPECT_EQ(b.state.outcome, Outcome::exhausted);
    EXPECT_EQ(b.state.corrected, Outcome::delivered);
    EXPECT_EQ(deciding_attempt(b.state)->number, 1);
    EXPECT_EQ(b.state.reports, 2U);
    EXPECT_EQ(report_type(b.state), "message.status_corrected");
}

TEST(CascadeClosed, LateSuccessMayBeIgnored) {
    Rule rule = make_rule();
    rule.late_success = LateSuccess::ignore;
    Bench b = waiting_in_step_two(rule);
    b.fire();
    const Decision d = b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(d.result, SignalResult::applied);
    EXPECT_FALSE(d.report);
    EXPECT_EQ(effective_outcome(b.state), Outcome::exhausted);
}

TEST(CascadeClosed, BounceRevokesADeliveredOutcome) {
    for (const LateFailure mode : {LateFailure::notify, LateFailure::ignore}) {
        Bench b;
        b.rule.steps[0].revocable = true;
        b.rule.late_failure = mode;
        b.start();
        b.accept(1);
        b.receipt(1, ReceiptState::delivered);
        const Decision d = b.receipt(1, ReceiptState::undeliverable);
        const bool notify = mode == LateFailure::notify;
        EXPECT_EQ(d.report, notify);
        EXPECT_EQ(d.result, notify ? SignalResult::corrected : SignalResult::applied);
        EXPECT_EQ(effective_outcome(b.state), notify ? Outcome::exhausted : Outcome::delivered);
    }
}

TEST(CascadeClosed, FailureAfterAcceptedAsSuccessRevokes) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::accepted;
    b.start();
    b.accept(1);
    EXPECT_EQ(b.receipt(1, ReceiptState::undeliverable).result, SignalResult::corrected);
    EXPECT_EQ(effective_outcome(b.state), Outcome::exhausted);
    EXPECT_EQ(b.receipt(1, ReceiptState::delivered).result, SignalResult::corrected);
    EXPECT_EQ(effective_outcome(b.state), Outcome::delivered);
    EXPECT_EQ(b.state.reports, 3U);
}

TEST(CascadeClosed, RevokedAttemptIsReplacedByAnotherSuccess) {
    Rule rule = make_rule();
    rule.steps[1].revocable = true;
    Bench b = waiting_in_step_two(rule);
    b.receipt(2, ReceiptState::delivered);
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.receipt(2, ReceiptState::failed).result, SignalResult::corrected);
    EXPECT_EQ(effective_outcome(b.state), Outcome::delivered);
    EXPECT_EQ(deciding_attempt(b.state)->number, 1);
}

TEST(CascadeClosed, CorrectionsAreLimited) {
    Bench b;
    b.rule.steps[0].revocable = true;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::delivered);
    for (std::uint32_t i = 0; i < kMaxReports; ++i)
        b.receipt(1, i % 2 == 0 ? ReceiptState::failed : ReceiptState::delivered);
    EXPECT_EQ(b.state.reports, kMaxReports);
}

TEST(CascadeClosed, FailureOfAnotherAttemptChangesNothing) {
    Bench b = waiting_in_step_two();
    b.receipt(2, ReceiptState::delivered);
    EXPECT_EQ(b.receipt(1, ReceiptState::failed).result, SignalResult::applied);
    EXPECT_EQ(b.state.reports, 1U);
}

TEST(CascadeClosed, LateAnswerTakesItsBufferedReceipt) {
    Bench b;
    b.start();
    b.give(CancelInput{.reason = "changed my mind"});
    EXPECT_EQ(b.receipt_by_id("id1", ReceiptState::delivered).result, SignalResult::buffered);
    const Decision d = b.accept(1, "id1");
    EXPECT_TRUE(d.report);
    EXPECT_EQ(b.state.outcome, Outcome::canceled);
    EXPECT_EQ(effective_outcome(b.state), Outcome::delivered);
}

} // namespace
} // namespace hc::core::test
