// The cascade state machine: answers to sends, retries and the choice of the next attempt. Pure.
#include "core/cascade_machine.hpp"
#include "core/error.hpp"

#include <algorithm>

namespace hc::core {
namespace {

// Longest Retry-After that is followed; beyond it the clock arithmetic would have to fear overflow.
constexpr Duration kMaxRetryAfter = std::chrono::hours(24 * 365);

std::string cut(std::string_view text) { return std::string(cut_utf8(text, kMaxReasonBytes)); }

ReceiptState state_of_kind(FailureKind kind) {
    switch (kind) {
    case FailureKind::hard:
        return ReceiptState::undeliverable;
    case FailureKind::policy:
    case FailureKind::config:
        return ReceiptState::rejected;
    case FailureKind::none:
    case FailureKind::soft:
        break;
    }
    return ReceiptState::failed;
}

FailureKind kind_or(FailureKind given, FailureKind otherwise) { return given == FailureKind::none ? otherwise : given; }

} // namespace

SignalResult CascadeMachine::on(const SendAnswer &in) {
    consumed_ = in.task;
    const AttemptState *a = find(in.attempt);
    if (a == nullptr || !a->unanswered)
        return SignalResult::ignored;
    const bool queued = a->phase == AttemptPhase::queued;
    if (queued && in.task != 0 && in.task != a->task)
        return SignalResult::ignored;
    if (!queued || !newest_of_step(in.attempt)) {
        take_late(in);
        return SignalResult::applied;
    }
    switch (in.verdict) {
    case SendVerdict::accepted:
        take_accepted(in, true);
        break;
    case SendVerdict::ambiguous:
        take_ambiguous(in);
        break;
    case SendVerdict::retry_same:
        if (!retry_send(in))
            take_refused(in);
        break;
    case SendVerdict::next_provider:
    case SendVerdict::next_channel:
        take_refused(in);
        break;
    case SendVerdict::skip:
        take_skipped(in);
        break;
    case SendVerdict::not_now:
        defer(*a, in.reason);
        break;
    }
    return SignalResult::applied;
}

// `live`: the cascade waits for this answer. A late one is recorded, and receipts that waited for its id are taken.
void CascadeMachine::take_accepted(const SendAnswer &in, bool live) {
    const Step &step = step_of(get(in.attempt).step);
    const bool success = live && step.success_on == SuccessOn::accepted;
    HistoryEvent e{.type = EventType::send_completed, .attempt = in.attempt, .state = ReceiptState::accepted};
    if (live && !success)
        e.due = deadline(get(in.attempt).step, step.timeout);
    e.code = in.code;
    e.text = std::string(cut_utf8(in.provider_message_id, kMaxTextBytes));
    for (std::size_t i = 0; i < std::min(in.more_message_ids.size(), kMaxParts - 1); ++i)
        e.text.append("\n").append(cut_utf8(in.more_message_ids[i], kMaxTextBytes));
    if (!in.more_message_ids.empty())
        e.sequence = static_cast<std::int64_t>(in.part_mode);
    emit(std::move(e));
    take_buffered(in.attempt);
    if (success && newest_of_step(in.attempt)) // else a receipt that came first has led elsewhere
        take_success(in.attempt);
}

// The answer to an attempt that the cascade no longer waits for.
void CascadeMachine::take_late(const SendAnswer &in) {
    const FailureKind hard = kind_or(in.kind, FailureKind::hard);
    switch (in.verdict) {
    case SendVerdict::accepted:
        return take_accepted(in, false);
    case SendVerdict::ambiguous:
        emit({.type = EventType::send_ambiguous, .attempt = in.attempt, .code = in.code, .reason = cut(in.reason)});
        return take_buffered(in.attempt);
    case SendVerdict::retry_same:
        return record_failed(in, ReceiptState::failed, kind_or(in.kind, FailureKind::soft));
    case SendVerdict::next_provider:
        return record_failed(in, ReceiptState::rejected, kind_or(in.kind, FailureKind::config));
    case SendVerdict::next_channel:
        return record_failed(in, state_of_kind(hard), hard);
    case SendVerdict::skip:
    case SendVerdict::not_now:
        return record_failed(in, ReceiptState::canceled, FailureKind::policy);
    }
}

void CascadeMachine::take_ambiguous(const SendAnswer &in) {
    const AttemptState &a = get(in.attempt);
    const Step &step = step_of(a.step);
    const std::span<const ProviderRef> providers = providers_of(a.step);
    const bool idempotent = std::any_of(providers.begin(), providers.end(),
                                        [&a](const ProviderRef &p) { return p.id == a.provider && p.idempotent; });
    // A receipt that is already there proves that the message was taken: repeating it could only send it twice.
    const bool taken = rank(a.receipt.state) > rank(ReceiptState::queued);
    const bool retry =
        step.on_ambiguous == OnAmbiguous::retry || (step.on_ambiguous == OnAmbiguous::automatic && idempotent);
    if (!taken && retry && retry_send(in))
        return;
    if (!taken && step.on_ambiguous == OnAmbiguous::next_channel) {
        record_failed(in, ReceiptState::failed, FailureKind::soft);
        return fail_step(a.step, in.reason);
    }
    emit({.type = EventType::send_ambiguous,
          .attempt = in.attempt,
          .due = deadline(a.step, step.timeout),
          .code = in.code,
          .reason = cut(in.reason)});
    take_buffered(in.attempt);
}

// Surely not taken, and not to be sent again by this attempt.
void CascadeMachine::take_refused(const SendAnswer &in) {
    take_late(in);
    const std::uint16_t step = get(in.attempt).step;
    if (in.verdict == SendVerdict::next_channel)
        fail_step(step, in.reason);
    else
        try_next_provider(step, in.reason);
}

// Not sent, and no other attempt of the step is made. A step of which an attempt has left has failed.
void CascadeMachine::take_skipped(const SendAnswer &in) {
    take_late(in);
    const std::uint16_t step = get(in.attempt).step;
    const auto left = [this, step](const AttemptState &a) {
        return a.step == step && (a.taken || (a.unanswered && a.due <= now_));
    };
    if (std::any_of(state_.attempts.begin(), state_.attempts.end(), left))
        fail_step(step, in.reason);
    else
        skip_step(step, in.reason);
}

bool CascadeMachine::retry_send(const SendAnswer &in) {
    const AttemptState &a = get(in.attempt);
    const std::optional<Time> wanted = retry_time(a, in.reason, in.retry_after);
    const std::optional<Time> due = wanted ? allowed_due(a.step, *wanted) : std::nullopt;
    if (!due)
        return false;
    emit({.type = EventType::send_retry,
          .attempt = in.attempt,
          .task = state_.last_task + 1,
          .due = due,
          .kind = in.kind,
          .code = in.code,
          .flags = in.verdict == SendVerdict::ambiguous ? kFlagContacted : 0U,
          .reason = cut(in.reason)});
    return true;
}

void CascadeMachine::record_failed(const SendAnswer &in, ReceiptState failure, FailureKind kind) {
    emit({.type = EventType::send_failed,
          .attempt = in.attempt,
          .state = failure,
          .kind = kind,
          .code = in.code,
          .flags = in.verdict == SendVerdict::ambiguous || in.partly_taken ? kFlagContacted : 0U,
          .reason = cut(in.reason)});
}

// When the next send to the attempt's provider in this step may be made; nullopt when there may be none.
namespace {

// A reason is a word, a code, or both: "absent_subscriber (30003)".
bool names_reason(std::string_view reason, std::string_view word) {
    const std::size_t open = reason.find(" (");
    if (open == std::string_view::npos || !reason.ends_with(')'))
        return reason == word;
    return reason.substr(0, open) == word || reason.substr(open + 2, reason.size() - open - 3) == word;
}

} // namespace

std::optional<Time> CascadeMachine::retry_time(const AttemptState &attempt, std::string_view reason,
                                               std::optional<Duration> retry_after) const {
    const RetryPolicy &policy = step_of(attempt.step).retry;
    const auto &never = policy.non_retryable;
    const auto names = [reason](const std::string &word) { return names_reason(reason, word); };
    if (std::any_of(never.begin(), never.end(), names) || total_sends() >= kMaxAttempts)
        return std::nullopt;
    std::int32_t sends = 0;
    for (const AttemptState &a : state_.attempts) {
        if (a.step == attempt.step && a.provider == attempt.provider)
            sends += a.sends;
    }
    if (retry_after)
        retry_after = std::min(*retry_after, kMaxRetryAfter);
    const Branch *branch = find_branch(state_, attempt.step);
    const std::optional<Time> limit =
        earlier(state_.expires, branch != nullptr ? branch->dispatch_deadline : std::nullopt);
    const NextRetry next = next_retry(policy, sends, now_, limit, retry_after, around_.random01);
    if (next.state != RetryState::in_progress)
        return std::nullopt;
    return now_ + next.interval;
}

} // namespace hc::core
