// The parts of rules, providers and tenant limits that are about gates: what is accepted, what is refused and in which
// words; conditions over messages; estimates.
#include "core/cost.hpp"
#include "core/error.hpp"
#include "core/provider_config.hpp"
#include "core/rule.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace hc::core {
namespace {

using namespace std::chrono_literals;

std::string in_step(std::string_view members) {
    return R"({"steps": [{"channel": "sms", )" + std::string(members) + "}]}";
}
std::string in_rule(std::string_view members) {
    return R"({"steps": [{"channel": "sms"}], )" + std::string(members) + "}";
}
std::string in_provider(std::string_view members) {
    return R"({"kind": "sandbox", "channel": "sms", )" + std::string(members) + "}";
}

std::string refusal(const std::function<void()> &parse) {
    try {
        parse();
    } catch (const Error &e) {
        EXPECT_FALSE(e.hint().empty());
        return std::string(e.sqlstate()) + " " + e.detail();
    }
    return "accepted";
}
std::string of_step(std::string_view members) {
    return refusal([&] { parse_rule(in_step(members)); });
}
std::string of_rule(std::string_view members) {
    return refusal([&] { parse_rule(in_rule(members)); });
}
std::string of_provider(std::string_view members) {
    return refusal([&] { parse_provider_config(in_provider(members)); });
}
std::string of_limits(const std::string &json) {
    return refusal([&] { parse_tenant_limits(json); });
}

JsonPath path(std::string_view text) { return parse_json_path(text).value(); }

TEST(GateRules, Defaults) {
    const Rule rule = parse_rule(R"({"steps": [{"channel": "sms"}]})");
    EXPECT_EQ(rule.category, "");
    EXPECT_EQ(rule.frequency, std::nullopt);
    EXPECT_EQ(rule.max_cost, std::nullopt);
    EXPECT_EQ(rule.max_parts, std::nullopt);
    EXPECT_EQ(rule.steps[0].address, std::nullopt);
    EXPECT_TRUE(rule.steps[0].skip_if.empty());
    EXPECT_EQ(rule.steps[0].max_parts, std::nullopt);
}

TEST(GateRules, EveryMemberOfARule) {
    const Rule rule = parse_rule(in_rule(
        R"("category": "news_2-x", "frequency": {"max": 3, "per": "7d", "by": "address", "otp": true}, "max_cost": 0.20, "max_parts": 3)"));
    EXPECT_EQ(rule.category, "news_2-x");
    EXPECT_EQ(rule.frequency, (Frequency{3, std::chrono::days(7), true}));
    EXPECT_EQ(rule.max_cost, 200'000);
    EXPECT_EQ(rule.max_parts, 3U);
    EXPECT_EQ(parse_rule(in_rule(R"("frequency": {"max": 100, "per": 60})")).frequency, (Frequency{100, 1min, false}));
    EXPECT_EQ(parse_rule(in_rule(R"("max_cost": 0)")).max_cost, 0);
}

TEST(GateRules, EveryMemberOfAStep) {
    const Step step = parse_rule(in_step(R"("address": "$.to['home phone']", "max_parts": 255, "skip_if": [
        {"path": "$.prefs.sms", "in": [false, 0, "no"], "reason": "channel_disabled"},
        {"path": "$.vip"}, {"path": "$.consent", "absent": true, "reason": "a"}])"))
                          .steps[0];
    EXPECT_EQ(step.address, path("$.to['home phone']"));
    EXPECT_EQ(step.max_parts, 255U);
    ASSERT_EQ(step.skip_if.size(), 3U);
    EXPECT_EQ(step.skip_if[0],
              (SkipCondition{path("$.prefs.sms"), {"false", "0", "\"no\""}, false, "channel_disabled"}));
    EXPECT_EQ(step.skip_if[1], (SkipCondition{path("$.vip"), {}, false, "skip_if"}));
    EXPECT_EQ(step.skip_if[2], (SkipCondition{path("$.consent"), {}, true, "a"}));
}

struct Case {
    const char *members, *refusal;
};

TEST(GateRules, WhatARuleMayNotSay) {
    for (const Case &c :
         {Case{R"("category": "")", "22023 $.category: is not a valid name."},
          Case{R"("category": "News")", "22023 $.category: is not a valid name."},
          Case{R"("category": null)", "22023 $.category: must be a string, not null."},
          Case{R"("frequency": 3)", "22023 $.frequency: must be an object, not a number."},
          Case{R"("frequency": {"per": "1d"})", "22023 $.frequency.max: is missing."},
          Case{R"("frequency": {"max": 1})", "22023 $.frequency.per: is missing."},
          Case{R"("frequency": {"max": 0, "per": "1d"})", "22023 $.frequency.max: must be between 1 and 100."},
          Case{R"("frequency": {"max": 101, "per": "1d"})", "22023 $.frequency.max: must be between 1 and 100."},
          Case{R"("frequency": {"max": 1.5, "per": "1d"})", "22023 $.frequency.max: must be a whole number."},
          Case{R"("frequency": {"max": 1, "per": "59s"})", "22023 $.frequency.per: must be at least 1m."},
          Case{R"("frequency": {"max": 1, "per": "91d"})", "22023 $.frequency.per: must be at most 90d."},
          Case{R"("frequency": {"max": 1, "per": "1d", "by": "user"})",
               "22023 $.frequency.by: is not an allowed value."},
          Case{R"("frequency": {"max": 1, "per": "1d", "otp": 1})",
               "22023 $.frequency.otp: must be a boolean, not a number."},
          Case{R"("frequency": {"max": 1, "per": "1d", "x": 1})", "22023 $.frequency.x: unknown key."},
          Case{R"("max_cost": -0.01)", "22023 $.max_cost: must be between 0 and 1000000."},
          Case{R"("max_cost": "1")", "22023 $.max_cost: must be a number, not a string."},
          Case{R"("max_cost": 0.0000001)", "22023 $.max_cost: has more than six digits after the point."},
          Case{R"("max_cost": 1000000.01)", "22023 $.max_cost: must be between 0 and 1000000."},
          Case{R"("max_parts": 0)", "22023 $.max_parts: must be between 1 and 255."},
          Case{R"("max_parts": 256)", "22023 $.max_parts: must be between 1 and 255."}}) {
        EXPECT_EQ(of_rule(c.members), c.refusal) << c.members;
    }
}

TEST(GateRules, WhatAStepMayNotSay) {
    const std::string many = [] {
        std::string list = R"({"path": "$.a"})";
        for (std::size_t i = 0; i < kMaxSkipConditions; ++i)
            list += R"(, {"path": "$.a"})";
        return R"("skip_if": [)" + list + "]";
    }();
    for (const Case &c :
         {Case{R"("address": "to")", "22023 $.steps[0].address: is not a JSON path."},
          Case{R"("address": "$.to[*]")", "22023 $.steps[0].address: is not a JSON path."},
          Case{R"("address": 5)", "22023 $.steps[0].address: must be a string, not a number."},
          Case{R"("skip_if": {})", "22023 $.steps[0].skip_if: must be an array, not an object."},
          Case{R"("skip_if": [])", "22023 $.steps[0].skip_if: must not be empty."},
          Case{many.c_str(), "54000 $.steps[0].skip_if: has 17 values."},
          Case{R"("skip_if": [{}])", "22023 $.steps[0].skip_if[0].path: is missing."},
          Case{R"("skip_if": [{"path": "a"}])", "22023 $.steps[0].skip_if[0].path: is not a JSON path."},
          Case{R"("skip_if": [{"path": "$.a", "in": []}])", "22023 $.steps[0].skip_if[0].in: must not be empty."},
          Case{R"("skip_if": [{"path": "$.a", "in": [null]}])",
               "22023 $.steps[0].skip_if[0].in[0]: must be a string, a number or a boolean, not null."},
          Case{R"("skip_if": [{"path": "$.a", "in": [1, [2]]}])",
               "22023 $.steps[0].skip_if[0].in[1]: must be a string, a number or a boolean, not an array."},
          Case{R"("skip_if": [{"path": "$.a", "in": [1], "absent": true}])",
               "22023 $.steps[0].skip_if[0].in: does not go with \"absent\"."},
          Case{R"("skip_if": [{"path": "$.a", "absent": 1}])",
               "22023 $.steps[0].skip_if[0].absent: must be a boolean, not a number."},
          Case{R"("skip_if": [{"path": "$.a", "reason": ""}])",
               "22023 $.steps[0].skip_if[0].reason: must not be empty."},
          Case{R"("skip_if": [{"path": "$.a", "reason": "no-no"}])",
               "22023 $.steps[0].skip_if[0].reason: is not a reason word."},
          Case{R"("skip_if": [{"path": "$.a", "why": "x"}])", "22023 $.steps[0].skip_if[0].why: unknown key."},
          Case{R"("max_parts": "3")", "22023 $.steps[0].max_parts: must be a whole number, not a string."}}) {
        EXPECT_EQ(of_step(c.members), c.refusal) << c.members;
    }
    EXPECT_EQ(of_step(R"("skip_if": [{"path": "$.a", "reason": ")" + std::string(64, 'x') + R"("}])"),
              "54000 $.steps[0].skip_if[0].reason: has 64 bytes.");
}

TEST(GateRules, ProvidersAndTenants) {
    const CostSettings cost =
        parse_provider_config(in_provider(R"("cost": {"per_message": 0.05, "per_part": 0.075}, "text": "$.body.sms")"))
            .cost;
    EXPECT_EQ(cost.per_message, 50'000);
    EXPECT_EQ(cost.per_part, 75'000);
    EXPECT_EQ(cost.text, path("$.body.sms"));
    EXPECT_EQ(parse_provider_config(in_provider(R"("position": 1)")).cost.text, path("$.text"));
    EXPECT_EQ(of_provider(R"("cost": {})"), "22023 $.cost: must have \"per_message\" or \"per_part\".");
    EXPECT_EQ(of_provider(R"("cost": 1)"), "22023 $.cost: must be an object, not a number.");
    EXPECT_EQ(of_provider(R"("cost": {"per_part": 1000.5})"), "22023 $.cost.per_part: must be between 0 and 1000.");
    EXPECT_EQ(of_provider(R"("cost": {"per_part": 0.1234567})"),
              "22023 $.cost.per_part: has more than six digits after the point.");
    EXPECT_EQ(of_provider(R"("cost": {"per_mile": 1})"), "22023 $.cost.per_mile: unknown key.");
    EXPECT_EQ(of_provider(R"("text": "text")"), "22023 $.text: is not a JSON path.");
    const ReceiptSettings receipts =
        parse_provider_config(in_provider(R"("receipts": {"opt_out_category": "news", "tenant": "acme"})")).receipts;
    EXPECT_EQ(receipts.opt_out_category, "news");
    EXPECT_EQ(receipts.tenant, "acme");
    EXPECT_EQ(of_provider(R"("receipts": {"opt_out_category": "A b"})"),
              "22023 $.receipts.opt_out_category: is not a valid name.");
    const TenantLimits limits = parse_tenant_limits(R"({"cost_per_day": 100, "channels_off": ["sms", "push"]})");
    EXPECT_EQ(limits.cost_per_day, 100'000'000);
    EXPECT_EQ(limits.channels_off, (std::vector<std::string>{"sms", "push"}));
    EXPECT_EQ(parse_tenant_limits("{}").cost_per_day, std::nullopt);
    EXPECT_EQ(of_limits(R"({"cost_per_day": -1})"), "22023 $.cost_per_day: must be between 0 and 100000000.");
    EXPECT_EQ(of_limits(R"({"channels_off": "sms"})"), "22023 $.channels_off: must be an array, not a string.");
    EXPECT_EQ(of_limits(R"({"channels_off": ["S M S"]})"), "22023 $.channels_off[0]: is not a valid name.");
}

// Every amount with six digits is exact, of whatever size.
TEST(GateRules, AmountsAreExact) {
    const auto check = [](std::int64_t micros) {
        std::string digits = std::to_string(micros);
        digits.insert(0, digits.size() < 7 ? 7 - digits.size() : 0, '0');
        const std::string text = digits.substr(0, digits.size() - 6) + "." + digits.substr(digits.size() - 6);
        EXPECT_EQ(parse_tenant_limits(R"({"cost_per_day": )" + text + "}").cost_per_day, micros) << text;
    };
    for (const std::int64_t micros : {0L, 1L, 75'000L, 999'999L, 1'000'001L, 99'999'999'999'999L, 100'000'000'000'000L})
        check(micros);
    for (std::int64_t micros = 3; micros < 100'000'000'000'000; micros = micros * 3 + 1)
        check(micros);
}

struct Held {
    const char *condition, *message;
    bool holds;
};

TEST(GateRules, ConditionsOverAMessage) {
    for (const Held &h :
         {Held{R"({"path": "$.a"})", R"({"a": 0})", true}, Held{R"({"path": "$.a"})", R"({"a": null})", false},
          Held{R"({"path": "$.a"})", R"({"a": []})", true}, Held{R"({"path": "$.a"})", R"({"b": 1})", false},
          Held{R"({"path": "$.a", "absent": false})", R"({"a": 1})", true},
          Held{R"({"path": "$.a", "absent": true})", R"({"a": 1})", false},
          Held{R"({"path": "$.a", "absent": true})", R"({"a": null})", true},
          Held{R"({"path": "$.a.b", "absent": true})", R"({"a": 1})", true},
          Held{R"({"path": "$.a", "in": [1, "x", false]})", R"({"a": 1.0})", true},
          Held{R"({"path": "$.a", "in": [1, "x", false]})", R"({"a": "x"})", true},
          Held{R"({"path": "$.a", "in": [1, "\u00e9"]})", "{\"a\": \"\xc3\xa9\"}", true},
          Held{R"({"path": "$.a", "in": [1, "x", false]})", R"({"a": false})", true},
          Held{R"({"path": "$.a", "in": [1, "x", false]})", R"({"a": "1"})", false},
          Held{R"({"path": "$.a", "in": [1, "x", false]})", R"({"a": null})", false},
          Held{R"({"path": "$.a", "in": [1, "x", false]})", R"({"a": [1]})", false},
          Held{R"({"path": "$.a", "in": [1, "x", false]})", "{}", false}}) {
        const Rule rule = parse_rule(in_step(R"("skip_if": [)" + std::string(h.condition) + "]"));
        EXPECT_EQ(find_skip(rule.steps[0].skip_if, h.message) != nullptr, h.holds) << h.condition << " " << h.message;
    }
}

TEST(GateRules, TheFirstConditionThatHoldsCounts) {
    const Rule rule = parse_rule(in_step(
        R"("skip_if": [{"path": "$.a", "reason": "x"}, {"path": "$.b", "reason": "y"}, {"path": "$.b", "reason": "z"}])"));
    EXPECT_EQ(find_skip(rule.steps[0].skip_if, R"({"a": 1, "b": 1})")->reason, "x");
    EXPECT_EQ(find_skip(rule.steps[0].skip_if, R"({"b": 1})")->reason, "y");
}

TEST(GateRules, Estimates) {
    CostSettings cost;
    const std::string one = R"({"text": "hello"})";
    const std::string three = R"({"text": ")" + std::string(400, 'x') + R"("})";
    EXPECT_EQ(estimate_cost(cost, three), 0);
    cost.per_part = 75'000;
    EXPECT_EQ(estimate_cost(cost, one), 75'000);
    EXPECT_EQ(estimate_cost(cost, three), 225'000);
    EXPECT_EQ(estimate_cost(cost, "{}"), 75'000) << "an empty text is a message";
    EXPECT_EQ(estimate_cost(cost, R"({"text": {"de": "hallo"}})"), 75'000);
    EXPECT_EQ(count_parts(cost, R"({"text": ")" + std::string(100, 'x') + "\xe2\x98\x83\"}"), 2U) << "UCS-2";
    EXPECT_EQ(count_parts(cost, R"({"text": ")" + std::string(100, 'x') + R"(\u2603"})"), 2U) << "escaped as well";
    cost.per_message = 10'000;
    EXPECT_EQ(estimate_cost(cost, three), 235'000);
    cost.text = path("$.sms.body");
    EXPECT_EQ(estimate_cost(cost, three), 85'000);
}

} // namespace
} // namespace hc::core
