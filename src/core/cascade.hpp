// The cascade state machine: pure. decide(program, state, input, now) -> state', events, tasks to put and drop.
// decide() changes the state only by emitting a history event and applying it, so the state is always the fold of the
// history: replay(events) == state. Nothing here reads a clock, a random source or a table.
//
//   step i starts -> attempt queued (task `send`) -> answered -> waiting for the receipt (task `timer`) -> success
//        |                 | retry_same: same attempt again, same idempotency key        | soft: new attempt, then
//        |                 | next_provider: new attempt at the next provider             |   next provider, next step
//        |                 | next_channel: step fails                                    | hard, policy, timer: fails
//        +--- step fails --+-------------> step i+1 starts; after the last: EXHAUSTED <--+
//
// Sources: messaging.md 2.2 (R1 to R9), M1 to M5. Tasks are named by a number unique in the cascade.
#pragma once

#include "core/history.hpp"
#include "core/rule.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxAttempts = 1000;       // sends of one cascade; past this only the first of a step
inline constexpr std::size_t kMaxHistoryEvents = 1000;  // past this, receipts without effect are not recorded
inline constexpr std::size_t kMaxBufferedReceipts = 64; // early receipts waiting for their attempt's provider id
inline constexpr std::size_t kMaxParts = 32;            // of one message, with an id each
inline constexpr std::uint32_t kMaxReports = 64;        // outcome and corrections; past this nothing is corrected

// A provider as the state machine sees it.
struct ProviderRef {
    std::int32_t id = 0;
    bool idempotent = false;    // accepts an idempotency key: an ambiguous send may be repeated
    std::int32_t position = 1;  // smaller first
    std::uint32_t weight = 100; // share among those of one position
};

// What a cascade runs: its pinned rule version and, per step, the providers to try in order (resolved now).
struct Program {
    const Rule *rule = nullptr;
    std::vector<std::vector<ProviderRef>> providers; // one list a step, by position
};

enum class AttemptPhase : std::uint8_t {
    queued,    // a send task exists; the request may or may not have left
    answered,  // the provider took it
    ambiguous, // sent, no usable answer; a receipt may come
    over,      // refused, failed (by the answer or by a receipt) or given up before an answer
};

// A part of a message that the provider reports on by itself (R10).
struct PartState {
    std::string provider_message_id;
    ReceiptFacts receipt{.state = ReceiptState::accepted, .kind = FailureKind::none, .time = {}, .sequence = {}};

    bool operator==(const PartState &) const = default;
};

struct AttemptState {
    std::uint16_t number = 0;
    std::uint16_t step = 0;
    std::int32_t provider = 0;
    AttemptPhase phase = AttemptPhase::queued;
    ReceiptFacts receipt{.state = ReceiptState::queued, .kind = FailureKind::none, .time = {}, .sequence = {}};
    std::uint16_t sends = 1; // requests scheduled for this attempt, the first included
    std::uint32_t task = 0;  // number of its send task; 0 when none is outstanding
    Time due{};              // of the last send scheduled
    bool unanswered = true;  // no final answer is recorded; one may still come for an attempt that was given up
    bool contact = false;    // the provider took a request of it, or may have, and no receipt says that it failed
    std::string provider_message_id;
    std::string reason;           // why it failed, short
    std::vector<PartState> parts; // empty: the message has one id
    PartMode part_mode = PartMode::all;

    bool operator==(const AttemptState &) const = default;
};

struct BufferedReceipt {
    std::uint16_t attempt = 0; // 0: known by the id only
    std::string provider_message_id;
    ReceiptFacts receipt;
    std::uint64_t hash = 0;
    std::string reason;

    bool operator==(const BufferedReceipt &) const = default;
};

struct State {
    Time started{};
    Time last_event{};
    std::optional<Time> expires; // end of validity
    Priority priority = Priority::transactional;
    std::uint16_t step = 0;                // current step, or the last one when closed
    std::optional<Time> dispatch_deadline; // of the current step
    std::optional<Time> receipt_deadline;  // of the current step
    std::uint32_t timer_task = 0;          // outstanding timer task, 0: none
    std::optional<Time> timer_due;
    std::uint32_t last_task = 0; // highest task number given out
    std::vector<AttemptState> attempts;
    std::vector<BufferedReceipt> buffered;
    std::vector<std::uint64_t> seen;   // hashes of signals and receipts taken (R2)
    Outcome outcome = Outcome::none;   // none while running
    Outcome corrected = Outcome::none; // outcome after the end, when a late receipt changed it (R9)
    std::uint16_t outcome_attempt = 0; // attempt that decided it, 0: none
    Time closed{};
    std::uint32_t flags = 0;   // EventFlag bits of the completion
    std::uint32_t reports = 0; // reports given out; the sequence of the last one
    std::uint32_t events = 0;  // events applied

    bool closed_p() const { return outcome != Outcome::none; }
    bool operator==(const State &) const = default;
};

// ---- inputs ----

struct StartInput {
    std::optional<Priority> priority{}; // none: the rule's
};

// How the answer to a send is to be taken (provider configuration decides; messaging.md section 3).
enum class SendVerdict : std::uint8_t {
    accepted,      // the provider took it
    retry_same,    // surely not taken: send the same attempt again with the same idempotency key
    ambiguous,     // may have been taken
    next_provider, // refused by this provider for its own reasons (config, credit)
    next_channel,  // refused for good on this channel (bad address, opt-out)
};

struct SendAnswer {
    std::uint16_t attempt = 0;
    SendVerdict verdict = SendVerdict::accepted;
    std::int32_t code = 0; // HTTP status, 0 when no answer
    std::string provider_message_id;
    std::vector<std::string> more_message_ids; // of the further parts, when the provider reports on each
    PartMode part_mode = PartMode::all;
    FailureKind kind = FailureKind::none;
    std::string reason; // short, safe to show to the tenant
    std::optional<Duration> retry_after;
    std::uint32_t task = 0; // the send task carried out; 0: not told. Not the outstanding one: a repeated record
};

struct ReceiptInput {
    std::uint16_t attempt = 0; // 0: not given
    std::string provider_message_id;
    ReceiptFacts facts;                  // kind none: default of the state
    std::uint64_t hash = 0;              // identity for R2, never 0
    std::string reason;                  // word of the vocabulary, raw code or words
    bool part = false;                   // its account reports on each part of a message by itself
    std::vector<std::string> more_ids{}; // other writings of the id, for the parts of a message
    // Provider accounts it may come from, so that nobody else's receipt completes an attempt (R5); empty: not told.
    std::vector<std::int32_t> providers{};
};

struct ParkInput { // a receipt whose status word is unknown (R6)
    std::string raw;
    std::uint64_t hash = 0;
    std::string word{}; // what the history keeps of it; empty: raw
};

struct TimerInput {
    std::uint32_t task = 0;
};

struct CancelInput {
    std::string reason;
    bool terminate = false;
    bool claimed = true; // a dispatcher has claimed the outstanding send, which therefore may have left
};

struct SignalInput { // a signal a rule cascade has no use for: recorded, result `ignored`
    std::string name;
    std::string payload;
    std::uint64_t hash = 0;
};

using Input = std::variant<StartInput, SendAnswer, ReceiptInput, ParkInput, TimerInput, CancelInput, SignalInput>;

// ---- the decision ----

enum class TaskKind : std::uint8_t { send = 1, timer = 2 };

struct TaskPut {
    TaskKind kind{};
    std::uint32_t number = 0;
    Time due{};
    std::uint16_t attempt = 0;
    std::int32_t provider = 0;
};

struct Decision {
    SignalResult result = SignalResult::applied;
    std::vector<HistoryEvent> events; // to append; empty: nothing changed
    std::vector<TaskPut> puts;
    std::vector<std::uint32_t> drops; // task numbers from before this decision, the task of this input included
    bool completed = false;           // this decision closed the cascade
    bool report = false;              // a report (outcome or correction) is due: number state.reports
};

// `state` must be the fold of the history so far (empty for StartInput). random01 in [0,1) feeds the back-off jitter.
// Foreseen situations are results, not errors; throws only hc::Error WF003 (too many signals) and WF004 (the state does
// not fit the program, or an input other than StartInput came before the start).
// An input for a closed cascade: receipts and send answers are merged (R9), everything else gives `closed` or, for a
// stale timer or a repeated answer, `ignored` with no event.
// random01 also chooses among providers of one position by their weights. `unavailable`: providers whose breaker is
// open or that are paused, taken only when no other is left.
Decision decide(const Program &program, State &state, const Input &input, Time now, double random01,
                std::span<const std::int32_t> unavailable = {});

// Whether an attempt at a provider that is out has somewhere else to go: another provider of its step that was not
// tried and is not out too, or a later step that has one.
bool has_alternative(const Program &program, const State &state, std::int32_t provider,
                     std::span<const std::int32_t> unavailable);

// Whether the first attempt of a step is a matter of chance, so that cascades started together differ.
bool first_choice_varies(const Program &program);

// Throws hc::Error WF004 when the event cannot follow the state (a history that was not made by decide()).
void apply(State &state, const HistoryEvent &event);
State replay(std::span<const HistoryEvent> events);

// "message.delivered", "message.failed", "message.expired", "message.canceled" or, from report 2 on,
// "message.status_corrected".
std::string report_type(const State &state);

// The outcome as of now: the corrected one, else the original one; none while running.
Outcome effective_outcome(const State &state);

// The part of an attempt with this id; nullptr: none.
const PartState *find_part(const AttemptState &attempt, std::string_view provider_message_id);

// The step to show (0-based): the deciding attempt's once there is an outcome that rests on one, else the last reached.
std::uint16_t shown_step(const State &state);

// Deciding step/attempt of the outcome, for status and reports; nullptr when none.
const AttemptState *deciding_attempt(const State &state);

} // namespace hc::core
