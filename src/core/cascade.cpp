// The cascade state machine: decide(), steps, timers, cancellation and signals. Pure.
#include "core/cascade.hpp"

#include "core/cascade_machine.hpp"
#include "core/error.hpp"
#include "core/redact.hpp"

#include <algorithm>

namespace hc::core {

CascadeMachine::CascadeMachine(const Program &program, State &state, Time now, double random01,
                               std::span<const std::int32_t> unavailable)
    : program_(program), state_(state), now_(std::max(now, state.last_event)), random01_(random01),
      unavailable_(unavailable) {}

Decision CascadeMachine::run(const Input &input) {
    if (state_.events == 0 && !std::holds_alternative<StartInput>(input))
        throw Error(sqlstate::corrupt_state, "cascade has no history");
    const std::array<std::uint32_t, 2> before = outstanding_tasks();
    const bool was_closed = closed();
    decision_.result = std::visit([this](const auto &in) { return on(in); }, input);
    if (!closed())
        rearm();
    decision_.completed = closed() && !was_closed;
    decision_.report = decision_.report || decision_.completed;
    settle_tasks(before);
    return std::move(decision_);
}

// ---- inputs ----

SignalResult CascadeMachine::on(const StartInput &in) {
    if (state_.events != 0)
        return SignalResult::ignored;
    HistoryEvent started{.type = EventType::cascade_started};
    if (program_.rule->validity)
        started.due = now_ + *program_.rule->validity;
    started.code = static_cast<std::int32_t>(in.priority.value_or(program_.rule->priority));
    emit(std::move(started));
    start_steps(0);
    return SignalResult::applied;
}

SignalResult CascadeMachine::on(const TimerInput &in) {
    consumed_ = in.task;
    if (in.task == 0 || in.task != state_.timer_task)
        return SignalResult::ignored;
    emit({.type = EventType::timer_fired, .task = in.task});
    const auto due = [this](const std::optional<Time> &deadline) { return deadline && now_ >= *deadline; };
    const bool queued = !state_.attempts.empty() && state_.attempts.back().phase == AttemptPhase::queued;
    if (expired())
        complete(Outcome::expired, 0);
    else if (due(state_.receipt_deadline))
        fail_step("receipt timeout");
    else if (queued && due(state_.dispatch_deadline))
        fail_step("dispatch timeout");
    return SignalResult::applied; // nothing due: fired early by another clock, and armed again
}

SignalResult CascadeMachine::on(const CancelInput &in) {
    if (closed())
        return SignalResult::closed;
    emit({.type = in.terminate ? EventType::terminated : EventType::cancel_requested,
          .reason = std::string(cut_utf8(in.reason, kMaxReasonBytes))});
    complete(Outcome::canceled, 0, in.terminate ? kFlagTerminated : 0U, in.claimed);
    return SignalResult::applied;
}

SignalResult CascadeMachine::on(const SignalInput &in) {
    if (closed())
        return SignalResult::closed;
    const SignalResult result = seen(in.hash) ? SignalResult::duplicate : SignalResult::ignored;
    if (!room()) {
        if (result == SignalResult::duplicate)
            return result;
        throw Error(sqlstate::too_many_signals, "cascade has received too many signals",
                    "The history of a cascade is limited to " + std::to_string(kMaxHistoryEvents) + " events.",
                    "Send only signals that the rule of the cascade uses.");
    }
    emit({.type = EventType::signal_received,
          .result = result,
          .hash = in.hash,
          .text = std::string(cut_utf8(in.name, kMaxTextBytes)),
          .reason = std::string(cut_utf8(in.payload, kMaxReasonBytes))});
    return result;
}

// ---- steps ----

// Starts the first step from `step` on that has a provider.
void CascadeMachine::start_steps(std::size_t step) {
    for (;; ++step) {
        if (step >= program_.rule->steps.size())
            return complete(Outcome::exhausted, 0);
        if (expired())
            return complete(Outcome::expired, 0);
        HistoryEvent started{.type = EventType::step_started, .step = static_cast<std::uint16_t>(step)};
        if (const auto &timeout = step_of(step).dispatch_timeout)
            started.due = now_ + *timeout;
        emit(std::move(started));
        if (const ProviderRef *provider = choose_provider(step))
            return schedule(provider->id, now_);
        emit({.type = EventType::step_failed, .step = static_cast<std::uint16_t>(step), .reason = "no provider"});
    }
}

void CascadeMachine::fail_step(std::string_view reason) {
    emit({.type = EventType::step_failed,
          .step = state_.step,
          .reason = std::string(cut_utf8(reason, kMaxReasonBytes))});
    start_steps(state_.step + std::size_t{1});
}

// A new attempt of the current step.
void CascadeMachine::schedule(std::int32_t provider, Time due) {
    emit({.type = EventType::send_scheduled,
          .attempt = static_cast<std::uint16_t>(state_.attempts.size() + 1),
          .step = state_.step,
          .provider = provider,
          .task = state_.last_task + 1,
          .due = due});
}

// A provider has at most one turn in a step, also when the list has changed since the step began. Those that are
// available come first, then the smallest position, then chance by weight.
const ProviderRef *CascadeMachine::choose_provider(std::size_t step) const {
    const auto tried = [&](const ProviderRef &p) {
        return std::any_of(state_.attempts.begin(), state_.attempts.end(),
                           [&](const AttemptState &a) { return a.step == step && a.provider == p.id; });
    };
    const auto rank_of = [this](const ProviderRef &p) {
        const bool out = std::find(unavailable_.begin(), unavailable_.end(), p.id) != unavailable_.end();
        return std::pair(out, p.position);
    };
    std::vector<const ProviderRef *> best;
    double weight = 0;
    for (const ProviderRef &p : providers_of(step)) {
        if (tried(p) || (!best.empty() && rank_of(*best.front()) < rank_of(p)))
            continue;
        if (!best.empty() && rank_of(p) < rank_of(*best.front())) {
            best.clear();
            weight = 0;
        }
        best.push_back(&p);
        weight += p.weight;
    }
    double left = random01_ * weight;
    for (const ProviderRef *p : best) {
        left -= p->weight;
        if (left < 0)
            return p;
    }
    return best.empty() ? nullptr : best.back();
}

void CascadeMachine::try_next_provider(std::string_view reason) {
    const ProviderRef *next = choose_provider(state_.step);
    if (next == nullptr)
        return fail_step(reason);
    if (total_sends() >= kMaxAttempts)
        return fail_step("attempt limit");
    if (expired())
        return complete(Outcome::expired, 0);
    if (state_.dispatch_deadline && now_ >= *state_.dispatch_deadline)
        return fail_step("dispatch timeout");
    schedule(next->id, now_);
}

void CascadeMachine::complete(Outcome outcome, std::uint16_t attempt, std::uint32_t flags, bool claimed) {
    HistoryEvent e{.type = EventType::cascade_completed, .attempt = attempt, .step = state_.step};
    if (attempt != 0) {
        e.step = get(attempt).step;
        e.state = get(attempt).receipt.state;
    }
    e.outcome = outcome;
    e.sequence = std::int64_t{state_.reports} + 1;
    e.flags = flags | contact_flags(outcome, attempt, claimed);
    emit(std::move(e));
}

// Whom the cascade may have reached beside what its outcome says. A fallback in its order is what was asked for; only a
// success that comes after a further attempt was made is a duplicate contact.
std::uint32_t CascadeMachine::contact_flags(Outcome outcome, std::uint16_t attempt, bool claimed) const {
    const auto reached = [this, attempt, claimed](const AttemptState &a) {
        const bool may_have_left = claimed && a.unanswered && a.due <= now_ && !is_failure(a.receipt.state);
        return a.number != attempt && (a.contact || may_have_left);
    };
    const bool other = std::any_of(state_.attempts.begin(), state_.attempts.end(), reached);
    if (!other || outcome == Outcome::exhausted)
        return 0;
    if (outcome == Outcome::delivered)
        return attempt != state_.attempts.size() ? kFlagDuplicateContact : 0U;
    return kFlagContacted;
}

// ---- facts ----

const Step &CascadeMachine::step_of(std::size_t index) const {
    if (index >= program_.rule->steps.size())
        throw Error(sqlstate::corrupt_state, "cascade does not fit its rule",
                    "The cascade is at step " + std::to_string(index + 1) + ", the rule has " +
                        std::to_string(program_.rule->steps.size()) + ".");
    return program_.rule->steps[index];
}

std::span<const ProviderRef> CascadeMachine::providers_of(std::size_t step) const {
    if (step >= program_.providers.size())
        return {};
    return program_.providers[step];
}

const AttemptState *CascadeMachine::find(std::uint16_t attempt) const {
    return attempt == 0 || attempt > state_.attempts.size() ? nullptr : &state_.attempts[attempt - 1U];
}

bool CascadeMachine::newest_of_step(std::uint16_t attempt) const {
    return !closed() && attempt == state_.attempts.size() && get(attempt).step == state_.step;
}

bool CascadeMachine::seen(std::uint64_t hash) const {
    return hash != 0 && std::find(state_.seen.begin(), state_.seen.end(), hash) != state_.seen.end();
}

std::size_t CascadeMachine::total_sends() const {
    std::size_t sends = 0;
    for (const AttemptState &a : state_.attempts)
        sends += a.sends;
    return sends;
}

std::optional<Time> earlier(std::optional<Time> a, std::optional<Time> b) {
    if (!a || !b)
        return a ? a : b;
    return std::min(*a, *b);
}

// ---- events and tasks ----

namespace {

// Reasons come from providers and callers: what they echo of a message must not stay for as long as histories are kept.
void hide_private_data(HistoryEvent &event) {
    if (!event.reason.empty())
        event.reason = cut_utf8(redact(event.reason), kMaxReasonBytes);
    if (event.type == EventType::receipt_parked)
        event.text = cut_utf8(redact(event.text), kMaxParkedBytes);
}

} // namespace

void CascadeMachine::emit(HistoryEvent event) {
    event.time = now_;
    hide_private_data(event);
    apply(state_, event);
    decision_.events.push_back(std::move(event));
}

// One timer for all that is awaited, at the earliest of it.
void CascadeMachine::rearm() {
    std::optional<Time> wanted = earlier(state_.expires, state_.receipt_deadline);
    if (!state_.attempts.empty() && state_.attempts.back().phase == AttemptPhase::queued)
        wanted = earlier(wanted, state_.dispatch_deadline);
    if (wanted == state_.timer_due)
        return;
    if (wanted)
        emit({.type = EventType::timer_started, .task = state_.last_task + 1, .due = wanted});
    else
        emit({.type = EventType::timer_canceled, .task = state_.timer_task});
}

// Only the newest attempt can have a send task; 0 stands for none.
std::array<std::uint32_t, 2> CascadeMachine::outstanding_tasks() const {
    return {state_.attempts.empty() ? 0 : state_.attempts.back().task, state_.timer_task};
}

bool CascadeMachine::outstanding(std::uint32_t task) const {
    const std::array<std::uint32_t, 2> tasks = outstanding_tasks();
    return task == tasks[0] || task == tasks[1];
}

// Puts and drops are the difference of what the state names before and after, so that they cannot disagree with it.
void CascadeMachine::settle_tasks(const std::array<std::uint32_t, 2> &before) {
    for (const std::uint32_t task : {before[0], before[1], consumed_}) {
        const bool listed = std::find(decision_.drops.begin(), decision_.drops.end(), task) != decision_.drops.end();
        if (task != 0 && !listed && !outstanding(task))
            decision_.drops.push_back(task);
    }
    for (const HistoryEvent &e : decision_.events) {
        if (e.task == 0 || !outstanding(e.task))
            continue;
        if (e.type == EventType::send_scheduled || e.type == EventType::send_retry)
            decision_.puts.push_back({.kind = TaskKind::send,
                                      .number = e.task,
                                      .due = *e.due,
                                      .attempt = e.attempt,
                                      .provider = get(e.attempt).provider});
        else if (e.type == EventType::timer_started)
            decision_.puts.push_back({.kind = TaskKind::timer, .number = e.task, .due = *e.due});
    }
}

Decision decide(const Program &program, State &state, const Input &input, Time now, double random01,
                std::span<const std::int32_t> unavailable) {
    return CascadeMachine(program, state, now, random01, unavailable).run(input);
}

bool has_alternative(const Program &program, const State &state, std::int32_t provider,
                     std::span<const std::int32_t> unavailable) {
    const auto fit = [&](const ProviderRef &p) {
        const bool tried = std::any_of(state.attempts.begin(), state.attempts.end(), [&](const AttemptState &a) {
            return a.step == state.step && a.provider == p.id;
        });
        const bool out = std::find(unavailable.begin(), unavailable.end(), p.id) != unavailable.end();
        return p.id != provider && !tried && !out;
    };
    for (std::size_t step = state.step; step < program.providers.size(); ++step) {
        const std::vector<ProviderRef> &providers = program.providers[step];
        if (std::any_of(providers.begin(), providers.end(), fit))
            return true;
    }
    return false;
}

bool first_choice_varies(const Program &program) {
    for (const std::vector<ProviderRef> &providers : program.providers) {
        if (!providers.empty())
            return providers.size() > 1 && providers[0].position == providers[1].position;
    }
    return false;
}

} // namespace hc::core
