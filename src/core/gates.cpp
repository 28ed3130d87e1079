// See gates.hpp. Runs in dispatchers.
#include "core/gates.hpp"

#include "core/crypto.hpp"

#include <algorithm>
#include <array>

namespace hc::core {

namespace {

constexpr std::array<std::string_view, 4> kReasons{"complaint", "invalid_address", "opt_out", "manual"};

bool is_off(const TenantLimits &limits, const std::string &channel) {
    return std::find(limits.channels_off.begin(), limits.channels_off.end(), channel) != limits.channels_off.end();
}

} // namespace

std::optional<std::uint32_t> max_parts(const Rule &rule, std::size_t step) {
    const Step &s = rule.steps.at(step);
    if (s.max_parts)
        return s.max_parts;
    return s.channel.find("sms") != std::string::npos ? rule.max_parts : std::nullopt;
}

std::string refused_by_rule(const GateSubject &subject) {
    const Step &step = subject.rule.steps.at(subject.step);
    if (is_off(subject.limits, step.channel))
        return "channel_off";
    if (const SkipCondition *condition = find_skip(step.skip_if, subject.message))
        return condition->reason;
    if (subject.recipient.state == AddressState::absent)
        return "no_address";
    const std::optional<std::uint32_t> parts = max_parts(subject.rule, subject.step);
    if (parts && count_parts(subject.provider, subject.message) > *parts)
        return "too_many_parts";
    if (subject.rule.max_cost && add_amounts(subject.sent, subject.cost) > *subject.rule.max_cost)
        return "cost_cap";
    return {};
}

bool may_have_been_sent(const AttemptState &attempt, Time now) {
    return attempt.taken || (attempt.unanswered && attempt.due <= now);
}

Micros sent_cost(const State &state, const AttemptState &self, Time now,
                 const std::function<Micros(std::int32_t provider)> &cost) {
    Micros sum = 0;
    for (const AttemptState &other : state.attempts) {
        const bool waits = other.phase == AttemptPhase::queued && !other.taken;
        if (other.number != self.number && (waits ? other.number < self.number : may_have_been_sent(other, now)))
            sum = add_amounts(sum, cost(other.provider));
    }
    return sum;
}

std::string_view to_string(SuppressReason reason) { return kReasons[static_cast<std::size_t>(reason)]; }

std::optional<SuppressReason> parse_suppress_reason(std::string_view word) {
    const auto it = std::find(kReasons.begin(), kReasons.end(), word);
    return it == kReasons.end() ? std::nullopt : std::optional(static_cast<SuppressReason>(it - kReasons.begin()));
}

std::optional<SuppressReason> suppressed_by(std::span<const Suppression> entries, Priority priority) {
    std::optional<SuppressReason> strongest;
    for (const Suppression &entry : entries) {
        const bool passes = priority == Priority::otp && entry.reason == SuppressReason::opt_out && entry.of_category;
        if (!passes && (!strongest || entry.reason < *strongest))
            strongest = entry.reason;
    }
    return strongest;
}

std::int64_t contact_mark(const WorkflowId &cascade, std::uint16_t attempt) {
    return static_cast<std::int64_t>(hash64("contact", attempt_reference(cascade, attempt)));
}

bool limits_frequency(const Rule &rule, Priority priority) {
    return rule.frequency && (priority != Priority::otp || rule.frequency->otp);
}

Place take_place(std::vector<Contact> &contacts, std::int64_t mark, Time now, const Frequency &frequency) {
    if (std::any_of(contacts.begin(), contacts.end(), [mark](const Contact &c) { return c.mark == mark; }))
        return Place::had;
    const auto recent =
        std::count_if(contacts.begin(), contacts.end(), [&](const Contact &c) { return c.at > now - frequency.per; });
    if (recent >= static_cast<std::ptrdiff_t>(frequency.max))
        return Place::none;
    contacts.push_back({now, mark});
    return Place::taken;
}

void give_back_place(std::vector<Contact> &contacts, std::int64_t mark) {
    std::erase_if(contacts, [mark](const Contact &c) { return c.mark == mark; });
}

void forget_contacts(std::vector<Contact> &contacts, Time now, Duration kept) {
    std::erase_if(contacts, [&](const Contact &c) { return c.at <= now - kept; });
    if (contacts.size() <= kMaxFrequency)
        return;
    std::stable_sort(contacts.begin(), contacts.end(), [](const Contact &a, const Contact &b) { return a.at < b.at; });
    contacts.erase(contacts.begin(), contacts.end() - kMaxFrequency);
}

bool take_amount(Micros &spent, Micros cost, Micros cap) {
    const Micros sum = add_amounts(spent, cost);
    if (cost != 0 && sum > cap)
        return false;
    spent = sum;
    return true;
}

bool pays(const AttemptState &attempt, bool first_claim) { return first_claim && !attempt.taken; }

bool surely_not_taken(const SendAnswer &answer) {
    switch (answer.verdict) {
    case SendVerdict::retry_same:
    case SendVerdict::next_provider:
    case SendVerdict::next_channel:
        return !answer.partly_taken;
    case SendVerdict::accepted:
    case SendVerdict::ambiguous:
    case SendVerdict::skip:
    case SendVerdict::not_now:
        break;
    }
    return false;
}

} // namespace hc::core
