// The history of a cascade: its events, their compact binary form, and their JSON form for people.
// One flat event type serves all kinds, so that one codec and one renderer cover the whole table. What each kind
// carries stands beside its name; a field that a kind does not carry keeps its default and takes no space.
//
// Binary form of one event: type byte, varint time (microseconds since the previous event of the same buffer, the
// first one since 2020-01-01), varint bit mask of the fields present in declaration order, the fields (varint, zigzag
// for signed, one byte for enums, eight for the hash, length-prefixed bytes for text; due and provider_time are signed
// distances from the event's time). A buffer is a format byte followed by events. A field with its default is absent.
// A history is append-only: encode_events(.., base) makes bytes to append to a buffer whose last event is at `base`.
#pragma once

#include "core/receipt.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

enum class EventType : std::uint8_t {
    cascade_started = 1,    // due: end of validity (absent: none), code: priority, text: time zone (absent: UTC)
    step_started = 2,       // step, due: end of dispatch_timeout (absent: none), flags: kFlagJoins
    send_scheduled = 3,     // attempt, step, provider, task, due
    send_completed = 4,     // attempt, code (HTTP status), text (provider message id), due: receipt deadline, state
    send_ambiguous = 5,     // attempt, code, reason, due: receipt deadline (absent: none set)
    send_retry = 6,         // attempt, code, kind, reason, task, due: the same attempt is sent again with the same key
                            // flags: kFlagContacted when the send before it may have been taken (ambiguous)
    send_failed = 7,        // attempt, code, kind, reason, state: this attempt is over; flags as in send_retry, also
                            // when a part of the message was taken
    receipt_recorded = 8,   // attempt, state, kind, result, provider_time, sequence, hash, reason (raw code), text (id)
    receipt_buffered = 9,   // text (provider message id), state, kind, provider_time, sequence, hash, reason
    receipt_parked = 10,    // text (its status word, cut to kMaxParkedBytes), hash
    receipt_unmatched = 11, // attempt (as claimed, may be absent), text (provider message id), state, hash
    timer_started = 12,     // task, due; replaces the timer before it; flags: kFlagPaused
    timer_fired = 13,       // task
    timer_canceled = 14,    // task
    step_failed = 15,       // step, reason, sequence: report number (absent: not reported)
    signal_received = 16,   // text (name), reason (payload, cut), result, hash
    cancel_requested = 17,  // reason
    terminated = 18,        // reason
    cascade_completed = 19, // outcome, step, attempt, state (delivered, exhausted ..), flags, sequence: report number
    outcome_corrected = 20, // outcome (new), step, attempt, state, sequence: report number
    step_skipped = 21,      // step, reason, sequence as in step_failed: over, and nothing of it was sent
    step_succeeded = 22,    // step, attempt, sequence as in step_failed: one of several that must all succeed
    send_deferred = 23,     // attempt, task, due, reason: to be sent later; flags: kFlagHeld, kFlagPaused
    condition_scheduled = 24, // step, task, due
    condition_evaluated = 25, // step, task, code: ConditionVerdict, reason
    cascade_held = 26,        // reason
    cascade_released = 27,    //
    deadlines_extended = 28,  // step, sequence: by so many microseconds, in which the cascade or its provider was held
    start_delayed = 29,       // due: the first step starts then
};
inline constexpr EventType kLastEventType = EventType::start_delayed;

enum class Outcome : std::uint8_t { none, delivered, exhausted, expired, canceled };

// What became of a signal or receipt; the SQL enum hermes.signal_result has the same words.
enum class SignalResult : std::uint8_t {
    applied,
    duplicate,
    stale,
    corrected,
    conflict,
    buffered,
    parked,
    unmatched,
    ignored,
    closed,
};

enum EventFlag : std::uint32_t {
    kFlagDuplicateContact = 1, // another attempt may have reached, or may yet reach, the recipient
    kFlagContacted = 2,        // canceled or expired after an attempt had left or may have left and did not surely fail
    kFlagTerminated = 4,       // ended by terminate_cascade
    kFlagJoins = 8,            // this step runs at once with the one started before it
    kFlagHeld = 16,            // until release_cascade
    kFlagPaused = 32,          // until its tenant, rule or provider is resumed
};

inline constexpr std::size_t kMaxReasonBytes = 256;
inline constexpr std::size_t kMaxTextBytes = 256; // provider message ids, signal names
inline constexpr std::size_t kMaxParkedBytes = 2048;

struct HistoryEvent {
    EventType type{};
    Time time{};
    // Fields in mask order. Zero (or empty, or nullopt) means absent.
    std::uint16_t attempt = 0;           // 1-based, unique in the cascade
    std::optional<std::uint16_t> step{}; // 0-based
    std::int32_t provider = 0;
    std::uint32_t task = 0;
    std::optional<Time> due{};
    std::optional<ReceiptState> state{};
    FailureKind kind = FailureKind::none;
    std::optional<SignalResult> result{};
    Outcome outcome = Outcome::none;
    std::int32_t code = 0;
    std::uint64_t hash = 0;
    std::optional<std::int64_t> sequence{};
    std::optional<Time> provider_time{};
    std::uint32_t flags = 0;
    std::string text{};
    std::string reason{};

    bool operator==(const HistoryEvent &) const = default;
};

// A new buffer (format byte first) when base is nullopt, else bytes to append after an event at *base.
std::string encode_events(std::span<const HistoryEvent> events, std::optional<Time> base);

// Throws hc::Error WF004 on bytes that are no history. Never reads out of bounds; memory is linear in the input.
std::vector<HistoryEvent> decode_events(std::string_view bytes);

std::string_view to_string(EventType t);    // "CascadeStarted", "SendScheduled" ...
std::string_view to_string(Outcome o);      // "DELIVERED", "EXHAUSTED", "EXPIRED", "CANCELED", "" for none
std::string_view to_string(SignalResult r); // the SQL words

// The attributes of an event as a JSON object, with the field names of the reference manual; times in ISO 8601 UTC.
std::string event_attributes_json(const HistoryEvent &e);

// The longest beginning of text that has at most max_bytes and does not end inside a UTF-8 character.
std::string_view cut_utf8(std::string_view text, std::size_t max_bytes);

// "2026-11-21T07:40:37.123456Z"
std::string format_iso8601(Time t);
std::optional<Time> parse_iso8601(std::string_view text); // seconds or fraction; 'Z' or +-hh:mm required

} // namespace hc::core
