// See workflow_explain_waits.hpp. Runs in callers' backends.
#include "engine/workflow_explain_waits.hpp"

#include "core/activity.hpp"
#include "core/execution_waits.hpp"
#include "store/workflow_executions.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using Type = core::ExecutionEventType;
using core::WorkflowId;
using store::Kind;

constexpr std::int32_t kMostUpdates = 20;
constexpr std::size_t kMostWaits = 100;

std::string quoted(const std::string &word) { return word.empty() ? "" : fmt::format(" \"{}\"", word); }

class Waits {
public:
    Waits(const WorkflowId &id, std::vector<ExplainRow> &rows) : id_(core::to_string(id)), key_(id), rows_(rows) {}

    void all(const std::vector<ExecutionEvent> &events) {
        std::vector<const ExecutionEvent *> waits = core::open_waits(events);
        if (waits.size() > kMostWaits) {
            add({"waits", "more", {}, {}, fmt::format("{} in all; the first {} follow", waits.size(), kMostWaits)});
            waits.resize(kMostWaits);
        }
        for (const ExecutionEvent *wait : waits) {
            explain(*wait);
        }
    }

    void explain(const ExecutionEvent &wait) {
        switch (wait.type) {
        case Type::signal_awaited:
            add({"signal" + quoted(wait.name), "awaited", wait.time, wait.due, "",
                 fmt::format("hermes.signal_workflow('{}', '{}')", id_, wait.name)});
            break;
        case Type::timer_started:
            add({wait.kind == core::CommandKind::timer ? "timer" : "sleep", "running", wait.time, wait.due});
            break;
        case Type::condition_awaited:
            add({"condition", "awaited", wait.time, wait.due, "tables: " + wait.payload,
                 "It is looked at after each commit that changes one of the tables, and every minute."});
            break;
        case Type::marker_recorded:
            add({"update" + quoted(wait.name), "awaited", wait.time, wait.due, "",
                 fmt::format("hermes.execute_update('{}', '{}', '{{}}')", id_, wait.name)});
            break;
        case Type::child_started:
            child(wait);
            break;
        case Type::activity_scheduled:
            activity(wait);
            break;
        default:
            break;
        }
    }

    void child(const ExecutionEvent &begin) {
        const std::optional<WorkflowId> child = core::parse_workflow_id(begin.text);
        std::string state = "not stored any more";
        if (child && store::find_execution(*child)) {
            state = "Running";
        } else if (const auto closed = child ? store::find_closed_execution(*child) : std::nullopt) {
            state = core::to_string(static_cast<core::ExecutionStatus>(closed->status));
        }
        add({"child" + quoted(begin.name),
             state,
             begin.time,
             {},
             "execution " + begin.text,
             fmt::format("hermes.explain_workflow('{}')", begin.text)});
    }

    void activity(const ExecutionEvent &begin) {
        ExplainRow row{"activity" + quoted(begin.name), "over", begin.time};
        const auto found = store::waiting_activity(key_, static_cast<std::int32_t>(begin.command));
        if (!found) {
            row.detail = "the function has not been told yet";
            add(std::move(row));
            return;
        }
        row.detail = fmt::format("attempt {}", found->attempt);
        row.detail += found->queue      ? fmt::format(", queue \"{}\"", *found->queue)
                      : found->provider ? fmt::format(", provider \"{}\"", *found->provider)
                                        : ", answered by a fake";
        if (found->worker) {
            row.detail += fmt::format(", worker \"{}\"", *found->worker);
        }
        if (found->last_failure) {
            row.detail += ", the one before failed: " + *found->last_failure;
        }
        const std::string key = fmt::format("('{}', '{}')", id_, found->activity_id);
        switch (static_cast<core::ActivityState>(found->state)) {
        case core::ActivityState::scheduled:
            row.state = "scheduled";
            row.due = found->deadline;
            row.hint = found->queue_paused ? fmt::format("hermes.resume_activity_queue('{}')", *found->queue)
                       : found->queue      ? "A worker has to take it with hermes.poll_tasks."
                       : found->provider   ? "See hermes.providers_status."
                                           : "";
            break;
        case core::ActivityState::started:
            row.state = found->cancel_requested ? "cancel requested" : "started";
            row.since = found->started_at;
            row.due = found->deadline;
            row.hint = "Its worker answers it; hermes.complete_activity and hermes.fail_activity do in its place.";
            break;
        case core::ActivityState::backing_off:
            row.state = "backing off";
            row.due = found->due;
            row.hint = "Tried again when it is due; at once by hermes.reset_activity" + key;
            break;
        case core::ActivityState::paused:
            row.state = "paused";
            row.hint = "hermes.resume_activity" + key;
            break;
        }
        add(std::move(row));
    }

    // What has come and was not taken, and the timeout of the run.
    void tasks(const std::vector<store::WaitingTaskRow> &tasks) {
        for (const store::WaitingTaskRow &task : tasks) {
            switch (static_cast<Kind>(task.kind)) {
            case Kind::run_timeout:
                add({"run timeout", "running", {}, task.due});
                break;
            case Kind::turn:
                if (task.tries == 0) {
                    add({"turn", "due", {}, task.due});
                }
                break;
            case Kind::signal:
                add({"signal", "not taken yet", task.due});
                break;
            case Kind::cancel:
                add({"cancel", "not taken yet", task.due});
                break;
            case Kind::child_closed:
                add({"end of a child", "not taken yet", task.due});
                break;
            case Kind::activity_closed:
                add({"end of an activity", "not taken yet", task.due});
                break;
            default:
                break;
            }
        }
    }

    void updates() {
        for (const store::OpenUpdateRow &update : store::open_updates(key_, kMostUpdates)) {
            add({"update" + quoted(update.name),
                 update.accepted ? "accepted" : "admitted",
                 update.admitted_at,
                 {},
                 "update id " + update.update_id});
        }
    }

private:
    void add(ExplainRow row) { rows_.push_back(std::move(row)); }

    const std::string id_;
    const WorkflowId key_;
    std::vector<ExplainRow> &rows_;
};

} // namespace

void explain_waits(const WorkflowId &id, const std::vector<ExecutionEvent> &events,
                   const std::vector<store::WaitingTaskRow> &tasks, std::vector<ExplainRow> &rows) {
    Waits waits(id, rows);
    waits.all(events);
    waits.tasks(tasks);
    waits.updates();
}

} // namespace hc::engine
