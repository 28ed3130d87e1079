// What decisions of the state machine count, by driving it through whole cascades.
#include "core/delivery_metrics.hpp"

#include "unit/cascade_fixture.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>

namespace hc::core {
namespace {

using namespace test;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A bench whose decisions are counted as the engine counts them.
class CountingBench {
public:
    explicit CountingBench(Rule rule = make_rule()) : bench(std::move(rule)) {}

    template <class Give>
    void counted(Give give) {
        std::vector<ReceiptState> before;
        for (const AttemptState &a : bench.state.attempts)
            before.push_back(a.receipt.state);
        const std::vector<HistoryEvent> earlier = bench.history;
        const Decision decision = give(bench);
        const std::array<std::span<const HistoryEvent>, 1> histories{earlier};
        for (const CounterDelta &delta : count_decision(before, bench.state, decision.events, histories))
            totals[delta.attempt].values[delta.counter] += delta.n;
    }
    void start() {
        counted([](Bench &b) { return b.start(); });
    }
    void accept(std::uint16_t attempt, const std::string &id = {}) {
        counted([&](Bench &b) { return b.accept(attempt, id); });
    }
    void answer(std::uint16_t attempt, SendVerdict verdict, FailureKind kind) {
        counted([&](Bench &b) { return b.answer(attempt, verdict, {}, kind); });
    }
    void receipt(std::uint16_t attempt, ReceiptState state, FailureKind kind = FailureKind::none) {
        counted([&](Bench &b) { return b.receipt(attempt, state, kind); });
    }
    void fire() {
        counted([](Bench &b) { return b.fire(); });
    }

    std::uint64_t count(std::uint16_t attempt, DeliveryCount what) { return totals[attempt].count(what); }
    std::uint64_t state(std::uint16_t attempt, ReceiptState s) { return totals[attempt].state(s); }
    std::uint64_t timed(std::uint16_t attempt) { return latency_total(totals[attempt].latency()); }
    std::uint64_t failed(std::uint16_t attempt) {
        return count(attempt, DeliveryCount::failed_soft) + count(attempt, DeliveryCount::failed_hard) +
               count(attempt, DeliveryCount::failed_policy) + count(attempt, DeliveryCount::failed_config);
    }

    Bench bench;
    std::map<std::uint16_t, SeriesCounters> totals; // by attempt
};

TEST(DeliveryMetrics, ADeliveredMessage) {
    CountingBench c;
    c.start();
    EXPECT_EQ(c.state(1, ReceiptState::queued), 1U);
    c.bench.now += seconds(1);
    c.accept(1, "id");
    c.receipt(1, ReceiptState::sent);
    c.bench.now += milliseconds(900);
    c.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(c.count(1, DeliveryCount::accepted), 1U);
    EXPECT_EQ(c.state(1, ReceiptState::accepted), 1U);
    EXPECT_EQ(c.state(1, ReceiptState::sent), 1U);
    EXPECT_EQ(c.state(1, ReceiptState::delivered), 1U);
    EXPECT_EQ(c.count(1, DeliveryCount::delivered), 1U);
    EXPECT_EQ(c.failed(1), 0U);
    EXPECT_EQ(c.timed(1), 1U);
    EXPECT_EQ(c.totals[1].latency()[latency_bucket(milliseconds(900))], 1U) << "from the answer, not from the start";
    EXPECT_EQ(c.totals[1].latency_sum(), milliseconds(900));
    c.bench.now += seconds(9);
    c.receipt(1, ReceiptState::read);
    EXPECT_EQ(c.state(1, ReceiptState::read), 1U);
    EXPECT_EQ(c.count(1, DeliveryCount::delivered), 1U) << "once an attempt";
    EXPECT_EQ(c.timed(1), 1U) << "the first final receipt only";
}

TEST(DeliveryMetrics, AReceiptBeforeTheAnswerWaitedForNothing) {
    CountingBench c;
    c.start();
    c.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(c.count(1, DeliveryCount::delivered), 1U);
    EXPECT_EQ(c.timed(1), 0U) << "nothing to count from";
    c.bench.now += seconds(2);
    c.accept(1, "id");
    EXPECT_EQ(c.count(1, DeliveryCount::accepted), 1U);
    EXPECT_EQ(c.timed(1), 1U);
    EXPECT_EQ(c.totals[1].latency()[0], 1U);
    EXPECT_EQ(c.totals[1].latency_sum(), Duration::zero());
}

TEST(DeliveryMetrics, AReceiptKnownByItsIdOnlyIsTakenWithTheAnswer) {
    CountingBench c;
    c.start();
    c.counted([](Bench &b) { return b.receipt_by_id("id", ReceiptState::delivered); });
    EXPECT_EQ(c.count(1, DeliveryCount::delivered), 0U);
    c.accept(1, "id");
    EXPECT_EQ(c.count(1, DeliveryCount::accepted), 1U);
    EXPECT_EQ(c.count(1, DeliveryCount::delivered), 1U);
    EXPECT_EQ(c.timed(1), 1U);
}

TEST(DeliveryMetrics, FailuresByKind) {
    const std::pair<FailureKind, DeliveryCount> kKinds[] = {{FailureKind::soft, DeliveryCount::failed_soft},
                                                            {FailureKind::hard, DeliveryCount::failed_hard},
                                                            {FailureKind::policy, DeliveryCount::failed_policy},
                                                            {FailureKind::config, DeliveryCount::failed_config}};
    for (const auto &[kind, counter] : kKinds) {
        CountingBench by_receipt;
        by_receipt.start();
        by_receipt.accept(1);
        by_receipt.bench.now += seconds(3);
        by_receipt.receipt(1, ReceiptState::failed, kind);
        EXPECT_EQ(by_receipt.count(1, counter), 1U);
        EXPECT_EQ(by_receipt.failed(1), 1U);
        EXPECT_EQ(by_receipt.state(1, ReceiptState::failed), 1U);
        EXPECT_EQ(by_receipt.totals[1].latency_sum(), seconds(3)) << "a failure is an answer too";
        EXPECT_EQ(by_receipt.state(2, ReceiptState::queued), 1U) << "the next attempt";

        CountingBench by_answer;
        by_answer.start();
        by_answer.answer(1, SendVerdict::next_channel, kind);
        EXPECT_EQ(by_answer.count(1, counter), 1U);
        EXPECT_EQ(by_answer.failed(1), 1U);
        EXPECT_EQ(by_answer.count(1, DeliveryCount::accepted), 0U);
        EXPECT_EQ(by_answer.timed(1), 0U) << "no receipt";
    }
}

TEST(DeliveryMetrics, RetriesAndAmbiguousAnswers) {
    CountingBench c;
    c.start();
    c.answer(1, SendVerdict::retry_same, FailureKind::soft);
    EXPECT_EQ(c.count(1, DeliveryCount::retried), 1U);
    EXPECT_EQ(c.failed(1), 0U);
    c.answer(1, SendVerdict::ambiguous, FailureKind::soft);
    EXPECT_EQ(c.count(1, DeliveryCount::ambiguous), 1U);
}

TEST(DeliveryMetrics, TimeOuts) {
    CountingBench c;
    c.start();
    c.accept(1);
    c.fire(); // the receipt has not come: step 2
    EXPECT_EQ(c.count(1, DeliveryCount::timed_out), 1U);
    EXPECT_EQ(c.state(2, ReceiptState::queued), 1U);
    EXPECT_EQ(c.count(2, DeliveryCount::timed_out), 0U);
    c.receipt(1, ReceiptState::delivered); // late: completes the cascade
    EXPECT_EQ(c.count(1, DeliveryCount::delivered), 1U);
    EXPECT_EQ(c.timed(1), 1U);

    Rule short_lived = make_rule();
    short_lived.validity = seconds(5);
    CountingBench expired(short_lived);
    expired.start();
    expired.accept(1);
    expired.fire();
    EXPECT_EQ(expired.bench.state.outcome, Outcome::expired);
    EXPECT_EQ(expired.count(1, DeliveryCount::timed_out), 1U);
}

TEST(DeliveryMetrics, Corrections) {
    CountingBench c;
    c.start();
    c.accept(1);
    c.receipt(1, ReceiptState::undeliverable);
    c.receipt(1, ReceiptState::delivered);
    EXPECT_EQ(c.count(1, DeliveryCount::corrected), 1U);
    EXPECT_EQ(c.count(1, DeliveryCount::failed_hard), 1U);
    EXPECT_EQ(c.count(1, DeliveryCount::delivered), 1U);
    EXPECT_EQ(c.timed(1), 1U);
    c.receipt(1, ReceiptState::failed); // a conflict: recorded only
    EXPECT_EQ(c.failed(1), 1U);
    EXPECT_EQ(c.count(1, DeliveryCount::corrected), 1U);
}

TEST(DeliveryMetrics, DuplicatesAndSignalsCountNothing) {
    CountingBench c;
    c.start();
    c.accept(1);
    c.receipt(1, ReceiptState::sent);
    const std::map<std::uint16_t, SeriesCounters> before = c.totals;
    --c.bench.last_hash; // the same receipt again
    c.receipt(1, ReceiptState::sent);
    c.counted([](Bench &b) { return b.give(SignalInput{"hello", "{}", 99}); });
    EXPECT_EQ(c.totals[1].values, before.at(1).values);
    EXPECT_TRUE(count_decision({}, c.bench.state, {}, {}).empty());
}

// Whatever happens to a cascade, the sums of its counters fit together.
TEST(DeliveryMetrics, SumsFitTogetherOverRandomCascades) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 400; ++round) {
        Rule rule = make_rule();
        rule.steps[0].revocable = round % 2 == 0;
        CountingBench c(rule);
        c.start();
        for (int i = 0; i < 25; ++i) {
            c.bench.now += milliseconds(random() % 20'000);
            const auto attempt = static_cast<std::uint16_t>(1 + random() % c.bench.state.attempts.size());
            switch (random() % 4) {
            case 0:
                c.answer(attempt, static_cast<SendVerdict>(random() % 5), FailureKind::none);
                break;
            case 1:
                if (c.bench.state.timer_task != 0)
                    c.fire();
                break;
            default:
                c.receipt(attempt, static_cast<ReceiptState>(random() % kReceiptStates));
            }
        }
        for (const AttemptState &a : c.bench.state.attempts) {
            const SeriesCounters &n = c.totals[a.number];
            ASSERT_EQ(n.state(ReceiptState::queued), 1U);
            ASSERT_LE(n.count(DeliveryCount::accepted) + n.count(DeliveryCount::ambiguous), 1U);
            ASSERT_LE(latency_total(n.latency()), n.count(DeliveryCount::accepted));
            ASSERT_EQ(latency_total(n.latency()),
                      n.count(DeliveryCount::accepted) != 0 && is_final(a.receipt.state) ? 1U : 0U);
            ASSERT_EQ(n.state(a.receipt.state) > 0, true) << "it came to the state that it is in";
            const std::uint64_t turns = n.count(DeliveryCount::corrected);
            const std::uint64_t ends = n.count(DeliveryCount::delivered) + c.failed(a.number);
            ASSERT_EQ(ends, is_final(a.receipt.state) ? turns + 1 : 0U) << "one end, and one more with each turn";
        }
    }
}

} // namespace
} // namespace hc::core
