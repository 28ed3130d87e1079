// Dry runs: the course of a cascade by a script.
#include "cascade_fixture.hpp"

#include "core/dry_run.hpp"
#include "core/error.hpp"

namespace hc::core::test {
namespace {

State run(const Rule &rule, std::string_view script, std::vector<HistoryEvent> *events = nullptr) {
    const Program program{.rule = &rule, .providers = {{{.id = 1}}, {{.id = 2}}}};
    const std::vector<HistoryEvent> history = dry_run(program, parse_dry_run_script(script), {}, kStart, {});
    if (events != nullptr)
        *events = history;
    return replay(history);
}

Rule two_steps() {
    Rule rule = make_rule();
    rule.steps[0].timeout = 30s;
    return rule;
}

TEST(DryRun, DeliversAtOnceWithoutAScript) {
    const State state = run(two_steps(), "{}");
    EXPECT_EQ(state.outcome, Outcome::delivered);
    EXPECT_EQ(state.outcome_attempt, 1);
    EXPECT_EQ(state.closed, kStart);
}

TEST(DryRun, FollowsTheScriptInItsOwnTime) {
    const State state = run(two_steps(), R"({"channels": {
        "email": [{"answer": "accepted", "receipts": []}],
        "sms": [{"answer": "retry_same"}, {"answer": "accepted"}]}})");
    EXPECT_EQ(state.outcome, Outcome::exhausted);
    ASSERT_EQ(state.attempts.size(), 2U);
    EXPECT_EQ(state.attempts[1].sends, 2) << "the retry of an attempt takes the same entry";
    EXPECT_EQ(state.closed, kStart + 30s + 1s);
}

TEST(DryRun, SoftFailuresTakeTheNextEntry) {
    const State state = run(two_steps(), R"({"channels": {"email": [
        {"receipts": [{"status": "failed", "after": "1s", "reason": "mailbox full"}]},
        {"receipts": [{"status": "sent"}, {"status": "delivered", "after": "2s"}]}]}})");
    EXPECT_EQ(state.outcome, Outcome::delivered);
    EXPECT_EQ(state.outcome_attempt, 2);
    EXPECT_EQ(state.closed, kStart + 1s + 1s + 2s);
}

TEST(DryRun, ConditionsAndCancel) {
    Rule rule = two_steps();
    rule.steps[0].condition = "false";
    EXPECT_EQ(run(rule, R"({"conditions": {"1": false}})").attempts.front().step, 1);
    EXPECT_EQ(run(rule, "{}").attempts.front().step, 0);
    const State canceled = run(two_steps(), R"({"channels": {"email": [{"receipts": []}]}, "cancel_after": "10s"})");
    EXPECT_EQ(canceled.outcome, Outcome::canceled);
    EXPECT_EQ(canceled.closed, kStart + 10s);
}

TEST(DryRun, BeginsWhenItIsTold) {
    std::vector<HistoryEvent> events;
    run(two_steps(), R"({"start_at": "2026-12-01T22:15:00Z"})", &events);
    EXPECT_EQ(format_iso8601(events.front().time), "2026-12-01T22:15:00.000000Z");
}

TEST(DryRun, EndlessOnesAreGivenUp) {
    Rule rule = two_steps();
    rule.steps[0].retry.maximum_attempts = 0;
    rule.steps[0].retry.maximum_interval = 1s;
    const State state = run(rule, R"({"channels": {"email": [{"answer": "retry_same"}]}})");
    EXPECT_EQ(state.outcome, Outcome::delivered) << "by the second step, after the attempt limit";
}

TEST(DryRun, BadScriptsAreRefusedWithTheirPath) {
    for (const auto &[script, path] : std::vector<std::pair<std::string, std::string>>{
             {R"({"channel": {}})", "$.channel"},
             {R"({"channels": []})", "$.channels"},
             {R"({"channels": {"sms": [{"answer": "maybe"}]}})", "$.channels.sms[0].answer"},
             {R"({"channels": {"sms": []}})", "$.channels.sms"},
             {R"({"conditions": {"0": true}})", "$.conditions"},
             {R"({"conditions": {"1": 1}})", "$.conditions"},
             {R"({"start_at": "now"})", "$.start_at"},
             {R"({"cancel_after": "-1s"})", "$.cancel_after"}}) {
        try {
            parse_dry_run_script(script);
            FAIL() << script;
        } catch (const Error &e) {
            EXPECT_TRUE(e.detail().starts_with(path)) << script << ": " << e.detail();
        }
    }
}

} // namespace
} // namespace hc::core::test
