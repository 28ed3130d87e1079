// One run of decide(): the state machine's verbs, shared by the files that implement them (steps and timers in
// cascade.cpp, answers in cascade_send.cpp, receipts in cascade_receipt.cpp). Private to the core. Pure.
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
    CascadeMachine(const Program &program, State &state, Time now, double random01,
                   std::span<const std::int32_t> unavailable);

    Decision run(const Input &input);

private:
    // ---- inputs ----
    SignalResult on(const StartInput &in);
    SignalResult on(const SendAnswer &in);
    SignalResult on(const ReceiptInput &in);
    SignalResult on(const ParkInput &in);
    SignalResult on(const TimerInput &in);
    SignalResult on(const CancelInput &in);
    SignalResult on(const SignalInput &in);

    // ---- steps ----
    void start_steps(std::size_t step);
    void fail_step(std::string_view reason);
    void schedule(std::int32_t provider, Time due);
    void try_next_provider(std::string_view reason);
    const ProviderRef *choose_provider(std::size_t step) const;
    void complete(Outcome outcome, std::uint16_t attempt, std::uint32_t flags = 0, bool claimed = true);
    std::uint32_t contact_flags(Outcome outcome, std::uint16_t attempt, bool claimed) const;

    // ---- answers ----
    void take_accepted(const SendAnswer &in, bool live);
    void take_late(const SendAnswer &in);
    void take_ambiguous(const SendAnswer &in);
    void take_refused(const SendAnswer &in);
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

    // ---- facts ----
    const Step &step_of(std::size_t index) const;
    std::span<const ProviderRef> providers_of(std::size_t step) const;
    const AttemptState *find(std::uint16_t attempt) const;
    const AttemptState &get(std::uint16_t attempt) const { return state_.attempts[attempt - 1U]; }
    bool newest_of_step(std::uint16_t attempt) const;
    bool closed() const { return state_.closed_p(); }
    bool expired() const { return state_.expires && now_ >= *state_.expires; }
    bool seen(std::uint64_t hash) const;
    bool room() const { return state_.events < kMaxHistoryEvents; }
    std::size_t total_sends() const;
    bool outstanding(std::uint32_t task) const;
    std::array<std::uint32_t, 2> outstanding_tasks() const;

    void emit(HistoryEvent event);
    void rearm();
    void settle_tasks(const std::array<std::uint32_t, 2> &before);

    const Program &program_;
    State &state_;
    const Time now_;
    const double random01_;
    const std::span<const std::int32_t> unavailable_;
    std::uint32_t consumed_ = 0; // task carried out by this input: it vanishes even when the input is ignored
    Decision decision_;
};

// Whether a receipt state is success enough for a step. Words that say nothing of progress (`deferred`, `unknown`) only
// show that the provider took the message.
bool meets(ReceiptState state, SuccessOn success_on);

// The earlier of two deadlines, absent meaning never.
std::optional<Time> earlier(std::optional<Time> a, std::optional<Time> b);

} // namespace hc::core
