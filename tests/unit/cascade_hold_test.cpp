// Holds, pauses, windows and delayed starts of cascades: what waits, what goes on, and what is made up for.
#include "cascade_fixture.hpp"

namespace hc::core::test {
namespace {

Time at(std::string_view text) { return parse_iso8601(text).value(); }

Rule two_steps(std::optional<Duration> validity = {}) {
    Rule rule = make_rule();
    rule.validity = validity;
    return rule;
}

// ---- hold_cascade ----

TEST(CascadeHold, AHeldSendWaitsUntilItIsReleased) {
    Bench b;
    b.start();
    EXPECT_EQ(b.give(HoldInput{.reason = "fraud check"}).result, SignalResult::applied);
    EXPECT_EQ(b.give(HoldInput{}).result, SignalResult::duplicate);
    b.not_now(1); // a dispatcher found it
    ASSERT_EQ(b.tasks.size(), 1U);
    EXPECT_EQ(b.tasks.begin()->second.hold, TaskHold::cascade);
    EXPECT_EQ(b.tasks.begin()->second.due, kNever);
    b.now += 3600s;
    EXPECT_EQ(b.give(ReleaseInput{}).result, SignalResult::applied);
    ASSERT_EQ(b.tasks.size(), 1U);
    EXPECT_EQ(b.tasks.begin()->second.hold, TaskHold::none);
    EXPECT_EQ(b.tasks.begin()->second.due, b.now);
    EXPECT_EQ(b.give(ReleaseInput{}).result, SignalResult::duplicate);
    b.accept(1, "id1");
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(b.give(HoldInput{}).result, SignalResult::closed);
    EXPECT_EQ(b.give(ReleaseInput{}).result, SignalResult::closed);
}

TEST(CascadeHold, DeadlinesAreMovedByTheTimeHeld) {
    Bench b;
    b.start();
    b.accept(1, "id1"); // 60 s for the receipt
    b.now += 20s;
    b.give(HoldInput{});
    EXPECT_EQ(b.state.timer_task, 0U) << "nothing to wait for";
    b.now += 3600s;
    b.give(ReleaseInput{});
    EXPECT_EQ(b.state.timer_due, b.now + 40s);
    b.fire();
    EXPECT_EQ(b.state.step, 1);
}

TEST(CascadeHold, ValidityGoesOn) {
    Bench b(two_steps(300s));
    b.start();
    b.give(HoldInput{});
    EXPECT_EQ(b.state.timer_due, kStart + 300s);
    b.fire();
    EXPECT_EQ(b.state.outcome, Outcome::expired);
}

TEST(CascadeHold, ReceiptsAreTakenMeanwhile) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    b.give(HoldInput{});
    b.receipt(1, ReceiptState::undeliverable);
    EXPECT_EQ(b.state.step, 1) << "the next step has started";
    b.not_now(2);
    EXPECT_EQ(b.tasks.begin()->second.hold, TaskHold::cascade);
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered) << "late, and a success all the same";
    EXPECT_EQ(b.state.flags & kFlagDuplicateContact, 0U) << "the second send has not left";
}

TEST(CascadeHold, ASendUnderWayIsAnswered) {
    Bench b;
    b.start();
    b.give(HoldInput{});
    b.now += 10s;
    b.accept(1, "id1"); // it had left before
    EXPECT_EQ(b.state.timer_task, 0U);
    b.now += 100s;
    b.give(ReleaseInput{});
    EXPECT_EQ(b.state.timer_due, b.now + 60s) << "none of the time for the receipt is over";
}

TEST(CascadeHold, CancelOfAHeldCascadeIsCertain) {
    Bench b;
    b.start();
    b.give(HoldInput{});
    b.not_now(1);
    b.give(CancelInput{.reason = {}, .terminate = false, .claimed = false});
    EXPECT_EQ(b.state.outcome, Outcome::canceled);
    EXPECT_EQ(b.state.flags & kFlagContacted, 0U);
    EXPECT_TRUE(b.tasks.empty());
}

// ---- pauses of tenant, rule and provider ----

TEST(CascadePause, ASendIsPutAsideAndTakenAgain) {
    Bench b;
    b.start();
    b.pauses.push_back({.since = b.now, .until = {}, .provider = 0});
    b.not_now(1);
    ASSERT_EQ(b.tasks.size(), 1U);
    EXPECT_EQ(b.tasks.begin()->second.hold, TaskHold::pause);
    b.now += 3600s;
    b.pauses[0].until = b.now;
    b.accept(1, "id1"); // put back by the supervisor, sent
    EXPECT_EQ(b.state.timer_due, b.now + 60s);
}

TEST(CascadePause, ATimerThatIsDueMeanwhileIsMadeUpFor) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    b.now += 20s;
    b.pauses.push_back({.since = b.now, .until = {}, .provider = 0});
    b.fire(); // at 60 s
    EXPECT_EQ(b.state.step, 0);
    ASSERT_EQ(b.tasks.size(), 1U);
    EXPECT_EQ(b.tasks.begin()->second.hold, TaskHold::pause);
    b.now = kStart + 1000s;
    b.pauses[0].until = b.now;
    b.give(TimerInput{.task = b.state.timer_task}); // put back
    EXPECT_EQ(b.state.step, 0);
    EXPECT_EQ(b.state.timer_due, kStart + 1040s) << "40 of 60 s were left";
    b.fire();
    EXPECT_EQ(b.state.step, 1);
}

TEST(CascadePause, ATimerThatIsDueLaterIsMadeUpForWhenItFires) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    b.pauses.push_back({.since = kStart + 10s, .until = kStart + 40s, .provider = 0});
    b.fire();
    EXPECT_EQ(b.state.step, 0);
    EXPECT_EQ(b.state.timer_due, kStart + 90s);
    b.fire();
    EXPECT_EQ(b.state.step, 1);
    EXPECT_EQ(b.count(EventType::deadlines_extended), 1U) << "a pause counts once";
}

TEST(CascadePause, OverlappingPausesCountOnce) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    b.pauses = {{.since = kStart + 10s, .until = kStart + 30s, .provider = 0},
                {.since = kStart + 20s, .until = kStart + 40s, .provider = 0},
                {.since = kStart + 12s, .until = kStart + 14s, .provider = 0},
                {.since = kStart - 50s, .until = kStart - 5s, .provider = 0},
                {.since = kStart + 20s, .until = kStart + 50s, .provider = 9}};
    b.fire();
    EXPECT_EQ(b.state.timer_due, kStart + 90s);
}

TEST(CascadePause, ValidityFiresInAPause) {
    Bench b(two_steps(300s));
    b.start();
    b.accept(1, "id1");
    b.pauses.push_back({.since = b.now, .until = {}, .provider = 0});
    b.fire();
    EXPECT_EQ(b.tasks.begin()->second.hold, TaskHold::pause);
    EXPECT_EQ(b.tasks.begin()->second.due, kStart + 300s);
    b.fire();
    EXPECT_EQ(b.state.outcome, Outcome::expired);
}

TEST(CascadePause, OfAProviderHoldsTheDispatchDeadlineOfItsSends) {
    Rule rule = make_rule();
    rule.steps[0].dispatch_timeout = 30s;
    Bench b(rule);
    b.start();
    b.pauses.push_back({.since = b.now, .until = {}, .provider = 1});
    b.not_now(1);
    EXPECT_TRUE(b.state.timer_paused);
    b.pauses[0].until = b.now = kStart + 500s;
    b.give(TimerInput{.task = b.state.timer_task});
    EXPECT_EQ(b.state.timer_due, kStart + 530s);
    b.accept(1, "id1");
    b.pauses.push_back({.since = b.now, .until = {}, .provider = 1});
    b.fire();
    EXPECT_EQ(b.state.step, 1) << "the receipt of what was sent does not wait for the provider";
}

TEST(CascadePause, MaySendTellsWhatTheDecisionWill) {
    Bench b;
    b.start();
    const Program program{.rule = &b.rule, .providers = b.providers};
    const auto may = [&] { return may_send(program, b.state, b.attempt(1), b.now, b.around(0.5)); };
    EXPECT_TRUE(may());
    b.pauses = {{.since = b.now, .until = {}, .provider = 2}};
    EXPECT_TRUE(may()) << "another provider";
    b.pauses[0].provider = 1;
    EXPECT_FALSE(may());
    b.pauses[0].until = b.now;
    EXPECT_TRUE(may());
    b.give(HoldInput{});
    EXPECT_FALSE(may());
}

// ---- windows ----

Rule windowed(OutsideWindow outside, std::optional<Duration> validity = {}) { // 08:00 to 09:00; it is 07:40:37
    Rule rule = two_steps(validity);
    rule.steps[0].window = SendWindow{.from = 480, .to = 540, .outside = outside};
    return rule;
}

TEST(CascadeWindow, ASendWaitsForTheOpening) {
    Bench b(windowed(OutsideWindow::hold));
    b.start();
    EXPECT_EQ(b.attempt(1).due, at("2026-11-21T08:00:00Z"));
    b.now = at("2026-11-21T09:00:00Z"); // a backlog
    b.not_now(1);
    EXPECT_EQ(b.attempt(1).due, at("2026-11-22T08:00:00Z"));
    EXPECT_EQ(b.newest(EventType::send_deferred).reason, "refused");
}

TEST(CascadeWindow, IsThatOfTheRecipientsZone) {
    Bench b(windowed(OutsideWindow::hold));
    b.zone = [](Time) { return 3600; };
    b.give(StartInput{.priority = {}, .send_at = {}, .time_zone = "Europe/Berlin"});
    EXPECT_EQ(b.state.time_zone, "Europe/Berlin");
    EXPECT_EQ(b.attempt(1).due, kStart) << "08:40 there";
}

TEST(CascadeWindow, SkipsTheStepOutside) {
    Bench b(windowed(OutsideWindow::skip));
    b.start();
    EXPECT_EQ(b.state.step, 1);
    EXPECT_EQ(b.newest(EventType::step_skipped).reason, "outside_window");
    EXPECT_EQ(b.attempt(1).due, kStart);
}

TEST(CascadeWindow, SkipsTheStepThatCouldNotStartBeforeTheEnd) {
    Bench b(windowed(OutsideWindow::hold, 600s));
    b.start();
    EXPECT_EQ(b.state.step, 1);
}

TEST(CascadeWindow, OnlyTheTimeInItCounts) {
    Rule rule = windowed(OutsideWindow::hold);
    rule.steps[0].timeout = 3600s;
    Bench b(rule);
    b.start();
    b.now = at("2026-11-21T08:30:00Z");
    b.accept(1, "id1");
    EXPECT_EQ(b.receipt_deadline(), at("2026-11-22T08:30:00Z"));
}

TEST(CascadeWindow, ASoftFailureIsRetriedInIt) {
    Bench b(windowed(OutsideWindow::hold));
    b.start();
    b.now = at("2026-11-21T08:59:59.5Z");
    b.answer(1, SendVerdict::retry_same); // in a second
    EXPECT_EQ(b.attempt(1).due, at("2026-11-22T08:00:00Z"));
}

// ---- send_at ----

TEST(CascadeSendAt, TheFirstStepStartsThen) {
    Bench b(two_steps(300s));
    b.give(StartInput{.priority = {}, .send_at = kStart + 3600s, .time_zone = {}});
    EXPECT_TRUE(b.state.attempts.empty());
    EXPECT_EQ(b.state.timer_due, kStart + 3600s);
    EXPECT_EQ(b.state.expires, kStart + 3900s) << "counted from the start of sending";
    b.fire();
    EXPECT_EQ(b.state.attempts.size(), 1U);
    EXPECT_FALSE(b.state.starts_at);
}

TEST(CascadeSendAt, InThePastIsNow) {
    Bench b;
    b.give(StartInput{.priority = {}, .send_at = kStart - 1s, .time_zone = {}});
    EXPECT_EQ(b.state.attempts.size(), 1U);
}

TEST(CascadeSendAt, ACancelBeforeItIsCertain) {
    Bench b;
    b.give(StartInput{.priority = {}, .send_at = kStart + 3600s, .time_zone = {}});
    b.give(CancelInput{});
    EXPECT_EQ(b.state.outcome, Outcome::canceled);
    EXPECT_EQ(b.state.flags & kFlagContacted, 0U);
}

TEST(CascadeSendAt, WaitsWhileHeld) {
    Bench b;
    b.give(StartInput{.priority = {}, .send_at = kStart + 60s, .time_zone = {}});
    b.give(HoldInput{});
    EXPECT_EQ(b.state.timer_task, 0U);
    b.now += 3600s;
    b.give(ReleaseInput{});
    EXPECT_EQ(b.state.attempts.size(), 1U) << "its time has come meanwhile";
}

} // namespace
} // namespace hc::core::test
