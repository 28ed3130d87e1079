// Canonical delivery receipts: states, ranks, failure kinds and the rule that merges a receipt into an attempt.
// Rules R1 to R3: apply by rank, never by order of arrival; a duplicate is a no-op; a delivered attempt is not revoked
// by a later failure unless its channel allows it.
#pragma once

#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hc::core {

enum class ReceiptState : std::uint8_t {
    queued,        // rank 0, ours: waiting for a dispatcher
    accepted,      // 10, the provider took it
    sent,          // 20, handed to carrier, SMSC, MTA
    deferred,      // 20, provider still trying
    unknown,       // 30, provider cannot or will not say
    failed,        // 40 final, soft
    expired,       // 40 final, soft
    undeliverable, // 40 final, hard
    rejected,      // 40 final, policy or config
    canceled,      // 40 final, policy
    delivered,     // 50 final, success
    read,          // 60 final, success; implies delivered
};
inline constexpr int kReceiptStates = 12;

enum class FailureKind : std::uint8_t { none, soft, hard, policy, config };

int rank(ReceiptState s);
bool is_final(ReceiptState s);
bool is_failure(ReceiptState s); // rank 40
bool is_success(ReceiptState s); // delivered or read
FailureKind default_failure_kind(ReceiptState s);

std::string_view to_string(ReceiptState s);
std::string_view to_string(FailureKind k);
std::optional<ReceiptState> parse_receipt_state(std::string_view word); // ASCII case-insensitive
std::optional<FailureKind> parse_failure_kind(std::string_view word);

// A receipt reduced to what the rules need. `time` and `sequence` order receipts of equal rank that are not final.
struct ReceiptFacts {
    ReceiptState state = ReceiptState::unknown;
    FailureKind kind = FailureKind::none;
    std::optional<Time> time;
    std::optional<std::int64_t> sequence;

    bool operator==(const ReceiptFacts &) const = default;
};

enum class MergeResult : std::uint8_t {
    applied,   // the attempt takes the new state
    corrected, // applied, and it turns a final failure into success, or (revocable channel) success into failure
    stale,     // lower rank, or equal rank and not newer: recorded only
    conflict,  // failure after delivered on a channel that cannot be revoked: recorded only
};

// R1 and R3. The state an attempt ends in does not depend on the order or number of its receipts: by rank; among
// progress of equal rank by sequence, time and state; among failures the one that forbids more (hard, policy, config,
// soft). `revocable`: the channel's delivered may be withdrawn (email: asynchronous bounce): of a delivery and a
// failure the later one by the provider's clock counts; without clocks the one that came last.
MergeResult merge(const ReceiptFacts &current, const ReceiptFacts &incoming, bool revocable);

// How the receipts of the parts of one message make one result (R10).
enum class PartMode : std::uint8_t {
    provider, // the provider aggregates: one receipt a message
    all,      // every part counts: the worst decides, the first failure fails the message
    any,      // the best counts: routes that report on one part only
};

// The facts of a message out of those of its parts. `parts` is not empty.
ReceiptFacts combine_parts(std::span<const ReceiptFacts> parts, PartMode mode);

} // namespace hc::core
