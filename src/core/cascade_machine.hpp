// One run of decide(): the state machine's verbs, shared by the files that implement them (inputs and tasks in
// cascade.cpp, steps in cascade_steps.cpp, holds, pauses and windows in cascade_hold.cpp, answers in cascade_send.cpp,
// receipts in cascade_receipt.cpp). Private to the core. Pure.
#pragma once

#include "core/cascade.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

class CascadeMachine {
public:
    CascadeMachine(const Program &program, State &state, Time now, const Surroundings &around);

    Decision run(const Input &input);

private:
    // ---- inputs ----
    SignalResult on(const StartInput &in);
    SignalResult on(const SendAnswer &in);
    SignalResult on(const ReceiptInput &in);
    SignalResult on(const ParkInput &in);
    SignalResult on(const TimerInput &in);
    SignalResult on(const CancelInput &in);
    SignalResult on(const HoldInput &in);
    SignalResult on(const ReleaseInput &in);
    SignalResult on(const ConditionAnswer &in);
    SignalResult on(const SignalInput &in);

    // ---- steps ----
    void start_from(std::size_t step);
    void begin_step(std::size_t step);
    void send_step(std::size_t step);
    void end_step(EventType how, std::size_t step, std::string_view reason, std::uint16_t attempt = 0);
    void fail_step(std::size_t step, std::string_view reason);
    void skip_step(std::size_t step, std::string_view reason);
    void settle_group();
    void schedule(std::size_t step, std::int32_t provider, Time due);
    void try_next_provider(std::size_t step, std::string_view reason);
    const ProviderRef *choose_provider(std::size_t step) const;
    void take_success(std::uint16_t attempt);
    void complete(Outcome outcome, std::uint16_t attempt, std::uint32_t flags = 0, bool claimed = true);
    std::uint32_t contact_flags(Outcome outcome, std::uint16_t attempt, bool claimed) const;

    // ---- holds, pauses, windows ----
    void settle_holds();
    bool paused(std::int32_t provider = 0) const;
    std::optional<Time> allowed_due(std::size_t step, Time due) const;
    Time deadline(std::size_t step, Duration timeout) const;
    void defer(const AttemptState &attempt, std::string_view reason);
    void due_deadlines();

    // ---- answers ----
    void take_accepted(const SendAnswer &in, bool live);
    void take_late(const SendAnswer &in);
    void take_ambiguous(const SendAnswer &in);
    void take_refused(const SendAnswer &in);
    void take_skipped(const SendAnswer &in);
    bool retry_send(const SendAnswer &in);
    void record_failed(const SendAnswer &in, ReceiptState failure, FailureKind kind);
    std::optional<Time> retry_time(const AttemptState &attempt, std::string_view reason,
                                   std::optional<Duration> retry_after) const;

    // ---- receipts ----
    enum class Match : std::uint8_t { attempt, buffer, none };
    struct Matched {
        Match match = Match::none;
        std::uint16_t attempt = 0;
        std::string id{}; // of the part, as the answer wrote it; empty: as the receipt has it
    };
    Matched match(const ReceiptInput &in, std::string_view id) const;
    static Matched match_part(const AttemptState &a, const ReceiptInput &in, std::string_view id);
    HistoryEvent receipt_event(EventType type, const ReceiptInput &in, std::string_view id) const;
    // `event` is a ReceiptRecorded naming its attempt, complete but for the result.
    SignalResult take_receipt(HistoryEvent event, bool from_buffer);
    SignalResult take_closed(HistoryEvent event, SignalResult merged);
    void take_buffered(std::uint16_t attempt);
    void follow_receipt(std::uint16_t attempt, std::string_view reason);
    void fail_attempt(std::uint16_t attempt, FailureKind kind, std::string_view reason);
    bool step_met(std::size_t step) const;
    bool group_met(std::size_t step) const;
    bool others_met(std::size_t step) const;

    // ---- facts ----
    const Step &step_of(std::size_t index) const;
    Group group(std::size_t step) const;
    bool all_must_succeed(std::size_t step) const;
    std::span<const ProviderRef> providers_of(std::size_t step) const;
    const AttemptState *find(std::uint16_t attempt) const;
    const AttemptState &get(std::uint16_t attempt) const { return state_.attempts[attempt - 1U]; }
    const Branch *live_branch(std::size_t step) const;
    bool newest_of_step(std::uint16_t attempt) const;
    bool closed() const { return state_.closed_p(); }
    bool expired() const { return state_.expires && now_ >= *state_.expires; }
    bool seen(std::uint64_t hash) const;
    bool room() const { return state_.events < kMaxHistoryEvents; }
    std::size_t total_sends() const;

    // ---- events and tasks ----
    void emit(HistoryEvent event);
    void rearm();
    bool outstanding(std::uint32_t task) const;
    std::vector<std::uint32_t> outstanding_tasks() const;
    void settle_tasks(const std::vector<std::uint32_t> &before);
    void put_task(const HistoryEvent &e);

    const Program &program_;
    State &state_;
    const Time now_;
    const Surroundings &around_;
    std::uint32_t consumed_ = 0; // task carried out by this input: it vanishes even when the input is ignored
    Decision decision_;
};

// Whether a receipt state is success enough for a step. Words that say nothing of progress (`deferred`, `unknown`) only
// show that the provider took the message.
bool meets(ReceiptState state, SuccessOn success_on);

// Of [from, to), the time that lies in one of the pauses that concern the provider (0: only those of the whole cascade)
// or since `held`.
Duration held_time(std::span<const Pause> pauses, std::int32_t provider, std::optional<Time> held, Time from, Time to);

// The earlier of two deadlines, absent meaning never.
std::optional<Time> earlier(std::optional<Time> a, std::optional<Time> b);

} // namespace hc::core
