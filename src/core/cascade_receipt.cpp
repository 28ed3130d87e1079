// The cascade state machine: receipts. Matching, merging by rank, what follows, in time and after the end. Pure.
#include "core/cascade_machine.hpp"

#include <algorithm>

namespace hc::core {
namespace {

SignalResult to_result(MergeResult m) {
    switch (m) {
    case MergeResult::applied:
        return SignalResult::applied;
    case MergeResult::corrected:
        return SignalResult::corrected;
    case MergeResult::stale:
        return SignalResult::stale;
    case MergeResult::conflict:
        break;
    }
    return SignalResult::conflict;
}

FailureKind kind_of(const ReceiptFacts &facts) {
    if (!is_failure(facts.state))
        return FailureKind::none;
    return facts.kind == FailureKind::none ? default_failure_kind(facts.state) : facts.kind;
}

// The attempt's state once the receipt, of the whole or of a part, is taken.
ReceiptState state_after(const AttemptState &a, const HistoryEvent &event) {
    if (find_part(a, event.text) == nullptr)
        return *event.state;
    std::vector<ReceiptFacts> parts;
    for (const PartState &part : a.parts)
        parts.push_back(part.receipt);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (a.parts[i].provider_message_id == event.text)
            parts[i] = {.state = *event.state, .kind = event.kind, .time = {}, .sequence = {}};
    }
    return combine_parts(parts, a.part_mode).state;
}

} // namespace

bool meets(ReceiptState state, SuccessOn success_on) {
    if (is_failure(state))
        return false;
    const bool progress = state != ReceiptState::deferred && state != ReceiptState::unknown;
    return rank(state) >= success_rank(success_on) && (progress || success_on == SuccessOn::accepted);
}

HistoryEvent CascadeMachine::receipt_event(EventType type, const ReceiptInput &in, std::string_view id) const {
    HistoryEvent e{.type = type, .attempt = in.attempt, .state = in.facts.state, .kind = kind_of(in.facts)};
    e.hash = in.hash;
    e.sequence = in.facts.sequence;
    e.provider_time = in.facts.time;
    e.text = std::string(id);
    e.reason = std::string(cut_utf8(in.reason, kMaxReasonBytes));
    return e;
}

SignalResult CascadeMachine::on(const ReceiptInput &in) {
    const std::string_view id = cut_utf8(in.provider_message_id, kMaxTextBytes);
    HistoryEvent e = receipt_event(EventType::receipt_recorded, in, id);
    if (seen(in.hash)) {
        e.result = SignalResult::duplicate;
        if (room())
            emit(std::move(e));
        return SignalResult::duplicate;
    }
    const Matched matched = match(in, id);
    switch (matched.match) {
    case Match::attempt:
        e.attempt = matched.attempt;
        if (!matched.id.empty())
            e.text = matched.id;
        return take_receipt(std::move(e), false);
    case Match::buffer:
        e.type = EventType::receipt_buffered;
        emit(std::move(e));
        return SignalResult::buffered;
    case Match::none:
        break;
    }
    e.type = EventType::receipt_unmatched;
    if (room())
        emit(std::move(e));
    return SignalResult::unmatched;
}

SignalResult CascadeMachine::on(const ParkInput &in) {
    if (seen(in.hash))
        return SignalResult::duplicate;
    if (room())
        emit({.type = EventType::receipt_parked,
              .hash = in.hash,
              .text = std::string(cut_utf8(in.word.empty() ? in.raw : in.word, kMaxParkedBytes))});
    return SignalResult::parked;
}

// Of a message in parts, the part; a receipt that names none is one of the whole.
CascadeMachine::Matched CascadeMachine::match_part(const AttemptState &a, const ReceiptInput &in, std::string_view id) {
    if (a.parts.empty() || id.empty() || find_part(a, id) != nullptr)
        return {Match::attempt, a.number, {}};
    for (const std::string &other : in.more_ids) {
        if (find_part(a, other) != nullptr)
            return {Match::attempt, a.number, other};
    }
    return {};
}

// R4 and R5: by attempt, else by the exact id, else, when nothing is named, the only attempt there ever was.
CascadeMachine::Matched CascadeMachine::match(const ReceiptInput &in, std::string_view id) const {
    if (in.attempt != 0) {
        const AttemptState *a = find(in.attempt);
        if (a == nullptr)
            return {};
        const bool ours = in.providers.empty() ||
                          std::find(in.providers.begin(), in.providers.end(), a->provider) != in.providers.end();
        // looked up by the engine, the id may be written in another way
        const bool other_id = in.providers.empty() && !id.empty() && !a->provider_message_id.empty() &&
                              a->provider_message_id != id && find_part(*a, id) == nullptr;
        if (!ours || other_id)
            return {};
        // the answer will tell whether this is one part of several
        const bool early = in.part && !id.empty() && a->unanswered && a->phase == AttemptPhase::queued;
        if (early && state_.buffered.size() < kMaxBufferedReceipts)
            return {Match::buffer, in.attempt, {}};
        return match_part(*a, in, id);
    }
    if (id.empty())
        return state_.attempts.size() == 1 ? Matched{Match::attempt, 1, {}} : Matched{};
    const auto named = std::find_if(state_.attempts.rbegin(), state_.attempts.rend(), [id](const AttemptState &a) {
        return a.provider_message_id == id || find_part(a, id) != nullptr;
    });
    if (named != state_.attempts.rend())
        return {Match::attempt, named->number, {}};
    const auto nameless = [](const AttemptState &a) {
        return a.provider_message_id.empty() && (a.unanswered || a.phase == AttemptPhase::ambiguous);
    };
    const bool may_come = std::any_of(state_.attempts.begin(), state_.attempts.end(), nameless);
    return {may_come && state_.buffered.size() < kMaxBufferedReceipts ? Match::buffer : Match::none, 0, {}};
}

SignalResult CascadeMachine::take_receipt(HistoryEvent event, bool from_buffer) {
    const std::uint16_t attempt = event.attempt;
    const AttemptState &a = get(attempt);
    const ReceiptFacts facts{
        .state = *event.state, .kind = event.kind, .time = event.provider_time, .sequence = event.sequence};
    const PartState *part = find_part(a, event.text);
    const SignalResult merged =
        to_result(merge(part != nullptr ? part->receipt : a.receipt, facts, step_of(a.step).revocable));
    const bool no_effect = merged == SignalResult::stale || merged == SignalResult::conflict;
    if (!room() && !from_buffer && no_effect)
        return merged;
    // A flood of receipts must not grow the history without end: past the cap only the ladder of ranks is open.
    if (!room() && !from_buffer && rank(facts.state) <= rank(a.receipt.state))
        return SignalResult::ignored;
    if (closed() && !no_effect)
        return take_closed(std::move(event), merged);
    event.result = merged;
    const std::string reason = event.reason.empty() ? std::string(to_string(facts.state)) : event.reason;
    const ReceiptFacts before = a.receipt;
    emit(std::move(event));
    if (!no_effect && !(part != nullptr && get(attempt).receipt == before)) // a part may leave the whole as it was
        follow_receipt(attempt, reason);
    return merged;
}

// R9: after the end the outcome is corrected by a success that it does not tell, and by the failure of the very attempt
// that it rests on, unless another attempt has succeeded too.
SignalResult CascadeMachine::take_closed(HistoryEvent event, SignalResult merged) {
    const AttemptState &a = get(event.attempt);
    const bool delivered = effective_outcome(state_) == Outcome::delivered;
    const std::uint16_t attempt = event.attempt;
    const bool rests_on_it =
        delivered &&
        (attempt == state_.outcome_attempt ||
         (all_must_succeed(a.step) && group(a.step).first == group(get(state_.outcome_attempt).step).first));
    const bool failure = rests_on_it && is_failure(state_after(a, event));
    const bool could_succeed = !delivered && meets(state_after(a, event), step_of(a.step).success_on);
    const bool wanted = could_succeed ? program_.rule->late_success == LateSuccess::complete
                                      : failure && program_.rule->late_failure == LateFailure::notify;
    event.result = merged;
    const bool success = could_succeed && (!all_must_succeed(a.step) || others_met(a.step));
    if (!success && !failure) {
        emit(std::move(event));
        return merged;
    }
    const bool correct = wanted && state_.reports < kMaxReports;
    event.result = correct ? SignalResult::corrected : SignalResult::applied;
    emit(std::move(event));
    if (!correct)
        return SignalResult::applied;

    const auto holds = [this](const AttemptState &other) {
        return meets(other.receipt.state, step_of(other.step).success_on) && group_met(other.step);
    };
    const auto other = std::find_if(state_.attempts.begin(), state_.attempts.end(), holds);
    const bool still = other != state_.attempts.end();
    const AttemptState &deciding = failure && still ? *other : get(attempt);
    emit({.type = EventType::outcome_corrected,
          .attempt = deciding.number,
          .step = deciding.step,
          .state = deciding.receipt.state,
          .outcome = success || still ? Outcome::delivered : Outcome::exhausted,
          .sequence = std::int64_t{state_.reports} + 1});
    decision_.report = true;
    return SignalResult::corrected;
}

// Whether all steps of the element but this one have succeeded.
bool CascadeMachine::others_met(std::size_t step) const {
    const Group g = group(step);
    for (std::size_t i = g.first; i < g.end; ++i) {
        if (i != step && !step_met(i))
            return false;
    }
    return true;
}

// Whether an attempt of the step has reached what the step asks for.
bool CascadeMachine::step_met(std::size_t step) const {
    return std::any_of(state_.attempts.begin(), state_.attempts.end(), [&](const AttemptState &a) {
        return a.step == step && meets(a.receipt.state, step_of(step).success_on);
    });
}

// The same of the element of the rule that the step belongs to.
bool CascadeMachine::group_met(std::size_t step) const {
    const Group g = group(step);
    std::size_t met = 0;
    for (std::size_t i = g.first; i < g.end; ++i)
        met += step_met(i) ? 1U : 0U;
    return all_must_succeed(step) ? met == g.end - g.first : met > 0;
}

// Receipts that came before the answer that names their id.
void CascadeMachine::take_buffered(std::uint16_t attempt) {
    const AttemptState &a = get(attempt);
    std::vector<BufferedReceipt> mine;
    std::copy_if(
        state_.buffered.begin(), state_.buffered.end(), std::back_inserter(mine), [&a](const BufferedReceipt &b) {
            const bool by_attempt = b.attempt == a.number && a.parts.empty();
            return by_attempt || (!b.provider_message_id.empty() && (b.provider_message_id == a.provider_message_id ||
                                                                     find_part(a, b.provider_message_id) != nullptr));
        });
    for (const BufferedReceipt &b : mine) {
        ReceiptInput in;
        in.attempt = attempt;
        in.facts = b.receipt;
        in.hash = b.hash;
        in.reason = b.reason;
        take_receipt(receipt_event(EventType::receipt_recorded, in, b.provider_message_id), true);
    }
}

// R7 and R8: what the attempt's new state means for the running cascade.
void CascadeMachine::follow_receipt(std::uint16_t attempt, std::string_view reason) {
    const AttemptState &a = get(attempt);
    const Step &step = step_of(a.step);
    const bool newest = newest_of_step(attempt);
    const bool unknown = newest && a.receipt.state == ReceiptState::unknown;
    if (meets(a.receipt.state, step.success_on) || (unknown && step.on_unknown == OnUnknown::success))
        return take_success(attempt);
    if (newest && is_failure(a.receipt.state))
        fail_attempt(attempt, a.receipt.kind, reason);
    else if (unknown && step.on_unknown == OnUnknown::failure)
        fail_attempt(attempt, FailureKind::soft, reason);
}

void CascadeMachine::fail_attempt(std::uint16_t attempt, FailureKind kind, std::string_view reason) {
    const AttemptState &a = get(attempt);
    const std::uint16_t step = a.step;
    if (kind == FailureKind::hard || kind == FailureKind::policy)
        return fail_step(step, reason);
    const std::int32_t provider = a.provider;
    const std::optional<Time> wanted = kind == FailureKind::config ? std::nullopt : retry_time(a, reason, std::nullopt);
    const std::optional<Time> due = wanted ? allowed_due(step, *wanted) : std::nullopt;
    if (due)
        schedule(step, provider, *due);
    else
        try_next_provider(step, reason);
}

} // namespace hc::core
