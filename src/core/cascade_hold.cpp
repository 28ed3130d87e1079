// The cascade state machine: holds, pauses, send windows and deadlines. Pure.
#include "core/cascade_machine.hpp"

#include <algorithm>

namespace hc::core {

namespace {

bool concerns(const Pause &pause, std::int32_t provider) { return pause.provider == 0 || pause.provider == provider; }

bool going_on(const Pause &pause, Time now) { return pause.since <= now && (!pause.until || *pause.until > now); }

bool is_paused(std::span<const Pause> pauses, std::int32_t provider, Time now) {
    return std::any_of(pauses.begin(), pauses.end(),
                       [&](const Pause &p) { return concerns(p, provider) && going_on(p, now); });
}

} // namespace

Duration held_time(std::span<const Pause> pauses, std::int32_t provider, std::optional<Time> held, Time from, Time to) {
    std::vector<std::pair<Time, Time>> parts;
    const auto add = [&](Time since, Time until) {
        since = std::max(since, from);
        until = std::min(until, to);
        if (since < until)
            parts.emplace_back(since, until);
    };
    for (const Pause &p : pauses) {
        if (concerns(p, provider))
            add(p.since, p.until.value_or(to));
    }
    if (held)
        add(*held, to);
    std::sort(parts.begin(), parts.end());
    Duration sum{};
    Time reached = from; // pauses that overlap count once
    for (const auto &[since, until] : parts) {
        if (until > reached)
            sum += until - std::max(since, reached);
        reached = std::max(reached, until);
    }
    return sum;
}

// Moves the deadlines by what was held since they were looked at last.
void CascadeMachine::settle_holds() {
    if (around_.pauses.empty() && !state_.held_since)
        return;
    for (std::size_t i = 0; i < state_.branches.size(); ++i) {
        const Branch &b = state_.branches[i];
        if (b.over || (!b.dispatch_deadline && !b.receipt_deadline))
            continue;
        const AttemptState *a = newest_attempt(state_, b.step);
        const std::int32_t provider = a != nullptr && a->phase == AttemptPhase::queued ? a->provider : 0;
        const Duration held = held_time(around_.pauses, provider, state_.held_since, b.counted_from, now_);
        if (held > Duration::zero())
            emit({.type = EventType::deadlines_extended, .step = b.step, .sequence = held.count()});
    }
}

bool CascadeMachine::paused(std::int32_t provider) const { return is_paused(around_.pauses, provider, now_); }

// When a send that is due then may be made; nullopt when its window leaves no time for it.
std::optional<Time> CascadeMachine::allowed_due(std::size_t step, Time due) const {
    const std::optional<SendWindow> &window = step_of(step).window;
    if (!window)
        return due;
    const Time open = next_open(*window, around_.zone, due);
    const bool never =
        open > due && (window->outside == OutsideWindow::skip || (state_.expires && open >= *state_.expires));
    return never ? std::nullopt : std::optional(open);
}

// Of a step with a window only the time in it counts.
Time CascadeMachine::deadline(std::size_t step, Duration timeout) const {
    const std::optional<SendWindow> &window = step_of(step).window;
    return window ? add_open_time(*window, around_.zone, now_, timeout) : now_ + timeout;
}

void CascadeMachine::due_deadlines() {
    if (state_.held_since)
        return;
    const std::vector<Branch> branches = state_.branches;
    for (const Branch &b : branches) {
        if (live_branch(b.step) == nullptr)
            continue;
        const AttemptState *a = newest_attempt(state_, b.step);
        const bool queued = a != nullptr && a->phase == AttemptPhase::queued;
        const auto due = [this](const std::optional<Time> &at) { return at && now_ >= *at; };
        if (paused(queued ? a->provider : 0))
            continue;
        if (due(b.receipt_deadline))
            fail_step(b.step, "receipt timeout");
        else if ((queued || b.condition_task != 0) && due(b.dispatch_deadline))
            fail_step(b.step, "dispatch timeout");
    }
}

// A send that came to a dispatcher at the wrong time.
void CascadeMachine::defer(const AttemptState &attempt, std::string_view reason) {
    HistoryEvent e{.type = EventType::send_deferred, .attempt = attempt.number, .task = state_.last_task + 1};
    e.reason = std::string(cut_utf8(reason, kMaxReasonBytes));
    const std::optional<Time> open = allowed_due(attempt.step, now_);
    if (state_.held_since) {
        e.due = kNever;
        e.flags = kFlagHeld;
    } else if (paused(attempt.provider)) {
        e.due = now_;
        e.flags = kFlagPaused;
    } else if (open) {
        e.due = open;
    } else {
        emit({.type = EventType::send_failed,
              .attempt = attempt.number,
              .state = ReceiptState::canceled,
              .kind = FailureKind::policy,
              .reason = "outside_window"});
        return skip_step(attempt.step, "outside_window");
    }
    emit(std::move(e));
}

SignalResult CascadeMachine::on(const HoldInput &in) {
    if (closed())
        return SignalResult::closed;
    if (state_.held_since)
        return SignalResult::duplicate;
    emit({.type = EventType::cascade_held, .reason = std::string(cut_utf8(in.reason, kMaxReasonBytes))});
    return SignalResult::applied;
}

SignalResult CascadeMachine::on(const ReleaseInput &) {
    if (closed())
        return SignalResult::closed;
    if (!state_.held_since)
        return SignalResult::duplicate;
    emit({.type = EventType::cascade_released});
    for (std::size_t i = 0; i < state_.attempts.size(); ++i) {
        const AttemptState &a = state_.attempts[i];
        if (a.held && a.phase == AttemptPhase::queued)
            defer(a, "released");
    }
    if (state_.starts_at && now_ >= *state_.starts_at)
        start_from(0);
    return SignalResult::applied;
}

bool may_send(const Program &program, const State &state, const AttemptState &attempt, Time now,
              const Surroundings &around) {
    if (state.held_since || is_paused(around.pauses, attempt.provider, now))
        return false;
    const std::optional<SendWindow> &window = program.rule->steps.at(attempt.step).window;
    return !window || is_open(*window, around.zone, now);
}

} // namespace hc::core
