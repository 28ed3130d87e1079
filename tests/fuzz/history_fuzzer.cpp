// Fuzzer of the history codec (libFuzzer): what decodes must encode and decode to the same events, whole and in two
// parts, render as JSON, and replay; bytes that are no history may only raise hc::Error.
#include "core/cascade.hpp"
#include "core/error.hpp"
#include "core/history.hpp"

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

using namespace hc::core;

namespace {

void must(bool holds) {
    if (!holds)
        std::abort();
}

void check_round_trip(const std::vector<HistoryEvent> &events) {
    const std::string bytes = encode_events(events, std::nullopt);
    must(decode_events(bytes) == events);
    must(encode_events(decode_events(bytes), std::nullopt) == bytes);
    if (events.empty())
        return;
    const std::span<const HistoryEvent> all(events);
    const std::size_t half = (events.size() + 1) / 2;
    const std::string rest = encode_events(all.subspan(half), events[half - 1].time);
    must(encode_events(all.first(half), std::nullopt) + rest == bytes);
}

// A history of known events that no cascade can have is refused too, without undefined behaviour.
void check_replay(const std::vector<HistoryEvent> &events) {
    try {
        const State state = replay(events);
        must(state.events == events.size());
        report_type(state);
        deciding_attempt(state);
    } catch (const hc::Error &) {
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::vector<HistoryEvent> events;
    try {
        events = decode_events({reinterpret_cast<const char *>(data), size});
    } catch (const hc::Error &) {
        return 0;
    }
    check_round_trip(events);
    check_replay(events);
    for (const HistoryEvent &e : events)
        must(event_attributes_json(e).starts_with('{'));
    return 0;
}
