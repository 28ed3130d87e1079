// The bodies of outcome reports and of cascade_status: every member, from states made by decide().
#include "core/report.hpp"

#include "core/rule.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace hc::core {
namespace {

using Json = nlohmann::json;

class ReportTest : public ::testing::Test {
protected:
    ReportTest() : rule_(parse_rule(R"({"steps": [{"channel": "email", "timeout": "10s"}, {"channel": "sms"}]})")) {
        program_.rule = &rule_;
        program_.providers = {{{7, true}}, {{8, false}}};
        put(StartInput{});
    }

    Decision put(const Input &input, int seconds = 0) {
        now_ += std::chrono::seconds(seconds);
        return decide(program_, state_, input, now_, {.random01 = 0.5});
    }
    void accept(std::uint16_t attempt) {
        SendAnswer answer;
        answer.attempt = attempt;
        answer.code = 202;
        answer.provider_message_id = "m-" + std::to_string(attempt);
        put(answer);
    }
    void receive(std::uint16_t attempt, ReceiptState state) {
        ReceiptInput receipt;
        receipt.attempt = attempt;
        receipt.facts.state = state;
        receipt.hash = ++hash_;
        put(receipt, 1);
    }
    Json report() const {
        ReportFacts facts{WorkflowId{}, "acme", "order-1", "welcome", "email", "ses"};
        return Json::parse(report_json(state_, facts));
    }
    Json status() const {
        StatusFacts facts;
        facts.rule = "welcome";
        facts.rule_version = 2;
        facts.channels = {"email", "sms"};
        facts.provider_names = {"ses", "texts"};
        facts.report_state = "pending";
        facts.report_failed_tries = 1;
        facts.report_error = "http_500";
        return Json::parse(status_json(state_, facts));
    }

    Rule rule_;
    Program program_;
    State state_;
    Time now_ = from_unix_micros(1767225600000000); // 2026-01-01
    std::uint64_t hash_ = 0;
};

TEST_F(ReportTest, Delivered) {
    accept(1);
    receive(1, ReceiptState::delivered);
    const Json r = report();
    EXPECT_EQ(r["type"], "message.delivered");
    EXPECT_EQ(r["timestamp"], "2026-01-01T00:00:01.000000Z");
    const Json &d = r["data"];
    EXPECT_EQ(d["outcome"], "DELIVERED");
    EXPECT_EQ(d["tenant"], "acme");
    EXPECT_EQ(d["key"], "order-1");
    EXPECT_EQ(d["rule"], "welcome");
    EXPECT_EQ(d["channel"], "email");
    EXPECT_EQ(d["provider"], "ses");
    EXPECT_EQ(d["step"], 1);
    EXPECT_EQ(d["attempt"], 1);
    EXPECT_EQ(d["provider_message_id"], "m-1");
    EXPECT_EQ(d["state"], "delivered");
    EXPECT_EQ(d["sequence"], 1);
    EXPECT_EQ(d["contacted"], true);
    EXPECT_EQ(d["duplicate_contact"], false);
    EXPECT_FALSE(d.contains("previous_outcome"));
}

TEST_F(ReportTest, ExhaustedThenCorrected) {
    accept(1);
    receive(1, ReceiptState::undeliverable);
    accept(2);
    receive(2, ReceiptState::undeliverable);
    EXPECT_EQ(report()["type"], "message.failed");
    EXPECT_EQ(report()["data"]["outcome"], "EXHAUSTED");
    receive(2, ReceiptState::delivered);
    const Json r = report();
    EXPECT_EQ(r["type"], "message.status_corrected");
    EXPECT_EQ(r["data"]["outcome"], "DELIVERED");
    EXPECT_EQ(r["data"]["previous_outcome"], "EXHAUSTED");
    EXPECT_EQ(r["data"]["sequence"], 2);
    EXPECT_EQ(status()["outcome"], "EXHAUSTED");
    EXPECT_EQ(status()["corrected_outcome"], "DELIVERED");
}

TEST_F(ReportTest, CanceledBeforeAnythingLeftIsCertain) {
    put(CancelInput{"customer withdrew", false, false});
    EXPECT_EQ(report()["type"], "message.canceled");
    EXPECT_EQ(report()["data"]["contacted"], false);
    EXPECT_EQ(report()["data"]["attempt"], nullptr);
}

TEST_F(ReportTest, CanceledAfterAClaimMayHaveContacted) {
    put(CancelInput{"customer withdrew", false, true});
    EXPECT_EQ(report()["data"]["contacted"], true);
}

TEST_F(ReportTest, StatusOfARunningCascade) {
    accept(1);
    const Json s = status();
    EXPECT_EQ(s["status"], "RUNNING");
    EXPECT_EQ(s["outcome"], nullptr);
    EXPECT_EQ(s["step"], 1);
    EXPECT_EQ(s["channel"], "email");
    EXPECT_EQ(s["rule_version"], 2);
    EXPECT_EQ(s["next_timer"], "2026-01-01T00:00:10.000000Z");
    ASSERT_EQ(s["attempts"].size(), 1U);
    EXPECT_EQ(s["attempts"][0]["provider"], "ses");
    EXPECT_EQ(s["attempts"][0]["phase"], "answered");
    EXPECT_EQ(s["attempts"][0]["state"], "accepted");
    EXPECT_EQ(s["report"]["state"], "pending");
    EXPECT_EQ(s["report"]["failed_tries"], 1);
    EXPECT_EQ(s["report"]["last_error"], "http_500");
}

TEST_F(ReportTest, StatusShowsTheStepThatDecided) {
    accept(1);
    put(TimerInput{state_.timer_task}, 10);
    EXPECT_EQ(status()["step"], 2);
    receive(1, ReceiptState::delivered); // late, while step 2 runs
    EXPECT_EQ(status()["status"], "CLOSED");
    EXPECT_EQ(status()["step"], 1);
    EXPECT_EQ(status()["channel"], "email");
    EXPECT_EQ(status()["duplicate_contact"], true);
}

TEST_F(ReportTest, EstimatedCostsOfWhatWasSent) {
    SendAnswer in;
    in.attempt = 1;
    put(in);
    StatusFacts facts;
    facts.estimated_costs = {Micros{75'000}};
    EXPECT_EQ(Json::parse(status_json(state_, facts))["attempts"][0]["estimated_cost"].dump(), "0.075");
    facts.estimated_costs = {Micros{1'234'567'000'001}};
    EXPECT_EQ(Json::parse(status_json(state_, facts))["attempts"][0]["estimated_cost"].dump(), "1234567.000001");
    facts.estimated_costs = {std::nullopt};
    EXPECT_FALSE(Json::parse(status_json(state_, facts))["attempts"][0].contains("estimated_cost"));
}

TEST_F(ReportTest, ReportIdIsStable) {
    const WorkflowId id = *parse_workflow_id("01a1fd4b-a1a0-7366-b6ab-11eb3c4d4b03");
    EXPECT_EQ(report_id(id, 2, 9), "01a1fd4b-a1a0-7366-b6ab-11eb3c4d4b03-r2-e9");
}

TEST_F(ReportTest, TextThatIsNoUtf8IsReplacedNotRefused) {
    ReportFacts facts{WorkflowId{}, std::nullopt, std::string("\xff\xfe"), "welcome", {}, {}};
    put(CancelInput{"x", false, true});
    EXPECT_NO_THROW(Json::parse(report_json(state_, facts)));
}

// ---- reports made again from the history ----

class ReportAgainTest : public ReportTest {
protected:
    ReportAgainTest() { // the start that the base has made, as events
        State fresh;
        events_ = decide(program_, fresh, StartInput{}, now_, {.random01 = 0.5}).events;
    }
    void give(const Input &input) {
        const Decision d = put(input);
        events_.insert(events_.end(), d.events.begin(), d.events.end());
        if (d.report) {
            first_.push_back(report_json(state_, facts()));
        }
    }
    static ReportFacts facts() { return {WorkflowId{}, "acme", "order-1", "welcome", "email", "ses"}; }
    void take(ReceiptState state, const char *id = "", std::uint16_t attempt = 1) {
        ReceiptInput in;
        in.attempt = attempt;
        in.provider_message_id = id;
        in.facts.state = state;
        in.facts.sequence = static_cast<std::int64_t>(++hash_);
        in.hash = hash_;
        give(in);
    }
    void answer() {
        SendAnswer in;
        in.attempt = 1;
        in.provider_message_id = "m-1";
        give(in);
    }
    std::vector<std::string> again() const {
        std::vector<std::string> bodies;
        for (const State &state : states_at_reports(decode_events(encode_events(events_, std::nullopt))))
            bodies.push_back(report_json(state, facts()));
        return bodies;
    }

    std::vector<HistoryEvent> events_;
    std::vector<std::string> first_;
};

TEST_F(ReportAgainTest, NoneBeforeTheEnd) {
    answer();
    EXPECT_TRUE(again().empty());
}

TEST_F(ReportAgainTest, WhatComesLaterChangesNothing) {
    answer();
    now_ += std::chrono::seconds(1);
    take(ReceiptState::delivered);
    take(ReceiptState::read); // at the same microsecond, in a decision of its own
    now_ += std::chrono::seconds(1);
    take(ReceiptState::undeliverable);
    take(ReceiptState::sent);
    ASSERT_FALSE(first_.empty());
    EXPECT_EQ(again(), first_);
}

TEST_F(ReportAgainTest, ReceiptsThatWaitedForTheAnswer) {
    take(ReceiptState::delivered, "m-1", 0);
    take(ReceiptState::read, "m-1", 0);
    ASSERT_TRUE(first_.empty());
    now_ += std::chrono::seconds(1);
    answer();
    ASSERT_EQ(first_.size(), 1U);
    EXPECT_EQ(again(), first_);
}

TEST(ReportTypeTest, OfABody) {
    EXPECT_EQ(report_type_of(R"({"type":"message.failed","timestamp":"x"})"), "message.failed");
    EXPECT_EQ(report_type_of(""), "");
    EXPECT_EQ(report_type_of(R"({"status":"sent"})"), "");
}

} // namespace
} // namespace hc::core
