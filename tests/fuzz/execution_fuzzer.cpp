// Fuzzer of the histories of workflow executions (libFuzzer): what decodes must encode and decode to the same events,
// whole and in two parts, render as JSON, and replay; bytes that are no history may only raise hc::Error.
#include "core/error.hpp"
#include "core/execution_replay.hpp"

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

void check_round_trip(const std::vector<ExecutionEvent> &events) {
    const std::string bytes = encode_execution(events, std::nullopt);
    must(decode_execution(bytes) == events);
    if (events.empty())
        return;
    const std::span<const ExecutionEvent> all(events);
    const std::size_t half = (events.size() + 1) / 2;
    must(encode_execution(all.first(half), std::nullopt) + encode_execution(all.subspan(half), events[half - 1].time) ==
         bytes);
}

// A body that asks for just what the history has; one that asks for something else is found out or goes on.
void check_replay(const std::vector<ExecutionEvent> &events) {
    try {
        Replay replay(WorkflowId{}, events);
        for (int pass = 0; pass < 2; ++pass) {
            replay.restart();
            for (std::size_t i = 0; i <= events.size(); ++i) {
                const ExecutionEvent &event = events[i % events.size()];
                const auto kind = static_cast<CommandKind>(1 + i % static_cast<std::size_t>(kLastCommandKind));
                try {
                    replay.call({kind == CommandKind::version ? CommandKind::step : kind, event.name, event.hash});
                    bool fresh = false;
                    replay.version(event.name, -1, 5, fresh);
                    const ExecutionEvent *wait = replay.pending_update();
                    must(wait == nullptr || replay.accepted_by(wait->command) == nullptr);
                } catch (const Nondeterminism &) {
                }
            }
            for (const PendingTimer &timer : replay.pending_timers())
                must(replay.timer_is_pending(timer.command));
            try {
                replay.check_end();
            } catch (const Nondeterminism &) {
            }
        }
    } catch (const hc::Error &) {
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::vector<ExecutionEvent> events;
    try {
        events = decode_execution({reinterpret_cast<const char *>(data), size});
    } catch (const hc::Error &) {
        return 0;
    }
    check_round_trip(events);
    for (const ExecutionEvent &event : events)
        must(!execution_attributes_json(event).empty());
    if (!events.empty())
        check_replay(events);
    return 0;
}
