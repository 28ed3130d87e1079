// See workflow_explain.hpp. Runs in callers' backends.
#include "engine/workflow_explain.hpp"

#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/execution_chain.hpp"
#include "core/execution_replay.hpp"
#include "core/execution_waits.hpp"
#include "core/workflow_failure.hpp"
#include "engine/executor_roles.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_types.hpp"
#include "pg/clock.hpp"
#include "pg/executor_state.hpp"
#include "pg/guc.hpp"
#include "pg/xact.hpp"
#include "store/workflow_executions.hpp"
#include "store/workflow_explain.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using Type = core::ExecutionEventType;
using core::WorkflowId;
using store::Kind;

constexpr std::int32_t kMostTasks = 100, kMostUpdates = 20;
constexpr std::size_t kMostWaits = 100;

const ExecutionEvent *last_of(const std::vector<ExecutionEvent> &events, Type type) {
    const auto it = std::find_if(events.rbegin(), events.rend(), [type](const auto &e) { return e.type == type; });
    return it == events.rend() ? nullptr : &*it;
}

std::string words(const core::WorkflowFailure &failure) {
    return fmt::format("{}: {}{}", failure.sqlstate, failure.message,
                       failure.detail.empty() ? "" : " (" + failure.detail + ")");
}

std::string quoted(const std::string &word) { return word.empty() ? "" : fmt::format(" \"{}\"", word); }

class Explanation {
public:
    Explanation(const WorkflowId &id, FoundExecution found)
        : id_(core::to_string(id)), key_(id), found_(std::move(found)), type_(workflow_type(found_.type_id)) {}

    std::vector<ExplainRow> rows() {
        if (found_.closed_at) {
            end();
            return std::move(rows_);
        }
        tasks_ = store::waiting_tasks(key_, kMostTasks);
        execution();
        pauses();
        failed_turn();
        executor();
        history();
        cancel();
        std::vector<const ExecutionEvent *> waits = core::open_waits(found_.events);
        if (waits.size() > kMostWaits) {
            add({"waits", "more", {}, {}, fmt::format("{} in all; the first {} follow.", waits.size(), kMostWaits)});
            waits.resize(kMostWaits);
        }
        for (const ExecutionEvent *wait : waits) {
            explain(*wait);
        }
        tasks();
        updates();
        return std::move(rows_);
    }

private:
    void add(ExplainRow row) { rows_.push_back(std::move(row)); }
    std::string call(const char *verb) const { return fmt::format("hermes.{}('{}')", verb, id_); }

    std::string description() const {
        std::string text = fmt::format("{} version {}, {} events", type_.name, type_.version, found_.events.size());
        if (found_.workflow_id) {
            text += ", workflow id " + *found_.workflow_id;
        }
        return text;
    }

    // How it ended.
    void end() {
        const ExecutionEvent &last = found_.events.back();
        ExplainRow row{"execution",
                       std::string(core::to_string(core::status_after(last.type))),
                       found_.closed_at,
                       {},
                       description()};
        if (last.type == Type::workflow_execution_failed) {
            row.detail += "; it failed with " + words(core::parse_failure(last.payload));
            row.hint = "hermes.workflow_history shows what came before; hermes.reset_workflow goes on from there.";
        } else if (last.type == Type::workflow_execution_timed_out) {
            row.detail += "; its run or execution timeout has passed";
        } else if (last.type == Type::workflow_execution_terminated && !last.text.empty()) {
            row.detail += "; reason: " + last.text;
        }
        if (const auto next = core::next_run_of(last)) {
            row.hint = fmt::format("It goes on: hermes.explain_workflow('{}').", core::to_string(*next));
        }
        add(std::move(row));
    }

    void execution() {
        const ExecutionEvent *paused = last_of(found_.events, Type::workflow_execution_paused);
        const ExecutionEvent *resumed = last_of(found_.events, Type::workflow_execution_unpaused);
        const bool is_paused = paused != nullptr && (resumed == nullptr || resumed < paused);
        add({"execution", is_paused ? "Paused" : "Running", found_.events.front().time, {}, description()});
        if (is_paused) {
            add({"pause",
                 "in force",
                 paused->time,
                 {},
                 paused->text.empty() ? "" : "reason: " + paused->text,
                 call("resume_workflow")});
        }
        held_ = is_paused;
    }

    void pauses() {
        for (const store::PauseInForceRow &pause : store::pauses_in_force(type_.name, found_.tenant)) {
            const bool of_tenant = pause.scope == "tenant";
            add({of_tenant ? "pause of the tenant" : "pause of the workflow type",
                 "in force",
                 pause.since,
                 {},
                 pause.reason ? "reason: " + *pause.reason : "",
                 of_tenant
                     ? fmt::format("hermes.resume_tenant({})", found_.tenant ? "'" + *found_.tenant + "'" : "NULL")
                     : fmt::format("hermes.resume_workflow_type('{}')", type_.name)});
            held_ = true;
        }
    }

    void failed_turn() {
        for (const store::WaitingTaskRow &task : tasks_) {
            if (task.tries == 0) {
                continue;
            }
            const std::string error = task.last_error.value_or("");
            const ExecutionEvent *first = last_of(found_.events, Type::workflow_task_failed);
            ExplainRow row{"turn", "failed", first ? std::optional(first->time) : std::nullopt, task.due,
                           fmt::format("failed {} times in a row, last with {}", task.tries, error)};
            if (error.starts_with(sqlstate::nondeterminism)) {
                row.hint =
                    "The function does not fit the history. hermes.replay_check tells of a changed one whether it "
                    "does; then register it, and hermes.move_workflows, or put the old one back.";
            } else if (error.starts_with(sqlstate::limit_exceeded)) {
                row.hint = "A limit was reached: hermes.reset_workflow, or hermes.terminate_workflow.";
            } else {
                row.hint =
                    "Correct the function, and register it with in_place or as a version to move to; it is tried "
                    "again by itself.";
            }
            add(std::move(row));
        }
    }

    // Who is to call the function: whether that can be, and when it is to be called now.
    void executor() {
        const RoleCheck role = check_executor_role(type_.role_id);
        if (!role.reason.empty()) {
            add({"executor",
                 "none can run",
                 {},
                 {},
                 role.reason,
                 "Executors connect as the role that the workflow type was registered with (run_as)."});
            return;
        }
        const core::Time now = pg::now();
        const auto due = std::find_if(tasks_.begin(), tasks_.end(), [now](const store::WaitingTaskRow &task) {
            return task.due <= now && !task.put_aside;
        });
        if (due == tasks_.end() || held_) {
            return;
        }
        ExplainRow row{"executor", "", due->due};
        if (due->claimed) {
            row.state = "at work";
            row.detail =
                fmt::format("an executor of role \"{}\" is calling the function, or was when it ended", role.name);
            row.hint = "hermes.workers and pg_stat_activity show what runs; a step may wait for a lock.";
        } else if (pg::in_recovery()) {
            row.state = "elsewhere";
            row.detail = "this server is a standby; executors run on its primary";
        } else if (!pg::guc::workers || !pg::has_supervisor()) {
            row.state = "none can run";
            row.detail = pg::guc::workers ? "no supervisor runs in this database" : "hermes.workers is off";
            row.hint = "See the server log, max_worker_processes and hermes.databases.";
        } else if (pg::my_database()->outbound_open.load() == 0) {
            row.state = "held";
            row.detail = "workers hold still: this database was restored or moved to another system";
            row.hint = "hermes.confirm_restore()";
        } else {
            const auto all = pg::executors();
            const auto own = std::count_if(all.begin(), all.end(), [this](const pg::ExecutorInfo &info) {
                return info.role == type_.role_id && !info.ending;
            });
            row.state = own == 0 ? "none yet" : "busy";
            row.detail = own == 0 ? fmt::format("no executor of role \"{}\" runs just now", role.name)
                                  : fmt::format("{} of role \"{}\" run", own, role.name);
            row.hint = own == 0 ? "One is started by itself; if not, see the server log and max_worker_processes."
                                : "The queue of the role is served in the order of due times; hermes.max_executors "
                                  "and hermes.executors_per_role limit how many run.";
        }
        add(std::move(row));
    }

    // When it is large.
    void history() {
        core::HistorySize size{found_.events.size(), 0};
        for (const ExecutionEvent &event : found_.events) {
            size.bytes += core::bytes_of(event);
        }
        if (size.is_large()) {
            add({"history",
                 size.is_full() ? "full" : "large",
                 {},
                 {},
                 fmt::format("{} of {} events, {} of {} MiB", size.events, core::kMaxExecutionEvents,
                             size.bytes / 1024 / 1024, core::kMaxExecutionBytes / 1024 / 1024),
                 "Its turns fail at the limit. The function is to use hermes.continue_as_new when hermes.info() "
                 "suggests it."});
        }
    }

    void cancel() {
        if (const ExecutionEvent *request = last_of(found_.events, Type::cancel_requested)) {
            add({"cancel",
                 "requested",
                 request->time,
                 {},
                 request->text.empty() ? "" : "reason: " + request->text,
                 "The function was told, or will be at its next wait; hermes.terminate_workflow ends it at once."});
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
    void tasks() {
        for (const store::WaitingTaskRow &task : tasks_) {
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

    const std::string id_;
    const WorkflowId key_;
    const FoundExecution found_;
    const WorkflowType &type_;
    std::vector<store::WaitingTaskRow> tasks_;
    bool held_ = false; // by a pause
    std::vector<ExplainRow> rows_;
};

} // namespace

std::vector<ExplainRow> explain_workflow(const WorkflowId &id, Oid user) {
    return Explanation(id, find_execution(id, user)).rows();
}

} // namespace hc::engine
