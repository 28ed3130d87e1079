// Tests of the share of a provider's messages that were delivered: what counts, how the window forgets, and the levels
// that providers are compared by.
#include "core/delivery_share.hpp"

#include "cascade_fixture.hpp"

#include <random>

namespace hc::core::test {
namespace {

DeliveryWindow window_of(std::int64_t delivered, std::int64_t ended, Time now = kStart) {
    return add_deliveries(0, {delivered, ended}, now);
}

// ---- the window ----

TEST(DeliveryWindow, ZeroIsEmptyAndChangesAddUp) {
    EXPECT_EQ(delivery_counts(0, kStart), DeliveryCounts{});
    DeliveryWindow window = window_of(1, 1);
    EXPECT_EQ(delivery_counts(window, kStart), (DeliveryCounts{1, 1}));
    window = add_deliveries(window, {0, 3}, kStart);
    EXPECT_EQ(delivery_counts(window, kStart), (DeliveryCounts{1, 4}));
    window = add_deliveries(window, {-1, 0}, kStart);
    EXPECT_EQ(delivery_counts(window, kStart), (DeliveryCounts{0, 4}));
}

TEST(DeliveryWindow, IsHalvedWhenItIsFull) {
    EXPECT_EQ(delivery_counts(window_of(600, kDeliveryWindow), kStart), (DeliveryCounts{600, 1000}));
    EXPECT_EQ(delivery_counts(window_of(600, kDeliveryWindow + 1), kStart), (DeliveryCounts{300, 500}));
    EXPECT_EQ(delivery_counts(window_of(100'000, 200'000), kStart), (DeliveryCounts{390, 781}))
        << "as often as it takes";
}

TEST(DeliveryWindow, OneThatTurnsBadIsKnownAsBadAfterAFewHundred) {
    DeliveryWindow window = window_of(1000, 1000);
    int failures = 0;
    while (delivery_level(delivery_counts(window, kStart)) > kBestDelivery / 2) {
        window = add_deliveries(window, {0, 1}, kStart);
        ++failures;
    }
    EXPECT_LE(failures, 1000);
    EXPECT_GE(failures, 400);
}

TEST(DeliveryWindow, IsHalvedAfterEachHalfLife) {
    const DeliveryWindow window = window_of(40, 160);
    EXPECT_EQ(delivery_counts(window, kStart + kDeliveryHalfLife - 1s), (DeliveryCounts{40, 160}));
    EXPECT_EQ(delivery_counts(window, kStart + kDeliveryHalfLife), (DeliveryCounts{20, 80}));
    EXPECT_EQ(delivery_counts(window, kStart + 3 * kDeliveryHalfLife), (DeliveryCounts{5, 20}));
    EXPECT_EQ(delivery_counts(window, kStart + 4 * kDeliveryHalfLife), (DeliveryCounts{2, 10}));
    EXPECT_EQ(delivery_counts(window, kStart + 100000 * kDeliveryHalfLife), DeliveryCounts{});
}

TEST(DeliveryWindow, AddingDoesNotPutOffTheNextHalving) {
    DeliveryWindow window = window_of(0, 100);
    for (int i = 1; i <= 40; ++i)
        window = add_deliveries(window, {}, kStart + i * kDeliveryHalfLife / 4);
    EXPECT_EQ(delivery_counts(window, kStart + 10 * kDeliveryHalfLife), DeliveryCounts{}) << "100 / 2^10";
}

TEST(DeliveryWindow, AProviderThatIsSparedBecomesUnknownAgain) {
    const DeliveryWindow window = window_of(0, kDeliveryWindow);
    EXPECT_EQ(delivery_level(delivery_counts(window, kStart + 5 * kDeliveryHalfLife)), 0);
    EXPECT_EQ(delivery_level(delivery_counts(window, kStart + 6 * kDeliveryHalfLife)), kBestDelivery);
}

TEST(DeliveryWindow, AClockThatWasSetBackForgetsNothing) {
    const DeliveryWindow window = window_of(10, 40);
    for (const Duration back : {Duration(1s), kDeliveryHalfLife, Duration(365 * 24h)}) {
        EXPECT_EQ(delivery_counts(window, kStart - back), (DeliveryCounts{10, 40}));
        const DeliveryWindow more = add_deliveries(window, {0, 1}, kStart - back);
        EXPECT_EQ(delivery_counts(more, kStart - back), (DeliveryCounts{10, 41}));
        EXPECT_EQ(delivery_counts(more, kStart + kDeliveryHalfLife).ended <= 20, true);
    }
    EXPECT_EQ(delivery_counts(add_deliveries(0, {1, 1}, from_unix_micros(-5)), from_unix_micros(0)),
              (DeliveryCounts{1, 1}));
    EXPECT_EQ(delivery_counts(add_deliveries(0, {1, 1}, kNever), kNever), (DeliveryCounts{1, 1}));
}

TEST(DeliveryWindow, WhatIsTakenBackAfterItWasForgottenGoesNoLowerThanNothing) {
    EXPECT_EQ(delivery_counts(add_deliveries(0, {-5, -5}, kStart), kStart), DeliveryCounts{});
    EXPECT_EQ(delivery_counts(add_deliveries(window_of(3, 10), {5, -4}, kStart), kStart), (DeliveryCounts{6, 6}));
    EXPECT_EQ(delivery_counts(add_deliveries(window_of(3, 10), {-5, 0}, kStart), kStart), (DeliveryCounts{0, 10}));
}

TEST(DeliveryWindow, AnySequenceOfChangesKeepsItInItsLimits) {
    std::mt19937_64 random(20261129);
    DeliveryWindow window = 0;
    Time now = kStart;
    for (int i = 0; i < 200'000; ++i) {
        const auto below = [&random](std::int64_t n) {
            return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
        };
        const std::int64_t most = i % 100 == 0 ? 1'000'000 : 40;
        now += Duration(below(60'000'000) - 20'000'000);
        window = add_deliveries(window, {below(most) - most / 3, below(most) - most / 3}, now);
        const DeliveryCounts counts = delivery_counts(window, now);
        ASSERT_GE(counts.delivered, 0);
        ASSERT_LE(counts.delivered, counts.ended);
        ASSERT_LE(counts.ended, kDeliveryWindow);
        ASSERT_LE(delivery_level(counts), kBestDelivery);
    }
}

// ---- levels ----

TEST(DeliveryLevel, FewerThanTwentyEndsCountAsTheBest) {
    for (std::int64_t ended = 0; ended < kDeliveryMinimum; ++ended) {
        EXPECT_EQ(delivery_level({0, ended}), kBestDelivery);
        EXPECT_EQ(delivery_share({0, ended}), std::nullopt);
    }
    EXPECT_EQ(delivery_level({0, kDeliveryMinimum}), 0);
    EXPECT_EQ(delivery_share({5, kDeliveryMinimum}), 0.25);
}

TEST(DeliveryLevel, StepsOfFivePointsToTheNearest) {
    for (std::int64_t delivered = 0; delivered <= 1000; ++delivered)
        EXPECT_EQ(delivery_level({delivered, 1000}), (delivered + 25) / 50) << delivered;
    EXPECT_EQ(delivery_level({975, 1000}), kBestDelivery);
    EXPECT_EQ(delivery_level({974, 1000}), kBestDelivery - 1);
}

// ---- what counts ----

TEST(DeliveryEnd, EveryStateAndKind) {
    constexpr FailureKind kKinds[] = {FailureKind::none, FailureKind::soft, FailureKind::hard, FailureKind::policy,
                                      FailureKind::config};
    for (int i = 0; i < kReceiptStates; ++i) {
        for (const FailureKind kind : kKinds) {
            AttemptState attempt;
            attempt.receipt.state = static_cast<ReceiptState>(i);
            attempt.receipt.kind = kind;
            DeliveryEnd expected = DeliveryEnd::none;
            switch (attempt.receipt.state) {
            case ReceiptState::delivered:
            case ReceiptState::read:
                expected = DeliveryEnd::delivered;
                break;
            case ReceiptState::failed:
            case ReceiptState::expired: // soft, if nothing else is said
                if (kind != FailureKind::hard && kind != FailureKind::policy)
                    expected = DeliveryEnd::failed;
                break;
            case ReceiptState::undeliverable: // the address, if nothing else is said
            case ReceiptState::rejected:
            case ReceiptState::canceled:
                if (kind == FailureKind::soft || kind == FailureKind::config)
                    expected = DeliveryEnd::failed;
                break;
            default:
                break;
            }
            EXPECT_EQ(delivery_end(attempt), expected) << to_string(attempt.receipt.state) << ' ' << to_string(kind);
        }
    }
}

TEST(DeliveryChanges, EveryTurnOfAnEnd) {
    using enum DeliveryEnd;
    struct Case {
        DeliveryEnd was;
        ReceiptState state;
        FailureKind kind;
        DeliveryCounts change;
    };
    const Case cases[] = {
        {none, ReceiptState::delivered, FailureKind::none, {1, 1}},
        {none, ReceiptState::failed, FailureKind::soft, {0, 1}},
        {none, ReceiptState::sent, FailureKind::none, {}},
        {none, ReceiptState::undeliverable, FailureKind::hard, {}},
        {failed, ReceiptState::delivered, FailureKind::none, {1, 0}},          // corrected
        {failed, ReceiptState::undeliverable, FailureKind::hard, {0, -1}},     // it was the address
        {failed, ReceiptState::failed, FailureKind::soft, {}},                 // known
        {delivered, ReceiptState::failed, FailureKind::soft, {-1, 0}},         // a late bounce
        {delivered, ReceiptState::undeliverable, FailureKind::hard, {-1, -1}}, // of an address that is not there
        {delivered, ReceiptState::read, FailureKind::none, {}},
    };
    for (const Case &c : cases) {
        State state;
        state.attempts.resize(1);
        state.attempts[0].provider = 7;
        state.attempts[0].receipt.state = c.state;
        state.attempts[0].receipt.kind = c.kind;
        const std::vector<DeliveryChange> changes =
            delivery_changes(c.was == none ? std::vector<DeliveryEnd>{} : std::vector{c.was}, state);
        if (c.change == DeliveryCounts{}) {
            EXPECT_TRUE(changes.empty()) << to_string(c.state);
        } else {
            EXPECT_EQ(changes, (std::vector<DeliveryChange>{{7, c.change}})) << to_string(c.state);
        }
    }
}

// What decisions change adds up to the ends there are.
TEST(DeliveryChanges, FollowACascade) {
    Bench b;
    std::map<std::int32_t, DeliveryCounts> counted;
    const auto step = [&](const auto &act) {
        std::vector<DeliveryEnd> before;
        for (const AttemptState &a : b.state.attempts)
            before.push_back(delivery_end(a));
        act();
        for (const DeliveryChange &c : delivery_changes(before, b.state)) {
            counted[c.provider].delivered += c.counts.delivered;
            counted[c.provider].ended += c.counts.ended;
        }
    };
    step([&] { b.start(); });
    step([&] { b.answer(1, SendVerdict::next_provider); }); // our fault or the provider's: config
    step([&] { b.accept(2); });
    step([&] { b.receipt(2, ReceiptState::undeliverable); }); // says nothing of provider 2
    step([&] { b.accept(3); });
    step([&] { b.receipt(3, ReceiptState::delivered); });
    EXPECT_EQ(counted, (std::map<std::int32_t, DeliveryCounts>{{1, {0, 1}}, {3, {1, 1}}}));
}

TEST(DeliveryChanges, ASendThatIsNotMadeCountsForNobody) {
    Bench b;
    b.start();
    b.answer(1, SendVerdict::skip); // suppressed, capped
    EXPECT_EQ(delivery_end(b.attempt(1)), DeliveryEnd::none);
    b.give(CancelInput{.reason = "changed my mind", .claimed = false});
    for (const AttemptState &a : b.state.attempts)
        EXPECT_EQ(delivery_end(a), DeliveryEnd::none);
}

} // namespace
} // namespace hc::core::test
