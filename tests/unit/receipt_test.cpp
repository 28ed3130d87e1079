// Tests of the receipt states and of the merge rule: every pair of states, and properties of any order of arrival.
#include "core/receipt.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

namespace hc::core {
namespace {

using enum ReceiptState;

constexpr std::array kAll = {queued,  accepted,      sent,     deferred, unknown,   failed,
                             expired, undeliverable, rejected, canceled, delivered, read};
static_assert(kAll.size() == kReceiptStates);

ReceiptFacts facts(ReceiptState state, std::optional<std::int64_t> time_s = {},
                   std::optional<std::int64_t> sequence = {}) {
    ReceiptFacts result;
    result.state = state;
    if (time_s)
        result.time = from_unix_micros(*time_s * 1'000'000);
    result.sequence = sequence;
    return result;
}

std::string_view name(MergeResult result) {
    constexpr std::string_view kNames[] = {"applied", "corrected", "stale", "conflict"};
    return kNames[static_cast<std::size_t>(result)];
}

MergeResult result_of(char letter, bool revocable) {
    switch (letter) {
    case 'a':
    case 'd': // of equal rank and not final: unless older
        return MergeResult::applied;
    case 'n': // of equal rank and not final: only when newer
    case 's':
        return MergeResult::stale;
    case 'c':
        return MergeResult::corrected;
    default: // 'x': a failure after a success
        return revocable ? MergeResult::corrected : MergeResult::conflict;
    }
}

// Rows: the current state; columns: the incoming one, both in the order of kAll.
constexpr std::string_view kExpected[] = {
    // q a s d u  f e u r c  d r
    "saaaaaaaaaaa", // queued
    "snaaaaaaaaaa", // accepted
    "ssndaaaaaaaa", // sent
    "ssnnaaaaaaaa", // deferred
    "ssssnaaaaaaa", // unknown
    "ssssssaaaacc", // failed
    "sssssssaaacc", // expired
    "sssssssssscc", // undeliverable
    "sssssssasacc", // rejected
    "sssssssasscc", // canceled
    "sssssxxxxxsa", // delivered
    "sssssxxxxxss", // read
};
static_assert(std::size(kExpected) == kAll.size());

TEST(Receipt, EveryPairOfStates) {
    for (std::size_t row = 0; row < kAll.size(); ++row) {
        ASSERT_EQ(kExpected[row].size(), kAll.size());
        for (std::size_t column = 0; column < kAll.size(); ++column) {
            for (const bool revocable : {false, true}) {
                const MergeResult expected = result_of(kExpected[row][column], revocable);
                const MergeResult got = merge(facts(kAll[row]), facts(kAll[column]), revocable);
                EXPECT_EQ(name(got), name(expected))
                    << to_string(kAll[row]) << " <- " << to_string(kAll[column]) << (revocable ? ", revocable" : "");
            }
        }
    }
}

TEST(Receipt, NewerMattersOnlyForEqualRanksThatAreNotFinal) {
    for (std::size_t row = 0; row < kAll.size(); ++row) {
        for (std::size_t column = 0; column < kAll.size(); ++column) {
            const char letter = kExpected[row][column];
            for (const bool revocable : {false, true}) {
                const auto merged = [&](const ReceiptFacts &current, const ReceiptFacts &incoming) {
                    return name(merge(current, incoming, revocable));
                };
                const ReceiptState current = kAll[row];
                const ReceiptState incoming = kAll[column];
                const std::string_view same = name(result_of(letter, revocable));
                const std::string_view newer = letter == 'n' ? "applied" : same;
                const std::string_view older = letter == 'd' ? "stale" : same;
                EXPECT_EQ(merged(facts(current, {}, 1), facts(incoming, {}, 2)), newer);
                EXPECT_EQ(merged(facts(current, {}, 2), facts(incoming, {}, 1)), older);
                EXPECT_EQ(merged(facts(current, {}, 2), facts(incoming, {}, 2)), same);
                if (revocable && is_final(current) && is_final(incoming))
                    continue; // the clock decides: see the property tests
                EXPECT_EQ(merged(facts(current, 1), facts(incoming, 2)), newer);
                EXPECT_EQ(merged(facts(current, 2), facts(incoming, 1)), older);
                EXPECT_EQ(merged(facts(current, 2), facts(incoming, 2)), same);
            }
        }
    }
}

TEST(Receipt, SequenceIsTrustedBeforeTime) {
    const auto merged = [](const ReceiptFacts &current, const ReceiptFacts &incoming) {
        return name(merge(current, incoming, false));
    };
    EXPECT_EQ(merged(facts(sent, 9, 1), facts(deferred, 1, 2)), "applied");
    EXPECT_EQ(merged(facts(sent, 1, 2), facts(deferred, 9, 1)), "stale");
    EXPECT_EQ(merged(facts(sent, 1, 2), facts(deferred, 9, 2)), "applied");
    EXPECT_EQ(merged(facts(sent, 9, 2), facts(deferred, 1, 2)), "stale");
    // A sequence or a time on one side only counts more than none, so that the order is total.
    EXPECT_EQ(merged(facts(sent, 1, 7), facts(deferred, 2)), "stale");
    EXPECT_EQ(merged(facts(sent, 2), facts(deferred, 1, 7)), "applied");
    EXPECT_EQ(merged(facts(sent, 1), facts(deferred, {}, 2)), "applied");
    EXPECT_EQ(merged(facts(sent), facts(deferred, 2, 2)), "applied");
    EXPECT_EQ(merged(facts(sent, 2, 2), facts(deferred)), "stale");
    EXPECT_EQ(merged(facts(sent, {}, -2), facts(sent, {}, -1)), "applied");
}

TEST(Receipt, RanksAndClasses) {
    struct {
        ReceiptState state;
        int rank;
        bool final, failure, success;
        FailureKind kind;
    } const rows[] = {
        {queued, 0, false, false, false, FailureKind::none},
        {accepted, 10, false, false, false, FailureKind::none},
        {sent, 20, false, false, false, FailureKind::none},
        {deferred, 20, false, false, false, FailureKind::none},
        {unknown, 30, false, false, false, FailureKind::none},
        {failed, 40, true, true, false, FailureKind::soft},
        {expired, 40, true, true, false, FailureKind::soft},
        {undeliverable, 40, true, true, false, FailureKind::hard},
        {rejected, 40, true, true, false, FailureKind::policy},
        {canceled, 40, true, true, false, FailureKind::policy},
        {delivered, 50, true, false, true, FailureKind::none},
        {read, 60, true, false, true, FailureKind::none},
    };
    ASSERT_EQ(std::size(rows), kAll.size());
    for (const auto &row : rows) {
        EXPECT_EQ(rank(row.state), row.rank) << to_string(row.state);
        EXPECT_EQ(is_final(row.state), row.final) << to_string(row.state);
        EXPECT_EQ(is_failure(row.state), row.failure) << to_string(row.state);
        EXPECT_EQ(is_success(row.state), row.success) << to_string(row.state);
        EXPECT_EQ(default_failure_kind(row.state), row.kind) << to_string(row.state);
    }
}

TEST(Receipt, Words) {
    constexpr std::pair<ReceiptState, std::string_view> kWords[] = {
        {queued, "queued"},     {accepted, "accepted"}, {sent, "sent"},           {deferred, "deferred"},
        {unknown, "unknown"},   {failed, "failed"},     {expired, "expired"},     {undeliverable, "undeliverable"},
        {rejected, "rejected"}, {canceled, "canceled"}, {delivered, "delivered"}, {read, "read"},
    };
    ASSERT_EQ(std::size(kWords), kAll.size());
    for (const auto &[state, word] : kWords) {
        EXPECT_EQ(to_string(state), word);
        EXPECT_EQ(parse_receipt_state(word), state);
    }
    EXPECT_EQ(parse_receipt_state("DELIVERED"), delivered);
    EXPECT_EQ(parse_receipt_state("UnDeliverable"), undeliverable);
    // Words that providers use are not guessed at here.
    for (const std::string_view word : {"", " sent", "sent ", "sen", "sents", "DELIVRD", "cancelled", "bounced", "none",
                                        "\xd0\x85"
                                        "ent",
                                        "0"})
        EXPECT_FALSE(parse_receipt_state(word)) << word;
    EXPECT_FALSE(parse_receipt_state(std::string_view("sent\0", 5)));

    constexpr std::pair<FailureKind, std::string_view> kKindWords[] = {
        {FailureKind::none, "none"},     {FailureKind::soft, "soft"},     {FailureKind::hard, "hard"},
        {FailureKind::policy, "policy"}, {FailureKind::config, "config"},
    };
    for (const auto &[kind, word] : kKindWords) {
        EXPECT_EQ(to_string(kind), word);
        EXPECT_EQ(parse_failure_kind(word), kind);
    }
    EXPECT_EQ(parse_failure_kind("Hard"), FailureKind::hard);
    for (const std::string_view word : {"", "harder", "har", "permanent", " soft"})
        EXPECT_FALSE(parse_failure_kind(word)) << word;
}

// ---- any order of arrival ----

bool takes_effect(MergeResult result) { return result == MergeResult::applied || result == MergeResult::corrected; }

// Folds the receipts into a fresh attempt, checking on the way that the rank falls only by a revocation.
ReceiptFacts fold(const std::vector<ReceiptFacts> &receipts, bool revocable) {
    ReceiptFacts current = facts(queued);
    for (const ReceiptFacts &incoming : receipts) {
        const MergeResult result = merge(current, incoming, revocable);
        if (!takes_effect(result))
            continue;
        const bool falls = rank(incoming.state) < rank(current.state);
        const bool revocation =
            revocable && result == MergeResult::corrected && is_success(current.state) && is_failure(incoming.state);
        EXPECT_TRUE(!falls || revocation) << to_string(current.state) << " <- " << to_string(incoming.state);
        const bool turns = is_failure(current.state) != is_failure(incoming.state) && is_final(current.state);
        EXPECT_EQ(result == MergeResult::corrected, turns);
        current = incoming;
    }
    return current;
}

std::vector<ReceiptFacts> random_receipts(std::mt19937_64 &random, bool mixes_failure_and_success) {
    const bool no_success = random() % 2 == 0;
    std::vector<ReceiptFacts> receipts;
    for (std::size_t n = 1 + random() % 7; n > 0; --n) {
        const ReceiptState state = kAll[random() % kAll.size()];
        if (!mixes_failure_and_success && (no_success ? is_success(state) : is_failure(state)))
            continue;
        ReceiptFacts one = facts(state);
        if (random() % 2 == 0)
            one.time = from_unix_micros(static_cast<std::int64_t>(random() % 5));
        if (random() % 2 == 0)
            one.sequence = static_cast<std::int64_t>(random() % 5);
        receipts.push_back(one);
    }
    return receipts;
}

// The same receipts, some of them twice, in another order.
std::vector<ReceiptFacts> shuffled(std::vector<ReceiptFacts> receipts, std::mt19937_64 &random) {
    const std::size_t distinct = receipts.size();
    for (std::size_t i = 0; i < distinct; ++i) {
        if (random() % 3 == 0)
            receipts.push_back(receipts[i]);
    }
    std::shuffle(receipts.begin(), receipts.end(), random);
    return receipts;
}

int highest_rank(const std::vector<ReceiptFacts> &receipts) {
    int highest = rank(queued);
    for (const ReceiptFacts &receipt : receipts)
        highest = std::max(highest, rank(receipt.state));
    return highest;
}

TEST(Receipt, OrderOfArrivalDoesNotMatter) {
    std::mt19937_64 random(9);
    for (int i = 0; i < 4000; ++i) {
        // A revocable success is left out here: what comes last decides there, as the next test shows.
        const bool revocable = random() % 2 == 0;
        const std::vector<ReceiptFacts> receipts = random_receipts(random, !revocable);
        const int expected = highest_rank(receipts);
        for (int n = 0; n < 10; ++n)
            ASSERT_EQ(rank(fold(shuffled(receipts, random), revocable).state), expected);
    }
}

TEST(Receipt, EveryPermutationOfOneOfEachRank) {
    std::vector<ReceiptState> order = {accepted, sent, unknown, failed, delivered, read};
    std::sort(order.begin(), order.end());
    int permutations = 0;
    do {
        std::vector<ReceiptFacts> receipts;
        for (const ReceiptState state : order) {
            receipts.push_back(facts(state));
            receipts.push_back(facts(state)); // each arrives twice
        }
        ASSERT_EQ(fold(receipts, false).state, read);
        ++permutations;
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_EQ(permutations, 720);
}

TEST(Receipt, RankFallsOnlyByRevocation) {
    std::mt19937_64 random(10);
    for (int i = 0; i < 20000; ++i) {
        const std::vector<ReceiptFacts> receipts = shuffled(random_receipts(random, true), random);
        const ReceiptFacts last = fold(receipts, true);
        const bool any_final =
            std::any_of(receipts.begin(), receipts.end(), [](const ReceiptFacts &r) { return is_final(r.state); });
        EXPECT_EQ(is_final(last.state), any_final);
        if (!any_final) {
            EXPECT_EQ(rank(last.state), highest_rank(receipts));
        }
    }
}

TEST(Receipt, SequencesSettleTheStateWhateverTheOrder) {
    constexpr ReceiptState kProgress[] = {accepted, sent, deferred, unknown};
    std::mt19937_64 random(12);
    for (int i = 0; i < 4000; ++i) {
        std::vector<ReceiptFacts> receipts;
        for (std::int64_t sequence = 1; sequence <= 5; ++sequence)
            receipts.push_back(facts(kProgress[random() % std::size(kProgress)], {}, sequence));
        const auto expected = std::max_element(receipts.begin(), receipts.end(), [](const auto &a, const auto &b) {
            return std::pair(rank(a.state), a.sequence) < std::pair(rank(b.state), b.sequence);
        });
        const ReceiptFacts last = fold(shuffled(receipts, random), false);
        EXPECT_EQ(last.state, expected->state);
        EXPECT_EQ(last.sequence, expected->sequence);
    }
}

} // namespace
} // namespace hc::core
