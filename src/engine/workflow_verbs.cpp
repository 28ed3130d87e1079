// See workflow_verbs.hpp. Runs in callers' backends.
#include "engine/workflow_verbs.hpp"

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/executor_queue.hpp"
#include "core/workflow_options.hpp"
#include "engine/definitions.hpp"
#include "engine/signal.hpp"
#include "engine/workflow_types.hpp"
#include "pg/guc.hpp"
#include "pg/random.hpp"
#include "pg/wake.hpp"
#include "store/workflow_executions.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;
using core::ExecutionStatus;
using core::SignalResult;
using core::WorkflowId;
using OptionalText = std::optional<std::string>;

constexpr int kMaxRounds = 100;
constexpr std::size_t kMaxReason = 1000;
constexpr std::size_t kMaxRequestId = 200;

void check_tenant_of(Oid user, const OptionalText &tenant) {
    if (tenant) {
        check_tenant(*tenant);
    }
    if (!definitions().tenant_allowed(user, tenant)) {
        throw Error(sqlstate::insufficient_privilege, fmt::format("permission denied for tenant \"{}\"", *tenant), {},
                    "An administrator can grant it with hermes.grant_tenant.");
    }
}

WorkflowId hash_of_workflow_id(const OptionalText &tenant, const std::string &workflow_id) {
    const core::Sha256 digest = core::sha256(tenant.value_or("") + '\x1f' + workflow_id);
    WorkflowId hash;
    std::copy_n(digest.begin(), hash.bytes.size(), hash.bytes.begin());
    return hash;
}

ExecutionStatus status_of(const WorkflowId &id) {
    if (store::find_execution(id)) {
        return ExecutionStatus::running;
    }
    const std::optional<store::ClosedBriefRow> closed = store::find_closed_execution(id);
    // one whose history is not kept any more stands in nobody's way
    return closed ? static_cast<ExecutionStatus>(closed->status) : ExecutionStatus::terminated;
}

// Of a caller that may not see it, an id that does not exist.
[[noreturn]] void throw_unknown(const WorkflowId &id) {
    throw Error(sqlstate::cascade_not_found, fmt::format("workflow execution {} does not exist", core::to_string(id)));
}

// Ends one that is open, whoever is moving it just now; false: it is closed by then.
bool terminate(const WorkflowId &id, const std::string &reason) {
    if (!store::lock_execution_for_close(id, store::LockWait::wait)) {
        return false;
    }
    const std::optional<store::ExecutionRow> row = store::lock_execution(id, store::LockWait::wait);
    const std::vector<ExecutionEvent> events = core::decode_execution(store::read_chunks(id) + row->history.data);
    const ExecutionEvent end{.type = ExecutionEventType::workflow_execution_terminated,
                             .time = std::max(pg::now(), events.back().time),
                             .text = reason};
    close_execution(id, row->chunks, events.back().time, {&end, 1});
    return true;
}

// The id of the execution that is to be used instead of a new one; nullopt: start.
std::optional<WorkflowId> resolve_workflow_id(const WorkflowStart &request, const core::WorkflowStartOptions &options,
                                              const WorkflowId &id) {
    const WorkflowId hash = hash_of_workflow_id(request.tenant, *request.workflow_id);
    for (int round = 0; round < kMaxRounds; ++round) {
        if (store::claim_workflow_id(hash, id, options.request_id)) {
            return std::nullopt;
        }
        const std::optional<store::CurrentRow> current = store::lock_workflow_id(hash);
        if (!current) {
            continue; // the one who had it has rolled back
        }
        const core::CurrentExecution execution{status_of(current->execution_id), current->request_id.value_or("")};
        switch (core::course_of_start(options, execution)) {
        case core::StartCourse::use_existing:
            return current->execution_id;
        case core::StartCourse::refuse_open:
        case core::StartCourse::refuse_closed:
            throw Error(sqlstate::already_started,
                        fmt::format("workflow execution \"{}\" is already started", *request.workflow_id),
                        fmt::format("It is execution {}, {}.", core::to_string(current->execution_id),
                                    core::to_string(execution.status)),
                        "See the options conflict_policy and reuse_policy of hermes.start_workflow.");
        case core::StartCourse::terminate_existing:
            terminate(current->execution_id, "replaced by a new execution of its workflow id");
            break;
        case core::StartCourse::start:
            break;
        }
        store::pass_on_workflow_id(hash, id, options.request_id);
        return std::nullopt;
    }
    throw Error("40001", "could not obtain a workflow id", {}, "The transaction might succeed if retried.");
}

std::uint16_t bucket_for(const WorkflowStart &request, std::uint64_t random) {
    return request.workflow_id ? core::bucket_of_key(request.tenant.value_or(""), *request.workflow_id)
                               : static_cast<std::uint16_t>(random % core::kBuckets);
}

} // namespace

WorkflowId start_workflow(const WorkflowStart &request, Oid user) {
    check_tenant_of(user, request.tenant);
    if (request.workflow_id) {
        check_name(*request.workflow_id, "workflow id");
    }
    const core::WorkflowStartOptions options = core::parse_workflow_start_options(request.options_json);
    const WorkflowType &type = current_workflow_type(request.type);
    const core::Time now = pg::now();
    const WorkflowId id = core::make_workflow_id(now, bucket_for(request, pg::random64()), pg::random64());
    if (request.workflow_id) {
        if (const std::optional<WorkflowId> existing = resolve_workflow_id(request, options, id)) {
            return *existing;
        }
    }
    const ExecutionEvent started{
        .type = ExecutionEventType::workflow_execution_started, .time = now, .name = type.name};
    store::insert_execution(id, type.id, request.tenant, request.workflow_id,
                            core::encode_execution({&started, 1}, std::nullopt), request.input);
    const std::int32_t queue = core::executor_queue(type.role_id);
    std::vector<store::Task> tasks{
        {id, store::kTurnNumber, store::Kind::turn, queue, now + options.start_delay, 0, 0, {}}};
    if (const auto timeout = options.run_timeout ? options.run_timeout : type.options.run_timeout) {
        tasks.push_back({id,
                         store::kRunTimeoutNumber,
                         store::Kind::run_timeout,
                         queue,
                         now + options.start_delay + *timeout,
                         0,
                         0,
                         {}});
    }
    store::insert_tasks(tasks);
    return id;
}

namespace {

// Something from outside, as a task that wakes the executor of the execution. It is closed: false.
bool bring(const WorkflowId &id, store::Kind kind, const std::string &detail, Oid user) {
    const std::optional<store::BriefRow> row = store::share_execution(id);
    if (!row) {
        const std::optional<store::ClosedBriefRow> closed = store::find_closed_execution(id);
        if (!closed || !definitions().tenant_allowed(user, closed->tenant)) {
            throw_unknown(id);
        }
        return false;
    }
    if (!definitions().tenant_allowed(user, row->tenant)) {
        throw_unknown(id);
    }
    store::Task task{id, store::next_execution_task_number(), kind, 0, pg::now(), 0, 0, detail};
    task.queue = core::executor_queue(workflow_type(row->type_id).role_id);
    store::insert_tasks({task});
    return true;
}

} // namespace

SignalResult signal_workflow(const WorkflowSignal &signal, Oid user) {
    check_name(signal.name, "signal");
    if (signal.request_id && (signal.request_id->empty() || signal.request_id->size() > kMaxRequestId)) {
        throw Error(sqlstate::invalid_parameter, "invalid request id",
                    fmt::format("It must have 1 to {} bytes.", kMaxRequestId));
    }
    nlohmann::json detail{{"name", signal.name}, {"payload", signal.payload_json}};
    if (signal.request_id) {
        detail["request_id"] = *signal.request_id;
    }
    const bool open = bring(signal.id, store::Kind::signal, detail.dump(), user);
    return open ? SignalResult::buffered : SignalResult::closed;
}

SignalResult cancel_workflow(const WorkflowId &id, const OptionalText &reason, Oid user) {
    const std::string text(core::cut_utf8(reason.value_or(""), kMaxReason));
    const bool open = bring(id, store::Kind::cancel, nlohmann::json{{"reason", text}}.dump(), user);
    return open ? SignalResult::buffered : SignalResult::closed;
}

SignalResult terminate_workflow(const WorkflowId &id, const OptionalText &reason, Oid user) {
    if (const std::optional<store::BriefRow> row = store::find_execution(id)) {
        if (!definitions().tenant_allowed(user, row->tenant)) {
            throw_unknown(id);
        }
        if (terminate(id, std::string(core::cut_utf8(reason.value_or(""), kMaxReason)))) {
            return SignalResult::applied;
        }
    }
    const std::optional<store::ClosedBriefRow> closed = store::find_closed_execution(id);
    if (!closed || !definitions().tenant_allowed(user, closed->tenant)) {
        throw_unknown(id);
    }
    return SignalResult::closed;
}

void close_execution(const WorkflowId &id, std::int32_t chunks, std::optional<core::Time> base,
                     std::span<const ExecutionEvent> events) {
    const ExecutionEvent &end = events.back();
    store::close_execution(id, chunks, core::encode_execution(events, base),
                           static_cast<std::int16_t>(core::status_after(end.type)), end.time);
    store::delete_execution_tasks(id);
}

// ---- ask ----

namespace {

struct Found {
    std::int32_t type_id = 0;
    OptionalText tenant, workflow_id;
    std::optional<core::Time> closed_at;
    std::vector<ExecutionEvent> events;
};

Found find(const WorkflowId &id, Oid user) {
    Found found;
    if (std::optional<store::ExecutionRow> row = store::read_execution(id)) {
        found = {row->type_id, std::move(row->tenant), std::move(row->workflow_id), std::nullopt,
                 core::decode_execution(store::read_chunks(id) + row->history.data)};
    } else if (std::optional<store::ClosedExecutionRow> closed = store::read_closed_execution(id)) {
        found = {closed->type_id, std::move(closed->tenant), std::move(closed->workflow_id), closed->closed_at,
                 core::decode_execution(closed->history.data)};
    } else {
        throw_unknown(id);
    }
    if (!definitions().tenant_allowed(user, found.tenant)) {
        throw_unknown(id);
    }
    return found;
}

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
    default:
        return "";
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
    const Found found = find(id, user);
    const WorkflowType &type = workflow_type(found.type_id);
    const ExecutionEvent &last = found.events.back();
    const bool requested = std::any_of(found.events.begin(), found.events.end(), [](const ExecutionEvent &e) {
        return e.type == ExecutionEventType::cancel_requested;
    });
    Json status{{"execution_id", core::to_string(id)},
                {"workflow_type", type.name},
                {"version", type.version},
                {"workflow_id", or_null(found.workflow_id)},
                {"tenant", or_null(found.tenant)},
                {"status", core::to_string(core::status_after(last.type))},
                {"events", found.events.size()},
                {"started_at", core::format_iso8601(found.events.front().time)},
                {"closed_at", found.closed_at ? Json(core::format_iso8601(*found.closed_at)) : Json(nullptr)},
                {"cancel_requested", requested}};
    if (!found.closed_at) {
        add_tasks(status, id);
    }
    std::string text = status.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (!last.payload.empty() && core::is_close(last.type)) { // as it is: jsonb has more digits than a double
        text.insert(text.size() - 1,
                    fmt::format(", \"{}\": {}",
                                last.type == ExecutionEventType::workflow_execution_failed ? "failure" : "result",
                                last.payload));
    }
    return text;
}

std::vector<ExecutionEvent> workflow_history(const WorkflowId &id, Oid user) { return find(id, user).events; }

} // namespace hc::engine
