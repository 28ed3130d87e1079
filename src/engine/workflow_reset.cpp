// See workflow_reset.hpp. Runs in callers' backends.
#include "engine/workflow_reset.hpp"

#include "core/error.hpp"
#include "core/execution_reset.hpp"
#include "core/executor_queue.hpp"
#include "core/workflow_options.hpp"
#include "engine/activities.hpp"
#include "engine/activity_types.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_attributes.hpp"
#include "engine/workflow_executions.hpp"
#include "engine/workflow_types.hpp"
#include "pg/wake.hpp"
#include "store/activities.hpp"
#include "store/workflow_executions.hpp"
#include "store/workflow_moves.hpp"
#include "store/workflow_updates.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;
using core::WorkflowId;
using store::Kind;
using store::LockWait;

constexpr std::size_t kMaxReason = 1000;

// The execution that is reset: locked for its close when it is open.
struct Base {
    store::ExecutionRow row;               // of a closed one without its parent, who has been told
    std::optional<store::ClosingRow> open; // nullopt: it is closed
    std::vector<ExecutionEvent> events;
};

Base read_base(const WorkflowId &id, Oid user) {
    Base base;
    base.open = store::lock_execution_for_close(id, LockWait::wait);
    if (base.open) {
        base.row = *store::lock_execution(id, LockWait::wait);
        base.events = core::decode_execution(store::read_chunks(id) + base.row.history.data);
    } else {
        std::optional<store::ClosedExecutionRow> closed = store::read_closed_execution(id);
        if (!closed) {
            throw_unknown_execution(id);
        }
        base.row.id = id;
        base.row.type_id = closed->type_id;
        base.row.tenant = std::move(closed->tenant);
        base.row.workflow_id = std::move(closed->workflow_id);
        base.row.input = pg::to_document(closed->input.text);
        base.events = core::decode_execution(closed->history.data);
    }
    if (!definitions().tenant_allowed(user, base.row.tenant)) {
        throw_unknown_execution(id);
    }
    return base;
}

std::size_t checked_point(const Base &base, const std::optional<std::int64_t> &event_id) {
    const std::int64_t point = event_id.value_or(core::last_reset_point(base.events));
    if (const std::optional<core::ResetRefusal> refusal = core::why_no_reset(base.events, point)) {
        const std::string hint =
            refusal->nearest.empty() ? "" : fmt::format("The nearest possible events: {}.", refusal->nearest);
        throw Error(sqlstate::invalid_parameter, "an execution cannot be reset to this event", refusal->detail, hint);
    }
    return static_cast<std::size_t>(point);
}

std::int32_t type_of(const Base &base, const std::optional<std::int32_t> &version) {
    const WorkflowType &own = workflow_type(base.row.type_id);
    const WorkflowType *type = find_workflow_version(own.name, version.value_or(own.version));
    if (type == nullptr && !version && base.open) {
        return own.id; // that it goes on with
    }
    if (type == nullptr) {
        throw_no_version(own.name, version.value_or(own.version));
    }
    return type->id;
}

// ---- what goes along ----

std::string end_detail(std::uint32_t command, bool failed, const std::string &payload, std::string_view status) {
    return nlohmann::json{{"command", command}, {"failed", failed}, {"payload", payload}, {"status", status}}.dump();
}

std::string lost_child(std::uint32_t command, const std::string &what) {
    return end_detail(
        command, true,
        core::failure_json({sqlstate::child_ended, "child execution is not to be awaited here", what, ""}), "");
}

// A child that the old execution does not know the end of: from now on it is the new one's. The detail of its end when
// it has come to one, or belongs to somebody else.
std::optional<std::string> reconnect(const core::ChildAtReset &child, const WorkflowId &from, const WorkflowId &to) {
    std::optional<WorkflowId> id = core::parse_workflow_id(child.execution_id);
    for (int i = 0; id && i < kLongestChain; ++i) {
        if (const std::optional<store::ExecutionRow> row = store::lock_execution(*id, LockWait::wait)) {
            if (row->parent_id != from) {
                return lost_child(child.command, "Execution " + core::to_string(*id) + " has another parent by now.");
            }
            store::set_parent(*id, to);
            return std::nullopt;
        }
        const std::optional<store::ClosedExecutionRow> closed = store::read_closed_execution(*id);
        if (!closed) {
            break;
        }
        const ExecutionEvent end = core::decode_execution(closed->history.data).back();
        const std::optional<WorkflowId> following = following_execution(end);
        if (!following) {
            const bool completed = end.type == ExecutionEventType::workflow_execution_completed;
            return end_detail(child.command, !completed, completed ? end.payload : failure_of_end(end),
                              core::to_string(core::status_after(end.type)));
        }
        id = following;
    }
    return lost_child(child.command, "Execution " + child.execution_id + " is not stored any more.");
}

std::string detail_of(const ExecutionEvent &child_end) {
    const bool failed = child_end.type != ExecutionEventType::child_completed;
    return end_detail(child_end.command, failed, child_end.payload, child_end.text);
}

// In the order in which the old execution has seen them; then what it had not.
void carry_over(const Base &base, std::size_t point, const core::ResetOptions &options, const store::ExecutionRow &next,
                const std::vector<store::ExecutionTaskRow> &waiting) {
    const std::vector<core::ChildAtReset> children = core::children_at(base.events, static_cast<std::int64_t>(point));
    for (std::size_t i = point; i < base.events.size(); ++i) {
        const ExecutionEvent &event = base.events[i];
        if (event.type == ExecutionEventType::signal_received && options.reapply_signals) {
            bring(next.id, next.type_id, Kind::signal, signal_detail(event.name, event.payload, event.text));
        }
        for (const core::ChildAtReset &child : children) {
            if (child.end == &event) {
                bring(next.id, next.type_id, Kind::child_closed, detail_of(event));
            }
        }
    }
    for (const core::ChildAtReset &child : children) {
        if (child.end == nullptr) {
            if (const std::optional<std::string> end = reconnect(child, base.row.id, next.id)) {
                bring(next.id, next.type_id, Kind::child_closed, *end);
            }
        }
    }
    for (const store::ExecutionTaskRow &task : waiting) {
        if (static_cast<Kind>(task.kind) == Kind::signal && options.reapply_signals) {
            bring(next.id, next.type_id, Kind::signal, task.detail.value_or("{}"));
        }
    }
}

// Those of the kept history stand where they stood; those accepted later are admitted anew, in their order. Who waits
// for one that an open execution has not completed waits for it here.
void carry_updates(const Base &base, std::size_t point, const core::ResetOptions &options,
                   const store::ExecutionRow &next) {
    for (const core::UpdateAtReset &update : core::updates_at(base.events, static_cast<std::int64_t>(point))) {
        if (!update.kept && !options.reapply_updates) {
            continue;
        }
        const ExecutionEvent &accepted = *update.accepted;
        store::NewUpdate row{next.id, accepted.text, accepted.name, pg::now(), core::UpdateStage::accepted, ""};
        if (update.outcome) {
            row.stage = core::UpdateStage::completed;
            row.content = *update.outcome;
        } else if (!update.kept) {
            row.stage = core::UpdateStage::admitted;
            row.content = accepted.payload;
        }
        store::insert_update(row);
        if (base.open && !update.completed) {
            store::forward_update(base.row.id, accepted.text, next.id);
        }
    }
    if (base.open && options.reapply_updates) {
        store::move_updates(base.row.id, next.id);
    }
}

// Of a program outside: those that are pending are scheduled anew; of those that have ended the input is not known any
// more, so that their end counts. Functions schedule theirs when they come to them. Throws 0A000.
void carry_activities(const Base &base, std::size_t point, const store::ExecutionRow &next,
                      std::vector<ExecutionEvent> &events) {
    load_activity_types();
    for (const core::ActivityAtReset &activity : core::activities_at(base.events, static_cast<std::int64_t>(point))) {
        const auto number = static_cast<std::int32_t>(activity.command);
        if (activity.end != nullptr) {
            const ExecutionEvent &end = *activity.end;
            const nlohmann::json detail{
                {"command", number}, {"end", static_cast<int>(end.type)}, {"payload", end.payload}, {"text", end.text}};
            bring(next.id, next.type_id, Kind::activity_closed, detail.dump());
            continue;
        }
        const std::vector<store::HttpActivityRow> pending = store::read_activities({{base.row.id, number}});
        if (pending.empty()) {
            throw Error(sqlstate::feature_not_supported, "an execution cannot be reset to where an activity is open",
                        fmt::format("What became of activity {} is not known.", number),
                        "Of programs outside of the database inputs of activities are not kept.");
        }
        schedule_activity(
            next.id, next.tenant,
            {activity.command, pending[0].type, pending[0].input, core::parse_activity_options(pending[0].options)});
        events.push_back({.type = ExecutionEventType::activity_rescheduled,
                          .time = events.back().time,
                          .command = activity.command});
    }
}

// ---- the two executions ----

std::vector<ExecutionEvent> history_of(const Base &base, std::size_t point, const std::string &reason) {
    std::vector<ExecutionEvent> events(base.events.begin(), base.events.begin() + static_cast<std::ptrdiff_t>(point));
    nlohmann::ordered_json change{{"reset_from", core::to_string(base.row.id)}, {"event_id", point}};
    if (!reason.empty()) {
        change["reason"] = reason;
    }
    events.push_back(
        {.type = ExecutionEventType::workflow_execution_options_updated,
         .time = std::max(pg::now(), events.back().time),
         .payload = change.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
         .text = core::random_origin(base.events, static_cast<std::int64_t>(point),
                                     core::to_string(base.row.id))}); // whose random numbers the events before it have
    return events;
}

// It restarts: as long as the old one was given, or what its type says.
std::optional<core::Duration> run_timeout_of(const Base &base, const core::ResetOptions &options,
                                             const WorkflowType &type,
                                             const std::vector<store::ExecutionTaskRow> &waiting) {
    if (options.run_timeout) {
        return options.run_timeout;
    }
    for (const store::ExecutionTaskRow &task : waiting) {
        if (static_cast<Kind>(task.kind) == Kind::run_timeout) {
            return task.due - base.events.front().time;
        }
    }
    return type.options.run_timeout;
}

void begin_next(const store::ExecutionRow &next, const std::optional<core::Duration> &run_timeout) {
    store::insert_execution(next, std::nullopt);
    pg::count(core::WorkflowCount::started); // what its history had before is counted already
    const core::ExecutionAttributes attributes = core::attributes_after(core::decode_execution(next.history.data));
    if (!attributes.empty()) {
        store_attributes(next.id, attributes);
    }
    const WorkflowType &type = workflow_type(next.type_id);
    const std::int32_t queue = queue_for(type, Kind::turn);
    const core::Time now = pg::now();
    std::vector<store::Task> tasks{{next.id, store::kTurnNumber, Kind::turn, queue, now, 0, 0, {}}};
    if (run_timeout) {
        tasks.push_back({next.id,
                         store::kRunTimeoutNumber,
                         Kind::run_timeout,
                         queue_for(type, Kind::run_timeout),
                         now + *run_timeout,
                         0,
                         0,
                         {}});
    }
    store::insert_tasks(tasks);
}

// Ends another one that is open, whoever is moving it just now.
void terminate(const WorkflowId &id, const std::string &reason, bool tell_parent) {
    std::optional<store::ClosingRow> locked = store::lock_execution_for_close(id, LockWait::wait);
    if (!locked) {
        return;
    }
    store::ExecutionRow row = *store::lock_execution(id, LockWait::wait);
    if (!tell_parent) {
        row.parent_id.reset();
    }
    const core::Replay replay(id, core::decode_execution(store::read_chunks(id) + row.history.data));
    close_execution(row, std::move(*locked), replay,
                    {.type = ExecutionEventType::workflow_execution_terminated, .text = reason},
                    replay.events().back().time, LockWait::wait);
}

// Its parent, who goes on to wait for the new one, is not told. Children that would be terminated are so at once: the
// new execution starts them again, maybe under the same workflow ids.
void end_base(const Base &base, const WorkflowId &next, const std::string &reason) {
    store::ExecutionRow row = base.row;
    row.parent_id.reset();
    const core::Replay replay(row.id, base.events);
    for (const core::OpenChild &child : replay.open_children()) {
        const std::optional<WorkflowId> id = core::parse_workflow_id(child.execution_id);
        const bool ends = core::parse_parent_close(child.policy) == core::ParentClosePolicy::terminate;
        if (id && ends && store::find_child(*id, row.id)) {
            terminate(*id, "its parent was reset", false);
        }
    }
    ExecutionEvent end{.type = ExecutionEventType::workflow_execution_terminated,
                       .payload = nlohmann::json{{"execution_id", core::to_string(next)}}.dump(),
                       .text = reason.empty() ? "reset" : reason};
    close_execution(row, *base.open, replay, std::move(end), base.events.back().time, LockWait::wait);
}

} // namespace

WorkflowId reset_workflow(const WorkflowReset &request, Oid user) {
    const core::ResetOptions options = core::parse_reset_options(request.options_json);
    const std::string reason(core::cut_utf8(request.reason.value_or(""), kMaxReason));
    const FoundExecution found = find_execution(request.id, user);
    store::ExecutionRow next;
    next.id = new_execution_id(found.tenant, found.workflow_id);
    if (!options.request_id.empty()) {
        const WorkflowId known = take_reset_request(request.id, options.request_id, next.id);
        if (known != next.id) {
            return known;
        }
    }
    std::optional<WorkflowId> current;
    if (found.workflow_id) { // before any execution is locked
        current = take_over_workflow_id(found.tenant, *found.workflow_id, next.id);
    }
    const pg::fresh_reads_scope afresh; // of what was waited for
    const Base base = read_base(request.id, user);
    const std::size_t point = checked_point(base, request.event_id);
    next.type_id = type_of(base, options.version);
    next.tenant = base.row.tenant;
    next.workflow_id = base.row.workflow_id;
    next.parent_id = base.row.parent_id;
    next.command = base.row.command;
    next.input = base.row.input;
    std::vector<ExecutionEvent> events = history_of(base, point, reason);
    if (workflow_type(next.type_id).is_external()) {
        carry_activities(base, point, next, events);
    }
    next.history.data = core::encode_execution(events, std::nullopt);
    const std::vector<store::ExecutionTaskRow> waiting =
        base.open ? store::all_execution_tasks(base.row.id) : std::vector<store::ExecutionTaskRow>();
    begin_next(next, run_timeout_of(base, options, workflow_type(next.type_id), waiting));
    carry_over(base, point, options, next, waiting);
    carry_updates(base, point, options, next);
    if (base.open) {
        end_base(base, next.id, reason);
    }
    if (current && *current != base.row.id) { // where the one that is reset was not the last of its workflow id
        terminate(*current, reason.empty() ? "an earlier execution of its workflow id was reset" : reason, true);
    }
    return next.id;
}

} // namespace hc::engine
