// Tests of the choice among the providers of a step: the order of each "choose", and what goes before it.
#include "core/provider_choice.hpp"

#include "cascade_fixture.hpp"

namespace hc::core::test {
namespace {

// ---- ranking ----

Candidate candidate(std::int32_t id, std::int32_t position, Micros price, std::uint32_t weight = 100) {
    return {{.id = id, .idempotent = false, .position = position, .weight = weight}, price};
}

std::vector<std::pair<std::int32_t, std::int32_t>> ranked(Choose choose, std::vector<std::string> list,
                                                          std::vector<Candidate> candidates) {
    Step step = make_step("sms");
    step.choose = choose;
    step.providers = std::move(list);
    std::vector<std::pair<std::int32_t, std::int32_t>> result;
    for (const ProviderRef &p : rank_candidates(step, std::move(candidates)))
        result.emplace_back(p.id, p.position);
    return result;
}

using Ranks = std::vector<std::pair<std::int32_t, std::int32_t>>; // id, position
const std::vector<Candidate> kFour{candidate(1, 2, 50), candidate(2, 1, 70), candidate(3, 2, 50), candidate(4, 1, 0)};
const std::vector<std::string> kList{"a", "b", "c", "d"};

TEST(RankCandidates, ByPosition) {
    EXPECT_EQ(ranked(Choose::position, {}, kFour), (Ranks{{2, 1}, {4, 1}, {1, 2}, {3, 2}}));
    EXPECT_EQ(ranked(Choose::position, kList, kFour), (Ranks{{1, 1}, {2, 2}, {3, 3}, {4, 4}}))
        << "the list is an order";
}

TEST(RankCandidates, ByCost) {
    for (const std::vector<std::string> &list : {std::vector<std::string>{}, kList})
        EXPECT_EQ(ranked(Choose::least_cost, list, kFour), (Ranks{{4, 1}, {1, 2}, {3, 2}, {2, 3}}))
            << "equal prices are one position, a list is no order";
    EXPECT_EQ(ranked(Choose::least_cost, {}, {candidate(1, 1, 2'000'000'000'000), candidate(2, 9, 1)}),
              (Ranks{{2, 1}, {1, 2}}));
}

TEST(RankCandidates, ByDeliveryAllAreAlike) {
    for (const std::vector<std::string> &list : {std::vector<std::string>{}, kList})
        EXPECT_EQ(ranked(Choose::best_delivery, list, kFour), (Ranks{{1, 1}, {2, 1}, {3, 1}, {4, 1}}));
}

TEST(RankCandidates, NoneAndOne) {
    for (const Choose choose : {Choose::position, Choose::least_cost, Choose::best_delivery}) {
        EXPECT_EQ(ranked(choose, {}, {}), Ranks{});
        EXPECT_EQ(ranked(choose, {"a"}, {candidate(5, 3, 10)}), (Ranks{{5, 1}}));
    }
}

TEST(RankCandidates, KeepWhatElseIsKnownOfAProvider) {
    Step step = make_step("sms");
    step.choose = Choose::least_cost;
    const std::vector<ProviderRef> refs =
        rank_candidates(step, {{{.id = 8, .idempotent = true, .position = 4, .weight = 7}, 3}});
    ASSERT_EQ(refs.size(), 1U);
    EXPECT_TRUE(refs[0].idempotent);
    EXPECT_EQ(refs[0].weight, 7U);
}

// ---- the choice ----

struct Choice {
    Choose choose = Choose::position;
    std::vector<ProviderRef> providers;
    std::vector<std::int32_t> unavailable;
    std::vector<DeliveryLevel> deliveries;

    // The first provider and those that follow it when each refuses.
    std::vector<std::int32_t> order(double random01 = 0.5) const {
        Bench b(make_rule(), {providers, {{.id = 99}}});
        b.rule.steps[0].choose = choose;
        b.unavailable = unavailable;
        b.deliveries = deliveries;
        b.give(StartInput{}, random01);
        std::vector<std::int32_t> tried;
        while (b.attempt(b.state.attempts.size()).step == 0) {
            const AttemptState &a = b.attempt(b.state.attempts.size());
            tried.push_back(a.provider);
            SendAnswer refused;
            refused.attempt = a.number;
            refused.verdict = SendVerdict::next_provider;
            b.give(refused, random01);
        }
        return tried;
    }

    std::int32_t first(double random01) const { return order(random01).front(); }
};

using Order = std::vector<std::int32_t>;

std::vector<ProviderRef> alike(std::uint32_t first = 100, std::uint32_t second = 100, std::uint32_t third = 100) {
    return {{.id = 1, .idempotent = false, .position = 1, .weight = first},
            {.id = 2, .idempotent = false, .position = 1, .weight = second},
            {.id = 3, .idempotent = false, .position = 1, .weight = third}};
}

TEST(ProviderChoice, PositionThenWeight) {
    Choice c{Choose::position, alike(100, 300, 100), {}, {}};
    c.providers[2].position = 0;
    EXPECT_EQ(c.order(0.0), (Order{3, 1, 2}));
    EXPECT_EQ(c.order(0.24), (Order{3, 1, 2}));
    EXPECT_EQ(c.order(0.26), (Order{3, 2, 1}));
    c.deliveries = {{1, 0}, {3, 0}};
    EXPECT_EQ(c.order(0.0), (Order{3, 1, 2})) << "deliveries are not asked for";
    c.choose = Choose::least_cost;
    EXPECT_EQ(c.order(0.0), (Order{3, 1, 2})) << "nor here";
}

TEST(ProviderChoice, TheBestDeliveryFirst) {
    const Choice c{Choose::best_delivery, alike(), {}, {{1, 10}, {2, 19}, {3, 18}}};
    for (const double random01 : {0.0, 0.5, 0.99})
        EXPECT_EQ(c.order(random01), (Order{2, 3, 1}));
}

TEST(ProviderChoice, EqualLevelsShareByWeight) {
    const Choice c{Choose::best_delivery, alike(100, 300, 100), {}, {{1, 19}, {2, 19}, {3, 3}}};
    EXPECT_EQ(c.order(0.24), (Order{1, 2, 3}));
    EXPECT_EQ(c.order(0.26), (Order{2, 1, 3}));
}

TEST(ProviderChoice, AnUnknownProviderIsAmongTheBest) {
    const Choice c{Choose::best_delivery, alike(), {}, {{1, 19}, {3, kBestDelivery}}};
    EXPECT_EQ(c.order(0.0), (Order{2, 3, 1}));
    EXPECT_EQ(c.order(0.99), (Order{3, 2, 1}));
}

TEST(ProviderChoice, WithoutAnyFiguresWeightDecides) {
    const Choice c{Choose::best_delivery, alike(100, 200, 100), {}, {}};
    EXPECT_EQ(c.first(0.0), 1);
    EXPECT_EQ(c.first(0.25), 2);
    EXPECT_EQ(c.first(0.74), 2);
    EXPECT_EQ(c.first(0.75), 3);
}

TEST(ProviderChoice, WhatIsOutComesLastWhateverItDelivers) {
    Choice c{Choose::best_delivery, alike(), {2}, {{1, 1}, {3, 2}}};
    EXPECT_EQ(c.order(), (Order{3, 1, 2}));
    c.unavailable = {1, 2, 3};
    EXPECT_EQ(c.order(), (Order{2, 3, 1})) << "all are out: the better one first";
    Choice cheap{Choose::least_cost, alike(), {1}, {}};
    cheap.providers[1].position = 2;
    cheap.providers[2].position = 3;
    EXPECT_EQ(cheap.order(), (Order{2, 3, 1})) << "so also the cheapest";
}

TEST(ProviderChoice, EachHasOneTurnAlsoWhenItBecomesTheBest) {
    Bench b(make_rule(), {alike(), {{.id = 99}}});
    b.rule.steps[0].choose = Choose::best_delivery;
    b.deliveries = {{2, 10}, {3, 5}};
    b.start();
    EXPECT_EQ(b.attempt(1).provider, 1);
    b.deliveries = {{1, 20}, {2, 1}, {3, 5}};
    b.answer(1, SendVerdict::next_provider);
    EXPECT_EQ(b.attempt(2).provider, 3);
    b.answer(2, SendVerdict::next_provider);
    EXPECT_EQ(b.attempt(3).provider, 2);
    b.answer(3, SendVerdict::next_provider);
    EXPECT_EQ(b.attempt(4).provider, 99);
}

TEST(ProviderChoice, OnlyTheStepThatAsksForItLooksAtDeliveries) {
    Bench b(make_rule(), {alike(), {{.id = 8, .position = 1}, {.id = 9, .position = 2}}});
    b.rule.steps[0].choose = Choose::best_delivery;
    b.deliveries = {{1, 0}, {2, 0}, {8, 0}};
    b.start();
    EXPECT_EQ(b.attempt(1).provider, 3);
    b.answer(1, SendVerdict::next_channel);
    EXPECT_EQ(b.attempt(2).provider, 8);
    EXPECT_TRUE(looks_at_deliveries(b.rule));
    b.rule.steps[0].choose = Choose::least_cost;
    EXPECT_FALSE(looks_at_deliveries(b.rule));
}

TEST(ProviderChoice, FirstChoicesVaryWhereTheyAreAMatterOfChance) {
    Rule rule = make_rule();
    const auto varies = [&rule](std::vector<ProviderRef> first) {
        return first_choice_varies({.rule = &rule, .providers = {std::move(first), {{.id = 99}}}});
    };
    for (const Choose choose : {Choose::position, Choose::least_cost, Choose::best_delivery}) {
        rule.steps[0].choose = choose;
        const auto rank = [&rule](std::vector<Candidate> c) { return rank_candidates(rule.steps[0], std::move(c)); };
        const bool by_delivery = choose == Choose::best_delivery;
        EXPECT_FALSE(varies(rank({candidate(1, 1, 5)})));
        EXPECT_TRUE(varies(rank({candidate(1, 1, 5), candidate(2, 1, 5)})));
        EXPECT_EQ(varies(rank({candidate(1, 1, 5), candidate(2, 2, 6)})), by_delivery);
    }
}

} // namespace
} // namespace hc::core::test
