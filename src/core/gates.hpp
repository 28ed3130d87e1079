// The gates before a send leaves: whether an attempt that a dispatcher has claimed is to be sent at all. What does not
// pass is skipped with a reason word, costs nothing, and the cascade goes on to its next step. Pure.
//
// In this order: channel_off, the words of skip_if, no_address, too_many_parts, cost_cap (refused_by_rule);
// suppressed_<reason>; frequency_cap; cost_cap_tenant.
#pragma once

#include "core/cascade.hpp"
#include "core/money.hpp"
#include "core/provider_config.hpp"
#include "core/recipient.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

// ---- by the rule, the message and the tenant's limits ----

struct GateSubject {
    const Rule &rule;
    std::uint16_t step = 0;
    const TenantLimits &limits;
    const CostSettings &provider;
    std::string_view message; // JSON
    const Recipient &recipient;
    Micros cost = 0; // of this send, and of what the cascade has sent; looked at where the rule has max_cost
    Micros sent = 0;
};
// The reason why it is not to be sent; empty: it may be.
std::string refused_by_rule(const GateSubject &subject);

// Most SMS parts of a step; none: not limited. That of the rule is meant for steps over channels of SMS.
std::optional<std::uint32_t> max_parts(const Rule &rule, std::size_t step);

// Of the attempts of a cascade without `self`, what those that were or may have been sent cost by this estimate. Of
// several that wait at once the one of the lower number counts for the other, so that together they keep to a limit.
Micros sent_cost(const State &state, const AttemptState &self, Time now,
                 const std::function<Micros(std::int32_t provider)> &cost);

// Whether a request of it may have been taken.
bool may_have_been_sent(const AttemptState &attempt, Time now);

// ---- suppression ----

enum class SuppressReason : std::uint8_t { complaint, invalid_address, opt_out, manual };
std::string_view to_string(SuppressReason reason);
std::optional<SuppressReason> parse_suppress_reason(std::string_view word);

struct Suppression {
    SuppressReason reason{};
    bool of_category = false; // of the message's category, not of all
};
// Of the entries that fit a recipient, the one that stops the send; none: it may leave. An opt-out of a category does
// not stop an OTP, everything else does.
std::optional<SuppressReason> suppressed_by(std::span<const Suppression> entries, Priority priority);

// ---- frequency ----

// One send to a recipient: when, and which (see contact_mark).
struct Contact {
    Time at{};
    std::int64_t mark = 0;

    bool operator==(const Contact &) const = default;
};

std::int64_t contact_mark(const WorkflowId &cascade, std::uint16_t attempt);

// Whether a rule counts sends of this priority.
bool limits_frequency(const Rule &rule, Priority priority);

enum class Place : std::uint8_t { none, had, taken };
// A place in the window for the send: one it has (a repetition of the attempt), or a new one if there is room.
Place take_place(std::vector<Contact> &contacts, std::int64_t mark, Time now, const Frequency &frequency);
void give_back_place(std::vector<Contact> &contacts, std::int64_t mark);
// Drops what is older than `kept`, and of the rest all but the newest kMaxFrequency.
void forget_contacts(std::vector<Contact> &contacts, Time now, Duration kept);

// ---- cost of a tenant's day ----

// Adds the cost when the sum stays within the cap. What costs nothing always passes.
bool take_amount(Micros &spent, Micros cost, Micros cap);

// Whether a repetition has to pay again: not while the request before it may have been taken, which has paid.
bool pays(const AttemptState &attempt, bool first_claim);

// ---- after the answer ----

// The provider surely did not take it: its place and its cost are given back.
bool surely_not_taken(const SendAnswer &answer);

} // namespace hc::core
