// The gates before a send leaves: each decision over its whole table, and what must hold of any sequence of them.
#include "core/gates.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace hc::core {
namespace {

using namespace std::chrono_literals;

constexpr Time kNow = std::chrono::sys_days(std::chrono::year(2026) / 1 / 2);

// ---- by the rule ----

struct Sent {
    Rule rule = parse_rule(R"({"steps": [{"channel": "sms"}, {"channel": "email"}]})");
    std::uint16_t step = 0;
    TenantLimits limits;
    CostSettings provider;
    std::string message = R"({"to": "+1555", "text": "hello"})";
    Recipient recipient{AddressState::known, "+1555"};
    Micros cost = 0, sent = 0;

    std::string refused() const {
        return refused_by_rule({rule, step, limits, provider, message, recipient, cost, sent});
    }
};

TEST(Gates, NothingIsAskedFor) { EXPECT_EQ(Sent{}.refused(), ""); }

TEST(Gates, ChannelOff) {
    Sent s;
    s.limits.channels_off = {"email"};
    EXPECT_EQ(s.refused(), "");
    s.step = 1;
    EXPECT_EQ(s.refused(), "channel_off");
}

TEST(Gates, NoAddress) {
    Sent s;
    s.recipient = {AddressState::absent, ""};
    EXPECT_EQ(s.refused(), "no_address");
    s.recipient = {AddressState::unknown, ""};
    EXPECT_EQ(s.refused(), "");
}

TEST(Gates, Parts) {
    Sent s;
    s.message = R"({"text": ")" + std::string(307, 'x') + R"("})"; // three parts
    s.rule.max_parts = 3;
    EXPECT_EQ(s.refused(), "");
    s.rule.max_parts = 2;
    EXPECT_EQ(s.refused(), "too_many_parts");
    s.rule.steps[0].max_parts = 3;
    EXPECT_EQ(s.refused(), "") << "the step's own word";
    s.step = 1;
    EXPECT_EQ(s.refused(), "") << "the rule's limit is not meant for mail";
    s.rule.steps[1].max_parts = 2;
    EXPECT_EQ(s.refused(), "too_many_parts") << "unless the step has one";
}

TEST(Gates, CostOfACascade) {
    Sent s;
    s.cost = 150'000;
    s.sent = 50'000;
    EXPECT_EQ(s.refused(), "");
    s.rule.max_cost = 200'000;
    EXPECT_EQ(s.refused(), "");
    s.rule.max_cost = 199'999;
    EXPECT_EQ(s.refused(), "cost_cap");
    s.cost = 0;
    s.sent = 0;
    s.rule.max_cost = 0;
    EXPECT_EQ(s.refused(), "") << "what costs nothing";
    s.sent = INT64_MAX;
    s.cost = INT64_MAX;
    EXPECT_EQ(s.refused(), "cost_cap") << "no overflow";
}

// Of all that could be said the first word counts.
TEST(Gates, TheOrderOfTheWords) {
    Sent s;
    s.limits.channels_off = {"sms"};
    s.rule.steps[0].skip_if = {{parse_json_path("$.text").value(), {}, false, "has_text"}};
    s.recipient = {AddressState::absent, ""};
    s.message = R"({"text": ")" + std::string(200, 'x') + R"("})";
    s.rule.max_parts = 1;
    s.rule.max_cost = 1;
    s.cost = 2;
    EXPECT_EQ(s.refused(), "channel_off");
    s.limits.channels_off.clear();
    EXPECT_EQ(s.refused(), "has_text");
    s.rule.steps[0].skip_if.clear();
    EXPECT_EQ(s.refused(), "no_address");
    s.recipient.state = AddressState::known;
    EXPECT_EQ(s.refused(), "too_many_parts");
    s.rule.max_parts.reset();
    EXPECT_EQ(s.refused(), "cost_cap");
    s.rule.max_cost.reset();
    EXPECT_EQ(s.refused(), "");
}

// ---- what a cascade has cost ----

AttemptState attempt(std::uint16_t number, AttemptPhase phase, bool taken, bool unanswered, Time due = kNow) {
    AttemptState a;
    a.number = number;
    a.provider = number;
    a.phase = phase;
    a.taken = taken;
    a.unanswered = unanswered;
    a.due = due;
    return a;
}

Micros sent(const std::vector<AttemptState> &attempts, std::uint16_t self) {
    State state;
    state.attempts = attempts;
    return sent_cost(state, state.attempts.at(self - 1U), kNow,
                     [](std::int32_t provider) { return Micros{1} << provider; });
}

TEST(Gates, WhatACascadeHasCost) {
    const AttemptState self = attempt(2, AttemptPhase::queued, false, true);
    const auto with = [&self](const AttemptState &other) { return sent({other, self}, 2); };
    EXPECT_EQ(with(attempt(1, AttemptPhase::answered, true, false)), 2) << "taken";
    EXPECT_EQ(with(attempt(1, AttemptPhase::ambiguous, true, false)), 2) << "perhaps taken";
    EXPECT_EQ(with(attempt(1, AttemptPhase::over, true, false)), 2) << "taken, and failed later";
    EXPECT_EQ(with(attempt(1, AttemptPhase::over, false, false)), 0) << "refused";
    EXPECT_EQ(with(attempt(1, AttemptPhase::over, false, true)), 2) << "given up, an answer may still come";
    EXPECT_EQ(with(attempt(1, AttemptPhase::over, false, true, kNever)), 0) << "given up before it could leave";
    EXPECT_EQ(with(attempt(1, AttemptPhase::queued, false, true)), 2) << "may be under way";
    EXPECT_EQ(with(attempt(1, AttemptPhase::queued, false, true, kNow + 1h)), 2) << "goes before us in any case";
    const AttemptState later = attempt(3, AttemptPhase::queued, false, true);
    EXPECT_EQ(sent({attempt(1, AttemptPhase::over, false, false), self, later}, 2), 0)
        << "counts for us, not we for it";
    EXPECT_EQ(
        sent({attempt(1, AttemptPhase::over, false, false), self, attempt(3, AttemptPhase::queued, true, true)}, 2), 8)
        << "taken once, and sent again";
}

// Attempts that wait at once, claimed in any order: what is let through keeps to the limit.
TEST(Gates, TogetherAttemptsKeepToTheLimit) {
    std::mt19937 random(11);
    for (int round = 0; round < 5000; ++round) {
        State state;
        std::vector<Micros> costs{0};
        const std::size_t n = 1 + random() % 6;
        for (std::uint16_t i = 1; i <= n; ++i) {
            state.attempts.push_back(
                attempt(i, AttemptPhase::queued, false, true, random() % 3 == 0 ? kNow + 1h : kNow));
            costs.push_back(static_cast<Micros>(random() % 50));
        }
        const Micros limit = static_cast<Micros>(random() % 120);
        std::vector<std::uint16_t> order;
        for (std::uint16_t i = 1; i <= n; ++i)
            order.push_back(i);
        std::shuffle(order.begin(), order.end(), random);
        Micros total = 0;
        for (const std::uint16_t i : order) {
            AttemptState &a = state.attempts[i - 1U];
            const Micros others =
                sent_cost(state, a, kNow, [&](std::int32_t p) { return costs[static_cast<std::size_t>(p)]; });
            const bool passes = others + costs[i] <= limit;
            total += passes ? costs[i] : 0;
            if (!passes) { // recorded at once
                a.phase = AttemptPhase::over;
                a.unanswered = false;
            } else if (random() % 2 == 0) { // else it is still under way
                a.phase = AttemptPhase::answered;
                a.taken = true;
                a.unanswered = false;
            }
        }
        EXPECT_LE(total, limit);
    }
}

// ---- suppression ----

TEST(Gates, SuppressionOverItsWholeTable) {
    const auto stops = [](SuppressReason reason, bool of_category, Priority priority) {
        const Suppression entry{reason, of_category};
        return suppressed_by({&entry, 1}, priority).has_value();
    };
    for (const SuppressReason reason : {SuppressReason::complaint, SuppressReason::invalid_address,
                                        SuppressReason::opt_out, SuppressReason::manual}) {
        for (const bool of_category : {false, true}) {
            for (const Priority priority : {Priority::otp, Priority::transactional, Priority::marketing}) {
                const bool passes = priority == Priority::otp && reason == SuppressReason::opt_out && of_category;
                EXPECT_EQ(stops(reason, of_category, priority), !passes)
                    << to_string(reason) << " " << of_category << " " << to_string(priority);
            }
        }
    }
    EXPECT_EQ(suppressed_by({}, Priority::transactional), std::nullopt);
}

TEST(Gates, TheGravestReasonIsTold) {
    const std::vector<Suppression> all{{SuppressReason::manual, false},
                                       {SuppressReason::opt_out, true},
                                       {SuppressReason::invalid_address, false},
                                       {SuppressReason::complaint, false}};
    EXPECT_EQ(suppressed_by(all, Priority::otp), SuppressReason::complaint);
    EXPECT_EQ(suppressed_by(std::span(all).first(3), Priority::otp), SuppressReason::invalid_address);
    EXPECT_EQ(suppressed_by(std::span(all).first(2), Priority::transactional), SuppressReason::opt_out);
    EXPECT_EQ(suppressed_by(std::span(all).first(2), Priority::otp), SuppressReason::manual);
}

TEST(Gates, ReasonWordsReadBack) {
    for (const char *word : {"complaint", "invalid_address", "opt_out", "manual"})
        EXPECT_EQ(to_string(parse_suppress_reason(word).value()), word);
    EXPECT_EQ(parse_suppress_reason("clear_opt_out"), std::nullopt);
    EXPECT_EQ(parse_suppress_reason(""), std::nullopt);
}

// ---- frequency ----

TEST(Gates, AWindowHoldsSoMany) {
    const Frequency twice{2, 1h, false};
    std::vector<Contact> contacts;
    EXPECT_EQ(take_place(contacts, 1, kNow, twice), Place::taken);
    EXPECT_EQ(take_place(contacts, 1, kNow + 1s, twice), Place::had) << "a repetition";
    EXPECT_EQ(take_place(contacts, 2, kNow + 30min, twice), Place::taken);
    EXPECT_EQ(take_place(contacts, 3, kNow + 1h - 1us, twice), Place::none);
    EXPECT_EQ(take_place(contacts, 2, kNow + 1h - 1us, twice), Place::had) << "full, and it has its place";
    EXPECT_EQ(take_place(contacts, 3, kNow + 1h, twice), Place::taken) << "the first is an hour old";
    EXPECT_EQ(contacts.size(), 3U);
    give_back_place(contacts, 2);
    give_back_place(contacts, 99);
    EXPECT_EQ(contacts.size(), 2U);
    EXPECT_EQ(take_place(contacts, 4, kNow + 1h, twice), Place::taken);
}

TEST(Gates, OldContactsAreForgotten) {
    std::vector<Contact> contacts{{kNow - 2h, 1}, {kNow - 1h, 2}, {kNow - 1h + 1us, 3}, {kNow, 4}};
    forget_contacts(contacts, kNow, 1h);
    EXPECT_EQ(contacts, (std::vector<Contact>{{kNow - 1h + 1us, 3}, {kNow, 4}}));
    contacts.clear();
    for (int i = 0; i < 150; ++i)
        contacts.push_back({kNow - std::chrono::minutes(i), i});
    forget_contacts(contacts, kNow, 24h);
    ASSERT_EQ(contacts.size(), kMaxFrequency);
    EXPECT_TRUE(std::all_of(contacts.begin(), contacts.end(), [](const Contact &c) { return c.mark < 100; }))
        << "the newest";
}

TEST(Gates, WhomTheFrequencyLimits) {
    Rule rule;
    EXPECT_FALSE(limits_frequency(rule, Priority::marketing));
    rule.frequency = Frequency{1, 1h, false};
    EXPECT_TRUE(limits_frequency(rule, Priority::marketing));
    EXPECT_TRUE(limits_frequency(rule, Priority::transactional));
    EXPECT_FALSE(limits_frequency(rule, Priority::otp));
    rule.frequency->otp = true;
    EXPECT_TRUE(limits_frequency(rule, Priority::otp));
}

TEST(Gates, MarksTellAttemptsApart) {
    const WorkflowId a = make_workflow_id(kNow, 1, 7), b = make_workflow_id(kNow, 1, 8);
    const std::set<std::int64_t> marks{contact_mark(a, 1), contact_mark(a, 2), contact_mark(b, 1), contact_mark(b, 2)};
    EXPECT_EQ(marks.size(), 4U);
    EXPECT_EQ(contact_mark(a, 1), contact_mark(a, 1));
}

// Whatever comes in whatever order: in no window are there more than the rule allows, and nothing that fits is refused.
TEST(Gates, NoWindowEverHoldsMore) {
    std::mt19937 random(5);
    for (int round = 0; round < 300; ++round) {
        const Frequency frequency{1 + static_cast<std::uint32_t>(random() % 5), std::chrono::minutes(1 + random() % 30),
                                  false};
        std::vector<Contact> contacts;
        std::vector<Contact> sent; // without forgetting
        Time now = kNow;
        for (std::int64_t mark = 0; mark < 200; ++mark) {
            now += std::chrono::seconds(random() % 400);
            const std::int64_t used = random() % 4 == 0 && mark > 0 ? static_cast<std::int64_t>(random() % mark) : mark;
            const auto recent =
                std::count_if(sent.begin(), sent.end(), [&](const Contact &c) { return c.at > now - frequency.per; });
            const bool known =
                std::any_of(contacts.begin(), contacts.end(), [&](const Contact &c) { return c.mark == used; });
            const Place place = take_place(contacts, used, now, frequency);
            EXPECT_EQ(place == Place::had, known);
            if (!known) {
                EXPECT_EQ(place == Place::taken, recent < static_cast<std::ptrdiff_t>(frequency.max));
            }
            if (place == Place::taken) {
                sent.push_back({now, used});
            }
            if (place == Place::taken && random() % 5 == 0) { // it was not sent after all
                give_back_place(contacts, used);
                sent.pop_back();
            }
            forget_contacts(contacts, now, frequency.per);
            EXPECT_LE(contacts.size(), frequency.max);
        }
    }
}

// ---- cost of a day ----

TEST(Gates, ADayCostsAtMostItsCap) {
    Micros spent = 90;
    EXPECT_FALSE(take_amount(spent, 11, 100));
    EXPECT_EQ(spent, 90);
    EXPECT_TRUE(take_amount(spent, 10, 100));
    EXPECT_EQ(spent, 100);
    EXPECT_FALSE(take_amount(spent, 1, 100));
    EXPECT_TRUE(take_amount(spent, 0, 50)) << "the cap was lowered: what costs nothing still passes";
    EXPECT_FALSE(take_amount(spent, INT64_MAX, INT64_MAX - 1)) << "no overflow";
    EXPECT_EQ(spent, 100);
}

TEST(Gates, WhoPays) {
    AttemptState a;
    EXPECT_TRUE(pays(a, true));
    EXPECT_FALSE(pays(a, false)) << "claimed again after a crash: it may have left, and has paid";
    a.taken = true;
    EXPECT_FALSE(pays(a, true)) << "an ambiguous send goes out again under the same key";
}

TEST(Gates, WhatSurelyWasNotTaken) {
    SendAnswer answer;
    for (const auto &[verdict, untaken] : {std::pair{SendVerdict::accepted, false},
                                           {SendVerdict::retry_same, true},
                                           {SendVerdict::ambiguous, false},
                                           {SendVerdict::next_provider, true},
                                           {SendVerdict::next_channel, true},
                                           {SendVerdict::skip, false},
                                           {SendVerdict::not_now, false}}) {
        answer.verdict = verdict;
        answer.partly_taken = false;
        EXPECT_EQ(surely_not_taken(answer), untaken) << static_cast<int>(verdict);
        answer.partly_taken = true;
        EXPECT_FALSE(surely_not_taken(answer)) << static_cast<int>(verdict);
    }
}

} // namespace
} // namespace hc::core
