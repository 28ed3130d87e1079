// See workflow_pause.hpp. Runs in callers' backends.
#include "engine/workflow_pause.hpp"

#include "core/error.hpp"
#include "core/execution_replay.hpp"
#include "core/executor_queue.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_types.hpp"
#include "store/workflow_executions.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;
using core::SignalResult;
using core::WorkflowId;

constexpr std::size_t kMaxReason = 1000;
constexpr std::size_t kMaxRequestId = 200;

struct Locked {
    store::ExecutionRow row;
    std::vector<ExecutionEvent> events;
    bool paused = false;
};

// nullopt: it is closed. Waits for a turn that is running.
std::optional<Locked> lock(const WorkflowId &id, Oid user) {
    if (const std::optional<store::BriefRow> brief = store::find_execution(id)) {
        if (!definitions().tenant_allowed(user, brief->tenant)) {
            throw_unknown_execution(id);
        }
        if (std::optional<store::ExecutionRow> row = store::lock_execution(id, store::LockWait::wait)) {
            core::Replay replay(id, core::decode_execution(store::read_chunks(id) + row->history.data));
            return Locked{std::move(*row), replay.events(), replay.is_paused()};
        }
    }
    const std::optional<store::ClosedBriefRow> closed = store::find_closed_execution(id);
    if (!closed || !definitions().tenant_allowed(user, closed->tenant)) {
        throw_unknown_execution(id);
    }
    return std::nullopt;
}

void append(const Locked &locked, ExecutionEvent event, bool pauses) {
    const core::Time last = locked.events.back().time;
    event.time = std::max(pg::now(), last);
    store::pause_execution(locked.row.id, core::encode_execution({&event, 1}, last),
                           pauses ? std::optional(event.time) : std::nullopt);
}

std::string cut(const OptionalText &reason) { return std::string(core::cut_utf8(reason.value_or(""), kMaxReason)); }

// Which request has paused it.
std::string pausing_request(const std::vector<ExecutionEvent> &events) {
    const auto is_pause = [](const ExecutionEvent &e) {
        return e.type == ExecutionEventType::workflow_execution_paused;
    };
    return std::find_if(events.rbegin(), events.rend(), is_pause)->name;
}

// One that is to start later, or is to be retried later, is left to its time.
bool has_turn_to_come(const WorkflowId &id) {
    const std::vector<store::ExecutionTaskRow> tasks = store::all_execution_tasks(id);
    return std::any_of(tasks.begin(), tasks.end(), [](const store::ExecutionTaskRow &task) {
        return task.number == store::kTurnNumber && task.tries == 0 && task.due > pg::now();
    });
}

} // namespace

SignalResult pause_workflow(const WorkflowId &id, const OptionalText &reason, const OptionalText &request_id,
                            Oid user) {
    if (request_id && (request_id->empty() || request_id->size() > kMaxRequestId)) {
        throw Error(sqlstate::invalid_parameter, "invalid request id",
                    fmt::format("It must have 1 to {} bytes.", kMaxRequestId));
    }
    const std::optional<Locked> locked = lock(id, user);
    if (!locked) {
        return SignalResult::closed;
    }
    if (locked->paused) {
        if (request_id && *request_id == pausing_request(locked->events)) {
            return SignalResult::duplicate;
        }
        throw Error(sqlstate::not_prerequisite, "workflow execution is already paused");
    }
    append(
        *locked,
        {.type = ExecutionEventType::workflow_execution_paused, .name = request_id.value_or(""), .text = cut(reason)},
        true);
    return SignalResult::applied;
}

SignalResult resume_workflow(const WorkflowId &id, const OptionalText &reason, Oid user) {
    const std::optional<Locked> locked = lock(id, user);
    if (!locked) {
        return SignalResult::closed;
    }
    if (!locked->paused) {
        throw Error(sqlstate::not_prerequisite, "workflow execution is not paused");
    }
    append(*locked, {.type = ExecutionEventType::workflow_execution_unpaused, .text = cut(reason)}, false);
    if (!has_turn_to_come(id)) {
        const std::int32_t queue = core::executor_queue(workflow_type(locked->row.type_id).role_id);
        store::put_execution_turn(id, queue, pg::now(), 0, "");
    }
    return SignalResult::applied;
}

} // namespace hc::engine
