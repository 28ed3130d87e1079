// What a turn has to do with activities, and with cancels. See workflow_turn.hpp.
#include "core/executor_queue.hpp"
#include "engine/activities.hpp"
#include "engine/workflow_executions.hpp"
#include "engine/workflow_turn.hpp"
#include "pg/values.hpp"

#include <nlohmann/json.hpp>

namespace hc::engine {

using core::ExecutionEventType;
using store::Kind;

namespace {

constexpr auto kHeldRetry = std::chrono::seconds(1); // of activities whose workers just answer

} // namespace

void WorkflowTurn::bring_activity_end(const nlohmann::json &detail) {
    const auto command = detail.value("command", 0U);
    if (!replay_->is_open(command)) {
        return;
    }
    const core::Time now = pg::now();
    if (detail.contains("started_at")) {
        const nlohmann::ordered_json attempt{{"number", detail.value("attempt", 1)},
                                             {"started_at", detail.value("started_at", "")}};
        replay_->add({.type = ExecutionEventType::activity_started,
                      .time = now,
                      .command = command,
                      .payload = attempt.dump(),
                      .text = detail.value("worker", "")});
    }
    replay_->add({.type = static_cast<ExecutionEventType>(detail.value("end", 0)),
                  .time = now,
                  .command = command,
                  .payload = detail.value("payload", ""),
                  .text = detail.value("text", "")});
}

// Activities that are not let be, and children. What a worker has at hand just now is asked again in a second.
void WorkflowTurn::cancel_all() {
    if (replay_->has_open_activities()) {
        cancel_activities(std::nullopt);
    }
    for (const core::OpenChild &child : replay_->open_children()) {
        cancel_child(child.execution_id);
    }
}

void WorkflowTurn::cancel_child(const std::string &execution_id) {
    tell_child(row_.id, execution_id, Kind::cancel, "its parent was asked to cancel");
}

void WorkflowTurn::cancel_activities(std::optional<std::uint32_t> only) {
    const CanceledActivities canceled = engine::cancel_activities(row_.id, only);
    for (const std::int32_t number : canceled.ended) {
        replay_->add({.type = ExecutionEventType::activity_canceled,
                      .time = pg::now(),
                      .command = static_cast<std::uint32_t>(number),
                      .payload = core::failure_json(core::cancel_failure(""))});
    }
    if (canceled.held) {
        cancel_again_ = true;
    }
}

void WorkflowTurn::do_cancels(const std::vector<std::uint32_t> &handles) {
    for (const std::uint32_t handle : handles) {
        const core::ExecutionEvent &begin = replay_->begin_of(handle);
        if (begin.type == ExecutionEventType::child_started) {
            cancel_child(begin.text);
        } else {
            cancel_activities(handle);
        }
    }
}

void WorkflowTurn::start_activities(const std::vector<ActivityRequest> &activities) {
    for (const ActivityRequest &activity : activities) {
        if (const std::optional<core::WorkflowFailure> failure = schedule_activity(row_.id, row_.tenant, activity)) {
            replay_->add({.type = ExecutionEventType::activity_failed,
                          .time = pg::now(),
                          .command = activity.command,
                          .payload = core::failure_json(*failure)});
        }
    }
}

void WorkflowTurn::write_cancels() {
    if (cancel_again_ && !cancel_task_waits_) {
        store::insert_tasks({{row_.id,
                              store::kCancelActivitiesNumber,
                              Kind::cancel_activities,
                              core::executor_queue(type_->role_id),
                              pg::now() + kHeldRetry,
                              0,
                              0,
                              {}}});
    }
}

} // namespace hc::engine
