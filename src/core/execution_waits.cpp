// See execution_waits.hpp.
#include "core/execution_waits.hpp"

#include "core/execution_replay.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <utility>

namespace hc::core {

namespace {

using Type = ExecutionEventType;

// The function goes on only after it.
bool blocks(const ExecutionEvent &event) {
    return event.type == Type::signal_awaited || event.type == Type::condition_awaited ||
           (event.type == Type::timer_started && event.kind != CommandKind::timer) ||
           (event.type == Type::marker_recorded && event.kind == CommandKind::wait_update);
}

bool begins(const ExecutionEvent &event) {
    return blocks(event) || event.type == Type::timer_started || event.type == Type::child_started ||
           event.type == Type::activity_scheduled;
}

std::uint32_t number_in(const std::string &text) {
    std::uint32_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// The command that an event ends; 0: none.
std::uint32_t ended_by(const ExecutionEvent &event) {
    if (event.type == Type::timer_canceled)
        return number_in(event.payload);
    return ends_command(event.type) ? event.command : 0;
}

} // namespace

std::vector<const ExecutionEvent *> open_waits(std::span<const ExecutionEvent> events) {
    std::map<std::uint32_t, const ExecutionEvent *> open; // by command
    std::map<std::string, int> untaken;                   // signals, by name
    const ExecutionEvent *blocking = nullptr;             // the wait that the function is in
    for (const ExecutionEvent &event : events) {
        if (is_close(event.type))
            return {};
        if (const std::uint32_t ended = ended_by(event); ended != 0) {
            open.erase(ended);
        } else if (event.type == Type::signal_received) {
            const bool taken = blocking != nullptr && open.contains(blocking->command) &&
                               blocking->type == Type::signal_awaited && blocking->name == event.name;
            if (taken)
                open.erase(blocking->command);
            else
                ++untaken[event.name];
        }
        const bool issued = event.command != 0 && (blocking == nullptr || event.command > blocking->command);
        if (issued && blocking != nullptr)
            open.erase(std::exchange(blocking, nullptr)->command);
        if (!begins(event))
            continue;
        if (event.type == Type::signal_awaited && untaken[event.name] > 0) {
            --untaken[event.name];
            continue;
        }
        open[event.command] = &event;
        if (blocks(event))
            blocking = &event;
    }
    std::vector<const ExecutionEvent *> found;
    found.reserve(open.size());
    for (const auto &[command, event] : open)
        found.push_back(event);
    return found;
}

} // namespace hc::core
