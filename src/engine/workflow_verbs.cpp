// See workflow_verbs.hpp. Runs in callers' backends.
#include "engine/workflow_verbs.hpp"

#include "core/error.hpp"
#include "core/workflow_options.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_attributes.hpp"
#include "engine/workflow_executions.hpp"
#include "engine/workflow_types.hpp"
#include "pg/guc.hpp"
#include "store/workflow_executions.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;
using core::SignalResult;
using core::WorkflowId;
using OptionalText = std::optional<std::string>;

constexpr int kMaxRounds = 100;
constexpr std::size_t kMaxReason = 1000;
constexpr std::size_t kMaxRequestId = 200;

// Ends one that is open, whoever is moving it just now; false: it is closed by then.
bool terminate(const WorkflowId &id, const std::string &reason) {
    std::optional<store::ClosingRow> locked = store::lock_execution_for_close(id, store::LockWait::wait);
    if (!locked) {
        return false;
    }
    const pg::fresh_reads_scope afresh; // of what a turn has written that was waited for
    const std::optional<store::ExecutionRow> row = store::lock_execution(id, store::LockWait::wait);
    const core::Replay replay(id, core::decode_execution(store::read_chunks(id) + row->history.data));
    close_execution(*row, std::move(*locked), replay,
                    {.type = ExecutionEventType::workflow_execution_terminated, .text = reason},
                    replay.events().back().time, store::LockWait::wait);
    return true;
}

} // namespace

WorkflowId start_workflow(const WorkflowStart &request, Oid user) {
    check_tenant_of(user, request.tenant);
    if (request.workflow_id) {
        check_name(*request.workflow_id, "workflow id");
    }
    const bool with_signal = request.signal.has_value();
    std::string options_json = request.options_json;
    const core::ExecutionAttributes attributes = take_start_attributes(options_json);
    const core::WorkflowStartOptions options = core::parse_workflow_start_options(options_json, with_signal);
    const WorkflowType &type = current_workflow_type(request.type);
    store::ExecutionRow row;
    row.id = new_execution_id(request.tenant, request.workflow_id);
    row.type_id = type.id;
    row.tenant = request.tenant;
    row.workflow_id = request.workflow_id;
    IdCourse course{core::StartCourse::start, {}, {}};
    std::int32_t signaled_type = type.id;
    for (int round = 0; request.workflow_id; ++round) {
        course = take_workflow_id(request.tenant, *request.workflow_id, options, row.id);
        if (!with_signal || course.course != core::StartCourse::use_existing ||
            course.status != core::ExecutionStatus::running) {
            break;
        }
        if (const auto open = store::share_execution(course.existing, store::LockWait::wait)) {
            signaled_type = open->type_id;
            break;
        }
        if (round == kMaxRounds) { // each has ended just before it could be signaled
            throw Error("40001", "could not reach the workflow execution", {},
                        "The transaction might succeed if retried.");
        }
    }
    if (course.course == core::StartCourse::refuse_open || course.course == core::StartCourse::refuse_closed) {
        const core::WorkflowFailure refusal = refusal_of(*request.workflow_id, course);
        throw Error(sqlstate::already_started, refusal.message, refusal.detail, refusal.hint);
    }
    if (course.course == core::StartCourse::use_existing) {
        row.id = course.existing;
    } else {
        if (course.course == core::StartCourse::terminate_existing) {
            terminate(course.existing, "replaced by a new execution of its workflow id");
        }
        core::ExecutionChain chain;
        chain.run_timeout = options.run_timeout;
        chain.execution_timeout = options.execution_timeout;
        chain.retry = options.retry;
        begin_execution(row, request.input, options.start_delay, std::move(chain), attributes);
    }
    const bool open =
        course.course != core::StartCourse::use_existing || course.status == core::ExecutionStatus::running;
    if (with_signal && open) {
        bring(row.id, signaled_type, store::Kind::signal,
              signal_detail(request.signal->name, request.signal->payload_json, options.signal_request_id));
    }
    return row.id;
}

WorkflowId signal_with_start(const WorkflowStart &request, Oid user) {
    if (!request.workflow_id) {
        throw Error(sqlstate::null_not_allowed, "argument \"workflow_id\" must not be null");
    }
    check_name(request.signal->name, "signal");
    return start_workflow(request, user);
}

SignalResult signal_workflow(const WorkflowSignal &signal, Oid user) {
    check_name(signal.name, "signal");
    if (signal.request_id && (signal.request_id->empty() || signal.request_id->size() > kMaxRequestId)) {
        throw Error(sqlstate::invalid_parameter, "invalid request id",
                    fmt::format("It must have 1 to {} bytes.", kMaxRequestId));
    }
    const std::string detail = signal_detail(signal.name, signal.payload_json, signal.request_id.value_or(""));
    const bool open = bring_as(user, signal.id, store::Kind::signal, detail);
    return open ? SignalResult::buffered : SignalResult::closed;
}

SignalResult cancel_workflow(const WorkflowId &id, const OptionalText &reason, Oid user) {
    const std::string text(core::cut_utf8(reason.value_or(""), kMaxReason));
    const bool open = bring_as(user, id, store::Kind::cancel, cancel_detail(text));
    return open ? SignalResult::buffered : SignalResult::closed;
}

SignalResult terminate_workflow(const WorkflowId &id, const OptionalText &reason, Oid user) {
    if (const std::optional<store::BriefRow> row = store::find_execution(id)) {
        if (!definitions().tenant_allowed(user, row->tenant)) {
            throw_unknown_execution(id);
        }
        if (terminate(id, std::string(core::cut_utf8(reason.value_or(""), kMaxReason)))) {
            return SignalResult::applied;
        }
    }
    const std::optional<store::ClosedBriefRow> closed = store::find_closed_execution(id);
    if (!closed || !definitions().tenant_allowed(user, closed->tenant)) {
        throw_unknown_execution(id);
    }
    return SignalResult::closed;
}

// ---- ask ----

namespace {

using Json = nlohmann::ordered_json;

Json or_null(const OptionalText &text) { return text ? Json(*text) : Json(nullptr); }

std::string word_of(std::int16_t kind) {
    switch (static_cast<store::Kind>(kind)) {
    case store::Kind::turn:
        return "turn";
    case store::Kind::run_timeout:
        return "run_timeout";
    case store::Kind::function_timer:
        return "timer";
    case store::Kind::signal:
        return "signal";
    case store::Kind::cancel:
        return "cancel";
    case store::Kind::child_closed:
        return "child_closed";
    case store::Kind::terminate:
        return "terminate";
    case store::Kind::activity_closed:
        return "activity_closed";
    case store::Kind::look_again:
        return "look_again";
    case store::Kind::update:
        return "update";
    default:
        return "";
    }
}

// The runs around it, where there are any.
void add_chain(Json &status, const std::vector<ExecutionEvent> &events) {
    const core::ExecutionChain chain = core::chain_of(events.front());
    if (!chain.first_execution_id.empty()) {
        status["attempt"] = chain.attempt;
        status["first_execution_id"] = chain.first_execution_id;
    }
    if (chain.expires) {
        status["expires_at"] = core::format_iso8601(*chain.expires);
    }
    if (core::has_next_run(events.back())) {
        status["next_execution_id"] = events.back().text;
    }
}

// What it waits for, and how its code failed last.
void add_tasks(Json &status, const WorkflowId &id) {
    Json waiting = Json::array();
    status["failed_turns"] = 0;
    status["last_failure"] = nullptr;
    for (const store::ExecutionTaskRow &task : store::all_execution_tasks(id)) {
        waiting.push_back({{"for", word_of(task.kind)}, {"due", core::format_iso8601(task.due)}});
        if (task.tries != 0) {
            status["failed_turns"] = task.tries;
            status["last_failure"] = or_null(task.last_error);
        }
    }
    status["waiting"] = std::move(waiting);
}

} // namespace

std::string workflow_status(const WorkflowId &id, Oid user) {
    const FoundExecution found = find_execution(id, user);
    const WorkflowType &type = workflow_type(found.type_id);
    const ExecutionEvent &last = found.events.back();
    const bool requested = std::any_of(found.events.begin(), found.events.end(), [](const ExecutionEvent &e) {
        return e.type == ExecutionEventType::cancel_requested;
    });
    const bool paused = !found.closed_at && core::Replay(id, found.events).is_paused();
    Json status{{"execution_id", core::to_string(id)},
                {"workflow_type", type.name},
                {"version", type.version},
                {"workflow_id", or_null(found.workflow_id)},
                {"tenant", or_null(found.tenant)},
                {"status", paused ? "Paused" : core::to_string(core::status_after(last.type))},
                {"events", found.events.size()},
                {"started_at", core::format_iso8601(found.events.front().time)},
                {"closed_at", found.closed_at ? Json(core::format_iso8601(*found.closed_at)) : Json(nullptr)},
                {"cancel_requested", requested}};
    add_chain(status, found.events);
    if (!found.closed_at) {
        add_tasks(status, id);
    }
    std::string text = status.dump(-1, ' ', false, Json::error_handler_t::replace);
    const core::ExecutionAttributes attributes = core::attributes_after(found.events);
    for (const auto &[word, fields] :
         {std::pair("search_attributes", &attributes.search), {"memo", &attributes.memo}}) {
        if (!fields->empty()) {
            text.insert(text.size() - 1, fmt::format(", \"{}\": {}", word, core::join_json_object(*fields)));
        }
    }
    if (!last.payload.empty() && core::is_close(last.type)) { // as it is: jsonb has more digits than a double
        text.insert(text.size() - 1,
                    fmt::format(", \"{}\": {}",
                                last.type == ExecutionEventType::workflow_execution_failed       ? "failure"
                                : last.type == ExecutionEventType::workflow_execution_terminated ? "reset"
                                                                                                 : "result",
                                last.payload));
    }
    return text;
}

std::vector<ExecutionEvent> workflow_history(const WorkflowId &id, Oid user) { return find_execution(id, user).events; }

} // namespace hc::engine
