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
// A step with a condition first waits for the executor's word (task `condition`). Steps of a parallel element start at
// once, each is a Branch of its own; the next element starts when all of them are over without the success asked for.
// While a cascade is held, or its tenant, rule or provider is paused, its sends are put aside and its deadlines wait:
// every decision first moves them by the time that was held. Validity goes on.
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
inline constexpr std::uint32_t kMaxReports = 64;        // past this nothing is corrected
inline constexpr std::uint32_t kMaxStepReports = 48;    // past this ends of steps are not reported

// A provider as the state machine sees it.
struct ProviderRef {
    std::int32_t id = 0;
    bool idempotent = false;    // accepts an idempotency key: an ambiguous send may be repeated
    std::int32_t position = 1;  // smaller first; with "choose", where the rule puts it
    std::uint32_t weight = 100; // share among those of one position
};

// What a cascade runs: its pinned rule version and, per step, the providers to try in order (resolved now).
struct Program {
    const Rule *rule = nullptr;
    std::vector<std::vector<ProviderRef>> providers; // one list a step, by position (provider_choice.hpp)
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
    bool taken = false;      // the provider took a request of it, or may have, whatever became of it
    std::string provider_message_id;
    std::string reason;           // why it failed, short
    std::vector<PartState> parts; // empty: the message has one id
    PartMode part_mode = PartMode::all;
    bool held = false; // its send is put aside until release_cascade

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

// A step that was started, until the next element of the rule starts.
struct Branch {
    std::uint16_t step = 0;
    std::optional<Time> dispatch_deadline;
    std::optional<Time> receipt_deadline;
    Time counted_from{};              // pauses before it are in the deadlines already
    std::uint32_t condition_task = 0; // its condition is being evaluated; 0: it is not
    bool over = false;                // failed, skipped or succeeded, while others still run
    bool succeeded = false;           // of several that must all succeed

    bool operator==(const Branch &) const = default;
};

// What a report tells: the end of a step, the outcome, or a correction of it.
enum class ReportKind : std::uint8_t { none, step_failed, step_skipped, step_succeeded, outcome, correction };

struct State {
    Time started{};
    Time last_event{};
    std::optional<Time> expires;   // end of validity
    std::optional<Time> starts_at; // the first step waits until then
    std::string time_zone;         // of the recipient, for windows; empty: UTC
    Priority priority = Priority::transactional;
    std::uint16_t step = 0;         // first step of the current element, or the last one when closed
    std::vector<Branch> branches;   // of the current element
    std::optional<Time> held_since; // by hold_cascade
    std::uint32_t timer_task = 0;   // outstanding timer task, 0: none
    std::optional<Time> timer_due;
    bool timer_paused = false;   // it waits for the end of a pause, or for its due time
    std::uint32_t last_task = 0; // highest task number given out
    std::vector<AttemptState> attempts;
    std::vector<BufferedReceipt> buffered;
    std::vector<std::uint64_t> seen;   // hashes of signals and receipts taken (R2)
    Outcome outcome = Outcome::none;   // none while running
    Outcome corrected = Outcome::none; // outcome after the end, when a late receipt changed it (R9)
    std::uint16_t outcome_attempt = 0; // attempt that decided it, 0: none
    Time closed{};
    std::uint32_t flags = 0;                   // EventFlag bits of the completion
    std::uint32_t reports = 0;                 // reports given out; the sequence of the last one
    ReportKind report_kind = ReportKind::none; // of the last one
    std::uint16_t report_step = 0;             // of the last one, when it is about a step
    std::string report_reason;                 // likewise
    std::uint32_t events = 0;                  // events applied

    bool closed_p() const { return outcome != Outcome::none; }
    bool operator==(const State &) const = default;
};

// ---- inputs ----

struct StartInput {
    std::optional<Priority> priority{}; // none: the rule's
    std::optional<Time> send_at{};      // the first step starts then, and the validity is counted from it
    std::string time_zone{};            // of the recipient; empty: UTC
};

// How the answer to a send is to be taken (provider configuration decides; messaging.md section 3).
enum class SendVerdict : std::uint8_t {
    accepted,      // the provider took it
    retry_same,    // surely not taken: send the same attempt again with the same idempotency key
    ambiguous,     // may have been taken
    next_provider, // refused by this provider for its own reasons (config, credit)
    next_channel,  // refused for good on this channel (bad address, opt-out)
    skip,          // not sent, and not to be: a condition of the step does not hold (suppressed, no address, a cap)
    not_now,       // not sent yet: held, paused, or outside of the window
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
    bool partly_taken = false; // refused, but a part of the message was taken
    std::uint32_t task = 0;    // the send task carried out; 0: not told. Not the outstanding one: a repeated record
    std::string suppress{};    // what the answer says of the address: a word of the suppression list; empty: nothing
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

struct HoldInput {
    std::string reason;
};
struct ReleaseInput {};

enum class ConditionVerdict : std::uint8_t { yes = 1, no, failed };
struct ConditionAnswer {
    std::uint32_t task = 0;
    ConditionVerdict verdict = ConditionVerdict::failed;
    std::string reason; // when failed: short, safe to show to the tenant
};

struct SignalInput { // a signal a rule cascade has no use for: recorded, result `ignored`
    std::string name;
    std::string payload;
    std::uint64_t hash = 0;
};

using Input = std::variant<StartInput, SendAnswer, ReceiptInput, ParkInput, TimerInput, CancelInput, HoldInput,
                           ReleaseInput, ConditionAnswer, SignalInput>;

// ---- what else a decision depends on ----

// A time in which nothing was to move: of the cascade as a whole (its tenant or rule), or of a provider.
struct Pause {
    Time since{};
    std::optional<Time> until; // nullopt: still going on
    std::int32_t provider = 0; // 0: the whole cascade
};

// How well a provider's recent messages were delivered (delivery_share.hpp).
inline constexpr std::uint8_t kBestDelivery = 20;
struct DeliveryLevel {
    std::int32_t provider = 0;
    std::uint8_t level = kBestDelivery; // 0 to kBestDelivery
};

struct Surroundings {
    double random01 = 0.5; // in [0,1): the jitter of a back-off, and the choice among providers of one rank
    // Providers whose breaker is open or that are paused: taken only when no other is left.
    std::span<const std::int32_t> unavailable{};
    std::span<const Pause> pauses{}; // that touch this cascade, in any order
    ZoneOffset zone{};               // of state.time_zone
    // For steps that choose by it; providers that are not in it are among the best.
    std::span<const DeliveryLevel> deliveries{};
};

// ---- the decision ----

enum class TaskKind : std::uint8_t { send = 1, timer = 2, condition = 3 };

// Whether a task is put aside: until release_cascade (which puts another), or until a pause ends or, of a timer, it is
// due.
enum class TaskHold : std::uint8_t { none, cascade, pause };

struct TaskPut {
    TaskKind kind{};
    std::uint32_t number = 0;
    Time due{};
    std::uint16_t attempt = 0; // of a send
    std::int32_t provider = 0; // of a send
    std::uint16_t step = 0;
    TaskHold hold = TaskHold::none;
};

struct Decision {
    SignalResult result = SignalResult::applied;
    std::vector<HistoryEvent> events; // to append; empty: nothing changed
    std::vector<TaskPut> puts;
    std::vector<std::uint32_t> drops; // task numbers from before this decision, the task of this input included
    bool completed = false;           // this decision closed the cascade
    bool report = false;              // a report (outcome or correction) is due: number state.reports
    std::vector<State> step_reports;  // states at which reports about a step are due, in order
};

// `state` must be the fold of the history so far (empty for StartInput).
// Foreseen situations are results, not errors; throws only hc::Error WF003 (too many signals) and WF004 (the state does
// not fit the program, or an input other than StartInput came before the start).
// An input for a closed cascade: receipts and send answers are merged (R9), everything else gives `closed` or, for a
// stale timer or a repeated answer, `ignored` with no event.
Decision decide(const Program &program, State &state, const Input &input, Time now, const Surroundings &around = {});

// Whether a queued attempt whose provider is out has somewhere else to go: another provider of its step that was not
// tried and is not out too, or a later step that has one.
bool has_alternative(const Program &program, const State &state, const AttemptState &attempt,
                     std::span<const std::int32_t> unavailable);

// Why a queued attempt must not be sent now: held or paused (its provider too), or outside of its window.
bool may_send(const Program &program, const State &state, const AttemptState &attempt, Time now,
              const Surroundings &around);

// Whether the first attempts are a matter of chance, so that cascades started together differ.
bool first_choice_varies(const Program &program);

// Throws hc::Error WF004 when the event cannot follow the state (a history that was not made by decide()).
void apply(State &state, const HistoryEvent &event);
State replay(std::span<const HistoryEvent> events);

// Of the last report: "message.delivered", "message.failed", "message.expired", "message.canceled",
// "message.status_corrected", "message.step_failed", "message.step_skipped", "message.step_succeeded".
std::string_view report_type(const State &state);
std::string_view report_type(ReportKind kind, Outcome outcome);
bool is_of_step(ReportKind kind);

// The outcome as of now: the corrected one, else the original one; none while running.
Outcome effective_outcome(const State &state);

// The part of an attempt with this id; nullptr: none.
const PartState *find_part(const AttemptState &attempt, std::string_view provider_message_id);

// The step as it is under way, or nullptr.
const Branch *find_branch(const State &state, std::size_t step);

// The newest attempt of a step; nullptr: none.
const AttemptState *newest_attempt(const State &state, std::size_t step);

// The step to show (0-based): the deciding attempt's once there is an outcome that rests on one, else the last reached.
std::uint16_t shown_step(const State &state);

// Deciding attempt of the outcome, for status; nullptr when none.
const AttemptState *deciding_attempt(const State &state);

// The attempt that the last report is about, of its step or the deciding one, and the step; a step may have had none.
const AttemptState *reported_attempt(const State &state);
std::optional<std::uint16_t> reported_step(const State &state);

} // namespace hc::core
