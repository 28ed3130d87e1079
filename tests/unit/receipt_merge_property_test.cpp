// What a message has come to does not depend on the order, nor on the number of times, in which its receipts arrive:
// through merge() alone and through the whole state machine, for whole messages and for parts (R1 to R4, R10).
#include "cascade_fixture.hpp"

#include <random>
#include <set>

namespace hc::core::test {
namespace {

using enum ReceiptState;
using Random = std::mt19937_64;

// What a receipt brings, and what identifies it.
struct Arrival {
    ReceiptFacts facts;
    std::uint64_t hash = 0;
    std::string id{}; // of a part, or of the message
};
using Arrivals = std::vector<Arrival>;

// The state as people see it. A failure that does not say its kind has that of its state.
struct Canonical {
    ReceiptState state{};
    FailureKind kind{};

    bool operator==(const Canonical &) const = default;
};

std::ostream &operator<<(std::ostream &out, const Canonical &c) {
    return out << to_string(c.state) << "/" << to_string(c.kind);
}

Canonical canonical(const ReceiptFacts &facts) {
    const bool says = !is_failure(facts.state) || facts.kind != FailureKind::none;
    return {facts.state, says ? facts.kind : default_failure_kind(facts.state)};
}

std::string shown(const Arrivals &arrivals) {
    std::string text;
    for (const Arrival &a : arrivals) {
        text.append(a.id.empty() ? "" : a.id + ":").append(to_string(a.facts.state));
        if (a.facts.kind != FailureKind::none)
            text.append("/").append(to_string(a.facts.kind));
        if (a.facts.time)
            text.append("@").append(std::to_string((*a.facts.time - kStart).count()));
        if (a.facts.sequence)
            text.append("#").append(std::to_string(*a.facts.sequence));
        text.append(" ");
    }
    return text;
}

// Distinct times: clocks that a revocable channel can be decided by. Else times and sequences may be missing or equal.
enum class Clocks : std::uint8_t { any, distinct };

ReceiptFacts random_facts(Random &random) {
    ReceiptFacts facts;
    facts.state = static_cast<ReceiptState>(1 + random() % (kReceiptStates - 1)); // `queued` is never a receipt
    if (is_failure(facts.state))
        facts.kind = static_cast<FailureKind>(random() % 5);
    return facts;
}

Arrivals random_arrivals(Random &random, Clocks clocks, std::size_t most = 7) {
    Arrivals arrivals;
    std::vector<std::int64_t> times{1, 2, 3, 4, 5, 6, 7, 8, 9};
    std::shuffle(times.begin(), times.end(), random);
    for (std::size_t n = 1 + random() % most; n > 0; --n) {
        Arrival one{.facts = random_facts(random), .hash = n};
        if (clocks == Clocks::distinct)
            one.facts.time = kStart + Duration(times[n - 1]);
        else if (random() % 2 == 0)
            one.facts.time = kStart + Duration(random() % 4);
        if (random() % 3 == 0)
            one.facts.sequence = static_cast<std::int64_t>(random() % 4);
        arrivals.push_back(std::move(one));
    }
    return arrivals;
}

// Some of them twice, in another order.
Arrivals shuffled(Arrivals arrivals, Random &random) {
    const std::size_t distinct = arrivals.size();
    for (std::size_t i = 0; i < distinct; ++i) {
        if (random() % 3 == 0)
            arrivals.push_back(arrivals[i]);
    }
    std::shuffle(arrivals.begin(), arrivals.end(), random);
    return arrivals;
}

// ---- merge() ----

constexpr ReceiptFacts kQueued{.state = queued, .kind = FailureKind::none, .time = {}, .sequence = {}};

ReceiptFacts fold(const Arrivals &arrivals, bool revocable, bool *corrected = nullptr, ReceiptFacts current = kQueued) {
    for (const Arrival &a : arrivals) {
        const MergeResult result = merge(current, a.facts, revocable);
        if (corrected != nullptr)
            *corrected = *corrected || result == MergeResult::corrected;
        if (result == MergeResult::applied || result == MergeResult::corrected)
            current = a.facts;
    }
    return current;
}

void check_merge(Random &random, bool revocable, Clocks clocks, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        const Arrivals arrivals = random_arrivals(random, clocks);
        const Canonical expected = canonical(fold(arrivals, revocable));
        for (int n = 0; n < 10; ++n) {
            const Arrivals other = shuffled(arrivals, random);
            ASSERT_EQ(canonical(fold(other, revocable)), expected) << shown(arrivals) << "| " << shown(other);
        }
    }
}

TEST(ReceiptMerge, DoesNotDependOnArrival) {
    Random random(21);
    check_merge(random, false, Clocks::any, 8000);
    check_merge(random, false, Clocks::distinct, 8000);
}

TEST(ReceiptMerge, RevocableWithDistinctTimesDoesNotDependOnArrival) {
    Random random(22);
    check_merge(random, true, Clocks::distinct, 8000);
}

// What cannot be turned round does not depend on arrival on a revocable channel either.
TEST(ReceiptMerge, RevocableWithoutFailuresOrWithoutSuccessesDoesNotDependOnArrival) {
    Random random(23);
    for (int i = 0; i < 8000; ++i) {
        Arrivals arrivals = random_arrivals(random, Clocks::any);
        const bool drop_failures = random() % 2 == 0;
        std::erase_if(arrivals, [&](const Arrival &a) {
            return drop_failures ? is_failure(a.facts.state) : is_success(a.facts.state);
        });
        for (Arrival &a : arrivals)
            a.facts.time.reset();
        const Canonical expected = canonical(fold(arrivals, true));
        for (int n = 0; n < 10; ++n)
            ASSERT_EQ(canonical(fold(shuffled(arrivals, random), true)), expected) << shown(arrivals);
    }
}

TEST(ReceiptMerge, EveryPermutationOfEveryPairAndTriple) {
    std::vector<ReceiptFacts> all;
    for (int s = 1; s < kReceiptStates; ++s) {
        const auto state = static_cast<ReceiptState>(s);
        for (const FailureKind kind :
             {FailureKind::none, FailureKind::soft, FailureKind::hard, FailureKind::policy, FailureKind::config}) {
            if (kind == FailureKind::none || is_failure(state))
                all.push_back({.state = state, .kind = kind, .time = {}, .sequence = {}});
        }
    }
    const auto folded = [](std::initializer_list<ReceiptFacts> list) {
        Arrivals arrivals;
        for (const ReceiptFacts &facts : list)
            arrivals.push_back({.facts = facts});
        return canonical(fold(arrivals, false));
    };
    for (const ReceiptFacts &a : all) {
        for (const ReceiptFacts &b : all) {
            ASSERT_EQ(folded({a, b}), folded({b, a})) << to_string(a.state) << " " << to_string(b.state);
            for (const ReceiptFacts &c : all) {
                const Canonical expected = folded({a, b, c});
                for (const auto &got :
                     {folded({a, c, b}), folded({b, a, c}), folded({b, c, a}), folded({c, a, b}), folded({c, b, a})})
                    ASSERT_EQ(got, expected)
                        << to_string(a.state) << " " << to_string(b.state) << " " << to_string(c.state);
            }
        }
    }
}

TEST(ReceiptMerge, TheEndIsOneOfTheReceiptsAndOfTheHighestRank) {
    Random random(24);
    for (int i = 0; i < 8000; ++i) {
        const Arrivals arrivals = random_arrivals(random, Clocks::any);
        const ReceiptFacts end = fold(arrivals, false);
        int highest = 0;
        bool among = false;
        for (const Arrival &a : arrivals) {
            highest = std::max(highest, rank(a.facts.state));
            among = among || a.facts == end;
        }
        EXPECT_TRUE(among) << shown(arrivals);
        EXPECT_EQ(rank(end.state), highest) << shown(arrivals);
    }
}

TEST(ReceiptMerge, QueuedIsNeverAReceipt) {
    Bench b;
    b.start();
    b.answer(1, SendVerdict::ambiguous);
    ReceiptInput in;
    in.attempt = 1;
    in.facts.state = queued;
    in.facts.sequence = 4;
    in.hash = 9;
    EXPECT_EQ(b.give(in).result, SignalResult::stale);
    EXPECT_EQ(b.attempt(1).phase, AttemptPhase::ambiguous);
}

TEST(ReceiptMerge, AFailureThatTurnsIntoADeliveryIsCorrected) {
    for (const ReceiptState failure : {failed, expired, undeliverable, rejected, canceled}) {
        ReceiptFacts first{.state = failure, .kind = FailureKind::none, .time = kStart, .sequence = {}};
        for (const ReceiptState success : {delivered, read}) {
            const ReceiptFacts late{.state = success, .kind = FailureKind::none, .time = kStart + 1s, .sequence = {}};
            EXPECT_EQ(merge(first, late, false), MergeResult::corrected);
            EXPECT_EQ(merge(first, late, true), MergeResult::corrected);
            const ReceiptFacts early{.state = success, .kind = FailureKind::none, .time = kStart - 1s, .sequence = {}};
            EXPECT_EQ(merge(first, early, false), MergeResult::corrected) << "by rank, not by the clock";
        }
        const ReceiptFacts early{.state = delivered, .kind = FailureKind::none, .time = kStart - 1s, .sequence = {}};
        EXPECT_EQ(merge(first, early, true), MergeResult::stale) << "it has been withdrawn since";
        first.time.reset();
        EXPECT_EQ(merge(first, early, true), MergeResult::corrected) << "nobody knows which was first";
    }
}

TEST(ReceiptMerge, AFailureAfterADeliveryIsAConflict) {
    for (const ReceiptState failure : {failed, expired, undeliverable, rejected, canceled}) {
        const ReceiptFacts late{.state = failure, .kind = FailureKind::none, .time = kStart + 1s, .sequence = 9};
        const ReceiptFacts early{.state = delivered, .kind = FailureKind::none, .time = kStart, .sequence = 1};
        EXPECT_EQ(merge(early, late, false), MergeResult::conflict);
        EXPECT_EQ(merge(early, late, true), MergeResult::corrected);
        ReceiptFacts newer = early;
        newer.time = kStart + 2s;
        EXPECT_EQ(merge(newer, late, true), MergeResult::conflict) << "it happened before the delivery";
        newer.time.reset();
        EXPECT_EQ(merge(newer, late, true), MergeResult::corrected) << "without clocks the last to come counts";
    }
}

TEST(ReceiptMerge, WhetherAMessageWasCorrectedIsToldWheneverADeliveryComesAfterAFailure) {
    Random random(25);
    for (int i = 0; i < 4000; ++i) {
        const Arrivals arrivals = shuffled(random_arrivals(random, Clocks::any), random);
        bool corrected = false;
        fold(arrivals, false, &corrected);
        bool failure_before = false;
        bool success_before = false;
        bool expected = false;
        for (const Arrival &a : arrivals) {
            expected = expected || (is_success(a.facts.state) && failure_before && !success_before);
            failure_before = failure_before || is_failure(a.facts.state);
            success_before = success_before || is_success(a.facts.state);
        }
        EXPECT_EQ(corrected, expected) << shown(arrivals);
    }
}

// ---- the state machine ----

ReceiptInput input_of(const Arrival &arrival) {
    ReceiptInput in;
    in.provider_message_id = arrival.id;
    in.attempt = arrival.id.empty() ? 1 : 0;
    in.facts = arrival.facts;
    in.hash = arrival.hash;
    in.reason = "reason";
    return in;
}

Rule random_rule(Random &random, bool revocable) {
    Rule rule = make_rule();
    for (Step &step : rule.steps) {
        step.revocable = revocable;
        step.success_on = static_cast<SuccessOn>(random() % 4);
        step.on_unknown = static_cast<OnUnknown>(random() % 3);
        step.retry.maximum_attempts = static_cast<std::int32_t>(1 + random() % 3);
    }
    rule.late_success = random() % 2 == 0 ? LateSuccess::complete : LateSuccess::ignore;
    rule.late_failure = random() % 2 == 0 ? LateFailure::notify : LateFailure::ignore;
    return rule;
}

// What the second sends of the cascade do meanwhile must not matter to the first.
void let_others_go_on(Bench &bench, Random &random) {
    if (bench.state.closed_p() || bench.state.attempts.size() < 2 || random() % 2 == 0)
        return;
    const AttemptState &last = bench.state.attempts.back();
    if (last.phase == AttemptPhase::queued)
        bench.answer(last.number, random() % 2 == 0 ? SendVerdict::accepted : SendVerdict::next_provider,
                     "other" + std::to_string(last.number));
    else
        bench.fire();
}

// The first attempt is answered at `answer_at` (before that many receipts), then its receipts come.
Bench run(const Arrivals &arrivals, const Rule &rule, std::size_t answer_at, Random &random) {
    Bench bench(rule);
    bench.start();
    for (std::size_t i = 0; i <= arrivals.size(); ++i) {
        if (i == answer_at)
            bench.accept(1, "id1");
        if (i == arrivals.size())
            break;
        if (i > answer_at) // else its own timeouts would come in between
            let_others_go_on(bench, random);
        bench.now += std::chrono::milliseconds(random() % 3);
        bench.give(input_of(arrivals[i]));
    }
    return bench;
}

void check_machine(std::uint64_t seed, bool revocable, Clocks clocks, bool by_id, int rounds) {
    Random random(seed);
    for (int i = 0; i < rounds; ++i) {
        const Rule rule = random_rule(random, revocable);
        Arrivals arrivals = random_arrivals(random, clocks);
        for (Arrival &a : arrivals)
            a.id = by_id ? "id1" : "";
        // An attempt that was answered has been accepted, whatever its receipts say.
        ReceiptFacts accepted_facts = kQueued;
        accepted_facts.state = accepted;
        const Canonical expected = canonical(fold(arrivals, revocable, nullptr, accepted_facts));
        for (int n = 0; n < 6; ++n) {
            const Arrivals other = shuffled(arrivals, random);
            const Bench bench = run(other, rule, n < 3 ? 0 : random() % (other.size() + 1), random);
            ASSERT_EQ(canonical(bench.attempt(1).receipt), expected) << shown(arrivals) << "| " << shown(other);
            ASSERT_FALSE(testing::Test::HasFailure()) << shown(other);
            ASSERT_TRUE(bench.state.buffered.empty());
        }
    }
}

TEST(CascadeMerge, DoesNotDependOnArrival) { check_machine(31, false, Clocks::any, false, 500); }

TEST(CascadeMerge, DoesNotDependOnArrivalById) { check_machine(32, false, Clocks::any, true, 500); }

TEST(CascadeMerge, RevocableWithDistinctTimesDoesNotDependOnArrival) {
    check_machine(33, true, Clocks::distinct, false, 300);
    check_machine(34, true, Clocks::distinct, true, 300);
}

TEST(CascadeMerge, EveryPermutationOfFourReceipts) {
    Random random(35);
    for (int i = 0; i < 30; ++i) {
        const Rule rule = random_rule(random, false);
        Arrivals arrivals = random_arrivals(random, Clocks::any, 1);
        while (arrivals.size() < 4)
            arrivals.push_back({.facts = random_facts(random), .hash = 10 + arrivals.size()});
        std::set<std::pair<ReceiptState, FailureKind>> ends;
        std::sort(arrivals.begin(), arrivals.end(), [](const auto &a, const auto &b) { return a.hash < b.hash; });
        do {
            const Canonical end = canonical(run(arrivals, rule, 0, random).attempt(1).receipt);
            ends.insert({end.state, end.kind});
        } while (std::next_permutation(arrivals.begin(), arrivals.end(),
                                       [](const auto &a, const auto &b) { return a.hash < b.hash; }));
        EXPECT_EQ(ends.size(), 1U) << shown(arrivals);
    }
}

TEST(CascadeMerge, RepeatedReceiptsAreDuplicatesInAnyOrder) {
    Random random(36);
    for (int i = 0; i < 300; ++i) {
        const Arrivals arrivals = random_arrivals(random, Clocks::any);
        Bench bench = run(arrivals, random_rule(random, i % 2 == 0), 0, random);
        State before = bench.state;
        for (const Arrival &a : shuffled(arrivals, random))
            EXPECT_EQ(bench.give(input_of(a)).result, SignalResult::duplicate);
        before.events = bench.state.events;
        before.last_event = bench.state.last_event;
        EXPECT_EQ(bench.state, before);
    }
}

TEST(CascadeMerge, FailedThenDeliveredIsCorrectedDeliveredThenFailedIsAConflict) {
    for (const bool revocable : {false, true}) {
        Rule rule = make_rule();
        rule.steps[0].revocable = revocable;
        Bench turned(rule);
        turned.start();
        turned.accept(1, "id1");
        EXPECT_EQ(turned.receipt(1, undeliverable).result, SignalResult::applied);
        EXPECT_EQ(turned.receipt(1, delivered).result, SignalResult::corrected);
        EXPECT_EQ(turned.attempt(1).receipt.state, delivered);
        EXPECT_EQ(turned.state.outcome, Outcome::delivered);
        EXPECT_EQ(turned.state.outcome_attempt, 1);

        Bench held(rule);
        held.start();
        held.accept(1, "id1");
        held.receipt(1, delivered);
        EXPECT_EQ(held.receipt(1, undeliverable).result, revocable ? SignalResult::corrected : SignalResult::conflict);
        EXPECT_EQ(held.attempt(1).receipt.state, revocable ? undeliverable : delivered);
        EXPECT_EQ(effective_outcome(held.state), revocable ? Outcome::exhausted : Outcome::delivered);
    }
}

// ---- parts ----

const std::vector<std::string> kParts{"p1", "p2", "p3"};

SendAnswer answer_of_parts(PartMode mode) {
    SendAnswer in;
    in.attempt = 1;
    in.code = 202;
    in.provider_message_id = kParts[0];
    in.more_message_ids.assign(kParts.begin() + 1, kParts.end());
    in.part_mode = mode;
    return in;
}

Arrivals random_part_arrivals(Random &random, Clocks clocks) {
    Arrivals arrivals;
    for (const std::string &part : kParts) {
        for (Arrival &a : random_arrivals(random, clocks, 3)) {
            a.id = part;
            a.hash += 100 * arrivals.size() + 1000;
            arrivals.push_back(std::move(a));
        }
    }
    return arrivals;
}

Bench run_parts(const Arrivals &arrivals, const Rule &rule, PartMode mode, std::size_t answer_at, Random &random) {
    Bench bench(rule);
    bench.start();
    for (std::size_t i = 0; i <= arrivals.size(); ++i) {
        if (i == answer_at)
            bench.give(answer_of_parts(mode));
        if (i == arrivals.size())
            break;
        if (i > answer_at)
            let_others_go_on(bench, random);
        bench.give(input_of(arrivals[i]));
    }
    return bench;
}

// What the parts alone would come to.
Canonical expected_of_parts(const Arrivals &arrivals, PartMode mode, bool revocable) {
    std::vector<ReceiptFacts> parts;
    for (const std::string &part : kParts) {
        Arrivals own;
        std::copy_if(arrivals.begin(), arrivals.end(), std::back_inserter(own),
                     [&](const Arrival &a) { return a.id == part; });
        ReceiptFacts start = kQueued;
        start.state = accepted;
        parts.push_back(fold(own, revocable, nullptr, start));
    }
    return canonical(combine_parts(parts, mode));
}

void check_parts(std::uint64_t seed, PartMode mode, bool revocable, int rounds) {
    Random random(seed);
    const Clocks clocks = revocable ? Clocks::distinct : Clocks::any;
    for (int i = 0; i < rounds; ++i) {
        const Rule rule = random_rule(random, revocable);
        const Arrivals arrivals = random_part_arrivals(random, clocks);
        const Canonical expected = expected_of_parts(arrivals, mode, revocable);
        for (int n = 0; n < 6; ++n) {
            const Arrivals other = shuffled(arrivals, random);
            // early receipts wait for the answer that names their parts
            const std::size_t answer_at = n < 2 ? 0 : random() % (other.size() + 1);
            const Bench bench = run_parts(other, rule, mode, answer_at, random);
            EXPECT_EQ(canonical(bench.attempt(1).receipt), expected) << shown(other) << answer_at;
            ASSERT_EQ(bench.attempt(1).parts.size(), kParts.size());
            ASSERT_TRUE(bench.state.buffered.empty());
            ASSERT_EQ(replay(decode_events(bench.bytes)), bench.state);
            ASSERT_FALSE(testing::Test::HasFailure()) << shown(other);
        }
    }
}

TEST(CascadeParts, ModeAllDoesNotDependOnArrival) { check_parts(41, PartMode::all, false, 300); }
TEST(CascadeParts, ModeAnyDoesNotDependOnArrival) { check_parts(42, PartMode::any, false, 300); }
TEST(CascadeParts, RevocableWithDistinctTimesDoesNotDependOnArrival) {
    check_parts(43, PartMode::all, true, 150);
    check_parts(44, PartMode::any, true, 150);
}

Bench with_parts(PartMode mode, SuccessOn success_on = SuccessOn::delivered) {
    Bench b;
    b.rule.steps[0].success_on = success_on;
    b.start();
    b.give(answer_of_parts(mode));
    return b;
}

TEST(CascadeParts, AllPartsMustArrive) {
    Bench b = with_parts(PartMode::all);
    EXPECT_EQ(b.attempt(1).receipt.state, accepted);
    EXPECT_EQ(b.attempt(1).provider_message_id, "p1");
    b.receipt_by_id("p2", delivered);
    b.receipt_by_id("p1", sent);
    EXPECT_EQ(b.attempt(1).receipt.state, accepted) << "p3 is only accepted";
    b.receipt_by_id("p3", delivered);
    EXPECT_EQ(b.attempt(1).receipt.state, sent);
    EXPECT_FALSE(b.state.closed_p());
    b.receipt_by_id("p1", delivered);
    EXPECT_EQ(b.attempt(1).receipt.state, delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

TEST(CascadeParts, TheFirstFailureOfAPartFailsTheMessage) {
    Bench b = with_parts(PartMode::all);
    b.receipt_by_id("p1", delivered);
    b.receipt_by_id("p2", undeliverable);
    EXPECT_EQ(b.attempt(1).receipt.state, undeliverable);
    EXPECT_EQ(b.attempt(1).receipt.kind, FailureKind::hard);
    EXPECT_EQ(b.state.step, 1) << "the next channel";
    b.receipt_by_id("p3", delivered);
    EXPECT_EQ(b.attempt(1).receipt.state, undeliverable);
    EXPECT_EQ(b.receipt_by_id("p2", delivered).result, SignalResult::corrected);
    EXPECT_EQ(b.attempt(1).receipt.state, delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
}

TEST(CascadeParts, TheWorstFailureIsTheMessages) {
    Bench b = with_parts(PartMode::all);
    b.receipt_by_id("p1", failed);
    EXPECT_EQ(b.attempt(1).receipt.kind, FailureKind::soft);
    b.receipt_by_id("p3", rejected);
    EXPECT_EQ(b.attempt(1).receipt.state, rejected);
    b.receipt_by_id("p2", undeliverable);
    EXPECT_EQ(b.attempt(1).receipt.state, undeliverable);
}

TEST(CascadeParts, AnyPartIsEnoughWhereTheRouteReportsOnOne) {
    Bench b = with_parts(PartMode::any);
    b.receipt_by_id("p2", undeliverable);
    EXPECT_EQ(b.attempt(1).receipt.state, accepted) << "others may arrive";
    EXPECT_FALSE(b.state.closed_p());
    b.receipt_by_id("p3", delivered);
    EXPECT_EQ(b.attempt(1).receipt.state, delivered);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(b.receipt_by_id("p1", failed).result, SignalResult::applied) << "of the part";
    EXPECT_EQ(b.attempt(1).receipt.state, delivered);
    EXPECT_EQ(effective_outcome(b.state), Outcome::delivered);
}

TEST(CascadeParts, WhereEveryPartFailsAnyFailsToo) {
    Bench b = with_parts(PartMode::any);
    b.receipt_by_id("p1", undeliverable);
    b.receipt_by_id("p2", failed);
    EXPECT_EQ(b.state.step, 0);
    b.receipt_by_id("p3", rejected);
    EXPECT_TRUE(is_failure(b.attempt(1).receipt.state));
    EXPECT_EQ(b.attempt(1).receipt.state, failed) << "the mildest is what is left";
}

TEST(CascadeParts, ALateFailureOfAPartCorrectsTheOutcome) {
    Bench b = with_parts(PartMode::all);
    b.rule.steps[0].revocable = true;
    for (const std::string &part : kParts)
        b.receipt_by_id(part, delivered);
    ASSERT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(b.receipt_by_id("p2", undeliverable).result, SignalResult::corrected);
    EXPECT_EQ(b.attempt(1).receipt.state, undeliverable);
    EXPECT_EQ(effective_outcome(b.state), Outcome::exhausted);
}

TEST(CascadeParts, EarlyReceiptsOfPartsWaitForTheAnswer) {
    Bench b;
    b.start();
    for (const std::string &part : kParts)
        EXPECT_EQ(b.receipt_by_id(part, delivered).result, SignalResult::buffered) << part;
    EXPECT_EQ(b.receipt_by_id("p9", delivered).result, SignalResult::buffered) << "of something else";
    b.give(answer_of_parts(PartMode::all));
    EXPECT_EQ(b.count(EventType::receipt_recorded), 3U);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    ASSERT_EQ(b.state.buffered.size(), 1U);
    EXPECT_EQ(b.state.buffered[0].provider_message_id, "p9");
}

TEST(CascadeParts, AReceiptOfAnUnknownPartIsUnmatched) {
    Bench b = with_parts(PartMode::all);
    EXPECT_EQ(b.receipt_by_id("p4", delivered).result, SignalResult::unmatched);
    EXPECT_EQ(b.receipt_by_id("P1", delivered).result, SignalResult::unmatched) << "ids match exactly";
    ReceiptInput in;
    in.attempt = 1;
    in.provider_message_id = "p4";
    in.facts.state = delivered;
    in.hash = 77;
    EXPECT_EQ(b.give(in).result, SignalResult::unmatched);
    in.provider_message_id = "p3";
    EXPECT_EQ(b.give(in).result, SignalResult::applied);
    EXPECT_EQ(find_part(b.attempt(1), "p3")->receipt.state, delivered);
    EXPECT_EQ(find_part(b.attempt(1), "p4"), nullptr);
}

// Looked up by the engine, a receipt may write the id of its part in another way.
TEST(CascadeParts, APartIsFoundByTheOtherWritingsOfItsId) {
    Bench b;
    b.start();
    SendAnswer answer = answer_of_parts(PartMode::all);
    answer.provider_message_id = "0A";
    answer.more_message_ids = {"0B"};
    b.give(answer);
    ReceiptInput in;
    in.attempt = 1;
    in.providers = {1};
    in.facts.state = delivered;
    in.provider_message_id = "11";
    in.hash = 1;
    EXPECT_EQ(b.give(in).result, SignalResult::unmatched) << "no part, and not the whole either";
    in.more_ids = {"11", "b", "0B"};
    EXPECT_EQ(b.give(in).result, SignalResult::applied);
    EXPECT_EQ(find_part(b.attempt(1), "0B")->receipt.state, delivered);
    EXPECT_EQ(b.attempt(1).receipt.state, accepted) << "0A is still on its way";
    EXPECT_FALSE(b.state.closed_p());
    in.provider_message_id = "10";
    in.more_ids = {"10", "a", "0A"};
    EXPECT_EQ(b.give(in).result, SignalResult::duplicate) << "an event is known by its identity";
    in.hash = 2;
    EXPECT_EQ(b.give(in).result, SignalResult::applied);
    EXPECT_EQ(b.state.outcome, Outcome::delivered);
    EXPECT_EQ(replay(decode_events(b.bytes)), b.state);
}

TEST(CascadeParts, AReceiptWithoutAnIdIsOfTheWhole) {
    Bench b = with_parts(PartMode::all);
    EXPECT_EQ(b.receipt(1, sent).result, SignalResult::applied);
    EXPECT_EQ(b.attempt(1).receipt.state, sent);
    EXPECT_EQ(find_part(b.attempt(1), "p1")->receipt.state, accepted);
}

TEST(CascadeParts, TheHistoryKeepsTheIdsAndTheMode) {
    for (const PartMode mode : {PartMode::all, PartMode::any}) {
        const Bench b = with_parts(mode);
        const HistoryEvent &e = b.newest(EventType::send_completed);
        EXPECT_EQ(e.text, "p1\np2\np3");
        EXPECT_EQ(replay(decode_events(b.bytes)).attempts.at(0).part_mode, mode);
        EXPECT_NE(event_attributes_json(e).find(R"("provider_message_ids":["p1","p2","p3"])"), std::string::npos)
            << event_attributes_json(e);
    }
}

TEST(CascadeParts, TheNumberOfPartsIsCapped) {
    Bench b;
    b.start();
    SendAnswer in = answer_of_parts(PartMode::all);
    for (std::size_t i = 0; i < 100; ++i)
        in.more_message_ids.push_back("q" + std::to_string(i));
    b.give(in);
    EXPECT_EQ(b.attempt(1).parts.size(), kMaxParts);
}

TEST(CascadeParts, ASuccessOnAcceptedDoesNotWaitForParts) {
    EXPECT_EQ(with_parts(PartMode::all, SuccessOn::accepted).state.outcome, Outcome::delivered);
}

// ---- combine_parts() alone ----

TEST(CombineParts, DoesNotDependOnTheOrderOfTheParts) {
    Random random(51);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<ReceiptFacts> parts;
        for (std::size_t n = 1 + random() % 5; n > 0; --n)
            parts.push_back(random_facts(random));
        std::vector<ReceiptFacts> other = parts;
        std::shuffle(other.begin(), other.end(), random);
        for (const PartMode mode : {PartMode::all, PartMode::any}) {
            const Canonical a = canonical(combine_parts(parts, mode));
            const Canonical b = canonical(combine_parts(other, mode));
            ASSERT_EQ(rank(a.state), rank(b.state));
            ASSERT_EQ(a.kind, b.kind);
        }
    }
}

TEST(CombineParts, AllIsTheWorstAnyTheBest) {
    const auto combined = [](std::initializer_list<ReceiptState> states, PartMode mode) {
        std::vector<ReceiptFacts> parts;
        for (const ReceiptState state : states)
            parts.push_back({.state = state, .kind = default_failure_kind(state), .time = {}, .sequence = {}});
        return combine_parts(parts, mode).state;
    };
    EXPECT_EQ(combined({delivered, sent, read}, PartMode::all), sent);
    EXPECT_EQ(combined({delivered, sent, read}, PartMode::any), read);
    EXPECT_EQ(combined({delivered, read}, PartMode::all), delivered);
    EXPECT_EQ(combined({delivered, failed, accepted}, PartMode::all), failed) << "a failure is worse than no news";
    EXPECT_EQ(combined({failed, accepted}, PartMode::any), accepted) << "no news is better than a failure";
    EXPECT_EQ(combined({failed, undeliverable, rejected}, PartMode::all), undeliverable);
    EXPECT_EQ(combined({undeliverable, failed, rejected}, PartMode::any), failed);
    EXPECT_EQ(combined({unknown, delivered}, PartMode::all), unknown);
    EXPECT_EQ(combined({delivered}, PartMode::all), delivered);
    EXPECT_EQ(combined({rejected}, PartMode::any), rejected);
}

} // namespace
} // namespace hc::core::test
