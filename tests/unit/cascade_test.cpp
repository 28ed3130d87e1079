// The sharp cases of cascades by name: steps, success, failures, deadlines, cancellation, limits.
#include "cascade_fixture.hpp"

#include "core/error.hpp"

#include <functional>

namespace hc::core::test {
namespace {

std::string sqlstate_of(const std::function<void()> &what) {
    try {
        what();
    } catch (const Error &e) {
        return e.sqlstate();
    }
    return "";
}

// ---- the way through ----

TEST(Cascade, StartSchedulesTheFirstProvider) {
    Bench b;
    const Decision d = b.start();
    ASSERT_EQ(d.puts.size(), 1U);
    EXPECT_EQ(d.puts[0].kind, TaskKind::send);
    EXPECT_EQ(d.puts[0].attempt, 1);
    EXPECT_EQ(d.puts[0].provider, 1);
    EXPECT_EQ(d.puts[0].due, kStart);
    EXPECT_EQ(b.state.timer_task, 0U) << "nothing is awaited yet";
}

TEST(Cascade, DeliveredReceiptCompletes) {
    Bench b;
    b.start();
    b.now += 100ms;
    b.accept(1, "id1");
    EXPECT_EQ(b.receipt_deadline(), kStart + 100ms + 60s);
    const Decision d = b.receipt_by_id("id1", ReceiptState::delivered);
    EXPECT_EQ(d.result, SignalResult::applied);
    EXPECT_TRUE(d.completed && d.report);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(deciding_attempt(b.state), &b.state.attempts[0]);
    EXPECT_EQ(report_type(b.state), "message.delivered");
    EXPECT_EQ(b.newest(EventType::cascade_completed).state, ReceiptState::delivered);
    EXPECT_EQ(b.state.flags, 0U);
    EXPECT_EQ(b.history.size(), 7U);
    EXPECT_LT(b.bytes.size(), 110U);
}

TEST(Cascade, TimeoutFallsOverAndTheLastOneExhausts) {
    Bench b = waiting_in_step_two();
    EXPECT_EQ(b.newest(EventType::step_failed).reason, "receipt timeout");
    EXPECT_EQ(b.state.step, 1);
    const Decision d = b.fire();
    EXPECT_TRUE(d.completed);
    EXPECT_EQ(b.state.outcome, Outcome::exhausted);
    EXPECT_EQ(deciding_attempt(b.state), nullptr);
    EXPECT_EQ(report_type(b.state), "message.failed");
}

TEST(Cascade, StepsWithoutProviderAreSkipped) {
    Bench b;
    b.providers = {{}, {{.id = 3, .idempotent = false}}};
    b.start();
    EXPECT_EQ(b.newest(EventType::step_failed).reason, "no provider");
    EXPECT_EQ(b.attempt(1).step, 1);
    EXPECT_EQ(b.attempt(1).provider, 3);
}

TEST(Cascade, NoProviderAtAllExhaustsAtOnce) {
    Bench b;
    b.providers = {};
    const Decision d = b.start();
    EXPECT_TRUE(d.completed && d.report);
    EXPECT_EQ(b.state.outcome, Outcome::exhausted);
    EXPECT_TRUE(d.puts.empty());
}

TEST(Cascade, SecondStartIsIgnored) {
    Bench b;
    b.start();
    EXPECT_EQ(b.start().result, SignalResult::ignored);
    EXPECT_EQ(b.count(EventType::cascade_started), 1U);
}

TEST(Cascade, EventsNeverGoBackInTime) {
    Bench b;
    b.start();
    b.now = kStart - 1h;
    const Program program{.rule = &b.rule, .providers = b.providers};
    const Decision d = decide(program, b.state, CancelInput{}, b.now, {.random01 = 0.5});
    for (const HistoryEvent &e : d.events)
        EXPECT_EQ(e.time, kStart);
}

// ---- success thresholds ----

TEST(CascadeSuccess, AcceptedNeedsNoReceipt) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::accepted;
    b.start();
    const Decision d = b.accept(1, "id1");
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_FALSE(b.newest(EventType::send_completed).due);
    EXPECT_TRUE(d.puts.empty());
}

TEST(CascadeSuccess, DeferredAndUnknownAreNotSent) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::sent;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::deferred);
    EXPECT_FALSE(b.state.closed_p());
    b.receipt(1, ReceiptState::unknown);
    EXPECT_FALSE(b.state.closed_p());
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

TEST(CascadeSuccess, SentIsEnoughWhenAskedFor) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::sent;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::sent);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

TEST(CascadeSuccess, DeliveredIsNotRead) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::read;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::delivered);
    EXPECT_FALSE(b.state.closed_p());
    b.receipt(1, ReceiptState::read);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

TEST(CascadeSuccess, AcceptedThresholdIsNotMetByAnAmbiguousAnswer) {
    Bench b;
    b.rule.steps[0].success_on = SuccessOn::accepted;
    b.start();
    b.answer(1, SendVerdict::ambiguous);
    EXPECT_FALSE(b.state.closed_p());
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::ambiguous);
    b.receipt(1, ReceiptState::deferred); // proves that it was taken
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

TEST(CascadeSuccess, UnknownActsAsTheRuleSays) {
    for (const OnUnknown mode : {OnUnknown::wait, OnUnknown::success, OnUnknown::failure}) {
        Bench b;
        b.rule.steps[0].on_unknown = mode;
        b.start();
        b.accept(1);
        b.receipt(1, ReceiptState::unknown);
        EXPECT_EQ(b.state.closed_p(), mode == OnUnknown::success);
        EXPECT_EQ(b.state.attempts.size(), mode == OnUnknown::failure ? 2U : 1U) << "a soft failure is retried";
        if (mode == OnUnknown::wait) {
            EXPECT_EQ(b.state.timer_due, kStart + 60s) << "the timer goes on";
        }
    }
}

// ---- failures (R7) ----

TEST(CascadeFailure, FailedReceiptIsNotDelivered) {
    Bench b;
    b.rule.steps.resize(1);
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::undeliverable);
    EXPECT_EQ(b.state.outcome, Outcome::exhausted);
    EXPECT_EQ(b.newest(EventType::step_failed).reason, "undeliverable");
}

TEST(CascadeFailure, SoftRetriesThenNextProviderThenNextStep) {
    Bench b;
    b.start();
    b.accept(1);
    const Decision first = b.receipt(1, ReceiptState::failed);
    ASSERT_EQ(b.state.attempts.size(), 2U);
    EXPECT_EQ(b.attempt(2).provider, 1);
    EXPECT_EQ(b.attempt(2).due, kStart + 1s) << "after the back-off";
    EXPECT_EQ(first.drops.size(), 1U) << "the receipt timer of the attempt before it";
    b.now = kStart + 1s;
    b.accept(2);
    b.receipt(2, ReceiptState::expired);
    ASSERT_EQ(b.state.attempts.size(), 3U);
    EXPECT_EQ(b.attempt(3).provider, 2) << "two sends at the first provider are used up";
    EXPECT_EQ(b.attempt(3).due, b.now);
    b.accept(3);
    b.receipt(3, ReceiptState::failed);
    b.now += 1s;
    b.accept(4);
    b.receipt(4, ReceiptState::failed);
    EXPECT_EQ(b.state.step, 1);
    EXPECT_EQ(b.attempt(5).provider, 3);
}

TEST(CascadeFailure, WaitingForARetryOutlivesTheOldReceiptDeadline) {
    Bench b;
    b.rule.steps[0].retry.initial_interval = 10min;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::failed);
    EXPECT_FALSE(b.receipt_deadline());
    EXPECT_EQ(b.state.timer_task, 0U);
    EXPECT_EQ(b.attempt(2).due, kStart + 10min);
}

TEST(CascadeFailure, HardAndPolicyGoToTheNextStepAtOnce) {
    for (const FailureKind kind : {FailureKind::hard, FailureKind::policy}) {
        Bench b;
        b.start();
        b.accept(1);
        b.receipt(1, ReceiptState::failed, kind);
        EXPECT_EQ(b.state.step, 1);
        EXPECT_EQ(b.attempt(2).provider, 3);
        EXPECT_EQ(b.attempt(1).phase, AttemptPhase::over);
    }
}

TEST(CascadeFailure, ConfigGoesToTheNextProviderWithoutRetry) {
    Bench b;
    b.start();
    b.accept(1);
    b.receipt(1, ReceiptState::rejected, FailureKind::config);
    EXPECT_EQ(b.attempt(2).provider, 2);
    EXPECT_EQ(b.attempt(2).due, b.now);
}

TEST(CascadeFailure, NonRetryableReasonSkipsTheRetry) {
    Bench b;
    b.rule.steps[0].retry.non_retryable = {"30003"};
    b.start();
    b.accept(1);
    ReceiptInput in;
    in.attempt = 1;
    in.facts.state = ReceiptState::failed;
    in.hash = 9;
    in.reason = "30003";
    b.give(in);
    EXPECT_EQ(b.attempt(2).provider, 2);
    EXPECT_EQ(b.attempt(1).reason, "30003");
}

TEST(CascadeFailure, AProviderListThatChangedNeverTriesOneTwice) {
    Bench b;
    b.start();
    b.providers[0] = {{.id = 7, .idempotent = false}}; // provider 1 has vanished
    b.answer(1, SendVerdict::next_provider);
    EXPECT_EQ(b.attempt(2).provider, 7);
    b.providers[0] = {{.id = 7, .idempotent = false, .position = 1}, {.id = 1, .idempotent = false, .position = 2}};
    b.answer(2, SendVerdict::next_provider);
    EXPECT_EQ(b.attempt(3).provider, 3) << "provider 1 had its turn";
}

// ---- deadlines ----

TEST(CascadeTimer, ValidityEndsTheCascade) {
    Bench b;
    b.rule.validity = 30s;
    b.start();
    EXPECT_EQ(b.state.timer_due, kStart + 30s);
    b.accept(1);
    EXPECT_EQ(b.state.timer_due, kStart + 30s) << "earlier than the receipt deadline";
    b.fire();
    EXPECT_EQ(b.state.outcome, Outcome::expired);
    EXPECT_EQ(b.state.flags, kFlagContacted);
    EXPECT_EQ(report_type(b.state), "message.expired");
}

TEST(CascadeTimer, NoStepStartsAfterTheValidity) {
    Bench b;
    b.rule.validity = 30s;
    b.start();
    b.now += 31s; // the timer has not been carried out yet
    b.answer(1, SendVerdict::next_channel);
    EXPECT_EQ(b.state.outcome, Outcome::expired);
    EXPECT_EQ(b.count(EventType::step_started), 1U);
    EXPECT_EQ(b.state.flags, 0U) << "the only send was refused";
}

TEST(CascadeTimer, NoAttemptStartsAfterTheValidity) {
    Bench b;
    b.rule.validity = 30s;
    b.start();
    b.now += 31s;
    b.answer(1, SendVerdict::next_provider);
    EXPECT_EQ(b.state.outcome, Outcome::expired);
    EXPECT_EQ(b.state.attempts.size(), 1U);
}

TEST(CascadeTimer, DispatchTimeoutCoversOnlyUnansweredSends) {
    Bench b;
    b.rule.steps[0].dispatch_timeout = 5s;
    b.start();
    EXPECT_EQ(b.state.timer_due, kStart + 5s);
    b.accept(1);
    EXPECT_EQ(b.state.timer_due, kStart + 60s);
}

TEST(CascadeTimer, RetryNeverPassesTheDispatchTimeout) {
    Bench b;
    b.rule.steps[0].dispatch_timeout = 500ms;
    b.start();
    b.answer(1, SendVerdict::retry_same); // would be due after 1 s
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::over);
    EXPECT_EQ(b.attempt(2).provider, 2);
}

TEST(CascadeTimer, NoFurtherAttemptAfterTheDispatchTimeout) {
    Bench b;
    b.rule.steps[0].dispatch_timeout = 5s;
    b.start();
    b.accept(1);
    b.now += 6s;
    b.receipt(1, ReceiptState::failed);
    EXPECT_EQ(b.newest(EventType::step_failed).reason, "dispatch timeout");
    EXPECT_EQ(b.attempt(2).step, 1);
}

TEST(CascadeTimer, EarlyFiringIsArmedAgain) {
    Bench b;
    b.start();
    b.accept(1);
    const std::uint32_t first = b.state.timer_task;
    const Decision d = b.give(TimerInput{.task = first});
    EXPECT_EQ(d.result, SignalResult::applied);
    EXPECT_EQ(d.drops, std::vector<std::uint32_t>{first});
    EXPECT_NE(b.state.timer_task, first);
    EXPECT_EQ(b.state.timer_due, kStart + 60s);
}

TEST(CascadeTimer, StaleTimerIsIgnoredAndDropped) {
    Bench b;
    b.start();
    b.accept(1);
    const std::uint32_t first = b.state.timer_task;
    b.give(TimerInput{.task = first});
    const Decision d = b.give(TimerInput{.task = first});
    EXPECT_EQ(d.result, SignalResult::ignored);
    EXPECT_TRUE(d.events.empty());
    EXPECT_EQ(d.drops, std::vector<std::uint32_t>{first});
    EXPECT_EQ(b.give(TimerInput{.task = 0}).result, SignalResult::ignored);
}

// ---- cancellation ----

TEST(CascadeCancel, BeforeTheSendIsDueNobodyIsContacted) {
    Bench b;
    b.rule.steps[0].retry.initial_interval = 1h;
    b.start();
    b.answer(1, SendVerdict::retry_same);
    const Decision d = b.give(CancelInput{.reason = "stop"});
    EXPECT_EQ(d.result, SignalResult::applied);
    EXPECT_EQ(d.drops.size(), 1U);
    EXPECT_EQ(b.state.outcome, Outcome::canceled);
    EXPECT_EQ(b.state.flags, 0U);
    EXPECT_EQ(b.newest(EventType::cancel_requested).reason, "stop");
    EXPECT_EQ(report_type(b.state), "message.canceled");
}

TEST(CascadeCancel, AfterTheSendMayHaveLeftItIsContacted) {
    Bench queued;
    queued.start();
    queued.give(CancelInput{});
    EXPECT_EQ(queued.state.flags, kFlagContacted);
    Bench answered;
    answered.start();
    answered.accept(1);
    answered.give(CancelInput{.reason = {}, .terminate = true});
    EXPECT_EQ(answered.state.flags, kFlagContacted | kFlagTerminated);
    EXPECT_EQ(answered.count(EventType::terminated), 1U);
}

TEST(CascadeCancel, ClosedStaysClosed) {
    Bench b;
    b.start();
    b.give(CancelInput{});
    const Decision d = b.give(CancelInput{});
    EXPECT_EQ(d.result, SignalResult::closed);
    EXPECT_TRUE(d.events.empty());
}

// ---- signals, parked receipts, limits ----

TEST(CascadeSignal, IsRecordedAndIgnoredOnceEach) {
    Bench b;
    b.start();
    EXPECT_EQ(b.give(SignalInput{.name = "opened", .payload = "{}", .hash = 5}).result, SignalResult::ignored);
    EXPECT_EQ(b.give(SignalInput{.name = "opened", .payload = "{}", .hash = 5}).result, SignalResult::duplicate);
    EXPECT_EQ(b.count(EventType::signal_received), 2U);
    b.give(CancelInput{});
    EXPECT_EQ(b.give(SignalInput{.name = "opened", .payload = "{}", .hash = 6}).result, SignalResult::closed);
}

TEST(CascadeSignal, TextsAreCut) {
    Bench b;
    b.start();
    b.give(SignalInput{.name = std::string(999, 'n'), .payload = std::string(255, ' ') + "\xC3\xA4", .hash = 5});
    EXPECT_EQ(b.newest(EventType::signal_received).text.size(), kMaxTextBytes);
    EXPECT_EQ(b.newest(EventType::signal_received).reason.size(), 255U);
    b.give(ParkInput{.raw = std::string(9999, ' '), .hash = 6});
    EXPECT_EQ(b.newest(EventType::receipt_parked).text.size(), kMaxParkedBytes);
}

TEST(CascadeSignal, LongProviderIdsStillMatch) {
    Bench b;
    b.start();
    const std::string id(1000, 'i');
    b.accept(1, id);
    EXPECT_EQ(b.receipt_by_id(id, ReceiptState::delivered).result, SignalResult::applied);
}

TEST(CascadeSignal, TooManyAreAnErrorThatChangesNothing) {
    Bench b;
    b.start();
    const Program program{.rule = &b.rule, .providers = b.providers};
    std::uint64_t hash = 0;
    const auto signal = [&] {
        decide(program, b.state, SignalInput{.name = "s", .payload = "", .hash = ++hash}, b.now, {.random01 = 0.5});
    };
    while (b.state.events < kMaxHistoryEvents)
        signal();
    const State before = b.state;
    EXPECT_EQ(sqlstate_of(signal), "WF003");
    EXPECT_EQ(b.state, before);
    const SignalInput known{.name = "s", .payload = "", .hash = 1};
    EXPECT_EQ(decide(program, b.state, known, b.now, {.random01 = 0.5}).result, SignalResult::duplicate);
    EXPECT_EQ(b.state, before);
    decide(program, b.state, CancelInput{}, b.now, {.random01 = 0.5});
    EXPECT_EQ(b.state.outcome, Outcome::canceled) << "verbs still work";
}

TEST(CascadeParked, IsRecordedOpenAndClosed) {
    Bench b;
    b.start();
    EXPECT_EQ(b.give(ParkInput{.raw = "?", .hash = 1}).result, SignalResult::parked);
    EXPECT_EQ(b.give(ParkInput{.raw = "?", .hash = 1}).result, SignalResult::duplicate);
    b.give(CancelInput{});
    EXPECT_EQ(b.give(ParkInput{.raw = "!", .hash = 2}).result, SignalResult::parked);
    EXPECT_EQ(b.count(EventType::receipt_parked), 2U);
}

// ---- states that no cascade can have ----

TEST(CascadeCorrupt, IsRefused) {
    Bench b;
    EXPECT_EQ(sqlstate_of([&b] { b.give(CancelInput{}); }), "WF004") << "input before the start";
    b.start();
    b.accept(1);
    b.rule.steps.clear();
    EXPECT_EQ(sqlstate_of([&b] { b.receipt(1, ReceiptState::delivered); }), "WF004") << "another rule";
    HistoryEvent e;
    e.type = EventType::send_completed;
    e.attempt = 1;
    EXPECT_EQ(sqlstate_of([&e] { replay(std::span(&e, 1)); }), "WF004") << "answer without attempt";
}

} // namespace
} // namespace hc::core::test
