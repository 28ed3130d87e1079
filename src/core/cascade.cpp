// The cascade state machine: decide(), its plain inputs, events and tasks. Pure.
#include "core/cascade.hpp"

#include "core/cascade_machine.hpp"
#include "core/error.hpp"
#include "core/redact.hpp"

#include <algorithm>

namespace hc::core {

CascadeMachine::CascadeMachine(const Program &program, State &state, Time now, const Surroundings &around)
    : program_(program), state_(state), now_(std::max(now, state.last_event)), around_(around) {}

Decision CascadeMachine::run(const Input &input) {
    if (state_.events == 0 && !std::holds_alternative<StartInput>(input))
        throw Error(sqlstate::corrupt_state, "cascade has no history");
    const std::vector<std::uint32_t> before = outstanding_tasks();
    const bool was_closed = closed();
    if (!was_closed)
        settle_holds();
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
    const bool later = in.send_at && *in.send_at > now_;
    HistoryEvent started{.type = EventType::cascade_started};
    if (program_.rule->validity)
        started.due = (later ? *in.send_at : now_) + *program_.rule->validity;
    started.code = static_cast<std::int32_t>(in.priority.value_or(program_.rule->priority));
    started.text = in.time_zone;
    emit(std::move(started));
    if (later)
        emit({.type = EventType::start_delayed, .due = in.send_at});
    else
        start_from(0);
    return SignalResult::applied;
}

SignalResult CascadeMachine::on(const TimerInput &in) {
    consumed_ = in.task;
    if (in.task == 0 || in.task != state_.timer_task)
        return SignalResult::ignored;
    emit({.type = EventType::timer_fired, .task = in.task});
    if (expired())
        complete(Outcome::expired, 0);
    else if (state_.starts_at && now_ >= *state_.starts_at && !state_.held_since)
        start_from(0);
    else
        due_deadlines();
    return SignalResult::applied; // nothing due: fired early by another clock, or put aside meanwhile, and armed again
}

SignalResult CascadeMachine::on(const CancelInput &in) {
    if (closed())
        return SignalResult::closed;
    emit({.type = in.terminate ? EventType::terminated : EventType::cancel_requested,
          .reason = std::string(cut_utf8(in.reason, kMaxReasonBytes))});
    complete(Outcome::canceled, 0, in.terminate ? kFlagTerminated : 0U, in.claimed);
    return SignalResult::applied;
}

SignalResult CascadeMachine::on(const ConditionAnswer &in) {
    consumed_ = in.task;
    const auto asked = std::find_if(state_.branches.begin(), state_.branches.end(),
                                    [&in](const Branch &b) { return in.task != 0 && b.condition_task == in.task; });
    if (closed() || asked == state_.branches.end())
        return SignalResult::ignored;
    const std::size_t step = asked->step;
    emit({.type = EventType::condition_evaluated,
          .step = asked->step,
          .task = in.task,
          .code = static_cast<std::int32_t>(in.verdict),
          .reason = std::string(cut_utf8(in.reason, kMaxReasonBytes))});
    if (in.verdict == ConditionVerdict::yes) {
        send_step(step);
        settle_group();
    } else {
        skip_step(step, in.verdict == ConditionVerdict::no ? "condition" : "condition failed");
    }
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

// ---- facts ----

const Step &CascadeMachine::step_of(std::size_t index) const {
    if (index >= program_.rule->steps.size())
        throw Error(sqlstate::corrupt_state, "cascade does not fit its rule",
                    "The cascade is at step " + std::to_string(index + 1) + ", the rule has " +
                        std::to_string(program_.rule->steps.size()) + ".");
    return program_.rule->steps[index];
}

Group CascadeMachine::group(std::size_t step) const {
    (void)step_of(step);
    return group_of(*program_.rule, step);
}

bool CascadeMachine::all_must_succeed(std::size_t step) const {
    const Group g = group(step);
    return g.end - g.first > 1 && step_of(step).mode == GroupMode::all;
}

std::span<const ProviderRef> CascadeMachine::providers_of(std::size_t step) const {
    if (step >= program_.providers.size())
        return {};
    return program_.providers[step];
}

const AttemptState *CascadeMachine::find(std::uint16_t attempt) const {
    return attempt == 0 || attempt > state_.attempts.size() ? nullptr : &state_.attempts[attempt - 1U];
}

// The step as it is under way; nullptr when it is not, or not any more.
const Branch *CascadeMachine::live_branch(std::size_t step) const {
    const Branch *branch = closed() ? nullptr : find_branch(state_, step);
    return branch == nullptr || branch->over ? nullptr : branch;
}

bool CascadeMachine::newest_of_step(std::uint16_t attempt) const {
    const AttemptState &a = get(attempt);
    return live_branch(a.step) != nullptr && newest_attempt(state_, a.step) == &a;
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

// One timer for all that is awaited, at the earliest of it. While nothing is to move only the validity goes on.
void CascadeMachine::rearm() {
    std::optional<Time> wanted = state_.expires;
    bool aside = false;
    for (const Branch &b : state_.branches) {
        if (b.over || state_.held_since)
            continue;
        const AttemptState *a = newest_attempt(state_, b.step);
        const bool queued = a != nullptr && a->phase == AttemptPhase::queued;
        std::optional<Time> awaited = b.receipt_deadline;
        if (queued || b.condition_task != 0)
            awaited = earlier(awaited, b.dispatch_deadline);
        if (paused(queued ? a->provider : 0))
            aside = aside || awaited.has_value();
        else
            wanted = earlier(wanted, awaited);
    }
    if (!state_.held_since)
        wanted = earlier(wanted, state_.starts_at);
    if (aside && !wanted)
        wanted = kNever;
    if (wanted == state_.timer_due && aside == state_.timer_paused)
        return;
    if (wanted)
        emit({.type = EventType::timer_started,
              .task = state_.last_task + 1,
              .due = wanted,
              .flags = aside ? kFlagPaused : 0U});
    else
        emit({.type = EventType::timer_canceled, .task = state_.timer_task});
}

std::vector<std::uint32_t> CascadeMachine::outstanding_tasks() const {
    std::vector<std::uint32_t> tasks;
    if (state_.timer_task != 0)
        tasks.push_back(state_.timer_task);
    for (const Branch &b : state_.branches) {
        if (b.condition_task != 0)
            tasks.push_back(b.condition_task);
        // only the newest attempt of a step can have a send task
        const AttemptState *a = newest_attempt(state_, b.step);
        if (a != nullptr && a->task != 0)
            tasks.push_back(a->task);
    }
    return tasks;
}

bool CascadeMachine::outstanding(std::uint32_t task) const {
    const std::vector<std::uint32_t> tasks = outstanding_tasks();
    return std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

// Puts and drops are the difference of what the state names before and after, so that they cannot disagree with it.
void CascadeMachine::settle_tasks(const std::vector<std::uint32_t> &before) {
    const auto drop = [this](std::uint32_t task) {
        const bool listed = std::find(decision_.drops.begin(), decision_.drops.end(), task) != decision_.drops.end();
        if (task != 0 && !listed && !outstanding(task))
            decision_.drops.push_back(task);
    };
    std::for_each(before.begin(), before.end(), drop);
    drop(consumed_);
    for (const HistoryEvent &e : decision_.events) {
        if (e.task != 0 && outstanding(e.task))
            put_task(e);
    }
}

void CascadeMachine::put_task(const HistoryEvent &e) {
    TaskPut put{.number = e.task, .due = e.due.value_or(now_)};
    if ((e.flags & kFlagPaused) != 0)
        put.hold = TaskHold::pause;
    switch (e.type) {
    case EventType::send_scheduled:
    case EventType::send_retry:
    case EventType::send_deferred:
        put.kind = TaskKind::send;
        put.attempt = e.attempt;
        put.provider = get(e.attempt).provider;
        put.step = get(e.attempt).step;
        if ((e.flags & kFlagHeld) != 0)
            put.hold = TaskHold::cascade;
        break;
    case EventType::timer_started:
        put.kind = TaskKind::timer;
        break;
    case EventType::condition_scheduled:
        put.kind = TaskKind::condition;
        put.step = e.step.value_or(0);
        break;
    default: // names a task that was put before
        return;
    }
    decision_.puts.push_back(put);
}

Decision decide(const Program &program, State &state, const Input &input, Time now, const Surroundings &around) {
    return CascadeMachine(program, state, now, around).run(input);
}

} // namespace hc::core
