// Cascade rules: what is accepted, what is refused and in which words.
#include "core/error.hpp"
#include "core/rule.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace {

using namespace hc::core;
using namespace std::chrono_literals;

struct Refusal {
    std::string sqlstate, message, detail, hint;
};

Refusal refusal(std::string_view json) {
    try {
        parse_rule(json);
    } catch (const hc::Error &e) {
        return {e.sqlstate(), e.message(), e.detail(), e.hint()};
    }
    return {"none", "accepted", "", ""};
}

std::string in_step(std::string_view members) {
    return R"({"steps": [{"channel": "sms", )" + std::string(members) + "}]}";
}

std::string in_rule(std::string_view members) {
    return R"({"steps": [{"channel": "sms"}], )" + std::string(members) + "}";
}

std::string detail(const std::string &json) {
    const Refusal r = refusal(json);
    EXPECT_EQ(r.sqlstate, "22023") << json;
    EXPECT_EQ(r.message, "invalid cascade rule") << json;
    EXPECT_FALSE(r.hint.empty()) << json;
    return r.detail;
}

bool contains(const std::string &text, const char *part) { return text.find(part) != std::string::npos; }

TEST(RuleTest, DefaultsOfTheSmallestRule) {
    const Rule rule = parse_rule(R"({"steps": [{"channel": "sms"}]})");
    ASSERT_EQ(rule.steps.size(), 1U);
    const Step &step = rule.steps[0];
    EXPECT_EQ(step.channel, "sms");
    EXPECT_TRUE(step.providers.empty());
    EXPECT_EQ(step.choose, Choose::position);
    EXPECT_EQ(step.success_on, SuccessOn::delivered);
    EXPECT_EQ(step.timeout, 60s);
    EXPECT_EQ(step.dispatch_timeout, std::nullopt);
    EXPECT_EQ(step.retry.initial_interval, 1s);
    EXPECT_EQ(step.retry.backoff_coefficient, 2.0);
    EXPECT_EQ(step.retry.maximum_interval, 0s);
    EXPECT_EQ(step.retry.maximum_attempts, 3);
    EXPECT_EQ(step.retry.jitter, 0.1);
    EXPECT_EQ(step.on_ambiguous, OnAmbiguous::automatic);
    EXPECT_EQ(step.on_unknown, OnUnknown::wait);
    EXPECT_FALSE(step.revocable);
    EXPECT_EQ(rule.validity, std::nullopt);
    EXPECT_EQ(rule.late_success, LateSuccess::complete);
    EXPECT_EQ(rule.late_failure, LateFailure::notify);
    EXPECT_TRUE(rule.webhook_events.empty());
}

TEST(RuleTest, EveryMember) {
    const Rule rule = parse_rule(R"({
        "steps": [
          {"channel": "email", "providers": ["ses", "sg"], "success_on": "read", "timeout": "1h30m",
           "dispatch_timeout": 0.5, "on_ambiguous": "next_channel", "on_unknown": "success", "revocable": false,
           "retry": {"initial_interval": "250ms", "backoff_coefficient": 1.5, "maximum_interval": "1m",
                     "maximum_attempts": 100, "jitter": 1, "non_retryable": ["http_429", "full"]}},
          {"channel": "push_2-x", "success_on": "accepted", "on_ambiguous": "wait_for_dlr", "on_unknown": "failure",
           "retry": {"maximum_attempts": 0, "jitter": 0}, "revocable": true}],
        "validity": 3600, "late_success": "ignore", "late_failure": "ignore",
        "webhook_events": ["message.delivered", "message.status_corrected"]})");
    ASSERT_EQ(rule.steps.size(), 2U);
    const Step &first = rule.steps[0];
    EXPECT_EQ(first.providers, (std::vector<std::string>{"ses", "sg"}));
    EXPECT_EQ(first.success_on, SuccessOn::read);
    EXPECT_EQ(first.timeout, 90min);
    EXPECT_EQ(first.dispatch_timeout, 500ms);
    EXPECT_EQ(first.on_ambiguous, OnAmbiguous::next_channel);
    EXPECT_EQ(first.on_unknown, OnUnknown::success);
    EXPECT_FALSE(first.revocable);
    EXPECT_EQ(first.retry.initial_interval, 250ms);
    EXPECT_EQ(first.retry.backoff_coefficient, 1.5);
    EXPECT_EQ(first.retry.maximum_interval, 1min);
    EXPECT_EQ(first.retry.maximum_attempts, 100);
    EXPECT_EQ(first.retry.jitter, 1.0);
    EXPECT_EQ(first.retry.non_retryable, (std::vector<std::string>{"http_429", "full"}));
    const Step &second = rule.steps[1];
    EXPECT_EQ(second.channel, "push_2-x");
    EXPECT_EQ(second.success_on, SuccessOn::accepted);
    EXPECT_EQ(second.on_ambiguous, OnAmbiguous::wait_for_dlr);
    EXPECT_EQ(second.on_unknown, OnUnknown::failure);
    EXPECT_EQ(second.retry.maximum_attempts, 0);
    EXPECT_TRUE(second.revocable);
    EXPECT_EQ(rule.validity, 1h);
    EXPECT_EQ(rule.late_success, LateSuccess::ignore);
    EXPECT_EQ(rule.late_failure, LateFailure::ignore);
    EXPECT_EQ(rule.webhook_events, (std::vector<std::string>{"message.delivered", "message.status_corrected"}));
}

TEST(RuleTest, EveryWordOfEveryEnum) {
    EXPECT_EQ(parse_rule(in_step(R"("choose": "position")")).steps[0].choose, Choose::position);
    EXPECT_EQ(parse_rule(in_step(R"("choose": "least_cost")")).steps[0].choose, Choose::least_cost);
    EXPECT_EQ(parse_rule(in_step(R"("choose": "best_delivery")")).steps[0].choose, Choose::best_delivery);
    EXPECT_EQ(parse_rule(in_step(R"("success_on": "sent")")).steps[0].success_on, SuccessOn::sent);
    EXPECT_EQ(parse_rule(in_step(R"("success_on": "delivered")")).steps[0].success_on, SuccessOn::delivered);
    EXPECT_EQ(parse_rule(in_step(R"("on_ambiguous": "auto")")).steps[0].on_ambiguous, OnAmbiguous::automatic);
    EXPECT_EQ(parse_rule(in_step(R"("on_ambiguous": "retry")")).steps[0].on_ambiguous, OnAmbiguous::retry);
    EXPECT_EQ(parse_rule(in_step(R"("on_unknown": "wait")")).steps[0].on_unknown, OnUnknown::wait);
    EXPECT_EQ(parse_rule(in_rule(R"("late_success": "complete")")).late_success, LateSuccess::complete);
    EXPECT_EQ(parse_rule(in_rule(R"("late_failure": "notify")")).late_failure, LateFailure::notify);
}

TEST(RuleTest, EmailIsRevocableByDefault) {
    EXPECT_TRUE(parse_rule(R"({"steps": [{"channel": "email"}]})").steps[0].revocable);
    EXPECT_FALSE(parse_rule(R"({"steps": [{"channel": "email", "revocable": false}]})").steps[0].revocable);
}

TEST(RuleTest, LastOfDuplicateKeysWins) {
    EXPECT_EQ(parse_rule(in_step(R"("timeout": "1s", "timeout": "2s")")).steps[0].timeout, 2s);
    EXPECT_EQ(parse_rule(R"({"steps": [], "steps": [{"channel": "sms"}]})").steps.size(), 1U);
}

TEST(RuleTest, LimitsOfDurations) {
    EXPECT_EQ(parse_rule(in_step(R"("timeout": "1ms")")).steps[0].timeout, 1ms);
    EXPECT_EQ(parse_rule(in_step(R"("timeout": "365d")")).steps[0].timeout, std::chrono::days(365));
    EXPECT_EQ(detail(in_step(R"("timeout": 0)")), "$.steps[0].timeout: must be positive.");
    EXPECT_EQ(detail(in_step(R"("timeout": "0s")")), "$.steps[0].timeout: must be positive.");
    EXPECT_EQ(detail(in_step(R"("timeout": -5)")), "$.steps[0].timeout: must be positive.");
    EXPECT_EQ(detail(in_step(R"("timeout": "-5s")")), "$.steps[0].timeout: must be positive.");
    EXPECT_EQ(detail(in_step(R"("timeout": "999us")")), "$.steps[0].timeout: must be at least 1ms.");
    EXPECT_EQ(detail(in_step(R"("timeout": "366d")")), "$.steps[0].timeout: must be at most 365d.");
    EXPECT_EQ(detail(in_step(R"("timeout": 1e300)")), "$.steps[0].timeout: must be at most 365d.");
    EXPECT_EQ(detail(in_step(R"("timeout": -1e300)")), "$.steps[0].timeout: must be positive.");
    EXPECT_EQ(detail(in_step(R"("timeout": 18446744073709551615)")), "$.steps[0].timeout: must be at most 365d.");
    EXPECT_EQ(detail(in_rule(R"("validity": "400d")")), "$.validity: must be at most 365d.");
    EXPECT_EQ(detail(in_step(R"("dispatch_timeout": 0)")), "$.steps[0].dispatch_timeout: must be positive.");
}

TEST(RuleTest, DurationsOfTheWrongForm) {
    EXPECT_EQ(detail(in_step(R"("timeout": "soon")")), "$.steps[0].timeout: is not a valid duration.");
    EXPECT_EQ(detail(in_step(R"("timeout": "30")")), "$.steps[0].timeout: is not a valid duration.");
    EXPECT_EQ(detail(in_step(R"("timeout": "")")), "$.steps[0].timeout: is not a valid duration.");
    EXPECT_EQ(detail(in_step(R"("timeout": [])")), "$.steps[0].timeout: must be a duration, not an array.");
    EXPECT_EQ(detail(in_step(R"("timeout": null)")), "$.steps[0].timeout: must be a duration, not null.");
    EXPECT_TRUE(contains(refusal(in_step(R"("timeout": true)")).hint, "\"30s\""));
}

TEST(RuleTest, UnknownKeysAreNamedAndTheAllowedOnesListed) {
    EXPECT_EQ(detail(in_rule(R"("stepz": 1)")), "$.stepz: unknown key.");
    EXPECT_EQ(refusal(in_rule(R"("stepz": 1)")).hint,
              "Allowed keys are steps, validity, late_success, late_failure, priority, window, time_zone, run_as, "
              "category, frequency, max_cost, max_parts, "
              "webhook_events.");
    EXPECT_EQ(detail(in_step(R"("time out": 1)")), "$.steps[0]['time out']: unknown key.");
    EXPECT_TRUE(contains(refusal(in_step(R"("time out": 1)")).hint, "dispatch_timeout"));
    EXPECT_EQ(detail(in_step(R"("retry": {"attempts": 1})")), "$.steps[0].retry.attempts: unknown key.");
    EXPECT_TRUE(contains(refusal(in_step(R"("retry": {"attempts": 1})")).hint, "maximum_attempts"));
}

TEST(RuleTest, LongAndOddKeysAreShownSafely) {
    const std::string shown = detail(in_rule('"' + std::string(5000, 'k') + "\": 1"));
    EXPECT_LT(shown.size(), 100U);
    EXPECT_EQ(detail(in_rule(R"("a\nb": 1)")), "$['a?b']: unknown key.");
    const std::string cut = detail(in_rule('"' + std::string(63, 'k') + "\xc3\xa9\": 1"));
    EXPECT_EQ(cut, "$." + std::string(63, 'k') + ": unknown key.");
}

TEST(RuleTest, WrongTypes) {
    EXPECT_EQ(detail("[]"), "$: must be an object, not an array.");
    EXPECT_EQ(detail("null"), "$: must be an object, not null.");
    EXPECT_EQ(detail("\"x\""), "$: must be an object, not a string.");
    EXPECT_EQ(detail(R"({"steps": 5})"), "$.steps: must be an array, not a number.");
    EXPECT_EQ(detail(R"({"steps": ["sms"]})"), "$.steps[0]: must be an object, not a string.");
    EXPECT_EQ(detail(R"({"steps": [{"channel": 1}]})"), "$.steps[0].channel: must be a string, not a number.");
    EXPECT_EQ(detail(in_step(R"("providers": "ses")")), "$.steps[0].providers: must be an array, not a string.");
    EXPECT_EQ(detail(in_step(R"("providers": ["a", {}])")),
              "$.steps[0].providers[1]: must be a string, not an object.");
    EXPECT_EQ(detail(in_step(R"("revocable": "yes")")), "$.steps[0].revocable: must be a boolean, not a string.");
    EXPECT_EQ(detail(in_step(R"("retry": [])")), "$.steps[0].retry: must be an object, not an array.");
    EXPECT_EQ(detail(in_step(R"("choose": true)")), "$.steps[0].choose: must be a string, not a boolean.");
    EXPECT_EQ(detail(in_step(R"("success_on": 1)")), "$.steps[0].success_on: must be a string, not a number.");
}

TEST(RuleTest, BadWordsListTheAllowedOnes) {
    EXPECT_EQ(detail(in_step(R"("choose": "cheapest")")), "$.steps[0].choose: is not an allowed value.");
    EXPECT_EQ(refusal(in_step(R"("choose": "x")")).hint, "Allowed values are position, least_cost, best_delivery.");
    EXPECT_EQ(detail(in_step(R"("success_on": "Delivered")")), "$.steps[0].success_on: is not an allowed value.");
    EXPECT_EQ(refusal(in_step(R"("success_on": "x")")).hint, "Allowed values are accepted, sent, delivered, read.");
    EXPECT_EQ(refusal(in_step(R"("on_ambiguous": "x")")).hint,
              "Allowed values are auto, retry, wait_for_dlr, next_channel.");
    EXPECT_EQ(refusal(in_step(R"("on_unknown": "x")")).hint, "Allowed values are wait, success, failure.");
    EXPECT_EQ(refusal(in_rule(R"("late_success": "x")")).hint, "Allowed values are complete, ignore.");
    EXPECT_EQ(refusal(in_rule(R"("late_failure": "x")")).hint, "Allowed values are notify, ignore.");
    EXPECT_EQ(detail(in_rule(R"("webhook_events": ["message.read"])")),
              "$.webhook_events[0]: is not an allowed value.");
    EXPECT_TRUE(contains(refusal(in_rule(R"("webhook_events": ["x"])")).hint, "message.expired"));
    EXPECT_EQ(detail(in_rule(R"("webhook_events": ["message.failed", "message.failed"])")),
              "$.webhook_events[1]: appears twice.");
    EXPECT_EQ(detail(in_rule(R"("webhook_events": [])")), "$.webhook_events: must not be empty.");
}

TEST(RuleTest, NumberOfSteps) {
    EXPECT_EQ(detail("{}"), "$.steps: is missing.");
    EXPECT_EQ(detail(R"({"steps": []})"), "$.steps: must not be empty.");
    const auto rule_of = [](std::size_t n) {
        std::string json = R"({"steps": [)";
        for (std::size_t i = 0; i < n; ++i)
            json += std::string(i ? "," : "") + R"({"channel": "sms"})";
        return json + "]}";
    };
    EXPECT_EQ(parse_rule(rule_of(kMaxSteps)).steps.size(), kMaxSteps);
    for (const std::size_t n : {kMaxSteps + 1, std::size_t{1000}}) {
        const Refusal r = refusal(rule_of(n));
        EXPECT_EQ(r.sqlstate, "54000");
        EXPECT_EQ(r.detail, "$.steps: has " + std::to_string(n) + " values.");
        EXPECT_EQ(r.hint, "At most 32 values are allowed.");
    }
}

TEST(RuleTest, Channels) {
    EXPECT_EQ(detail(R"({"steps": [{}]})"), "$.steps[0].channel: is missing.");
    for (const std::string channel : {"", "SMS", "a b", "a.b", "\xc3\xa9"})
        EXPECT_EQ(detail(R"({"steps": [{"channel": ")" + channel + "\"}]}"),
                  "$.steps[0].channel: is not a valid name.");
    EXPECT_NO_THROW(parse_rule(R"({"steps": [{"channel": ")" + std::string(63, 'a') + "\"}]}"));
    EXPECT_EQ(detail(R"({"steps": [{"channel": ")" + std::string(64, 'a') + "\"}]}"),
              "$.steps[0].channel: is not a valid name.");
}

TEST(RuleTest, Providers) {
    EXPECT_EQ(detail(in_step(R"("providers": [])")), "$.steps[0].providers: must not be empty.");
    EXPECT_EQ(detail(in_step(R"("providers": ["a", "b", "a"])")), "$.steps[0].providers[2]: appears twice.");
    EXPECT_EQ(refusal(in_step(R"("providers": [""])")).detail, "$.steps[0].providers[0]: must not be empty.");
    EXPECT_EQ(refusal(in_step("\"providers\": [\"" + std::string(256, 'p') + "\"]")).sqlstate, "54000");
}

TEST(RuleTest, RetryPolicies) {
    EXPECT_EQ(detail(in_step(R"("retry": {"maximum_attempts": -1})")),
              "$.steps[0].retry.maximum_attempts: must be between 0 and 100.");
    EXPECT_EQ(detail(in_step(R"("retry": {"maximum_attempts": 101})")),
              "$.steps[0].retry.maximum_attempts: must be between 0 and 100.");
    EXPECT_EQ(detail(in_step(R"("retry": {"maximum_attempts": 18446744073709551615})")),
              "$.steps[0].retry.maximum_attempts: must be between 0 and 100.");
    EXPECT_EQ(detail(in_step(R"("retry": {"maximum_attempts": 1.5})")),
              "$.steps[0].retry.maximum_attempts: must be a whole number.");
    EXPECT_EQ(detail(in_step(R"("retry": {"maximum_attempts": "3"})")),
              "$.steps[0].retry.maximum_attempts: must be a whole number, not a string.");
    EXPECT_EQ(detail(in_step(R"("retry": {"jitter": 1.1})")), "$.steps[0].retry.jitter: must be between 0 and 1.");
    EXPECT_EQ(detail(in_step(R"("retry": {"jitter": -0.1})")), "$.steps[0].retry.jitter: must be between 0 and 1.");
    EXPECT_EQ(detail(in_step(R"("retry": {"jitter": "0"})")),
              "$.steps[0].retry.jitter: must be a number, not a string.");
    EXPECT_EQ(detail(in_step(R"("retry": {"backoff_coefficient": 0.5})")),
              "$.steps[0].retry.backoff_coefficient: must be between 1 and 1000.");
    EXPECT_EQ(detail(in_step(R"("retry": {"initial_interval": "0s"})")),
              "$.steps[0].retry.initial_interval: must be positive.");
    EXPECT_EQ(detail(in_step(R"("retry": {"non_retryable": ["a", "a"]})")),
              "$.steps[0].retry.non_retryable[1]: appears twice.");
}

TEST(RuleTest, RetryPolicyAsAWholeIsValidated) {
    EXPECT_EQ(detail(in_step(R"("retry": {"initial_interval": "2s", "maximum_interval": "1s"})")),
              "$.steps[0].retry: maximum_interval must not be less than initial_interval.");
    // Without retries the intervals have no effect.
    EXPECT_NO_THROW(
        parse_rule(in_step(R"("retry": {"initial_interval": "2s", "maximum_interval": "1s", "maximum_attempts": 1})")));
}

TEST(RuleTest, NotJson) {
    for (const char *json :
         {"", " ", "{", "{\"steps\": }", "{'steps': 1}", "{} x", "{\"a\": NaN}", "{\"a\": Infinity}", "\"\xff\""}) {
        const std::string d = detail(json);
        EXPECT_EQ(d.rfind("$: not valid JSON at byte ", 0), 0U) << json << ": " << d;
    }
    EXPECT_EQ(detail(in_step(R"("timeout": 1e999)")), "$: a number is too large.");
}

TEST(RuleTest, NulCharactersAreRefused) {
    EXPECT_EQ(detail(in_step(R"("providers": ["a\u0000b"])")),
              "$.steps[0].providers[0]: must not contain the character U+0000.");
    const std::string d = refusal(in_rule(R"("a\u0000b": 1)")).detail;
    EXPECT_EQ(d, "$: must not have a key with the character U+0000.");
    // A zero byte in the text, even after a good document.
    EXPECT_EQ(detail(R"({"steps": [{"channel": "sms"}]})" + std::string(1, '\0')), "$: not valid JSON at byte 32.");
}

TEST(RuleTest, DeepNestingIsRefusedBeforeParsing) {
    const std::size_t depth = 30'000;
    const std::string deep = std::string(depth, '[') + std::string(depth, ']');
    Refusal r = refusal(deep);
    EXPECT_EQ(r.sqlstate, "54000");
    EXPECT_EQ(r.detail, "$: the document is nested too deeply.");
    EXPECT_EQ(r.hint, "At most 16 levels of arrays and objects are allowed.");
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    EXPECT_EQ(refusal(nested(kMaxRuleDepth)).sqlstate, "22023");
    EXPECT_EQ(refusal(nested(kMaxRuleDepth + 1)).sqlstate, "54000");
    // Brackets in strings are no nesting.
    EXPECT_EQ(refusal(in_step(R"("providers": ["\"[[[[[[[[[[[[[[[[[[[[[["])")).sqlstate, "none");
}

TEST(RuleTest, LargeDocumentsAreRefused) {
    const std::string rule = R"({"steps": [{"channel": "sms"}]})";
    const std::string fits = rule + std::string(kMaxRuleBytes - rule.size(), ' ');
    EXPECT_NO_THROW(parse_rule(fits));
    const Refusal r = refusal(fits + " ");
    EXPECT_EQ(r.sqlstate, "54000");
    EXPECT_EQ(r.message, "invalid cascade rule");
    EXPECT_EQ(r.detail, "$: the document has 65537 bytes.");
    EXPECT_EQ(r.hint, "At most 65536 bytes are allowed.");
}

TEST(RuleTest, RanksOfSuccess) {
    EXPECT_EQ(success_rank(SuccessOn::accepted), 10);
    EXPECT_EQ(success_rank(SuccessOn::sent), 20);
    EXPECT_EQ(success_rank(SuccessOn::delivered), 50);
    EXPECT_EQ(success_rank(SuccessOn::read), 60);
}

} // namespace
