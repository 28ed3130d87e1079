// The cascade state machine: steps, the choice of providers, and the end. Pure.
#include "core/cascade_machine.hpp"

#include <algorithm>
#include <tuple>

namespace hc::core {

namespace {

bool is_out(std::span<const std::int32_t> unavailable, std::int32_t provider) {
    return std::find(unavailable.begin(), unavailable.end(), provider) != unavailable.end();
}

int delivery_level_of(std::span<const DeliveryLevel> levels, std::int32_t provider) {
    const auto found = std::find_if(levels.begin(), levels.end(),
                                    [provider](const DeliveryLevel &level) { return level.provider == provider; });
    return found == levels.end() ? kBestDelivery : found->level;
}

} // namespace

// Starts the first element of the rule, from that of `step` on, that has something to wait for.
void CascadeMachine::start_from(std::size_t step) {
    while (!closed()) {
        if (step >= program_.rule->steps.size())
            return complete(Outcome::exhausted, 0);
        if (expired())
            return complete(Outcome::expired, 0);
        const Group g = group(step);
        for (std::size_t i = g.first; i < g.end; ++i) {
            HistoryEvent started{.type = EventType::step_started, .step = static_cast<std::uint16_t>(i)};
            if (const auto &timeout = step_of(i).dispatch_timeout)
                started.due = deadline(i, *timeout);
            started.flags = i > g.first ? kFlagJoins : 0U;
            emit(std::move(started));
        }
        for (std::size_t i = g.first; i < g.end; ++i)
            begin_step(i);
        const auto live = [](const Branch &b) { return !b.over; };
        if (std::any_of(state_.branches.begin(), state_.branches.end(), live))
            return;
        step = g.end;
    }
}

void CascadeMachine::begin_step(std::size_t step) {
    if (step_of(step).condition.empty())
        return send_step(step);
    emit({.type = EventType::condition_scheduled,
          .step = static_cast<std::uint16_t>(step),
          .task = state_.last_task + 1,
          .due = now_});
}

// The first attempt of a step; a step that can have none is over.
void CascadeMachine::send_step(std::size_t step) {
    const ProviderRef *provider = choose_provider(step);
    if (provider == nullptr)
        return end_step(EventType::step_failed, step, "no provider");
    if (const std::optional<Time> due = allowed_due(step, now_))
        return schedule(step, provider->id, *due);
    end_step(EventType::step_skipped, step, "outside_window");
}

void CascadeMachine::end_step(EventType how, std::size_t step, std::string_view reason, std::uint16_t attempt) {
    const std::string_view type = how == EventType::step_failed    ? "message.step_failed"
                                  : how == EventType::step_skipped ? "message.step_skipped"
                                                                   : "message.step_succeeded";
    HistoryEvent e{.type = how, .attempt = attempt, .step = static_cast<std::uint16_t>(step)};
    e.reason = std::string(cut_utf8(reason, kMaxReasonBytes));
    const bool reported = report_wanted(*program_.rule, type) && state_.reports < kMaxStepReports;
    if (reported)
        e.sequence = std::int64_t{state_.reports} + 1;
    emit(std::move(e));
    if (reported)
        decision_.step_reports.push_back(state_);
}

void CascadeMachine::fail_step(std::size_t step, std::string_view reason) {
    end_step(EventType::step_failed, step, reason);
    settle_group();
}

void CascadeMachine::skip_step(std::size_t step, std::string_view reason) {
    end_step(EventType::step_skipped, step, reason);
    settle_group();
}

// Goes on once every step of the current element is over.
void CascadeMachine::settle_group() {
    const std::vector<Branch> &branches = state_.branches;
    if (closed() || branches.empty() ||
        std::any_of(branches.begin(), branches.end(), [](const Branch &b) { return !b.over; }))
        return;
    const bool all = std::all_of(branches.begin(), branches.end(), [](const Branch &b) { return b.succeeded; });
    if (!all)
        return start_from(group(state_.step).end);
    const auto newest = std::max_element(branches.begin(), branches.end(), [this](const Branch &a, const Branch &b) {
        return newest_attempt(state_, a.step)->number < newest_attempt(state_, b.step)->number;
    });
    complete(Outcome::delivered, newest_attempt(state_, newest->step)->number);
}

// A new attempt of a step.
void CascadeMachine::schedule(std::size_t step, std::int32_t provider, Time due) {
    emit({.type = EventType::send_scheduled,
          .attempt = static_cast<std::uint16_t>(state_.attempts.size() + 1),
          .step = static_cast<std::uint16_t>(step),
          .provider = provider,
          .task = state_.last_task + 1,
          .due = due});
}

// A provider has at most one turn in a step, also when the list has changed since the step began. Those that are
// available come first, then, where the step asks for it, those that deliver best, then the smallest position, then
// chance by weight.
const ProviderRef *CascadeMachine::choose_provider(std::size_t step) const {
    const auto tried = [&](const ProviderRef &p) {
        return std::any_of(state_.attempts.begin(), state_.attempts.end(),
                           [&](const AttemptState &a) { return a.step == step && a.provider == p.id; });
    };
    const bool by_delivery = step_of(step).choose == Choose::best_delivery;
    const auto rank_of = [this, by_delivery](const ProviderRef &p) {
        const int behind = by_delivery ? kBestDelivery - delivery_level_of(around_.deliveries, p.id) : 0;
        return std::tuple(is_out(around_.unavailable, p.id), behind, p.position);
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
    double left = around_.random01 * weight;
    for (const ProviderRef *p : best) {
        left -= p->weight;
        if (left < 0)
            return p;
    }
    return best.empty() ? nullptr : best.back();
}

void CascadeMachine::try_next_provider(std::size_t step, std::string_view reason) {
    const ProviderRef *next = choose_provider(step);
    if (next == nullptr)
        return fail_step(step, reason);
    if (total_sends() >= kMaxAttempts)
        return fail_step(step, "attempt limit");
    if (expired())
        return complete(Outcome::expired, 0);
    if (const Branch *b = live_branch(step); b != nullptr && b->dispatch_deadline && now_ >= *b->dispatch_deadline)
        return fail_step(step, "dispatch timeout");
    const std::optional<Time> due = allowed_due(step, now_);
    if (!due)
        return fail_step(step, "outside_window");
    schedule(step, next->id, *due);
}

// An attempt has reached what its step asks for.
void CascadeMachine::take_success(std::uint16_t attempt) {
    const std::uint16_t step = get(attempt).step;
    const Branch *branch = find_branch(state_, step);
    const bool wanted = branch != nullptr || program_.rule->late_success == LateSuccess::complete;
    if (!all_must_succeed(step)) {
        if (wanted)
            complete(Outcome::delivered, attempt);
    } else if (branch != nullptr) {
        if (!branch->succeeded)
            end_step(EventType::step_succeeded, step, {}, attempt);
        settle_group();
    } else if (wanted && group_met(step)) {
        complete(Outcome::delivered, attempt);
    }
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

// Whom the cascade may have reached beside what its outcome says. A fallback in its order is what was asked for, and so
// are several steps that must all succeed; a success that comes after a further attempt was made, or beside another one
// at the same time, is a duplicate contact.
std::uint32_t CascadeMachine::contact_flags(Outcome outcome, std::uint16_t attempt, bool claimed) const {
    const auto reached = [this, attempt, claimed](const AttemptState &a) {
        const bool may_have_left = claimed && a.unanswered && a.due <= now_ && !is_failure(a.receipt.state);
        return a.number != attempt && (a.contact || may_have_left);
    };
    const auto beside = [this, attempt, &reached](const AttemptState &a) {
        if (!reached(a))
            return false;
        const std::uint16_t step = get(attempt).step;
        const Group g = group(step);
        const bool asked_for = step_of(step).mode == GroupMode::all && a.step >= g.first && a.step < g.end;
        return (a.number > attempt && !asked_for) ||
               (a.step != step && !asked_for && a.step >= g.first && a.step < g.end);
    };
    if (outcome == Outcome::exhausted)
        return 0;
    if (outcome == Outcome::delivered)
        return std::any_of(state_.attempts.begin(), state_.attempts.end(), beside) ? kFlagDuplicateContact : 0U;
    return std::any_of(state_.attempts.begin(), state_.attempts.end(), reached) ? kFlagContacted : 0U;
}

bool has_alternative(const Program &program, const State &state, const AttemptState &attempt,
                     std::span<const std::int32_t> unavailable) {
    const auto fit = [&](const ProviderRef &p) {
        const bool tried = std::any_of(state.attempts.begin(), state.attempts.end(), [&](const AttemptState &a) {
            return a.step == attempt.step && a.provider == p.id;
        });
        return p.id != attempt.provider && !tried && !is_out(unavailable, p.id);
    };
    const auto serves = [&](std::size_t step) {
        return step < program.providers.size() &&
               std::any_of(program.providers[step].begin(), program.providers[step].end(), fit);
    };
    if (serves(attempt.step))
        return true;
    for (std::size_t step = group_of(*program.rule, attempt.step).end; step < program.providers.size(); ++step) {
        if (serves(step))
            return true;
    }
    return false;
}

bool first_choice_varies(const Program &program) {
    return std::any_of(program.providers.begin(), program.providers.end(), [](const std::vector<ProviderRef> &list) {
        return list.size() > 1 && list[0].position == list[1].position;
    });
}

} // namespace hc::core
