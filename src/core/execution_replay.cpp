// See execution_replay.hpp. Pure.
#include "core/execution_replay.hpp"

#include "core/crypto.hpp"
#include "core/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace hc::core {

namespace {

using Type = ExecutionEventType;

// What kind of command an event records; none: it records no command.
CommandKind kind_of(const ExecutionEvent &event) {
    switch (event.type) {
    case Type::step_completed:
    case Type::step_failed:
        return CommandKind::step;
    case Type::marker_recorded:
        return event.kind;
    case Type::timer_started:
        return event.kind == CommandKind::timer ? CommandKind::timer : CommandKind::sleep;
    case Type::child_started:
        return CommandKind::child;
    case Type::signal_awaited:
        return CommandKind::wait_signal;
    case Type::search_attributes_upserted:
        return event.command != 0 ? CommandKind::set_attributes : CommandKind::none;
    case Type::memo_modified:
        return event.command != 0 ? CommandKind::set_memo : CommandKind::none;
    default:
        return CommandKind::none;
    }
}

// Whether the event that records a command ends it as well.
bool ends_itself(CommandKind kind) {
    return kind == CommandKind::step || kind == CommandKind::fetch || kind == CommandKind::side_effect ||
           kind == CommandKind::version || kind == CommandKind::set_attributes || kind == CommandKind::set_memo;
}

// Whether a command only begins something: the body goes on, and awaits it where it likes.
bool only_begins(CommandKind kind) { return kind == CommandKind::timer || kind == CommandKind::child; }

bool is_end(Type type) {
    return type == Type::timer_fired || type == Type::child_start_failed || type == Type::child_completed ||
           type == Type::child_failed;
}

bool is_failure(Type type) {
    return type == Type::step_failed || type == Type::child_start_failed || type == Type::child_failed;
}

// Whether a cancel request is delivered to it: the others are over at once, whatever has been requested.
bool is_cancelable(CommandKind kind) {
    return kind == CommandKind::step || kind == CommandKind::sleep || kind == CommandKind::wait_signal ||
           kind == CommandKind::timer || kind == CommandKind::child;
}

std::string words_of(CommandKind kind, const std::string &name) {
    return name.empty() ? std::string(to_string(kind)) : fmt::format("{} \"{}\"", to_string(kind), name);
}

} // namespace

Replay::Replay(const WorkflowId &id, std::vector<ExecutionEvent> events)
    : id_(id), events_(std::move(events)), stored_(events_.size()) {
    for (std::size_t i = 0; i < events_.size(); ++i)
        note(i);
    restart();
}

void Replay::restart() {
    next_ = 1;
    cancel_delivered_ = false;
    now_ = events_.empty() ? Time{} : events_.front().time;
    randoms_ = 0;
    for (auto &[name, signals] : signals_)
        signals.taken = 0;
    for (Recorded &known : commands_)
        known.over = ends_itself(kind_of(events_[known.event]));
}

void Replay::note(std::size_t position) {
    const ExecutionEvent &event = events_[position];
    const CommandKind kind = kind_of(event);
    if (kind == CommandKind::version) {
        versions_.try_emplace(event.name, position);
    } else if (kind != CommandKind::none) {
        if (event.command != commands_.size() + 1)
            throw Error(sqlstate::corrupt_state, "workflow history is inconsistent",
                        fmt::format("Event {} records command {} after command {}.", position + 1, event.command,
                                    commands_.size()));
        commands_.push_back({position, std::nullopt, ends_itself(kind)});
    } else if (is_end(event.type)) {
        if (event.command == 0 || event.command > commands_.size())
            throw Error(sqlstate::corrupt_state, "workflow history is inconsistent",
                        fmt::format("Event {} ends command {}, which there is not.", position + 1, event.command));
        if (!commands_[event.command - 1].fired)
            commands_[event.command - 1].fired = position;
    } else if (event.type == Type::signal_received) {
        signals_[event.name].events.push_back(position);
        if (!event.text.empty())
            requests_.try_emplace(event.text, position);
    } else if (event.type == Type::cancel_requested && !cancel_) {
        cancel_ = position;
    }
}

// Times never go back, whatever the clock does.
void Replay::add(ExecutionEvent event) {
    if (!events_.empty())
        event.time = std::max(event.time, events_.back().time);
    events_.push_back(std::move(event));
    note(events_.size() - 1);
}

const Replay::Recorded *Replay::recorded(std::uint32_t command) const {
    return command <= commands_.size() ? &commands_[command - 1] : nullptr;
}

void Replay::check(const Command &command, const ExecutionEvent &event) const {
    const CommandKind kind = kind_of(event);
    if (kind == command.kind && event.name == command.name && event.hash == command.hash)
        return;
    if (kind == command.kind && event.name == command.name)
        throw Nondeterminism(fmt::format("command {}, {}, has other arguments than in the history", next_,
                                         words_of(command.kind, command.name)));
    throw Nondeterminism(fmt::format("command {} is {}, the history has {}", next_,
                                     words_of(command.kind, command.name), words_of(kind, event.name)));
}

// A cancel request that is not delivered yet comes before this event, or there is no such event.
bool Replay::canceled_before(std::optional<std::size_t> position) const {
    return cancel_ && !cancel_delivered_ && (!position || *cancel_ < *position);
}

CallAnswer Replay::deliver_cancel() {
    cancel_delivered_ = true;
    now_ = std::max(now_, events_[*cancel_].time);
    return {CallAnswer::Kind::canceled, events_[*cancel_].text};
}

CallAnswer Replay::call(const Command &command) {
    const Recorded *known = recorded(next_);
    if (is_cancelable(command.kind) && canceled_before(known != nullptr ? std::optional(known->event) : std::nullopt))
        return deliver_cancel(); // before the command was issued: it has no number
    if (known == nullptr)
        return {CallAnswer::Kind::fresh};
    check(command, events_[known->event]);
    if (only_begins(command.kind)) {
        ++next_;
        return {CallAnswer::Kind::result};
    }
    return answer(commands_[next_ - 1]);
}

void Replay::record(ExecutionEvent event) {
    event.command = next_;
    add(std::move(event));
}

// What ended a command: its own event, its timer, or a signal, whichever came first.
std::optional<std::size_t> Replay::end_of(const Recorded &known, Signals **signals) {
    const ExecutionEvent &event = events_[known.event];
    const CommandKind kind = kind_of(event);
    if (ends_itself(kind))
        return known.event;
    if (kind == CommandKind::wait_signal) {
        const auto it = signals_.find(event.name);
        if (it != signals_.end() && it->second.taken < it->second.events.size()) {
            const std::size_t signal = it->second.events[it->second.taken];
            if (!known.fired || signal < *known.fired) {
                *signals = &it->second;
                return signal;
            }
        }
    }
    return known.fired;
}

CallAnswer Replay::answer(Recorded &known) {
    ++next_;
    Signals *signals = nullptr;
    const std::optional<std::size_t> end = end_of(known, &signals);
    if (is_cancelable(kind_of(events_[known.event])) && canceled_before(end)) {
        known.over = true;
        return deliver_cancel();
    }
    if (!end)
        return {CallAnswer::Kind::pending};
    known.over = true;
    const ExecutionEvent &event = events_[*end];
    now_ = std::max(now_, event.time);
    if (signals != nullptr)
        ++signals->taken;
    return {is_failure(event.type) ? CallAnswer::Kind::failure : CallAnswer::Kind::result, event.payload};
}

Replay::Recorded &Replay::issued(std::uint32_t command) {
    if (command == 0 || command >= next_ || !only_begins(kind_of(events_[commands_[command - 1].event])))
        throw Nondeterminism(fmt::format("{} is not the number of a timer or a child that was started", command));
    return commands_[command - 1];
}

// What is awaited goes on when the await is canceled.
CallAnswer Replay::await(std::uint32_t command) {
    const Recorded &known = issued(command);
    if (canceled_before(known.fired))
        return deliver_cancel();
    if (!known.fired)
        return {CallAnswer::Kind::pending};
    const ExecutionEvent &event = events_[*known.fired];
    now_ = std::max(now_, event.time);
    return {is_failure(event.type) ? CallAnswer::Kind::failure : CallAnswer::Kind::result, event.payload};
}

std::optional<std::uint32_t> Replay::await_any(std::span<const std::uint32_t> commands, CallAnswer &answer) {
    std::optional<std::uint32_t> first;
    for (const std::uint32_t command : commands) {
        const std::optional<std::size_t> &end = issued(command).fired;
        if (end && (!first || *end < *issued(*first).fired))
            first = command;
    }
    const std::optional<std::size_t> end = first ? issued(*first).fired : std::nullopt;
    if (canceled_before(end)) {
        answer = deliver_cancel();
        return std::nullopt;
    }
    if (!end) {
        answer = {CallAnswer::Kind::pending};
        return std::nullopt;
    }
    now_ = std::max(now_, events_[*end].time);
    return first;
}

std::int32_t Replay::version(const std::string &change, std::int32_t oldest, std::int32_t newest, bool &fresh) {
    fresh = false;
    const auto it = versions_.find(change);
    if (it == versions_.end()) {
        if (recorded(next_) != nullptr) // a body of before the change has been past this point
            return oldest <= -1
                       ? -1
                       : throw Nondeterminism(fmt::format(
                             "change \"{}\" is not in the history, and version -1 is no longer supported", change));
        fresh = true;
        return newest;
    }
    std::int32_t version = -1;
    const std::string &stored = events_[it->second].payload;
    std::from_chars(stored.data(), stored.data() + stored.size(), version);
    if (version < oldest || version > newest)
        throw Nondeterminism(fmt::format("change \"{}\" has version {} in the history, the body supports {} to {}",
                                         change, version, oldest, newest));
    return version;
}

void Replay::check_end() const {
    if (const Recorded *known = recorded(next_)) {
        const ExecutionEvent &event = events_[known->event];
        throw Nondeterminism(fmt::format("the body has come to its end, the history goes on with command {}, {}", next_,
                                         words_of(kind_of(event), event.name)));
    }
}

std::uint64_t Replay::random() {
    const std::string_view seed(reinterpret_cast<const char *>(id_.bytes.data()), id_.bytes.size());
    return hash64(seed, fmt::format("{}", ++randoms_));
}

bool Replay::knows_request(const std::string &request_id) const { return requests_.contains(request_id); }

bool Replay::timer_is_pending(std::uint32_t command) const {
    const Recorded *known = command != 0 ? recorded(command) : nullptr;
    return known != nullptr && !known->over && !known->fired && events_[known->event].due.has_value();
}

std::vector<const ExecutionEvent *> Replay::untaken_signals() const {
    std::vector<std::size_t> positions;
    for (const auto &[name, signals] : signals_)
        positions.insert(positions.end(), signals.events.begin() + static_cast<std::ptrdiff_t>(signals.taken),
                         signals.events.end());
    std::sort(positions.begin(), positions.end());
    std::vector<const ExecutionEvent *> untaken;
    untaken.reserve(positions.size());
    for (const std::size_t position : positions)
        untaken.push_back(&events_[position]);
    return untaken;
}

std::vector<OpenChild> Replay::open_children() const {
    std::vector<OpenChild> children;
    for (const Recorded &known : commands_) {
        const ExecutionEvent &event = events_[known.event];
        if (event.type == Type::child_started && !known.fired)
            children.push_back({event.text, event.payload});
    }
    return children;
}

std::vector<PendingTimer> Replay::pending_timers() const {
    std::vector<PendingTimer> timers;
    for (std::uint32_t command = 1; command <= commands_.size(); ++command) {
        if (timer_is_pending(command))
            timers.push_back({command, *events_[recorded(command)->event].due});
    }
    return timers;
}

} // namespace hc::core
