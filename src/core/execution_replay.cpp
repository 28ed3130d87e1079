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
    if (event.kind == CommandKind::cancel)
        return CommandKind::cancel;
    switch (event.type) {
    case Type::step_completed:
    case Type::step_failed:
        return CommandKind::step;
    case Type::marker_recorded:
        return event.kind == CommandKind::set_query_result ? CommandKind::none : event.kind;
    case Type::timer_started:
        return event.kind == CommandKind::timer ? CommandKind::timer : CommandKind::sleep;
    case Type::child_started:
        return CommandKind::child;
    case Type::activity_scheduled:
        return CommandKind::activity;
    case Type::signal_awaited:
        return CommandKind::wait_signal;
    case Type::condition_awaited:
        return CommandKind::wait_until;
    case Type::update_completed:
        return CommandKind::complete_update;
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
           kind == CommandKind::version || kind == CommandKind::cancel || kind == CommandKind::complete_update ||
           kind == CommandKind::set_attributes || kind == CommandKind::set_memo;
}

// Whether a command only begins something: the body goes on, and awaits it where it likes.
bool only_begins(CommandKind kind) {
    return kind == CommandKind::timer || kind == CommandKind::child || kind == CommandKind::activity;
}

bool is_failure(Type type) {
    switch (type) {
    case Type::step_failed:
    case Type::child_start_failed:
    case Type::child_failed:
    case Type::activity_failed:
    case Type::activity_timed_out:
    case Type::activity_canceled:
    case Type::timer_canceled:
        return true;
    default:
        return false;
    }
}

// What the await of a timer raises that the function has canceled.
constexpr std::string_view kTimerCanceled = R"({"sqlstate": "WF020", "message": "timer was canceled"})";

std::string_view payload_of(const ExecutionEvent &end) {
    return end.type == Type::timer_canceled ? kTimerCanceled : std::string_view(end.payload);
}

std::uint32_t number_in(const std::string &text) {
    std::uint32_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// Whether a cancel request is delivered to it: the others are over at once, whatever has been requested.
bool is_cancelable(CommandKind kind) {
    return kind == CommandKind::step || kind == CommandKind::sleep || kind == CommandKind::wait_signal ||
           kind == CommandKind::timer || kind == CommandKind::child || kind == CommandKind::activity ||
           kind == CommandKind::wait_until || kind == CommandKind::wait_update;
}

} // namespace

std::string words_of(CommandKind kind, const std::string &name) {
    return name.empty() ? std::string(to_string(kind)) : fmt::format("{} \"{}\"", to_string(kind), name);
}

bool ends_command(ExecutionEventType type) {
    switch (type) {
    case ExecutionEventType::timer_fired:
    case ExecutionEventType::child_start_failed:
    case ExecutionEventType::child_completed:
    case ExecutionEventType::child_failed:
    case ExecutionEventType::activity_completed:
    case ExecutionEventType::activity_failed:
    case ExecutionEventType::activity_timed_out:
    case ExecutionEventType::activity_canceled:
    case ExecutionEventType::condition_met:
    case ExecutionEventType::update_accepted:
        return true;
    default:
        return false;
    }
}

std::size_t bytes_of(const ExecutionEvent &event) {
    constexpr std::size_t kFixed = 10; // type, time, mask, numbers
    return kFixed + event.name.size() + event.payload.size() + event.text.size();
}

Replay::Replay(const WorkflowId &id, std::vector<ExecutionEvent> events)
    : id_(id), events_(std::move(events)), stored_(events_.size()) {
    for (std::size_t i = 0; i < events_.size(); ++i)
        note(i);
    stored_use_ = use_;
    restart();
}

void Replay::restart() {
    next_ = 1;
    pending_update_ = 0;
    open_updates_.clear();
    cancel_delivered_ = false;
    shielded_ = false;
    now_ = events_.empty() ? Time{} : events_.front().time;
    seen_ = events_.empty() ? 0 : 1;
    randoms_ = 0;
    for (auto &[name, signals] : signals_)
        signals.taken = 0;
    for (Recorded &known : commands_)
        known.over = ends_itself(kind_of(events_[known.event]));
}

void Replay::see(std::size_t position) {
    now_ = std::max(now_, events_[position].time);
    seen_ = std::max(seen_, position + 1);
}

ExecutionUse Replay::seen() const {
    ExecutionUse seen{.events = seen_};
    for (std::size_t i = 0; i < seen_; ++i) {
        seen.bytes += bytes_of(events_[i]);
        seen.updates += events_[i].type == Type::update_accepted ? 1 : 0;
    }
    return seen;
}

std::size_t *Replay::open_ones(Type begin) {
    if (begin == Type::activity_scheduled)
        return &use_.activities;
    return begin == Type::child_started ? &use_.children : nullptr;
}

void Replay::note(std::size_t position) {
    const ExecutionEvent &event = events_[position];
    ++use_.events;
    use_.bytes += bytes_of(event);
    use_.largest = std::max(use_.largest, event.payload.size());
    use_.updates += event.type == Type::update_accepted ? 1 : 0;
    const CommandKind kind = kind_of(event);
    if (kind == CommandKind::version) {
        versions_.try_emplace(event.name, position);
    } else if (kind != CommandKind::none) {
        if (event.command != commands_.size() + 1)
            throw Error(sqlstate::corrupt_state, "workflow history is inconsistent",
                        fmt::format("Event {} records command {} after command {}.", position + 1, event.command,
                                    commands_.size()));
        commands_.push_back({position, std::nullopt, ends_itself(kind), false});
        if (std::size_t *open = open_ones(event.type))
            ++*open;
        if (event.type == Type::timer_canceled)
            end_command(number_in(event.payload), position);
        has_conditions_ = has_conditions_ || kind == CommandKind::wait_until;
    } else if (ends_command(event.type)) {
        if (event.type != Type::update_accepted || event.command != 0) // a program outside takes it without a wait
            end_command(event.command, position);
    } else if (event.type == Type::signal_received) {
        signals_[event.name].events.push_back(position);
        if (!event.text.empty())
            requests_.try_emplace(event.text, position);
    } else if (event.type == Type::cancel_requested && !cancel_) {
        cancel_ = position;
    } else if (event.type == Type::workflow_execution_paused || event.type == Type::workflow_execution_unpaused) {
        paused_ = event.type == Type::workflow_execution_paused;
    } else if (event.type == Type::workflow_execution_options_updated && !event.text.empty()) {
        note_reset(event);
    } else if (event.type == Type::activity_rescheduled && event.command != 0 && recorded(event.command) != nullptr) {
        commands_[event.command - 1].lost = false;
    }
}

void Replay::note_reset(const ExecutionEvent &event) {
    paused_ = false; // it is not taken along
    if (const std::optional<WorkflowId> origin = parse_workflow_id(event.text))
        seeds_.push_back({commands_.size(), *origin});
    for (Recorded &known : commands_)
        known.lost = known.lost || (events_[known.event].type == Type::activity_scheduled && !known.fired);
}

// What ended it first counts.
void Replay::end_command(std::uint32_t command, std::size_t position) {
    if (command == 0 || command > commands_.size())
        throw Error(sqlstate::corrupt_state, "workflow history is inconsistent",
                    fmt::format("Event {} ends command {}, which there is not.", position + 1, command));
    Recorded &known = commands_[command - 1];
    if (known.fired)
        return;
    known.fired = position;
    if (std::size_t *open = open_ones(events_[known.event].type))
        --*open;
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
    return cancel_ && !cancel_delivered_ && !shielded_ && (!position || *cancel_ < *position);
}

CallAnswer Replay::deliver_cancel() {
    cancel_delivered_ = true;
    see(*cancel_);
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

CallAnswer Replay::call_again(const Command &command) {
    --next_;
    return call(command);
}

void Replay::record(ExecutionEvent event) {
    event.command = next_;
    add(std::move(event));
}

void Replay::append(ExecutionEvent event) {
    event.command = static_cast<std::uint32_t>(commands_.size() + 1);
    add(std::move(event));
    next_ = static_cast<std::uint32_t>(commands_.size() + 1);
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
    if (!end) {
        pending_update_ = kind_of(events_[known.event]) == CommandKind::wait_update ? next_ - 1 : 0;
        return {CallAnswer::Kind::pending};
    }
    known.over = true;
    const ExecutionEvent &event = events_[*end];
    see(*end);
    if (event.type == Type::update_accepted)
        open_updates_.insert(event.text);
    else if (event.type == Type::update_completed)
        open_updates_.erase(event.text);
    if (signals != nullptr)
        ++signals->taken;
    // the event of a cancel is the end of what is canceled; the cancel itself has succeeded
    return {event.kind != CommandKind::cancel && is_failure(event.type) ? CallAnswer::Kind::failure
                                                                        : CallAnswer::Kind::result,
            event.payload};
}

Replay::Recorded &Replay::issued(std::uint32_t command) {
    if (command == 0 || command >= next_ || !only_begins(kind_of(events_[commands_[command - 1].event])))
        throw Nondeterminism(fmt::format("{} is not the handle of anything that was started", command));
    return commands_[command - 1];
}

// What is awaited goes on when the await is canceled; an activity may want to be waited for all the same.
CallAnswer Replay::await(std::uint32_t command) {
    const Recorded &known = issued(command);
    const ExecutionEvent &begin = events_[known.event];
    const bool waits = begin.type == Type::activity_scheduled && begin.text == kWaitCancellation;
    if (!waits && canceled_before(known.fired))
        return deliver_cancel();
    if (!known.fired)
        return {CallAnswer::Kind::pending};
    const ExecutionEvent &event = events_[*known.fired];
    see(*known.fired);
    return {is_failure(event.type) ? CallAnswer::Kind::failure : CallAnswer::Kind::result, payload_of(event)};
}

const ExecutionEvent &Replay::begin_of(std::uint32_t command) { return events_[issued(command).event]; }

bool Replay::is_open(std::uint32_t command) const {
    return command != 0 && command <= commands_.size() && !commands_[command - 1].fired;
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
    see(*end);
    return first;
}

std::int32_t Replay::version(const std::string &change, std::int32_t oldest, std::int32_t newest, bool &fresh) {
    fresh = false;
    const auto it = versions_.find(change);
    if (it == versions_.end()) {
        if (recorded(next_) != nullptr || was_ended_by_body()) // a body of before the change has been past this point
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

std::optional<RecordedCommand> Replay::next_recorded() const {
    const Recorded *known = recorded(next_);
    if (known == nullptr)
        return std::nullopt;
    const ExecutionEvent &event = events_[known->event];
    return RecordedCommand{next_, known->event + 1, words_of(kind_of(event), event.name)};
}

void Replay::check_end() const {
    if (const std::optional<RecordedCommand> next = next_recorded())
        throw Nondeterminism(fmt::format("the body has come to its end, the history goes on with command {}, {}",
                                         next->command, next->words));
}

bool Replay::was_ended_by_body() const {
    if (events_.empty())
        return false;
    const Type last = events_.back().type;
    return last == Type::workflow_execution_completed || last == Type::workflow_execution_failed ||
           last == Type::workflow_execution_canceled || last == Type::workflow_execution_continued_as_new;
}

// Of an execution that was reset, what was drawn before its point is as it was in the one whose history it has.
std::uint64_t Replay::random() {
    const WorkflowId *id = &id_;
    for (auto seed = seeds_.rbegin(); seed != seeds_.rend(); ++seed)
        id = next_ - 1 < seed->commands ? &seed->id : id;
    const std::string_view bytes(reinterpret_cast<const char *>(id->bytes.data()), id->bytes.size());
    return hash64(bytes, fmt::format("{}", ++randoms_));
}

std::optional<std::string> Replay::undelivered_cancel() const {
    return cancel_ && !cancel_delivered_ ? std::optional(events_[*cancel_].text) : std::nullopt;
}

void Replay::follow_history() {
    restart();
    for (Recorded &known : commands_) {
        Signals *signals = nullptr;
        known.over = end_of(known, &signals).has_value();
        if (signals != nullptr)
            ++signals->taken;
    }
}

bool Replay::knows_request(const std::string &request_id) const { return requests_.contains(request_id); }

bool Replay::timer_is_pending(std::uint32_t command) const {
    const Recorded *known = command != 0 ? recorded(command) : nullptr;
    return known != nullptr && !known->over && !known->fired && events_[known->event].due.has_value();
}

const ExecutionEvent *Replay::pending_update() const {
    const Recorded *known = pending_update_ != 0 ? recorded(pending_update_) : nullptr;
    return known != nullptr && !known->fired ? &events_[known->event] : nullptr;
}

const ExecutionEvent *Replay::accepted_by(std::uint32_t command) const {
    const Recorded *known = command != 0 ? recorded(command) : nullptr;
    const bool accepted = known != nullptr && known->fired && events_[*known->fired].type == Type::update_accepted;
    return accepted ? &events_[*known->fired] : nullptr;
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

bool Replay::has_open_activities() const {
    return std::any_of(commands_.begin(), commands_.end(), [this](const Recorded &known) {
        return events_[known.event].type == Type::activity_scheduled && !known.fired;
    });
}

std::optional<std::uint32_t> Replay::pending_condition() const {
    if (commands_.empty() || kind_of(events_[commands_.back().event]) != CommandKind::wait_until ||
        commands_.back().over || commands_.back().fired)
        return std::nullopt;
    return static_cast<std::uint32_t>(commands_.size());
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
