// Parallel steps, conditions, skipped steps and reports about steps.
#include "cascade_fixture.hpp"

#include "core/error.hpp"
#include "core/report.hpp"

namespace hc::core::test {
namespace {

// email and sms at once, then push.
Rule parallel_rule(GroupMode mode) {
    Rule rule;
    rule.steps = {make_step("email"), make_step("sms"), make_step("push")};
    rule.steps[1].joins = true;
    rule.steps[0].mode = rule.steps[1].mode = mode;
    return rule;
}
std::vector<std::vector<ProviderRef>> three_providers() { return {{{.id = 1}}, {{.id = 2}}, {{.id = 3}}}; }

Bench parallel(GroupMode mode) {
    Bench b(parallel_rule(mode), three_providers());
    b.start();
    return b;
}

TEST(CascadeGroup, StartsItsStepsAtOnce) {
    const Bench b = parallel(GroupMode::any);
    ASSERT_EQ(b.state.attempts.size(), 2U);
    EXPECT_EQ(b.attempt(1).due, kStart);
    EXPECT_EQ(b.attempt(2).due, kStart);
    EXPECT_EQ(b.state.branches.size(), 2U);
    EXPECT_EQ(b.tasks.size(), 2U);
}

TEST(CascadeGroup, AnyTheFirstSuccessTakesBackWhatHasNotLeft) {
    Bench b = parallel(GroupMode::any);
    b.accept(1, "id1");
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(b.state.outcome_attempt, 1);
    EXPECT_TRUE(b.tasks.empty());
    EXPECT_NE(b.state.flags & kFlagDuplicateContact, 0U) << "the other may be under way";
}

TEST(CascadeGroup, AnyOneFailureLeavesTheOther) {
    Bench b = parallel(GroupMode::any);
    b.answer(1, SendVerdict::next_channel);
    EXPECT_FALSE(b.state.closed_p());
    EXPECT_EQ(b.state.attempts.size(), 2U) << "push has not started";
    b.accept(2, "id2");
    b.receipt(2, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(b.state.flags & kFlagDuplicateContact, 0U);
}

TEST(CascadeGroup, TheNextElementStartsWhenAllHaveFailed) {
    for (const GroupMode mode : {GroupMode::any, GroupMode::all}) {
        Bench b = parallel(mode);
        b.answer(2, SendVerdict::next_channel);
        b.accept(1, "id1");
        b.fire(); // receipt timeout of the first
        EXPECT_EQ(b.state.step, 2);
        ASSERT_EQ(b.state.attempts.size(), 3U);
        EXPECT_EQ(b.attempt(3).step, 2);
    }
}

TEST(CascadeGroup, TimersAreOnesOwn) {
    Rule rule = parallel_rule(GroupMode::any);
    rule.steps[0].timeout = 10s;
    rule.steps[1].timeout = 100s;
    Bench b(rule, three_providers());
    b.start();
    b.accept(1, "id1");
    b.accept(2, "id2");
    EXPECT_EQ(b.state.timer_due, kStart + 10s);
    b.fire();
    EXPECT_TRUE(find_branch(b.state, 0)->over);
    EXPECT_EQ(b.state.timer_due, kStart + 100s);
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered) << "late, but of the element under way";
}

TEST(CascadeGroup, AllMustSucceed) {
    Bench b = parallel(GroupMode::all);
    b.accept(1, "id1");
    b.accept(2, "id2");
    b.receipt(2, ReceiptState::delivered);
    EXPECT_FALSE(b.state.closed_p());
    EXPECT_EQ(b.newest(EventType::step_succeeded).step, 1);
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(b.state.flags & kFlagDuplicateContact, 0U) << "both were asked for";
}

TEST(CascadeGroup, AllOneFailureFailsTheElementInTheEnd) {
    Bench b = parallel(GroupMode::all);
    b.accept(1, "id1");
    b.receipt(1, ReceiptState::delivered);
    b.accept(2, "id2");
    b.receipt(2, ReceiptState::undeliverable);
    EXPECT_EQ(b.state.step, 2);
    b.receipt(2, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered) << "now both have succeeded, late";
}

TEST(CascadeGroup, AllIsCorrectedWhenTheMissingOneComes) {
    Bench b = parallel(GroupMode::all);
    b.accept(1, "id1");
    b.receipt(1, ReceiptState::delivered);
    b.accept(2, "id2");
    b.receipt(2, ReceiptState::undeliverable);
    b.answer(3, SendVerdict::next_channel);
    EXPECT_EQ(b.state.outcome, Outcome::exhausted);
    EXPECT_EQ(b.receipt(2, ReceiptState::delivered).result, SignalResult::corrected);
    EXPECT_EQ(effective_outcome(b.state), Outcome::delivered);
}

TEST(CascadeGroup, ASoftFailureIsRetriedBesideTheOther) {
    Bench b = parallel(GroupMode::any);
    b.accept(1, "id1");
    b.receipt(1, ReceiptState::failed);
    ASSERT_EQ(b.state.attempts.size(), 3U);
    EXPECT_EQ(b.attempt(3).step, 0);
    EXPECT_EQ(b.attempt(2).phase, AttemptPhase::queued);
    EXPECT_EQ(b.tasks.size(), 2U);
    b.answer(3, SendVerdict::next_channel);
    EXPECT_TRUE(find_branch(b.state, 0)->over);
}

TEST(CascadeGroup, CancelTakesBackBoth) {
    Bench b = parallel(GroupMode::any);
    b.give(CancelInput{.reason = {}, .terminate = false, .claimed = false});
    EXPECT_TRUE(b.tasks.empty());
    EXPECT_EQ(b.state.flags & kFlagContacted, 0U);
}

TEST(CascadeGroup, IsReadFromTheRule) {
    const Rule rule = parse_rule(R"({"steps": [
        {"channel": "email"},
        {"parallel": [{"channel": "sms"}, {"channel": "push"}], "mode": "all"},
        {"parallel": [{"channel": "voice"}]}]})");
    ASSERT_EQ(rule.steps.size(), 4U);
    EXPECT_EQ(group_of(rule, 0).end, 1U);
    EXPECT_EQ(group_of(rule, 2).first, 1U);
    EXPECT_EQ(group_of(rule, 1).end, 3U);
    EXPECT_EQ(group_of(rule, 3).first, 3U);
    EXPECT_EQ(rule.steps[2].mode, GroupMode::all);
    for (const char *bad : {R"({"parallel": []})", R"({"parallel": [{"channel": "sms"}], "timeout": "1s"})",
                            R"({"parallel": [{"channel": "sms"}], "mode": "first"})",
                            R"({"parallel": [{"parallel": [{"channel": "sms"}]}]})", R"({"parallel": {}})"})
        EXPECT_THROW(parse_rule(R"({"steps": [)" + std::string(bad) + "]}"), Error) << bad;
    std::string many;
    for (int i = 0; i < 17; ++i)
        many += std::string(i > 0 ? "," : "") + R"({"parallel": [{"channel": "a"}, {"channel": "b"}]})";
    EXPECT_THROW(parse_rule(R"({"steps": [)" + many + "]}"), Error) << "34 steps";
}

// ---- conditions ----

Rule conditional_rule() {
    Rule rule = make_rule();
    rule.steps[0].condition = "message ? 'email'";
    rule.steps[0].dispatch_timeout = 30s;
    return rule;
}

TEST(CascadeCondition, IsAskedBeforeTheStep) {
    Bench b(conditional_rule());
    b.start();
    EXPECT_TRUE(b.state.attempts.empty());
    EXPECT_EQ(b.tasks.size(), 2U) << "the condition, and the timer of the dispatch timeout";
    b.condition(ConditionVerdict::yes);
    ASSERT_EQ(b.state.attempts.size(), 1U);
    EXPECT_EQ(b.attempt(1).step, 0);
}

TEST(CascadeCondition, NoAndFailureSkipTheStep) {
    for (const ConditionVerdict verdict : {ConditionVerdict::no, ConditionVerdict::failed}) {
        Bench b(conditional_rule());
        b.start();
        b.condition(verdict);
        EXPECT_EQ(b.state.step, 1);
        EXPECT_EQ(b.newest(EventType::step_skipped).step, 0);
        EXPECT_EQ(b.attempt(1).step, 1);
    }
}

TEST(CascadeCondition, IsNotWaitedForBeyondTheDispatchTimeout) {
    Bench b(conditional_rule());
    b.start();
    const std::uint32_t task = b.state.branches[0].condition_task;
    b.fire();
    EXPECT_EQ(b.state.step, 1);
    EXPECT_EQ(b.give(ConditionAnswer{.task = task, .verdict = ConditionVerdict::yes, .reason = {}}).result,
              SignalResult::ignored);
}

TEST(CascadeCondition, OfTheLastStepEndsTheCascade) {
    Bench b(conditional_rule());
    b.rule.steps.pop_back();
    b.providers.pop_back();
    b.start();
    b.condition(ConditionVerdict::no);
    EXPECT_EQ(b.state.outcome, Outcome::exhausted);
    EXPECT_EQ(b.newest(EventType::step_skipped).reason, "condition");
}

// ---- skipped at the claim ----

TEST(CascadeSkip, NothingIsSentAndTheNextStepStarts) {
    Bench b;
    b.start();
    SendAnswer in;
    in.attempt = 1;
    in.verdict = SendVerdict::skip;
    in.reason = "suppressed";
    b.give(in);
    EXPECT_EQ(b.state.step, 1);
    EXPECT_FALSE(b.attempt(1).contact);
    EXPECT_EQ(b.attempt(1).receipt.state, ReceiptState::canceled);
    EXPECT_EQ(b.newest(EventType::step_skipped).reason, "suppressed");
}

// "Skipped" says that nothing of the step was sent.
TEST(CascadeSkip, AStepOfWhichAnAttemptHasLeftHasFailed) {
    Bench b;
    b.start();
    b.accept(1, "id1");
    b.receipt(1, ReceiptState::failed, FailureKind::soft); // another attempt of step 1
    ASSERT_EQ(b.state.attempts.size(), 2U);
    ASSERT_EQ(b.attempt(2).step, 0);
    b.answer(2, SendVerdict::skip);
    EXPECT_EQ(b.count(EventType::step_skipped), 0U);
    EXPECT_EQ(b.newest(EventType::step_failed).reason, "refused");
    EXPECT_EQ(b.state.step, 1);
    EXPECT_TRUE(b.attempt(1).taken);
    EXPECT_FALSE(b.attempt(2).taken);
}

TEST(CascadeSkip, ARefusedAttemptBeforeItHasNotLeft) {
    Bench b;
    b.start();
    b.answer(1, SendVerdict::next_provider);
    b.answer(2, SendVerdict::skip);
    EXPECT_EQ(b.newest(EventType::step_skipped).step, 0);
    EXPECT_FALSE(b.attempt(1).taken);
}

TEST(CascadeSkip, ARepetitionOfAnAmbiguousSend) {
    Rule rule = make_rule();
    rule.steps[0].on_ambiguous = OnAmbiguous::retry;
    Bench b(rule);
    b.start();
    b.answer(1, SendVerdict::ambiguous);
    ASSERT_EQ(b.attempt(1).sends, 2);
    EXPECT_TRUE(b.attempt(1).taken);
    b.answer(1, SendVerdict::skip);
    EXPECT_EQ(b.count(EventType::step_skipped), 0U);
    EXPECT_EQ(b.state.step, 1);
    EXPECT_TRUE(b.attempt(1).contact) << "the first request may have been taken";
    b.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

TEST(CascadeRefusal, APartThatWasTakenIsAContact) {
    Bench b;
    b.start();
    SendAnswer in;
    in.attempt = 1;
    in.verdict = SendVerdict::next_channel;
    in.partly_taken = true;
    b.give(in);
    EXPECT_TRUE(b.attempt(1).contact);
}

// ---- reports about steps ----

TEST(StepReports, ComeOnlyWhenTheRuleAsks) {
    Bench plain = waiting_in_step_two();
    EXPECT_EQ(plain.state.reports, 0U);
    Rule rule = make_rule();
    rule.webhook_events = {"message.step_failed", "message.delivered"};
    Bench b(rule);
    b.start();
    b.accept(1, "id1");
    const Decision d = b.fire();
    ASSERT_EQ(d.step_reports.size(), 1U);
    EXPECT_FALSE(d.report);
    const State &at = d.step_reports[0];
    EXPECT_EQ(report_type(at), "message.step_failed");
    EXPECT_EQ(reported_step(at), 0);
    EXPECT_EQ(reported_attempt(at)->number, 1);
    b.accept(2, "id2");
    b.receipt(2, ReceiptState::delivered);
    EXPECT_EQ(b.state.reports, 2U);
    EXPECT_EQ(report_type(b.state), "message.delivered");
    const std::vector<State> again = states_at_reports(b.history);
    ASSERT_EQ(again.size(), 2U);
    EXPECT_EQ(again[0], at) << "made again from the history";
    EXPECT_EQ(again[1], b.state);
}

TEST(StepReports, TellOfSkippedSteps) {
    Rule rule = make_rule();
    rule.webhook_events = {"message.step_skipped"};
    rule.steps[0].condition = "false";
    Bench b(rule);
    b.start();
    const Decision d = b.condition(ConditionVerdict::no);
    ASSERT_EQ(d.step_reports.size(), 1U);
    const std::string json =
        report_json(d.step_reports[0],
                    ReportFacts{.id = {}, .tenant = {}, .key = {}, .rule = "r", .channel = "email", .provider = {}});
    EXPECT_NE(json.find(R"("type":"message.step_skipped")"), std::string::npos) << json;
    EXPECT_NE(json.find(R"("step":1,"attempt":null)"), std::string::npos) << json;
    EXPECT_NE(json.find(R"("reason":"condition")"), std::string::npos) << json;
    EXPECT_NE(json.find(R"("outcome":null)"), std::string::npos) << json;
}

} // namespace
} // namespace hc::core::test
