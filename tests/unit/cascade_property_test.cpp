// Random walks of the cascade state machine: the bench checks what must hold after every input, this file what must
// hold of all walks together.
#include "cascade_fixture.hpp"

#include <array>
#include <random>
#include <set>

namespace hc::core::test {
namespace {

class Dice {
public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}

    std::uint64_t below(std::uint64_t n) { return random_() % n; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    template <typename T>
    T pick(std::initializer_list<T> of) {
        return of.begin()[below(of.size())];
    }
    template <typename Enum>
    Enum any(Enum last) {
        return static_cast<Enum>(below(static_cast<std::uint64_t>(last) + 1));
    }
    double share() { return static_cast<double>(below(1'000'000)) / 1e6; }

private:
    std::mt19937_64 random_;
};

Step random_step(Dice &dice) {
    Step step = make_step("sms");
    step.choose = dice.any(Choose::best_delivery);
    step.success_on = dice.any(SuccessOn::read);
    step.timeout = dice.pick<Duration>({1ms, 10s, 60s});
    if (dice.one_in(3))
        step.dispatch_timeout = dice.pick<Duration>({1ms, 5s, 120s});
    step.retry.maximum_attempts = dice.pick<std::int32_t>({0, 1, 2, 3});
    step.retry.jitter = dice.pick({0.0, 0.1, 1.0});
    if (dice.one_in(4))
        step.retry.non_retryable = {"never"};
    step.on_ambiguous = dice.any(OnAmbiguous::next_channel);
    step.on_unknown = dice.any(OnUnknown::failure);
    step.revocable = dice.one_in(2);
    if (dice.one_in(6))
        step.condition = "true";
    if (dice.one_in(6))
        step.window = SendWindow{.from = 8 * 60, .to = 20 * 60, .outside = dice.any(OutsideWindow::skip)};
    return step;
}

Rule random_rule(Dice &dice) {
    Rule rule;
    for (std::uint64_t n = 1 + dice.below(3); n > 0; --n)
        rule.steps.push_back(random_step(dice));
    for (std::size_t i = 1; i < rule.steps.size(); ++i)
        rule.steps[i].joins = dice.one_in(3);
    for (std::size_t i = 0; i < rule.steps.size(); ++i)
        rule.steps[i].mode = rule.steps[i].joins ? rule.steps[i - 1].mode : dice.any(GroupMode::all);
    if (dice.one_in(3))
        rule.webhook_events = {"message.step_failed", "message.step_skipped", "message.step_succeeded",
                               "message.delivered"};
    if (dice.one_in(3))
        rule.validity = dice.pick<Duration>({1ms, 30s, 300s});
    rule.late_success = dice.any(LateSuccess::ignore);
    rule.late_failure = dice.any(LateFailure::ignore);
    return rule;
}

std::vector<std::vector<ProviderRef>> random_providers(Dice &dice, std::size_t steps) {
    std::vector<std::vector<ProviderRef>> providers(steps);
    std::int32_t id = 0;
    for (auto &list : providers) {
        for (std::uint64_t n = dice.below(4); n > 0; --n)
            list.push_back(
                {.id = ++id, .idempotent = dice.one_in(2), .position = static_cast<std::int32_t>(dice.below(2))});
    }
    if (dice.one_in(8))
        providers.pop_back(); // a step whose channel nobody serves
    return providers;
}

SendAnswer random_answer(Dice &dice, std::uint16_t attempt) {
    SendAnswer in;
    in.attempt = attempt;
    in.verdict = dice.one_in(2) ? SendVerdict::accepted : dice.any(SendVerdict::not_now);
    in.code = static_cast<std::int32_t>(dice.below(600));
    if (!dice.one_in(4))
        in.provider_message_id = "id" + std::to_string(attempt);
    in.kind = dice.any(FailureKind::config);
    in.reason = dice.pick<const char *>({"", "busy", "never"});
    if (dice.one_in(5))
        in.retry_after = dice.pick<Duration>({0s, 3s, 3600s});
    return in;
}

ReceiptInput random_receipt(Dice &dice, const State &state) {
    ReceiptInput in;
    const std::uint64_t attempts = state.attempts.size();
    if (dice.one_in(2))
        in.attempt = static_cast<std::uint16_t>(dice.below(attempts + 2));
    if (dice.one_in(2))
        in.provider_message_id = "id" + std::to_string(dice.below(attempts + 2));
    in.facts.state = dice.any(ReceiptState::read);
    in.facts.kind = dice.any(FailureKind::config);
    if (dice.one_in(2))
        in.facts.sequence = static_cast<std::int64_t>(dice.below(5));
    if (dice.one_in(2))
        in.facts.time = kStart + Duration(dice.below(100));
    in.hash = dice.one_in(4) ? 1 + dice.below(5) : 100 + dice.below(1U << 30);
    in.reason = dice.pick<const char *>({"", "30003", "never"});
    return in;
}

Input random_input(Dice &dice, const Bench &bench) {
    const auto attempts = static_cast<std::uint16_t>(bench.state.attempts.size());
    switch (dice.below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return random_answer(dice, attempts);
    case 4:
        return random_answer(dice, static_cast<std::uint16_t>(dice.below(attempts + 2U)));
    case 5:
        return TimerInput{.task = static_cast<std::uint32_t>(dice.below(bench.state.last_task + 2U))};
    case 6:
    case 7:
        return TimerInput{.task = bench.state.timer_task};
    case 8:
        return ParkInput{.raw = "what is this", .hash = 1 + dice.below(5)};
    case 9:
        if (dice.one_in(4))
            return CancelInput{.reason = "no more", .terminate = dice.one_in(2)};
        return SignalInput{.name = "opened", .payload = "{}", .hash = dice.below(5)};
    case 10:
        return HoldInput{.reason = "wait"};
    case 11:
        return ReleaseInput{};
    case 12:
        return ConditionAnswer{.task = static_cast<std::uint32_t>(dice.below(bench.state.last_task + 2U)),
                               .verdict =
                                   dice.pick({ConditionVerdict::yes, ConditionVerdict::no, ConditionVerdict::failed}),
                               .reason = "why"};
    default:
        return random_receipt(dice, bench.state);
    }
}

// Somebody pauses, or resumes what is paused.
void change_pauses(Dice &dice, Bench &bench) {
    if (!dice.one_in(6))
        return;
    for (Pause &pause : bench.pauses) {
        if (!pause.until) {
            pause.until = std::max(pause.since, bench.now);
            return;
        }
    }
    bench.pauses.push_back({.since = bench.now, .until = {}, .provider = dice.pick<std::int32_t>({0, 0, 1, 2})});
}

void pass_time(Dice &dice, Bench &bench) {
    bench.now += dice.pick<Duration>({0s, 0s, 1ms, 1s, 9s, 61s, -5s});
    if (bench.state.timer_due && dice.one_in(6))
        bench.now = *bench.state.timer_due;
}

struct Seen {
    std::set<EventType> types;
    std::set<SignalResult> results;
    std::set<Outcome> outcomes;
    std::set<Outcome> corrected;
};

// What the engine does with a cascade that nobody sends anything to: it carries out its tasks in time.
void carry_out_next_task(Dice &dice, Bench &bench) {
    const auto earliest = std::min_element(bench.tasks.begin(), bench.tasks.end(),
                                           [](const auto &a, const auto &b) { return a.second.due < b.second.due; });
    const TaskPut task = earliest->second;
    bench.now = task.hold == TaskHold::none ? std::max(bench.now, task.due) : bench.now + 1s; // a pause may end later
    if (task.kind == TaskKind::timer) {
        bench.give(TimerInput{.task = task.number});
        return;
    }
    if (task.kind == TaskKind::condition) {
        bench.give(ConditionAnswer{
            .task = task.number, .verdict = dice.pick({ConditionVerdict::yes, ConditionVerdict::no}), .reason = {}});
        return;
    }
    SendAnswer answer = random_answer(dice, task.attempt);
    answer.task = task.number;
    bench.give(answer, dice.share());
}

Bench walk(std::uint64_t seed, Seen &seen) {
    Dice dice(seed);
    Rule rule = random_rule(dice);
    auto providers = random_providers(dice, rule.steps.size());
    Bench bench(std::move(rule), std::move(providers));
    for (std::int32_t id = 1; id <= 3; ++id)
        bench.deliveries.push_back({id, static_cast<std::uint8_t>(dice.below(kBestDelivery + 1))});
    StartInput start;
    if (dice.one_in(8))
        start.send_at = kStart + 3600s;
    bench.give(start);
    for (std::uint64_t n = dice.below(20); n > 0; --n) {
        pass_time(dice, bench);
        change_pauses(dice, bench);
        seen.results.insert(bench.give(random_input(dice, bench), dice.share()).result);
    }
    for (Pause &pause : bench.pauses)
        pause.until = std::max(pause.since, pause.until.value_or(bench.now));
    bench.give(ReleaseInput{});
    int left = 500;
    for (; !bench.state.closed_p() && left > 0; --left)
        carry_out_next_task(dice, bench);
    EXPECT_GT(left, 0) << "does not end";
    for (std::uint64_t n = dice.below(4); n > 0; --n)
        seen.results.insert(bench.give(random_input(dice, bench), dice.share()).result);
    for (const HistoryEvent &e : bench.history)
        seen.types.insert(e.type);
    seen.outcomes.insert(bench.state.outcome);
    seen.corrected.insert(bench.state.corrected);
    return bench;
}

TEST(CascadeProperty, RandomWalksKeepEveryInvariantAndReachEverything) {
    Seen seen;
    for (std::uint64_t seed = 1; seed <= 40'000; ++seed) {
        walk(seed, seen);
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
    EXPECT_EQ(seen.types.size(), 29U) << "every event type";
    EXPECT_EQ(seen.results.size(), 10U) << "every result";
    EXPECT_EQ(seen.outcomes, (std::set{Outcome::delivered, Outcome::exhausted, Outcome::expired, Outcome::canceled}));
    EXPECT_EQ(seen.corrected, (std::set{Outcome::none, Outcome::delivered, Outcome::exhausted}));
}

TEST(CascadeProperty, SameInputsGiveTheSameHistory) {
    Seen seen;
    for (std::uint64_t seed = 1; seed <= 50; ++seed)
        EXPECT_EQ(walk(seed, seen).bytes, walk(seed, seen).bytes);
}

// R1: on a channel that cannot be revoked the order of receipts does not matter.
TEST(CascadeProperty, EveryOrderOfReceiptsEndsInTheSameRank) {
    Dice dice(11);
    for (int round = 0; round < 40; ++round) {
        std::array<int, 5> order = {0, 1, 2, 3, 4};
        std::array<ReceiptState, 5> states{};
        int highest = rank(ReceiptState::accepted);
        for (ReceiptState &s : states) {
            s = dice.any(ReceiptState::read);
            highest = std::max(highest, rank(s));
        }
        do {
            Bench bench;
            bench.rule.steps[0].success_on = SuccessOn::read;
            bench.start();
            bench.accept(1, "id1");
            for (const int i : order)
                bench.receipt(1, states[static_cast<std::size_t>(i)]);
            ASSERT_EQ(rank(bench.attempt(1).receipt.state), highest);
        } while (std::next_permutation(order.begin(), order.end()));
    }
}

// R2: a receipt that comes again changes nothing but the record.
TEST(CascadeProperty, RepeatedReceiptsChangeNothing) {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        Dice dice(seed);
        Rule rule = random_rule(dice);
        auto providers = random_providers(dice, rule.steps.size());
        Bench bench(std::move(rule), std::move(providers));
        bench.start();
        for (int n = 0; n < 10; ++n) {
            const Input input = random_input(dice, bench);
            const SignalResult first = bench.give(input, 0.5).result;
            if (!std::holds_alternative<ReceiptInput>(input) || first == SignalResult::unmatched)
                continue;
            State before = bench.state;
            const Decision again = bench.give(input, 0.5);
            EXPECT_EQ(again.result, SignalResult::duplicate);
            EXPECT_TRUE(again.puts.empty() && again.drops.empty());
            before.events = bench.state.events;
            EXPECT_EQ(bench.state, before);
        }
    }
}

// A provider that never takes anything and a rule that never gives up: the cap on sends ends it.
TEST(CascadeProperty, EndlessRetriesEnd) {
    Bench bench;
    bench.rule.steps[0].retry.maximum_attempts = 0;
    bench.rule.steps[1].retry.maximum_attempts = 0;
    bench.start();
    std::size_t sends = 0;
    while (!bench.state.closed_p() && sends < 2 * kMaxAttempts) {
        ++sends;
        const auto attempt = static_cast<std::uint16_t>(bench.state.attempts.size());
        bench.now = std::max(bench.now, bench.state.attempts.back().due);
        bench.answer(attempt, SendVerdict::retry_same);
    }
    EXPECT_EQ(bench.state.outcome, Outcome::exhausted);
    EXPECT_EQ(sends, kMaxAttempts + 1) << "the second step has its first send";
    EXPECT_EQ(bench.newest(EventType::step_failed).step, 1);
}

// A flood of receipts is answered but does not grow the history without end.
TEST(CascadeProperty, FloodOfReceiptsIsBounded) {
    Bench bench;
    bench.rule.steps[0].success_on = SuccessOn::read;
    bench.rule.steps[0].revocable = true;
    bench.rule.late_failure = LateFailure::notify;
    bench.start();
    bench.accept(1, "id1");
    Dice dice(5);
    const Program program{.rule = &bench.rule, .providers = bench.providers};
    for (std::uint64_t i = 1; i < 20'000; ++i) {
        ReceiptInput in;
        in.attempt = static_cast<std::uint16_t>(dice.below(3));
        in.facts.state = dice.any(ReceiptState::read);
        in.facts.sequence = static_cast<std::int64_t>(i);
        in.provider_message_id = dice.one_in(3) ? "other" + std::to_string(dice.below(3)) : "";
        in.hash = i;
        decide(program, bench.state, in, bench.now, {.random01 = 0.5});
    }
    EXPECT_LT(bench.state.events, kMaxHistoryEvents + 100);
    EXPECT_LE(bench.state.reports, kMaxReports);
}

} // namespace
} // namespace hc::core::test
