// See workflow_executions.hpp. Runs in callers' backends and in executors.
#include "engine/workflow_executions.hpp"

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/executor_queue.hpp"
#include "engine/workflow_attributes.hpp"
#include "engine/workflow_verbs.hpp"
#include "pg/catalog.hpp"
#include "pg/outcomes.hpp"
#include "pg/random.hpp"
#include "pg/wake.hpp"
#include "store/activities.hpp"
#include "store/condition_waiters.hpp"
#include "store/schedules.hpp"
#include "store/workflow_moves.hpp"
#include "store/workflow_programs.hpp"
#include "store/workflow_updates.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;
using core::ExecutionStatus;
using core::WorkflowId;
using OptionalText = std::optional<std::string>;

constexpr int kMaxRounds = 100;

ExecutionStatus status_of(const WorkflowId &id) {
    if (store::find_execution(id)) {
        return ExecutionStatus::running;
    }
    const std::optional<store::ClosedBriefRow> closed = store::find_closed_execution(id);
    // one whose history is not kept any more stands in nobody's way
    return closed ? static_cast<ExecutionStatus>(closed->status) : ExecutionStatus::terminated;
}

} // namespace

// ---- workflow ids ----

WorkflowId hash_of_workflow_id(const OptionalText &tenant, const std::string &workflow_id) {
    const core::Sha256 digest = core::sha256(tenant.value_or("") + '\x1f' + workflow_id);
    WorkflowId hash;
    std::copy_n(digest.begin(), hash.bytes.size(), hash.bytes.begin());
    return hash;
}

IdCourse take_workflow_id(const OptionalText &tenant, const std::string &workflow_id,
                          const core::WorkflowStartOptions &options, const WorkflowId &id) {
    const WorkflowId hash = hash_of_workflow_id(tenant, workflow_id);
    for (int round = 0; round < kMaxRounds; ++round) {
        if (store::claim_workflow_id(hash, id, options.request_id)) {
            return {core::StartCourse::start, {}, {}};
        }
        const std::optional<store::CurrentRow> current = store::lock_workflow_id(hash, store::LockWait::wait);
        if (!current) {
            continue; // the one who had it has rolled back
        }
        IdCourse course{{}, current->execution_id, status_of(current->execution_id)};
        course.course = core::course_of_start(options, {course.status, current->request_id.value_or("")});
        if (course.course == core::StartCourse::start || course.course == core::StartCourse::terminate_existing) {
            store::pass_on_workflow_id(hash, id, options.request_id);
        }
        return course;
    }
    throw Error("40001", "could not obtain a workflow id", {}, "The transaction might succeed if retried.");
}

core::WorkflowFailure refusal_of(const std::string &workflow_id, const IdCourse &course) {
    return {sqlstate::already_started, fmt::format("workflow execution \"{}\" is already started", workflow_id),
            fmt::format("It is execution {}, {}.", core::to_string(course.existing), core::to_string(course.status)),
            "See the options conflict_policy and reuse_policy of hermes.start_workflow."};
}

bool pass_on_workflow_id(const OptionalText &tenant, const std::string &workflow_id, const WorkflowId &next) {
    const WorkflowId hash = hash_of_workflow_id(tenant, workflow_id);
    if (!store::lock_workflow_id(hash, store::LockWait::skip)) {
        return false;
    }
    store::pass_on_workflow_id(hash, next, "");
    return true;
}

std::optional<WorkflowId> newest_execution(const OptionalText &tenant, const std::string &workflow_id) {
    return store::newest_of_workflow_id(hash_of_workflow_id(tenant, workflow_id));
}

std::optional<WorkflowId> take_over_workflow_id(const OptionalText &tenant, const std::string &workflow_id,
                                                const WorkflowId &next) {
    const WorkflowId hash = hash_of_workflow_id(tenant, workflow_id);
    while (!store::claim_workflow_id(hash, next, "")) {
        if (const std::optional<store::CurrentRow> current = store::lock_workflow_id(hash, store::LockWait::wait)) {
            store::pass_on_workflow_id(hash, next, current->request_id.value_or(""));
            return current->execution_id;
        }
    }
    return std::nullopt;
}

WorkflowId take_reset_request(const WorkflowId &id, const std::string &request_id, const WorkflowId &next) {
    const WorkflowId hash = hash_of_workflow_id("\x1freset", core::to_string(id) + '\x1f' + request_id);
    while (!store::claim_workflow_id(hash, next, request_id)) {
        if (const std::optional<store::CurrentRow> known = store::lock_workflow_id(hash, store::LockWait::wait)) {
            return known->execution_id;
        }
    }
    return next;
}

WorkflowId new_execution_id(const OptionalText &tenant, const OptionalText &workflow_id) {
    const std::uint16_t bucket = workflow_id ? core::bucket_of_key(tenant.value_or(""), *workflow_id)
                                             : static_cast<std::uint16_t>(pg::random64() % core::kBuckets);
    return core::make_workflow_id(pg::now(), bucket, pg::random64());
}

// ---- beginning ----

void count_events(std::span<const ExecutionEvent> written) {
    for (const ExecutionEvent &event : written) {
        if (const std::optional<core::WorkflowCount> count = core::count_of(event.type)) {
            pg::count(*count);
        }
    }
}

void begin_execution(store::ExecutionRow row, std::optional<pg::jsonb_view> input, core::Duration delay,
                     core::ExecutionChain chain, const core::ExecutionAttributes &attributes) {
    const WorkflowType &type = workflow_type(row.type_id);
    const core::Time now = pg::now();
    const std::optional<core::Duration> whole =
        chain.execution_timeout ? chain.execution_timeout : type.options.execution_timeout;
    if (chain.first_execution_id.empty() && whole) {
        chain.expires = now + delay + *whole;
    }
    std::vector<ExecutionEvent> events = core::attribute_events(attributes, now);
    events.insert(events.begin(), {.type = ExecutionEventType::workflow_execution_started,
                                   .time = now,
                                   .name = type.name,
                                   .payload = core::chain_json(chain)});
    row.history.data = core::encode_execution(events, std::nullopt);
    store::insert_execution(row, input);
    count_events(events);
    if (!attributes.empty()) {
        store_attributes(row.id, attributes);
    }
    const std::int32_t queue = queue_for(type, store::Kind::turn);
    std::vector<store::Task> tasks{{row.id, store::kTurnNumber, store::Kind::turn, queue, now + delay, 0, 0, {}}};
    const std::optional<core::Duration> run = chain.run_timeout ? chain.run_timeout : type.options.run_timeout;
    std::optional<core::Time> ends = chain.expires;
    if (run) {
        ends = std::min(ends.value_or(core::kNever), now + delay + *run);
    }
    if (ends) {
        const std::int32_t ending = queue_for(type, store::Kind::run_timeout);
        tasks.push_back({row.id, store::kRunTimeoutNumber, store::Kind::run_timeout, ending, *ends, 0, 0, {}});
    }
    store::insert_tasks(tasks);
}

// ---- bringing ----

void bring(const WorkflowId &id, std::int32_t type_id, store::Kind kind, const std::string &detail) {
    const std::int32_t queue = queue_for(workflow_type(type_id), kind);
    store::insert_tasks({{id, store::next_execution_task_number(), kind, queue, pg::now(), 0, 0, detail}});
}

std::string signal_detail(const std::string &name, const std::string &payload_json, const std::string &request_id) {
    nlohmann::json detail{{"name", name}, {"payload", payload_json}};
    if (!request_id.empty()) {
        detail["request_id"] = request_id;
    }
    return detail.dump();
}

std::string cancel_detail(const std::string &reason) { return nlohmann::json{{"reason", reason}}.dump(); }

// ---- the end ----

std::string failure_of_end(const ExecutionEvent &end) {
    if (end.type == ExecutionEventType::workflow_execution_failed) {
        return end.payload;
    }
    const std::string word(core::to_string(core::status_after(end.type)));
    return core::failure_json({sqlstate::child_ended, "child execution has ended: " + word, end.text, ""});
}

std::optional<WorkflowId> following_execution(const ExecutionEvent &end) {
    if (core::has_next_run(end)) {
        return core::next_run_of(end);
    }
    if (end.type != ExecutionEventType::workflow_execution_terminated || end.payload.empty()) {
        return std::nullopt;
    }
    const nlohmann::json reset = nlohmann::json::parse(end.payload, nullptr, false);
    return reset.is_object() ? core::parse_workflow_id(reset.value("execution_id", "")) : std::nullopt;
}

void tell_child(const WorkflowId &parent, const std::string &execution_id, store::Kind kind,
                const std::string &reason) {
    std::optional<WorkflowId> id = core::parse_workflow_id(execution_id);
    for (int i = 0; id && i < kLongestChain; ++i) {
        if (const std::optional<store::BriefRow> row = store::find_child(*id, parent)) {
            bring(*id, row->type_id, kind, cancel_detail(reason));
            return;
        }
        const std::optional<std::string> history = store::closed_history(*id);
        id = history ? following_execution(core::decode_execution(*history).back()) : std::nullopt;
    }
}

namespace {

// What a parent is told of its child's end: of its last run.
bool tell_parent(const store::ExecutionRow &row, const ExecutionEvent &end, store::LockWait mode) {
    if (!row.parent_id || core::has_next_run(end)) {
        return true;
    }
    const std::optional<store::BriefRow> parent = store::share_execution(*row.parent_id, mode);
    if (!parent) {
        return mode == store::LockWait::wait || !store::find_execution(*row.parent_id); // it has ended
    }
    const bool completed = end.type == ExecutionEventType::workflow_execution_completed;
    bring(*row.parent_id, parent->type_id, store::Kind::child_closed,
          nlohmann::json{{"command", row.command.value_or(0)},
                         {"failed", !completed},
                         {"payload", completed ? end.payload : failure_of_end(end)},
                         {"status", core::to_string(core::status_after(end.type))}}
              .dump());
    return true;
}

// Each by its policy, unless it has another parent by now. One that has ended meanwhile is sent what it has no use for:
// its executor drops it.
void tell_children(const WorkflowId &parent, const core::Replay &replay) {
    for (const core::OpenChild &child : replay.open_children()) {
        const core::ParentClosePolicy policy = core::parse_parent_close(child.policy);
        if (policy != core::ParentClosePolicy::abandon) {
            const bool ends = policy == core::ParentClosePolicy::terminate;
            tell_child(parent, child.execution_id, ends ? store::Kind::terminate : store::Kind::cancel,
                       "its parent has closed");
        }
    }
}

// A schedule that has started it, or one before it of its workflow id, looks whether it goes on. An installation
// without schedules pays with a look at the size of a file.
void tell_schedule(const store::ExecutionRow &row) {
    if (!row.workflow_id || !pg::may_have_rows("schedule_run")) {
        return;
    }
    if (const auto schedule = store::schedule_of_run(hash_of_workflow_id(row.tenant, *row.workflow_id))) {
        store::call_schedule(*schedule, pg::now());
    }
}

} // namespace

bool close_execution(const store::ExecutionRow &row, store::ClosingRow locked, const core::Replay &replay,
                     ExecutionEvent end, core::Time base, store::LockWait mode) {
    end.time = std::max(pg::now(), replay.events().back().time);
    if (!tell_parent(row, end, mode)) {
        return false;
    }
    tell_children(row.id, replay);
    if (replay.has_open_activities()) {
        store::delete_activities(row.id);
    }
    std::vector<ExecutionEvent> added(replay.added().begin(), replay.added().end());
    added.push_back(std::move(end));
    store::close_execution(row.id, std::move(locked), row.chunks, core::encode_execution(added, base),
                           static_cast<std::int16_t>(core::status_after(added.back().type)), added.back().time);
    count_events(added);
    store::delete_execution_tasks(row.id);
    if (workflow_type(row.type_id).is_external()) {
        store::delete_program_task(row.id);
    }
    if (replay.has_conditions()) {
        store::delete_condition_waiter(row.id);
    }
    pg::note_outcome(row.id);
    tell_schedule(row);
    return true;
}

} // namespace hc::engine
