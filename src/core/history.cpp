// Binary codec of cascade histories and the words of their enums. Pure; used wherever a history is read or written.
#include "core/history.hpp"

#include "core/byte_codec.hpp"
#include "core/error.hpp"

#include <array>
#include <cstddef>

namespace hc::core {
namespace {

constexpr char kFormat = 1;
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

void write_event(ByteWriter &out, const HistoryEvent &e, Time previous) {
    const std::uint32_t mask = field_mask(e);
    out.word(e.type);
    out.number(time_distance(previous, e.time));
    out.number(mask);
    if ((mask & kAttempt) != 0)
        out.number(e.attempt);
    if ((mask & kStep) != 0)
        out.number(*e.step);
    if ((mask & kProvider) != 0)
        out.number(zigzag(e.provider));
    if ((mask & kTask) != 0)
        out.number(e.task);
    if ((mask & kDue) != 0)
        out.number(zigzag(static_cast<std::int64_t>(time_distance(e.time, *e.due))));
    if ((mask & kState) != 0)
        out.word(*e.state);
    if ((mask & kKind) != 0)
        out.word(e.kind);
    if ((mask & kResult) != 0)
        out.word(*e.result);
    if ((mask & kOutcome) != 0)
        out.word(e.outcome);
    if ((mask & kCode) != 0)
        out.number(zigzag(e.code));
    if ((mask & kHash) != 0)
        out.fixed64(e.hash);
    if ((mask & kSequence) != 0)
        out.number(zigzag(*e.sequence));
    if ((mask & kProviderTime) != 0)
        out.number(zigzag(static_cast<std::int64_t>(time_distance(e.time, *e.provider_time))));
    if ((mask & kFlags) != 0)
        out.number(e.flags);
    if ((mask & kText) != 0)
        out.bytes(e.text);
    if ((mask & kReason) != 0)
        out.bytes(e.reason);
}

// Upper bound without the texts: type, time, mask and a full set of fields take less.
constexpr std::size_t kTypicalEventBytes = 32;

std::size_t size_hint(std::span<const HistoryEvent> events) {
    std::size_t size = 1;
    for (const HistoryEvent &e : events)
        size += kTypicalEventBytes + e.text.size() + e.reason.size();
    return size;
}

void read_event(ByteReader &in, HistoryEvent &e, Time previous) {
    e.type = in.word(kLastEventType);
    if (e.type == EventType{})
        in.fail("has an event without a type");
    e.time = time_after(previous, in.number());
    const std::uint64_t mask = in.number();
    if (mask > kAllFields)
        in.fail("has a field that is not known");
    if ((mask & kAttempt) != 0)
        e.attempt = in.ranged<std::uint16_t>(in.number());
    if ((mask & kStep) != 0)
        e.step = in.ranged<std::uint16_t>(in.number());
    if ((mask & kProvider) != 0)
        e.provider = in.signed32();
    if ((mask & kTask) != 0)
        e.task = in.ranged<std::uint32_t>(in.number());
    if ((mask & kDue) != 0)
        e.due = time_after(e.time, static_cast<std::uint64_t>(unzigzag(in.number())));
    if ((mask & kState) != 0)
        e.state = in.word(ReceiptState::read);
    if ((mask & kKind) != 0)
        e.kind = in.word(FailureKind::config);
    if ((mask & kResult) != 0)
        e.result = in.word(SignalResult::closed);
    if ((mask & kOutcome) != 0)
        e.outcome = in.word(Outcome::canceled);
    if ((mask & kCode) != 0)
        e.code = in.signed32();
    if ((mask & kHash) != 0)
        e.hash = in.fixed64();
    if ((mask & kSequence) != 0)
        e.sequence = unzigzag(in.number());
    if ((mask & kProviderTime) != 0)
        e.provider_time = time_after(e.time, static_cast<std::uint64_t>(unzigzag(in.number())));
    if ((mask & kFlags) != 0)
        e.flags = in.ranged<std::uint32_t>(in.number());
    if ((mask & kText) != 0)
        e.text = in.bytes();
    if ((mask & kReason) != 0)
        e.reason = in.bytes();
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
    ByteWriter writer(out);
    Time previous = base.value_or(kHistoryEpoch);
    for (const HistoryEvent &e : events) {
        write_event(writer, e, previous);
        previous = e.time;
    }
    return out;
}

std::vector<HistoryEvent> decode_events(std::string_view bytes) {
    ByteReader reader(bytes, "cascade history");
    if (bytes.empty() || reader.byte() != static_cast<std::uint8_t>(kFormat))
        reader.fail("has a format that is not known");
    std::vector<HistoryEvent> events;
    Time previous = kHistoryEpoch;
    while (!reader.at_end()) {
        HistoryEvent &e = events.emplace_back();
        read_event(reader, e, previous);
        previous = e.time;
    }
    return events;
}

std::string_view to_string(EventType t) { return name_of(kEventNames, t); }
std::string_view to_string(Outcome o) { return name_of(kOutcomeNames, o); }
std::string_view to_string(SignalResult r) { return name_of(kResultNames, r); }

} // namespace hc::core
