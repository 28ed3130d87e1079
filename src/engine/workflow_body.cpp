// See workflow_body.hpp. Runs in executors, and in the backend of who queries. Touches no table but by fetch().
#include "engine/workflow_body.hpp"

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/workflow_commands.hpp"
#include "engine/workflow_body_checks.hpp"
#include "pg/guc.hpp"
#include "pg/random.hpp"
#include "pg/user_turn.hpp"

#include <fmt/format.h>

#include <array>

namespace hc::engine {

namespace {

using core::CallAnswer;
using core::Command;
using core::CommandKind;
using core::ExecutionEvent;
using core::ExecutionEventType;

constexpr std::size_t kMaxFetchedRows = 1000;
constexpr std::size_t kRememberedBytes = 4096;

WorkflowBody *g_running = nullptr;

} // namespace

// The binary form is one for equal documents, and is not made into text at each replay. It is that of the machine's
// byte order: an open execution cannot go on on a machine of the other one.
std::uint64_t hash_of_step(pg::jsonb_view arguments) {
    // Each pass of a turn asks anew, nearly always for what the passes before it asked for.
    struct Known {
        std::string bytes;
        std::uint64_t hash = 0;
    };
    static std::array<Known, 16> last;
    static std::size_t next = 0;
    const std::string_view bytes = pg::jsonb_bytes(arguments);
    for (const Known &known : last) {
        if (known.bytes == bytes) {
            return known.hash;
        }
    }
    const std::uint64_t hash = core::hash64("step", bytes);
    if (bytes.size() <= kRememberedBytes) {
        last[next] = {std::string(bytes), hash};
        next = (next + 1) % last.size();
    }
    return hash;
}

void check_size(const std::string &payload, const char *what) {
    core::check_payload(payload, what, pg::guc::max_message_bytes());
}

WorkflowBody &running_body() {
    if (g_running == nullptr) {
        throw Error(sqlstate::not_prerequisite, "no workflow function is running here", {},
                    "Call this in a function that is registered with hermes.register_workflow and started with "
                    "hermes.start_workflow, and not in the statement of a step.");
    }
    return *g_running;
}

RunningBody::RunningBody(WorkflowBody &body) noexcept : outer_(std::exchange(g_running, &body)) {}
RunningBody::~RunningBody() { g_running = outer_; }

void WorkflowBody::restart() {
    replay_.restart();
    suspended_ = false;
    asked_for_more_ = false;
    last_ = {};
    swallowed_ = 0;
    step_.reset();
    next_input_.reset();
    watched_.clear();
    compensations_.clear();
    raised_.reset();
    nondeterminism_.clear();
    wrong_command_.reset();
    query_results_.clear();
}

// Code that caught the error could go on, and would do so differently once there is room: the turn fails.
template <class Check>
void WorkflowBody::may(Check check) {
    try {
        check(replay_.use());
    } catch (const Error &e) {
        wrong(e);
    }
}

void WorkflowBody::may_record() {
    if (for_query_) {
        asked_for_more_ = true;
        suspend();
    }
    may(core::check_history_room);
}

void WorkflowBody::may_begin(ExecutionEventType begins) {
    may_record();
    may([begins](const core::ExecutionUse &use) { core::check_may_begin(use, begins); });
}

// Of code that catches every error, asserts are caught by the fewest.
void WorkflowBody::enter() {
    if (!suspended_) {
        return;
    }
    if (++swallowed_ >= kMostSwallowed) {
        throw Error("P0004", "workflow function does not let itself be suspended", {},
                    "Its handlers catch query_canceled, or every error, and go on. Let it pass.");
    }
    suspend();
}

Error WorkflowBody::suspension() {
    return {sqlstate::query_canceled,
            kWaits,
            {},
            "This is how a workflow function is suspended. A handler must let it pass."};
}

void WorkflowBody::suspend() {
    suspended_ = true;
    throw suspension();
}

CallAnswer WorkflowBody::call(const Command &command) {
    enter();
    last_ = command;
    try {
        return replay_.call(command);
    } catch (const core::Nondeterminism &e) {
        diverged(e);
    }
}

void WorkflowBody::diverged(const core::Nondeterminism &e) {
    nondeterminism_ = e.what();
    suspended_ = true; // nothing that it does from here on counts
    throw Error(sqlstate::nondeterminism, "workflow function does not follow its history",
                fmt::format("{}.", e.what()));
}

WorkflowBody::Value WorkflowBody::finish(const CallAnswer &answer) {
    switch (answer.kind) {
    case CallAnswer::Kind::result:
        return answer.payload.empty() ? std::nullopt : Value(answer.payload);
    case CallAnswer::Kind::failure: {
        const core::WorkflowFailure failure = core::parse_failure(answer.payload);
        raised_ = failure;
        pg::raise_recorded(failure.sqlstate, failure.message, failure.detail, failure.hint);
    }
    case CallAnswer::Kind::canceled:
        raised_ = core::WorkflowFailure{sqlstate::canceled, "workflow execution was asked to cancel", {}, {}};
        throw Error(sqlstate::canceled, raised_->message, std::string(answer.payload),
                    "What follows in the function is its clean-up.");
    default:
        suspend();
    }
}

WorkflowBody::Value WorkflowBody::step(const std::string &name, const std::string &statement, pg::jsonb_view arguments,
                                       const std::string &options_json) {
    check_command_name(name, "step");
    const core::StepOptions options = core::parse_step_options(options_json);
    const Command command{CommandKind::step, name, hash_of_step(arguments)};
    const CallAnswer answer = call(command);
    if (answer.kind == CallAnswer::Kind::fresh) {
        may_record();
        step_ = StepRequest{name, statement, pg::to_document(arguments), command.hash, options.commit_first};
        suspended_ = true;
        return std::nullopt;
    }
    return finish(answer);
}

WorkflowBody::Value WorkflowBody::fetch(const std::string &query, const std::string &arguments) {
    const Command command{CommandKind::fetch, "", core::hash64(query, arguments)};
    CallAnswer answer = call(command);
    if (answer.kind == CallAnswer::Kind::fresh) {
        may_record();
        std::string rows = pg::fetch_rows(query, arguments, kMaxFetchedRows, pg::guc::max_message_bytes());
        replay_.record({.type = ExecutionEventType::marker_recorded,
                        .time = replay_.now(),
                        .kind = CommandKind::fetch,
                        .hash = command.hash,
                        .payload = std::move(rows)});
        answer = replay_.call(command);
    }
    return finish(answer);
}

WorkflowBody::Value WorkflowBody::side_effect(std::optional<pg::jsonb_view> value) {
    const Command command{CommandKind::side_effect, "", 0};
    CallAnswer answer = call(command);
    if (answer.kind == CallAnswer::Kind::fresh) {
        may_record();
        std::string text = value ? pg::to_text(pg::to_document(*value)) : "null";
        check_size(text, "value");
        replay_.record({.type = ExecutionEventType::marker_recorded,
                        .time = replay_.now(),
                        .kind = CommandKind::side_effect,
                        .payload = std::move(text)});
        answer = replay_.call(command);
    }
    return finish(answer);
}

WorkflowBody::Value WorkflowBody::wait(const Command &command, ExecutionEvent event) {
    CallAnswer answer = call(command);
    if (answer.kind == CallAnswer::Kind::fresh) {
        may_record();
        replay_.record(std::move(event));
        answer = replay_.call(command);
    }
    return finish(answer);
}

// Its length is no part of what is compared: it may come from a clock or a table.
void WorkflowBody::sleep(core::Duration duration) {
    const core::Time now = pg::now();
    wait({CommandKind::sleep, "", 0},
         {.type = ExecutionEventType::timer_started, .time = now, .due = now + checked_wait(duration, "duration")});
}

WorkflowBody::Value WorkflowBody::wait_signal(const std::string &name, std::optional<core::Duration> timeout) {
    check_command_name(name, "signal");
    ExecutionEvent event{.type = ExecutionEventType::signal_awaited, .time = pg::now(), .name = name};
    if (timeout) {
        event.due = event.time + checked_wait(*timeout, "timeout");
    }
    return wait({CommandKind::wait_signal, name, 0}, std::move(event));
}

std::int32_t WorkflowBody::version(const std::string &change, std::int32_t oldest, std::int32_t newest) {
    enter();
    check_command_name(change, "change");
    last_ = {CommandKind::version, change, 0};
    if (oldest > newest || oldest < -1) {
        throw Error(sqlstate::invalid_parameter, "invalid versions of a change",
                    "oldest must be -1 or more, and at most newest.");
    }
    try {
        bool fresh = false;
        const std::int32_t version = replay_.version(change, oldest, newest, fresh);
        if (fresh) {
            may_record();
            replay_.add({.type = ExecutionEventType::marker_recorded,
                         .time = replay_.now(),
                         .kind = CommandKind::version,
                         .name = change,
                         .payload = fmt::to_string(version)});
        }
        return version;
    } catch (const core::Nondeterminism &e) {
        diverged(e);
    }
}

void WorkflowBody::continue_as_new(const std::string &input) {
    enter();
    check_size(input, "input");
    try {
        replay_.check_end();
    } catch (const core::Nondeterminism &e) {
        diverged(e);
    }
    next_input_ = input;
    suspend();
}

void WorkflowBody::set_query_result(const std::string &name, Value value) {
    enter();
    check_command_name(name, "query");
    query_results_[name] = std::move(value);
}

core::Time WorkflowBody::now() {
    enter();
    return replay_.now();
}

std::string WorkflowBody::info() {
    enter();
    const core::ExecutionUse seen = replay_.seen();
    return fmt::format("{{\"events\": {}, \"bytes\": {}, \"attempt\": {}, \"continue_as_new_suggested\": {}}}",
                       seen.events, seen.bytes, core::chain_of(replay_.events().front()).attempt, seen.suggests_next());
}

std::uint64_t WorkflowBody::random() {
    enter();
    return replay_.random();
}

bool WorkflowBody::raised(const std::string &sqlstate, const std::string &message) const {
    return raised_ && raised_->sqlstate == sqlstate && raised_->message == message;
}

WorkflowBody::Value WorkflowBody::query_result(const std::string &name) const {
    const auto it = query_results_.find(name);
    return it != query_results_.end() ? it->second : std::nullopt;
}

} // namespace hc::engine
