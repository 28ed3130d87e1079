// Binary codec of cascade histories and the words of their enums. Pure; used wherever a history is read or written.
#include "core/history.hpp"

#include "core/error.hpp"

#include <array>
#include <cstddef>
#include <limits>

namespace hc::core {
namespace {

constexpr char kFormat = 1;
constexpr std::int64_t kEpochMicros = 1'577'836'800'000'000; // 2020-01-01T00:00:00Z
constexpr Time kEpoch = from_unix_micros(kEpochMicros);

// Bits of the field mask, in the declaration order of HistoryEvent.
enum FieldBit : std::uint32_t {
    kAttempt = 1U << 0,
    kStep = 1U << 1,
    kProvider = 1U << 2,
    kTask = 1U << 3,
    kDue = 1U << 4,
    kState = 1U << 5,
    kKind = 1U << 6,
    kResult = 1U << 7,
    kOutcome = 1U << 8,
    kCode = 1U << 9,
    kHash = 1U << 10,
    kSequence = 1U << 11,
    kProviderTime = 1U << 12,
    kFlags = 1U << 13,
    kText = 1U << 14,
    kReason = 1U << 15,
    kAllFields = (1U << 16) - 1,
};

constexpr std::uint64_t zigzag(std::int64_t v) {
    return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t v) {
    return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

// Distances wrap, so that every pair of times survives the round trip.
constexpr std::uint64_t distance(Time from, Time to) {
    return static_cast<std::uint64_t>(to_unix_micros(to)) - static_cast<std::uint64_t>(to_unix_micros(from));
}
constexpr Time advance(Time from, std::uint64_t by) {
    return from_unix_micros(static_cast<std::int64_t>(static_cast<std::uint64_t>(to_unix_micros(from)) + by));
}

std::uint32_t field_mask(const HistoryEvent &e) {
    std::uint32_t mask = 0;
    const auto set = [&mask](bool present, std::uint32_t bit) { mask |= present ? bit : 0; };
    set(e.attempt != 0, kAttempt);
    set(e.step.has_value(), kStep);
    set(e.provider != 0, kProvider);
    set(e.task != 0, kTask);
    set(e.due.has_value(), kDue);
    set(e.state.has_value(), kState);
    set(e.kind != FailureKind::none, kKind);
    set(e.result.has_value(), kResult);
    set(e.outcome != Outcome::none, kOutcome);
    set(e.code != 0, kCode);
    set(e.hash != 0, kHash);
    set(e.sequence.has_value(), kSequence);
    set(e.provider_time.has_value(), kProviderTime);
    set(e.flags != 0, kFlags);
    set(!e.text.empty(), kText);
    set(!e.reason.empty(), kReason);
    return mask;
}

class Writer {
public:
    explicit Writer(std::string &out) : out_(out) {}

    template <typename Enum>
    void word(Enum v) {
        out_.push_back(static_cast<char>(v));
    }

    void number(std::uint64_t v) {
        while (v >= 0x80) {
            out_.push_back(static_cast<char>(v | 0x80));
            v >>= 7;
        }
        out_.push_back(static_cast<char>(v));
    }

    void fixed64(std::uint64_t v) {
        for (int shift = 0; shift < 64; shift += 8)
            out_.push_back(static_cast<char>(v >> shift));
    }

    void bytes(std::string_view v) {
        number(v.size());
        out_.append(v);
    }

    void event(const HistoryEvent &e, Time previous);

private:
    std::string &out_;
};

void Writer::event(const HistoryEvent &e, Time previous) {
    const std::uint32_t mask = field_mask(e);
    word(e.type);
    number(distance(previous, e.time));
    number(mask);
    if ((mask & kAttempt) != 0)
        number(e.attempt);
    if ((mask & kStep) != 0)
        number(*e.step);
    if ((mask & kProvider) != 0)
        number(zigzag(e.provider));
    if ((mask & kTask) != 0)
        number(e.task);
    if ((mask & kDue) != 0)
        number(zigzag(static_cast<std::int64_t>(distance(e.time, *e.due))));
    if ((mask & kState) != 0)
        word(*e.state);
    if ((mask & kKind) != 0)
        word(e.kind);
    if ((mask & kResult) != 0)
        word(*e.result);
    if ((mask & kOutcome) != 0)
        word(e.outcome);
    if ((mask & kCode) != 0)
        number(zigzag(e.code));
    if ((mask & kHash) != 0)
        fixed64(e.hash);
    if ((mask & kSequence) != 0)
        number(zigzag(*e.sequence));
    if ((mask & kProviderTime) != 0)
        number(zigzag(static_cast<std::int64_t>(distance(e.time, *e.provider_time))));
    if ((mask & kFlags) != 0)
        number(e.flags);
    if ((mask & kText) != 0)
        bytes(e.text);
    if ((mask & kReason) != 0)
        bytes(e.reason);
}

// Upper bound without the texts: type, time, mask and a full set of fields take less.
constexpr std::size_t kTypicalEventBytes = 32;

std::size_t size_hint(std::span<const HistoryEvent> events) {
    std::size_t size = 1;
    for (const HistoryEvent &e : events)
        size += kTypicalEventBytes + e.text.size() + e.reason.size();
    return size;
}

// Reads front to back; every step checks what is left.
class Reader {
public:
    explicit Reader(std::string_view in) : in_(in) {}

    bool at_end() const { return at_ == in_.size(); }

    std::uint8_t byte() {
        if (at_end())
            fail("ends inside an event");
        return static_cast<std::uint8_t>(in_[at_++]);
    }

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const std::uint8_t b = byte();
            if (shift == 63 && b > 1)
                break;
            value |= static_cast<std::uint64_t>(b & 0x7F) << shift;
            if ((b & 0x80) == 0)
                return value;
        }
        fail("has a number of more than 64 bits");
    }

    template <typename Int>
    Int ranged(std::uint64_t v) {
        if (v > static_cast<std::uint64_t>(std::numeric_limits<Int>::max()))
            fail("has a number out of range");
        return static_cast<Int>(v);
    }

    std::int32_t signed32() {
        const std::int64_t v = unzigzag(number());
        if (v < std::numeric_limits<std::int32_t>::min() || v > std::numeric_limits<std::int32_t>::max())
            fail("has a number out of range");
        return static_cast<std::int32_t>(v);
    }

    template <typename Enum>
    Enum word(Enum last) {
        const std::uint8_t b = byte();
        if (b > static_cast<std::uint8_t>(last))
            fail("has a word that is not known");
        return static_cast<Enum>(b);
    }

    std::uint64_t fixed64() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 8)
            value |= static_cast<std::uint64_t>(byte()) << shift;
        return value;
    }

    std::string bytes() {
        const std::uint64_t size = number();
        if (size > in_.size() - at_)
            fail("ends inside a text");
        std::string text(in_.substr(at_, size));
        at_ += size;
        return text;
    }

    void event(HistoryEvent &e, Time previous);

    [[noreturn]] void fail(const char *what) const {
        throw Error(sqlstate::corrupt_state, "cascade history does not decode",
                    "The history " + std::string(what) + " at byte " + std::to_string(at_) + ".");
    }

private:
    std::string_view in_;
    std::size_t at_ = 0;
};

void Reader::event(HistoryEvent &e, Time previous) {
    e.type = word(kLastEventType);
    if (e.type == EventType{})
        fail("has an event without a type");
    e.time = advance(previous, number());
    const std::uint64_t mask = number();
    if (mask > kAllFields)
        fail("has a field that is not known");
    if ((mask & kAttempt) != 0)
        e.attempt = ranged<std::uint16_t>(number());
    if ((mask & kStep) != 0)
        e.step = ranged<std::uint16_t>(number());
    if ((mask & kProvider) != 0)
        e.provider = signed32();
    if ((mask & kTask) != 0)
        e.task = ranged<std::uint32_t>(number());
    if ((mask & kDue) != 0)
        e.due = advance(e.time, static_cast<std::uint64_t>(unzigzag(number())));
    if ((mask & kState) != 0)
        e.state = word(ReceiptState::read);
    if ((mask & kKind) != 0)
        e.kind = word(FailureKind::config);
    if ((mask & kResult) != 0)
        e.result = word(SignalResult::closed);
    if ((mask & kOutcome) != 0)
        e.outcome = word(Outcome::canceled);
    if ((mask & kCode) != 0)
        e.code = signed32();
    if ((mask & kHash) != 0)
        e.hash = fixed64();
    if ((mask & kSequence) != 0)
        e.sequence = unzigzag(number());
    if ((mask & kProviderTime) != 0)
        e.provider_time = advance(e.time, static_cast<std::uint64_t>(unzigzag(number())));
    if ((mask & kFlags) != 0)
        e.flags = ranged<std::uint32_t>(number());
    if ((mask & kText) != 0)
        e.text = bytes();
    if ((mask & kReason) != 0)
        e.reason = bytes();
}

// In the order of EventType, whose first value is 1.
constexpr std::array<std::string_view, 30> kEventNames = {
    "",
    "CascadeStarted",
    "StepStarted",
    "SendScheduled",
    "SendCompleted",
    "SendAmbiguous",
    "SendRetry",
    "SendFailed",
    "ReceiptRecorded",
    "ReceiptBuffered",
    "ReceiptParked",
    "ReceiptUnmatched",
    "TimerStarted",
    "TimerFired",
    "TimerCanceled",
    "StepFailed",
    "SignalReceived",
    "CancelRequested",
    "Terminated",
    "CascadeCompleted",
    "OutcomeCorrected",
    "StepSkipped",
    "StepSucceeded",
    "SendDeferred",
    "ConditionScheduled",
    "ConditionEvaluated",
    "CascadeHeld",
    "CascadeReleased",
    "DeadlinesExtended",
    "StartDelayed",
};
constexpr std::array<std::string_view, 5> kOutcomeNames = {"", "DELIVERED", "EXHAUSTED", "EXPIRED", "CANCELED"};
constexpr std::array<std::string_view, 10> kResultNames = {
    "applied", "duplicate", "stale", "corrected", "conflict", "buffered", "parked", "unmatched", "ignored", "closed",
};

template <typename Enum, std::size_t N>
std::string_view name_of(const std::array<std::string_view, N> &names, Enum value) {
    const auto i = static_cast<std::size_t>(value);
    return i < N ? names[i] : std::string_view{};
}

} // namespace

std::string encode_events(std::span<const HistoryEvent> events, std::optional<Time> base) {
    std::string out;
    out.reserve(size_hint(events));
    if (!base)
        out.push_back(kFormat);
    Writer writer(out);
    Time previous = base.value_or(kEpoch);
    for (const HistoryEvent &e : events) {
        writer.event(e, previous);
        previous = e.time;
    }
    return out;
}

std::vector<HistoryEvent> decode_events(std::string_view bytes) {
    Reader reader(bytes);
    if (bytes.empty() || reader.byte() != static_cast<std::uint8_t>(kFormat))
        reader.fail("has a format that is not known");
    std::vector<HistoryEvent> events;
    Time previous = kEpoch;
    while (!reader.at_end()) {
        HistoryEvent &e = events.emplace_back();
        reader.event(e, previous);
        previous = e.time;
    }
    return events;
}

std::string_view to_string(EventType t) { return name_of(kEventNames, t); }
std::string_view to_string(Outcome o) { return name_of(kOutcomeNames, o); }
std::string_view to_string(SignalResult r) { return name_of(kResultNames, r); }

} // namespace hc::core
