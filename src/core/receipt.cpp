// Canonical receipt states and the rule that merges a receipt into an attempt. Pure; used by every process that
// decides.
#include "core/receipt.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <tuple>

namespace hc::core {
namespace {

struct StateInfo {
    std::string_view word;
    int rank;
    FailureKind kind; // what a failure is taken for when the receipt does not say
};

constexpr int kFailureRank = 40; // final from here on
constexpr int kSuccessRank = 50;

// In the order of ReceiptState.
constexpr StateInfo kStates[] = {
    {"queued", 0, FailureKind::none},
    {"accepted", 10, FailureKind::none},
    {"sent", 20, FailureKind::none},
    {"deferred", 20, FailureKind::none},
    {"unknown", 30, FailureKind::none},
    {"failed", kFailureRank, FailureKind::soft},
    {"expired", kFailureRank, FailureKind::soft},
    {"undeliverable", kFailureRank, FailureKind::hard},
    {"rejected", kFailureRank, FailureKind::policy},
    {"canceled", kFailureRank, FailureKind::policy},
    {"delivered", kSuccessRank, FailureKind::none},
    {"read", 60, FailureKind::none},
};
static_assert(std::size(kStates) == kReceiptStates);

// In the order of FailureKind.
constexpr std::string_view kKinds[] = {"none", "soft", "hard", "policy", "config"};

const StateInfo &info(ReceiptState s) { return kStates[static_cast<std::size_t>(s)]; }

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view text, std::string_view lower_case_word) {
    if (text.size() != lower_case_word.size())
        return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (lower(text[i]) != lower_case_word[i])
            return false;
    }
    return true;
}

// The provider's own order number is the better witness, then its clock; the state makes the order total.
bool is_newer(const ReceiptFacts &current, const ReceiptFacts &incoming) {
    const auto key = [](const ReceiptFacts &facts) {
        return std::tuple(facts.sequence.value_or(-1), facts.time.value_or(Time::min()), facts.state);
    };
    return key(incoming) > key(current);
}

} // namespace

int rank(ReceiptState s) { return info(s).rank; }

bool is_final(ReceiptState s) { return rank(s) >= kFailureRank; }

bool is_failure(ReceiptState s) { return rank(s) == kFailureRank; }

bool is_success(ReceiptState s) { return rank(s) >= kSuccessRank; }

FailureKind default_failure_kind(ReceiptState s) { return info(s).kind; }

std::string_view to_string(ReceiptState s) { return info(s).word; }

std::string_view to_string(FailureKind k) { return kKinds[static_cast<std::size_t>(k)]; }

std::optional<ReceiptState> parse_receipt_state(std::string_view word) {
    for (std::size_t i = 0; i < std::size(kStates); ++i) {
        if (same_word(word, kStates[i].word))
            return static_cast<ReceiptState>(i);
    }
    return std::nullopt;
}

std::optional<FailureKind> parse_failure_kind(std::string_view word) {
    for (std::size_t i = 0; i < std::size(kKinds); ++i) {
        if (same_word(word, kKinds[i]))
            return static_cast<FailureKind>(i);
    }
    return std::nullopt;
}

namespace {

// Of two failures the one that forbids more; a total order, so that arrival does not matter.
int severity(const ReceiptFacts &facts) {
    constexpr std::array<int, 5> kKindOrder{1, 0, 4, 3, 2}; // none (canceled), soft, hard, policy, config
    const FailureKind kind = facts.kind == FailureKind::none ? default_failure_kind(facts.state) : facts.kind;
    return kKindOrder[static_cast<std::size_t>(kind)] * kReceiptStates + static_cast<int>(facts.state);
}

// Of a delivery and failures of a channel that can revoke, the clock tells which was last; a reading stands above them.
bool by_clock(const ReceiptFacts &current, const ReceiptFacts &incoming) {
    const auto fits = [](const ReceiptFacts &f) {
        return f.time && is_final(f.state) && f.state != ReceiptState::read;
    };
    return fits(current) && fits(incoming) && *current.time != *incoming.time;
}

} // namespace

MergeResult merge(const ReceiptFacts &current, const ReceiptFacts &incoming, bool revocable) {
    if (incoming.state == ReceiptState::queued) // ours: no receipt says it
        return MergeResult::stale;
    const bool turns = is_failure(current.state) != is_failure(incoming.state);
    if (revocable && by_clock(current, incoming)) {
        if (*incoming.time > *current.time)
            return turns ? MergeResult::corrected : MergeResult::applied;
        return turns && is_failure(incoming.state) ? MergeResult::conflict : MergeResult::stale;
    }
    if (revocable && current.state == ReceiptState::read && current.time && incoming.time)
        return is_failure(incoming.state) ? MergeResult::conflict : MergeResult::stale;
    const int current_rank = rank(current.state);
    const int incoming_rank = rank(incoming.state);
    if (incoming_rank > current_rank)
        return is_failure(current.state) ? MergeResult::corrected : MergeResult::applied; // only success ranks above
    if (incoming_rank == current_rank) {
        const bool replaces = is_failure(current.state) ? severity(incoming) > severity(current)
                                                        : !is_final(current.state) && is_newer(current, incoming);
        return replaces ? MergeResult::applied : MergeResult::stale;
    }
    if (is_success(current.state) && is_failure(incoming.state))
        return revocable ? MergeResult::corrected : MergeResult::conflict;
    return MergeResult::stale;
}

ReceiptFacts combine_parts(std::span<const ReceiptFacts> parts, PartMode mode) {
    const auto worse = [](const ReceiptFacts &a, const ReceiptFacts &b) {
        const bool failed = is_failure(a.state);
        if (failed != is_failure(b.state))
            return failed;
        return failed ? severity(a) > severity(b) : rank(a.state) < rank(b.state);
    };
    return mode == PartMode::any ? *std::max_element(parts.begin(), parts.end(), worse)
                                 : *std::min_element(parts.begin(), parts.end(), worse);
}

} // namespace hc::core
