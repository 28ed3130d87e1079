// See workflow_explain.hpp. Runs in callers' backends.
#include "engine/workflow_explain.hpp"

#include "core/error.hpp"
#include "core/execution_chain.hpp"
#include "core/execution_replay.hpp"
#include "core/workflow_failure.hpp"
#include "engine/executor_roles.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_explain_waits.hpp"
#include "engine/workflow_types.hpp"
#include "pg/clock.hpp"
#include "pg/executor_state.hpp"
#include "pg/guc.hpp"
#include "pg/xact.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using Type = core::ExecutionEventType;
using core::WorkflowId;

constexpr std::int32_t kMostTasks = 100;

const ExecutionEvent *last_of(const std::vector<ExecutionEvent> &events, Type type) {
    const auto it = std::find_if(events.rbegin(), events.rend(), [type](const auto &e) { return e.type == type; });
    return it == events.rend() ? nullptr : &*it;
}

std::string words(const core::WorkflowFailure &failure) {
    return fmt::format("{}: {}{}", failure.sqlstate, failure.message,
                       failure.detail.empty() ? "" : " (" + failure.detail + ")");
}

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
        limits();
        cancel();
        explain_waits(key_, found_.events, tasks_, rows_);
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
                row.hint = "A limit was reached. It goes on by itself when less is open; a history that is full does "
                           "not shrink: "
                           "hermes.reset_workflow, or hermes.terminate_workflow.";
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

    void limits() {
        const core::Replay replay(key_, found_.events);
        for (core::NearLimit &limit : core::near_limits(replay.use(), pg::guc::max_message_bytes())) {
            add({std::string(limit.subject),
                 limit.is_reached ? "full" : "large",
                 {},
                 {},
                 std::move(limit.words),
                 std::string(limit.hint)});
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
