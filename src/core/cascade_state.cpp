// State of a cascade as the fold of its history: what each event does to it. Pure.
#include "core/cascade.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <limits>

namespace hc::core {
namespace {

[[noreturn]] void corrupt(const HistoryEvent &e) {
    throw Error(sqlstate::corrupt_state, "cascade history is not consistent",
                "The event " + std::string(to_string(e.type)) + " does not fit the events before it.");
}

AttemptState &attempt_of(State &s, const HistoryEvent &e) {
    if (e.attempt == 0 || e.attempt > s.attempts.size())
        corrupt(e);
    return s.attempts[e.attempt - 1U]; // numbers have no gap, see schedule()
}

void remember(State &s, std::uint64_t hash) {
    if (hash != 0 && std::find(s.seen.begin(), s.seen.end(), hash) == s.seen.end())
        s.seen.push_back(hash);
}

// Where an attempt stands that waits for no answer any more, by what is known of it.
AttemptPhase settled_phase(const AttemptState &a) {
    return rank(a.receipt.state) > rank(ReceiptState::queued) && !is_failure(a.receipt.state) ? AttemptPhase::answered
                                                                                              : AttemptPhase::over;
}

// The cascade goes on without the answer to this queued attempt. A send that is not due yet has certainly not left and
// never will.
void give_up(AttemptState &a, Time now) {
    if (a.phase != AttemptPhase::queued)
        return;
    a.phase = settled_phase(a);
    a.task = 0;
    a.held = false;
    if (a.due > now)
        a.due = kNever;
}

// Only the newest attempt of a step can be queued.
void give_up_step(State &s, std::size_t step, Time now) {
    const auto newest =
        std::find_if(s.attempts.rbegin(), s.attempts.rend(), [step](const AttemptState &a) { return a.step == step; });
    if (newest != s.attempts.rend())
        give_up(*newest, now);
}

void clear_timer(State &s) {
    s.timer_task = 0;
    s.timer_due.reset();
    s.timer_paused = false;
}

Branch *branch_of(State &s, std::size_t step) {
    const auto branch =
        std::find_if(s.branches.begin(), s.branches.end(), [step](const Branch &b) { return b.step == step; });
    return branch == s.branches.end() ? nullptr : &*branch;
}

Branch &branch_of(State &s, const HistoryEvent &e) {
    Branch *branch = e.step ? branch_of(s, *e.step) : nullptr;
    if (branch == nullptr)
        corrupt(e);
    return *branch;
}

// The receipt of an attempt is waited for, by its step as far as that is under way.
void await_receipt(State &s, const AttemptState &a, const HistoryEvent &e) {
    Branch *branch = branch_of(s, a.step);
    if (!e.due || branch == nullptr)
        return;
    branch->receipt_deadline = e.due;
    branch->counted_from = e.time;
}

void start_step(State &s, const HistoryEvent &e) {
    if ((e.flags & kFlagJoins) == 0) {
        s.branches.clear();
        s.step = e.step.value_or(0);
    }
    s.starts_at.reset();
    Branch &branch = s.branches.emplace_back();
    branch.step = e.step.value_or(0);
    branch.dispatch_deadline = e.due;
    branch.counted_from = e.time;
}

void end_step(State &s, const HistoryEvent &e) {
    Branch &branch = branch_of(s, e);
    give_up_step(s, branch.step, e.time);
    branch.dispatch_deadline.reset();
    branch.receipt_deadline.reset();
    branch.condition_task = 0;
    branch.over = true;
    branch.succeeded = e.type == EventType::step_succeeded;
    if (!e.sequence)
        return;
    s.reports = static_cast<std::uint32_t>(*e.sequence);
    s.report_kind = e.type == EventType::step_failed    ? ReportKind::step_failed
                    : e.type == EventType::step_skipped ? ReportKind::step_skipped
                                                        : ReportKind::step_succeeded;
    s.report_step = branch.step;
    s.report_reason = e.reason;
}

void schedule(State &s, const HistoryEvent &e) {
    if (e.attempt != s.attempts.size() + 1 || !e.step || !e.due)
        corrupt(e);
    give_up_step(s, *e.step, e.time);
    AttemptState &a = s.attempts.emplace_back();
    a.number = e.attempt;
    a.step = *e.step;
    a.provider = e.provider;
    a.task = e.task;
    a.due = *e.due;
    s.last_task = std::max(s.last_task, e.task);
    branch_of(s, e).receipt_deadline.reset(); // the attempt before it is not waited for any more
}

void defer_send(State &s, const HistoryEvent &e) {
    AttemptState &a = attempt_of(s, e);
    if (a.phase != AttemptPhase::queued || !e.due)
        corrupt(e);
    a.task = e.task;
    a.due = *e.due;
    a.held = (e.flags & kFlagHeld) != 0;
    s.last_task = std::max(s.last_task, e.task);
}

void schedule_condition(State &s, const HistoryEvent &e) {
    branch_of(s, e).condition_task = e.task;
    s.last_task = std::max(s.last_task, e.task);
}

void extend_deadlines(State &s, const HistoryEvent &e) {
    Branch &branch = branch_of(s, e);
    const Duration by(std::max<std::int64_t>(e.sequence.value_or(0), 0));
    for (std::optional<Time> *deadline : {&branch.dispatch_deadline, &branch.receipt_deadline}) {
        if (*deadline)
            **deadline = **deadline > kNever - by ? kNever : **deadline + by;
    }
    branch.counted_from = e.time;
}

// Ids of parts are separated by line breaks; the sequence tells how they count together.
void take_message_ids(AttemptState &a, const HistoryEvent &e) {
    std::string_view rest = e.text;
    if (rest.find('\n') == std::string_view::npos) {
        if (!e.text.empty())
            a.provider_message_id = e.text;
        return;
    }
    a.parts.clear();
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        PartState part;
        part.provider_message_id = rest.substr(0, end);
        a.parts.push_back(std::move(part));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    a.provider_message_id = a.parts.front().provider_message_id;
    a.part_mode = e.sequence == static_cast<std::int64_t>(PartMode::any) ? PartMode::any : PartMode::all;
}

// What the receipt of a part makes of the whole attempt.
ReceiptFacts take_part(AttemptState &a, std::string_view id, const ReceiptFacts &facts) {
    std::vector<ReceiptFacts> all;
    for (PartState &part : a.parts) {
        if (part.provider_message_id == id)
            part.receipt = facts;
        all.push_back(part.receipt);
    }
    return combine_parts(all, a.part_mode);
}

void complete_send(State &s, const HistoryEvent &e) {
    AttemptState &a = attempt_of(s, e);
    a.phase = AttemptPhase::answered;
    a.unanswered = false;
    a.task = 0;
    take_message_ids(a, e);
    if (rank(ReceiptState::accepted) > rank(a.receipt.state)) // a receipt may have come first
        a.receipt = {.state = ReceiptState::accepted, .kind = FailureKind::none, .time = {}, .sequence = {}};
    a.contact = !is_failure(a.receipt.state);
    a.taken = true;
    a.reason = a.contact ? std::string() : a.reason;
    await_receipt(s, a, e);
}

void ambiguous_send(State &s, const HistoryEvent &e) {
    AttemptState &a = attempt_of(s, e);
    const bool known = rank(a.receipt.state) > rank(ReceiptState::queued);
    a.phase = known ? settled_phase(a) : AttemptPhase::ambiguous;
    a.unanswered = false;
    a.task = 0;
    a.contact = !is_failure(a.receipt.state);
    a.taken = true;
    if (!known)
        a.reason = e.reason;
    await_receipt(s, a, e);
}

void retry_send(State &s, const HistoryEvent &e) {
    AttemptState &a = attempt_of(s, e);
    if (a.phase != AttemptPhase::queued || !e.due)
        corrupt(e);
    if (a.sends < std::numeric_limits<std::uint16_t>::max())
        ++a.sends;
    a.task = e.task;
    a.due = *e.due;
    a.held = false; // if the cascade is, its next claim will tell
    a.contact = a.contact || (e.flags & kFlagContacted) != 0;
    a.taken = a.taken || (e.flags & kFlagContacted) != 0;
    a.reason = e.reason;
    s.last_task = std::max(s.last_task, e.task);
}

void fail_send(State &s, const HistoryEvent &e) {
    AttemptState &a = attempt_of(s, e);
    const ReceiptState failure = e.state.value_or(ReceiptState::failed);
    if (rank(failure) > rank(a.receipt.state)) {
        a.receipt = {.state = failure, .kind = e.kind, .time = {}, .sequence = {}};
        a.reason = e.reason;
    }
    a.phase = settled_phase(a);
    a.unanswered = false;
    a.task = 0;
    a.contact = a.contact || (e.flags & kFlagContacted) != 0;
    a.taken = a.taken || (e.flags & kFlagContacted) != 0;
}

void take_receipt(State &s, const HistoryEvent &e) {
    if (e.result == SignalResult::duplicate)
        return;
    AttemptState &a = attempt_of(s, e);
    remember(s, e.hash);
    std::erase_if(s.buffered,
                  [&e](const BufferedReceipt &b) { return b.hash == e.hash && b.provider_message_id == e.text; });
    if (a.provider_message_id.empty())
        a.provider_message_id = e.text;
    if (e.result != SignalResult::applied && e.result != SignalResult::corrected)
        return;
    const ReceiptFacts facts{.state = e.state.value_or(ReceiptState::unknown),
                             .kind = e.kind,
                             .time = e.provider_time,
                             .sequence = e.sequence};
    a.receipt = find_part(a, e.text) != nullptr ? take_part(a, e.text, facts) : facts;
    a.contact = !is_failure(a.receipt.state);
    a.taken = a.taken || rank(facts.state) > rank(ReceiptState::queued);
    a.reason = a.contact ? std::string() : e.reason;
    if (!a.contact)
        a.task = 0; // a recorded answer is not needed any more
    if (!a.contact || a.phase != AttemptPhase::queued)
        a.phase = settled_phase(a);
}

void buffer_receipt(State &s, const HistoryEvent &e) {
    remember(s, e.hash);
    s.buffered.push_back({.attempt = e.attempt,
                          .provider_message_id = e.text,
                          .receipt = {.state = e.state.value_or(ReceiptState::unknown),
                                      .kind = e.kind,
                                      .time = e.provider_time,
                                      .sequence = e.sequence},
                          .hash = e.hash,
                          .reason = e.reason});
}

void start_timer(State &s, const HistoryEvent &e) {
    s.timer_task = e.task;
    s.timer_due = e.due;
    s.timer_paused = (e.flags & kFlagPaused) != 0;
    s.last_task = std::max(s.last_task, e.task);
}

void complete_cascade(State &s, const HistoryEvent &e) {
    if (e.outcome == Outcome::none || e.attempt > s.attempts.size())
        corrupt(e);
    for (AttemptState &a : s.attempts)
        give_up(a, e.time);
    clear_timer(s);
    s.branches.clear();
    s.starts_at.reset();
    s.held_since.reset();
    s.outcome = e.outcome;
    s.outcome_attempt = e.attempt;
    s.closed = e.time;
    s.flags = e.flags;
    s.reports = static_cast<std::uint32_t>(e.sequence.value_or(0));
    s.report_kind = ReportKind::outcome;
}

void correct_outcome(State &s, const HistoryEvent &e) {
    if (!s.closed_p() || e.outcome == Outcome::none || e.attempt > s.attempts.size())
        corrupt(e);
    s.corrected = e.outcome;
    s.outcome_attempt = e.attempt;
    s.reports = static_cast<std::uint32_t>(e.sequence.value_or(0));
    s.report_kind = ReportKind::correction;
}

void apply_by_type(State &s, const HistoryEvent &e) {
    switch (e.type) {
    case EventType::cascade_started:
        s.started = e.time;
        s.expires = e.due;
        if (e.code < 0 || e.code > static_cast<std::int32_t>(Priority::marketing))
            corrupt(e);
        s.priority = static_cast<Priority>(e.code);
        s.time_zone = e.text;
        return;
    case EventType::start_delayed:
        s.starts_at = e.due;
        return;
    case EventType::step_started:
        return start_step(s, e);
    case EventType::send_scheduled:
        return schedule(s, e);
    case EventType::send_completed:
        return complete_send(s, e);
    case EventType::send_ambiguous:
        return ambiguous_send(s, e);
    case EventType::send_retry:
        return retry_send(s, e);
    case EventType::send_failed:
        return fail_send(s, e);
    case EventType::receipt_recorded:
        return take_receipt(s, e);
    case EventType::receipt_buffered:
        return buffer_receipt(s, e);
    case EventType::timer_started:
        return start_timer(s, e);
    case EventType::timer_fired:
    case EventType::timer_canceled:
        return clear_timer(s);
    case EventType::step_failed:
    case EventType::step_skipped:
    case EventType::step_succeeded:
        return end_step(s, e);
    case EventType::send_deferred:
        return defer_send(s, e);
    case EventType::condition_scheduled:
        return schedule_condition(s, e);
    case EventType::condition_evaluated:
        branch_of(s, e).condition_task = 0;
        return;
    case EventType::cascade_held:
        s.held_since = e.time;
        return;
    case EventType::cascade_released:
        s.held_since.reset();
        return;
    case EventType::deadlines_extended:
        return extend_deadlines(s, e);
    case EventType::receipt_parked:
    case EventType::signal_received:
        return remember(s, e.hash);
    case EventType::cascade_completed:
        return complete_cascade(s, e);
    case EventType::outcome_corrected:
        return correct_outcome(s, e);
    case EventType::receipt_unmatched: // not taken: the same receipt may come again when its attempt is known
    case EventType::cancel_requested:
    case EventType::terminated:
        return;
    }
    corrupt(e);
}

} // namespace

void apply(State &state, const HistoryEvent &event) {
    apply_by_type(state, event);
    state.last_event = std::max(state.last_event, event.time);
    ++state.events;
}

State replay(std::span<const HistoryEvent> events) {
    State state;
    for (const HistoryEvent &e : events)
        apply(state, e);
    return state;
}

const PartState *find_part(const AttemptState &attempt, std::string_view provider_message_id) {
    const auto part = std::find_if(attempt.parts.begin(), attempt.parts.end(),
                                   [&](const PartState &p) { return p.provider_message_id == provider_message_id; });
    return part == attempt.parts.end() ? nullptr : &*part;
}

std::uint16_t shown_step(const State &state) {
    const AttemptState *deciding = state.closed_p() ? deciding_attempt(state) : nullptr;
    return deciding != nullptr ? deciding->step : state.step;
}

Outcome effective_outcome(const State &state) {
    return state.corrected != Outcome::none ? state.corrected : state.outcome;
}

bool is_of_step(ReportKind kind) {
    return kind == ReportKind::step_failed || kind == ReportKind::step_skipped || kind == ReportKind::step_succeeded;
}

std::string_view report_type(ReportKind kind, Outcome outcome) {
    switch (kind) {
    case ReportKind::step_failed:
        return "message.step_failed";
    case ReportKind::step_skipped:
        return "message.step_skipped";
    case ReportKind::step_succeeded:
        return "message.step_succeeded";
    case ReportKind::correction:
        return "message.status_corrected";
    case ReportKind::none:
    case ReportKind::outcome:
        break;
    }
    switch (outcome) {
    case Outcome::delivered:
        return "message.delivered";
    case Outcome::exhausted:
        return "message.failed";
    case Outcome::expired:
        return "message.expired";
    case Outcome::canceled:
        return "message.canceled";
    case Outcome::none:
        break;
    }
    return {};
}

std::string_view report_type(const State &state) { return report_type(state.report_kind, state.outcome); }

const Branch *find_branch(const State &state, std::size_t step) {
    const auto branch =
        std::find_if(state.branches.begin(), state.branches.end(), [step](const Branch &b) { return b.step == step; });
    return branch == state.branches.end() ? nullptr : &*branch;
}

const AttemptState *newest_attempt(const State &state, std::size_t step) {
    const auto newest = std::find_if(state.attempts.rbegin(), state.attempts.rend(),
                                     [step](const AttemptState &a) { return a.step == step; });
    return newest == state.attempts.rend() ? nullptr : &*newest;
}

const AttemptState *reported_attempt(const State &state) {
    return is_of_step(state.report_kind) ? newest_attempt(state, state.report_step) : deciding_attempt(state);
}

std::optional<std::uint16_t> reported_step(const State &state) {
    if (is_of_step(state.report_kind))
        return state.report_step;
    const AttemptState *deciding = deciding_attempt(state);
    return deciding != nullptr ? std::optional(deciding->step) : std::nullopt;
}

const AttemptState *deciding_attempt(const State &state) {
    if (state.outcome_attempt == 0 || state.outcome_attempt > state.attempts.size())
        return nullptr;
    return &state.attempts[state.outcome_attempt - 1U];
}

} // namespace hc::core
