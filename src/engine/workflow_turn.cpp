// See workflow_turn.hpp. Runs in executors.
#include "engine/workflow_turn.hpp"

#include "core/error.hpp"
#include "core/executor_queue.hpp"
#include "core/workflow_options.hpp"
#include "engine/activity_types.hpp"
#include "engine/workflow_attributes.hpp"
#include "engine/workflow_executions.hpp"
#include "pg/bgworker.hpp"
#include "pg/guc.hpp"
#include "pg/values.hpp"
#include "pg/wake.hpp"
#include "store/condition_waiters.hpp"
#include "store/workflow_moves.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;
using store::Kind;

constexpr std::size_t kChunkBytes = 8192;
constexpr auto kQuietAfterWarning = std::chrono::seconds(1);
constexpr auto kLookAgainEvery = std::chrono::minutes(1); // at a condition, whatever was told of its tables

std::string text_of(const nlohmann::json &json, const char *key) {
    return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
}

} // namespace

// False: somebody else holds it, or it is closed.
bool WorkflowTurn::load(const core::WorkflowId &id, store::LockWait mode) {
    std::optional<store::ExecutionRow> row = store::lock_execution(id, mode);
    if (!row) {
        return false;
    }
    row_ = std::move(*row);
    type_ = &workflow_type(row_.type_id);
    return true;
}

void WorkflowTurn::decode() {
    load_activity_types();
    const std::string older = row_.chunks != 0 ? store::read_chunks(row_.id) : std::string();
    replay_.emplace(row_.id, core::decode_execution(older + row_.history.data));
    last_ = replay_->events().back().time;
}

WorkflowTurn::Begin WorkflowTurn::begin(const core::WorkflowId &id, std::int32_t queue) {
    if (!load(id, store::LockWait::skip)) {
        if (store::find_execution(id)) {
            return Begin::held;
        }
        store::delete_execution_tasks(id);
        return Begin::gone;
    }
    if (const std::int32_t now = core::executor_queue(type_->role_id); now != queue) {
        store::move_execution_tasks(id, now);
        return Begin::moved;
    }
    decode();
    waited_for_condition_ = replay_->pending_condition().has_value();
    bring();
    return Begin::ready;
}

WorkflowTurn::Begin WorkflowTurn::begin_outside(const core::WorkflowId &id, store::LockWait mode, bool brings) {
    if (!load(id, mode)) {
        return mode == store::LockWait::skip && store::find_execution(id) ? Begin::held : Begin::gone;
    }
    decode();
    if (brings) {
        bring();
    } else {
        for (const store::ExecutionTaskRow &task : store::all_execution_tasks(id)) {
            know(task);
        }
    }
    return Begin::ready;
}

void WorkflowTurn::know(const store::ExecutionTaskRow &task) {
    switch (static_cast<Kind>(task.kind)) {
    case Kind::turn:
        has_turn_task_ = true;
        turn_due_ = task.due;
        failures_ = std::max<std::uint32_t>(failures_, static_cast<std::uint32_t>(task.tries));
        last_error_ = task.last_error.value_or("");
        break;
    case Kind::look_again:
        look_due_ = task.due;
        break;
    case Kind::function_timer:
        if (std::find(known_timers_.begin(), known_timers_.end(), task.number) == known_timers_.end()) {
            known_timers_.push_back(task.number);
        }
        break;
    case Kind::cancel_activities:
        cancel_task_waits_ = cancel_task_waits_ || task.due > pg::now();
        break;
    default:
        break;
    }
}

bool WorkflowTurn::bring() {
    const core::Time now = pg::now();
    const std::size_t before = replay_->events().size();
    for (const store::ExecutionTaskRow &task : store::all_execution_tasks(row_.id)) {
        know(task);
        const bool seen = std::find(seen_.begin(), seen_.end(), task.number) != seen_.end();
        if (task.due <= now && !seen && static_cast<Kind>(task.kind) != Kind::turn) {
            seen_.push_back(task.number);
            brought_.push_back({row_.id, task.number});
            bring_task(task);
        }
    }
    return replay_->events().size() != before;
}

void WorkflowTurn::bring_task(const store::ExecutionTaskRow &task) {
    const nlohmann::json detail = nlohmann::json::parse(task.detail.value_or("null"), nullptr, false);
    ExecutionEvent event{.time = pg::now()};
    switch (static_cast<Kind>(task.kind)) {
    case Kind::signal:
        event.type = ExecutionEventType::signal_received;
        event.name = text_of(detail, "name");
        event.payload = text_of(detail, "payload");
        event.text = text_of(detail, "request_id");
        if (!event.text.empty() && replay_->knows_request(event.text)) {
            return;
        }
        break;
    case Kind::cancel:
        event.type = ExecutionEventType::cancel_requested;
        event.text = text_of(detail, "reason");
        if (replay_->cancel_requested()) {
            return;
        }
        replay_->add(std::move(event));
        cancel_all();
        return;
    case Kind::function_timer:
        event.type = ExecutionEventType::timer_fired;
        event.command = static_cast<std::uint32_t>(task.number);
        if (!replay_->timer_is_pending(event.command)) {
            return;
        }
        break;
    case Kind::child_closed: {
        const bool failed = detail.value("failed", false);
        event.type = failed ? ExecutionEventType::child_failed : ExecutionEventType::child_completed;
        event.command = detail.value("command", 0U);
        event.payload = text_of(detail, "payload");
        event.text = failed ? text_of(detail, "status") : "";
        break;
    }
    case Kind::activity_closed:
        bring_activity_end(detail);
        return;
    case Kind::cancel_activities:
        cancel_all();
        return;
    case Kind::terminate:
        terminated_ = text_of(detail, "reason");
        return;
    case Kind::run_timeout:
        timed_out_ = true;
        return;
    default:
        return;
    }
    replay_->add(std::move(event));
}

bool WorkflowTurn::carry_out(const BodyRequests &requests) {
    const std::size_t before = replay_->events().size();
    start_children(requests.children);
    start_activities(requests.activities);
    do_cancels(requests.cancels);
    return replay_->events().size() != before;
}

void WorkflowTurn::start_children(const std::vector<ChildRequest> &children) {
    for (const ChildRequest &child : children) {
        const auto refuse = [&](const core::WorkflowFailure &failure) {
            replay_->add({.type = ExecutionEventType::child_start_failed,
                          .time = pg::now(),
                          .command = child.command,
                          .payload = core::failure_json(failure)});
        };
        const WorkflowType *type = find_current_workflow_type(child.type);
        if (type == nullptr) {
            refuse({sqlstate::undefined_object, "workflow type \"" + child.type + "\" does not exist", "", ""});
            continue;
        }
        store::ExecutionRow row;
        row.id = child.id;
        row.type_id = type->id;
        row.tenant = row_.tenant;
        row.workflow_id = child.workflow_id;
        row.parent_id = row_.id;
        row.command = static_cast<std::int32_t>(child.command);
        row.input = pg::to_document(child.input);
        if (child.workflow_id) {
            const IdCourse course = take_workflow_id(row_.tenant, *child.workflow_id, {}, child.id);
            if (course.course != core::StartCourse::start) {
                refuse(refusal_of(*child.workflow_id, course));
                continue;
            }
        }
        begin_execution(std::move(row), std::nullopt, {}, child.chain, child.attributes);
    }
}

void WorkflowTurn::write_events() {
    if (replay_->added().empty()) {
        return;
    }
    write_updates();
    write_attributes();
    const std::string bytes = core::encode_execution(replay_->added(), last_);
    const std::size_t size = row_.history.data.size();
    count_events(replay_->added());
    warn_of_limits();
    if (size > kChunkBytes / 2 && size + bytes.size() > kChunkBytes) {
        store::chunk_execution_history(row_.id, row_.chunks + 1, bytes);
    } else {
        store::append_execution_history(row_.id, bytes);
    }
}

// Of limits that this turn has come near to. Of many executions that come near the same one at once some are named.
void WorkflowTurn::warn_of_limits() const {
    using Clock = std::chrono::steady_clock;
    static std::map<std::string_view, Clock::time_point> quiet_until;
    const std::size_t max_payload = pg::guc::max_message_bytes();
    const auto now = core::near_limits(replay_->use(), max_payload);
    if (now.empty()) {
        return;
    }
    const auto before = core::near_limits(replay_->stored_use(), max_payload);
    for (const core::NearLimit &limit : now) {
        const bool is_known = std::any_of(before.begin(), before.end(),
                                          [&limit](const auto &known) { return known.subject == limit.subject; });
        if (is_known || Clock::now() < quiet_until[limit.subject]) {
            continue;
        }
        quiet_until[limit.subject] = Clock::now() + kQuietAfterWarning;
        pg::log(fmt::format("workflow execution {} ({}) comes near a limit, {}: {}", core::to_string(row_.id),
                            type_->name, limit.subject, limit.words)
                    .c_str(),
                std::string(limit.hint).c_str());
    }
}

void WorkflowTurn::write_attributes() {
    const auto added = replay_->added();
    if (std::any_of(added.begin(), added.end(),
                    [](const ExecutionEvent &event) { return core::changes_attributes(event.type); })) {
        store_attributes(row_.id, core::attributes_after(replay_->events()));
    }
}

void WorkflowTurn::write_timers() {
    std::vector<store::Task> fresh;
    std::vector<std::int32_t> pending;
    const std::int32_t queue = core::executor_queue(type_->role_id);
    for (const core::PendingTimer &timer : replay_->pending_timers()) {
        const auto number = static_cast<std::int32_t>(timer.command);
        pending.push_back(number);
        if (std::find(known_timers_.begin(), known_timers_.end(), number) == known_timers_.end()) {
            fresh.push_back({row_.id, number, Kind::function_timer, queue, timer.due, 0, 0, {}});
        }
    }
    for (const std::int32_t number : known_timers_) {
        const store::TaskKey key{row_.id, number};
        if (std::find(pending.begin(), pending.end(), number) == pending.end() &&
            std::find(brought_.begin(), brought_.end(), key) == brought_.end()) {
            brought_.push_back(key); // its wait is over
        }
    }
    store::insert_tasks(fresh);
}

void WorkflowTurn::delete_brought() { store::delete_tasks(brought_); }

void WorkflowTurn::put_turn(core::Time due, std::uint32_t tries, const std::string &error) {
    const std::int32_t queue = core::executor_queue(type_->role_id);
    store::put_execution_turn(row_.id, queue, due, static_cast<std::int16_t>(std::min(tries, 30'000U)), error);
}

void WorkflowTurn::wait() {
    write_events();
    write_timers();
    if (has_turn_task_) {
        brought_.push_back({row_.id, store::kTurnNumber});
    }
    write_watch();
    write_cancels();
}

// Also deletes what was brought: the task of a look is put anew.
void WorkflowTurn::write_watch() {
    const std::optional<std::uint32_t> command = replay_->pending_condition();
    if (!command) {
        if (look_due_) {
            brought_.push_back({row_.id, store::kLookAgainNumber});
        }
        delete_brought();
        if (look_due_ || waited_for_condition_) {
            store::delete_condition_waiter(row_.id);
        }
        return;
    }
    delete_brought();
    const auto added = replay_->added();
    const bool is_new = std::any_of(added.begin(), added.end(), [&command](const ExecutionEvent &event) {
        return event.type == ExecutionEventType::condition_awaited && event.command == *command;
    });
    if (is_new || !look_due_ || *look_due_ <= pg::now()) {
        store::put_condition_waiter(row_.id, static_cast<std::int32_t>(*command), watched_);
        store::put_look_again(row_.id, core::executor_queue(type_->role_id), pg::now() + kLookAgainEvery);
    }
}

void WorkflowTurn::put_again(core::Time due, std::uint32_t tries, const std::string &error) {
    write_events();
    write_timers();
    delete_brought();
    write_cancels();
    put_turn(due, tries, error);
}

void WorkflowTurn::go_on_soon() { put_again(pg::now(), 0, ""); }

void WorkflowTurn::try_again(core::Duration delay, const std::string &reason) {
    put_again(pg::now() + delay, failures_ + 1, reason);
}

void WorkflowTurn::hand_out(core::Time until) { put_again(until, failures_, last_error_); }

void WorkflowTurn::note_failure(const core::WorkflowFailure &failure) {
    if (failures_ == 0) {
        replay_->add({.type = ExecutionEventType::workflow_task_failed,
                      .time = pg::now(),
                      .payload = core::failure_json(failure)});
    }
    failed_ = true;
    pg::count(core::WorkflowCount::failed_turns);
    if (failure.sqlstate == sqlstate::nondeterminism) {
        pg::count(core::WorkflowCount::nondeterminism);
    }
    const std::string reason = failure.sqlstate + ": " + failure.message;
    last_error_ = failure.detail.empty() ? reason : reason + " (" + failure.detail + ")";
    ++failures_;
}

void WorkflowTurn::fail(const core::WorkflowFailure &failure) {
    note_failure(failure);
    put_again(pg::now() + core::turn_retry_delay(failures_), failures_, last_error_);
}

void put_off_turn(const store::TaskKey &key, std::uint32_t failures, const std::string &reason) {
    store::put_off_execution_task(key, pg::now() + core::turn_retry_delay(failures), reason);
}

} // namespace hc::engine
