// See workflow_updates.hpp. Runs in callers' backends.
#include "engine/workflow_updates.hpp"

#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_access.hpp"
#include "engine/workflow_executions.hpp"
#include "engine/workflow_types.hpp"
#include "pg/outcomes.hpp"
#include "pg/random.hpp"
#include "pg/user_turn.hpp"
#include "pg/wake.hpp"
#include "store/workflow_updates.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hc::engine {

namespace {

using core::ExecutionEvent;
using core::ExecutionEventType;
using core::ExecutionStatus;
using core::UpdateStage;
using core::WorkflowId;

constexpr int kMaxRounds = 100;

std::string new_update_id() {
    return core::to_string(
        core::make_workflow_id(pg::now(), static_cast<std::uint16_t>(pg::random64() % core::kBuckets), pg::random64()));
}

void check_request(UpdateRequest &request) {
    check_name(request.name, "update");
    if (request.id.size() > core::kMaxUpdateId) {
        throw Error(sqlstate::invalid_parameter, "invalid update id",
                    fmt::format("It must have 1 to {} bytes.", core::kMaxUpdateId));
    }
    if (request.id.empty()) {
        request.id = new_update_id();
    }
}

void check_limits(const WorkflowId &id) {
    const store::UpdateCounts counts = store::count_updates(id);
    if (counts.in_flight >= core::kMaxUpdatesInFlight) {
        throw Error(sqlstate::limit_exceeded, "too many workflow updates are in flight",
                    fmt::format("Execution {} has {}; the limit is {}.", core::to_string(id), counts.in_flight,
                                core::kMaxUpdatesInFlight),
                    "Send it again when one of them is completed: see hermes.update_result.");
    }
    if (std::cmp_greater_equal(counts.all, core::kMaxUpdates)) {
        throw Error(sqlstate::limit_exceeded, "execution has had too many workflow updates",
                    fmt::format("Execution {} has had {}; the limit is {}.", core::to_string(id), counts.all,
                                core::kMaxUpdates),
                    "Its function should go on by hermes.continue_as_new before that.");
    }
}

// To an execution that is open, and kept open by the caller's lock.
void admit(const WorkflowId &id, std::int32_t type_id, const UpdateRequest &request) {
    const WorkflowType &type = workflow_type(type_id);
    const core::DeclaredHandlers &declared = type.options.updates;
    const bool known = declared.contains(request.name) || (type.is_external() && declared.empty());
    if (known) {
        check_limits(id);
    } else {
        store::forget_old_rejections(id);
    }
    store::NewUpdate update{id, request.id, request.name, pg::now(), UpdateStage::admitted, request.arguments};
    if (!known) {
        update.stage = UpdateStage::rejected;
        update.content = core::outcome_of_failure(core::undeclared_update(request.name, declared));
    }
    if (!store::insert_update(update)) {
        return; // there is one of this id
    }
    if (!known) {
        pg::count(core::WorkflowCount::updates_rejected);
    } else {
        bring(id, type_id, store::Kind::update, nlohmann::json{{"update_id", request.id}}.dump());
    }
}

// The run that follows a closed one; nullopt: it was the last.
std::optional<WorkflowId> next_run(const store::ClosedRunRow &run, ExecutionEvent *end = nullptr) {
    ExecutionEvent last = core::decode_execution(run.history.data).back();
    const std::optional<WorkflowId> next = following_execution(last);
    if (end != nullptr) {
        *end = std::move(last);
    }
    return next;
}

store::ClosedRunRow closed_run(const WorkflowId &id, Oid user) {
    std::optional<store::ClosedRunRow> run = store::find_closed_run(id);
    if (!run || !definitions().tenant_allowed(user, run->tenant)) {
        throw_unknown_execution(id);
    }
    return std::move(*run);
}

[[noreturn]] void throw_closed(const WorkflowId &id, std::int16_t status) {
    throw Error(sqlstate::not_prerequisite, fmt::format("workflow execution {} is closed", core::to_string(id)),
                fmt::format("It is {}.", core::to_string(static_cast<ExecutionStatus>(status))));
}

[[noreturn]] void throw_sent_here() {
    throw Error(sqlstate::not_prerequisite, "cannot wait for what this transaction has sent",
                "It takes effect with the commit.", "Commit, and then wait; CALL hermes.execute_update does both.");
}

// Nullopt: it is closed, and no other run follows; `status` is how.
std::optional<WorkflowId> try_update(WorkflowId id, const UpdateRequest &request, Oid user, std::int16_t &status) {
    for (;;) {
        const std::optional<store::BriefRow> open = store::share_execution(id, store::LockWait::wait);
        if (open && !definitions().tenant_allowed(user, open->tenant)) {
            throw_unknown_execution(id);
        }
        std::optional<store::ClosedRunRow> closed;
        if (!open) {
            closed = closed_run(id, user);
        }
        if (store::find_update(id, request.id)) {
            return id; // whoever sends it again gets what the first one gets
        }
        if (open) {
            admit(id, open->type_id, request);
            return id;
        }
        const std::optional<WorkflowId> next = next_run(*closed);
        if (!next) {
            status = closed->status;
            return std::nullopt;
        }
        id = *next;
    }
}

} // namespace

std::string update_workflow(const WorkflowId &execution, UpdateRequest request, Oid user) {
    check_request(request);
    std::int16_t status = 0;
    if (!try_update(execution, request, user, status)) {
        throw_closed(execution, status);
    }
    return request.id;
}

namespace {

// Whether the newest execution of a workflow id answers for an update that it knows, so that a repeated call starts and
// terminates nothing. One that has closed does so for what it has completed; the rest may be tried anew.
bool answers_for(const WorkflowId &newest, const std::string &update_id) {
    const std::optional<store::UpdateRow> row = store::find_update(newest, update_id);
    return row && (row->stage == static_cast<std::int16_t>(UpdateStage::completed) || row->moved_to ||
                   store::find_execution(newest));
}

} // namespace

// An execution that closes between the start and the update is gone for the next round.
StartedUpdate update_with_start(WorkflowStart start, UpdateRequest request, Oid user) {
    if (!start.workflow_id) {
        throw Error(sqlstate::null_not_allowed, "argument \"workflow_id\" must not be null");
    }
    check_tenant_of(user, start.tenant);
    core::UpdateStartOptions options = core::parse_update_start_options(start.options_json);
    start.options_json = std::move(options.start_json);
    request.id = std::move(options.update_id);
    check_request(request);
    const std::optional<WorkflowId> newest = newest_execution(start.tenant, *start.workflow_id);
    if (newest && answers_for(*newest, request.id)) {
        return {*newest, request.id};
    }
    WorkflowId last{};
    for (int round = 0; round < kMaxRounds; ++round) {
        const WorkflowId id = start_workflow(start, user);
        std::int16_t status = 0;
        if (const std::optional<WorkflowId> sent = try_update(id, request, user, status)) {
            return {*sent, request.id};
        }
        if (id == last) { // of a request id that has been used: there will be no other
            throw_closed(id, status);
        }
        last = id;
    }
    throw Error("40001", "could not reach the workflow execution", {}, "The transaction might succeed if retried.");
}

bool UpdateLook::over(Oid user) {
    for (;;) {
        const std::optional<store::OpenRunRow> open = store::find_open_run(id_);
        std::optional<store::ClosedRunRow> closed;
        if (!open) {
            closed = closed_run(id_, user);
        } else if (!definitions().tenant_allowed(user, open->tenant)) {
            throw_unknown_execution(id_);
        }
        const std::optional<store::UpdateRow> row = store::find_update(id_, update_id_); // not older than the above
        if (!row) {
            const std::optional<WorkflowId> next = closed ? next_run(*closed) : std::nullopt;
            if (!next) {
                throw Error(sqlstate::undefined_object,
                            fmt::format("workflow update \"{}\" does not exist", update_id_),
                            fmt::format("Execution {} has had none of this id.", core::to_string(id_)));
            }
            id_ = *next;
            continue;
        }
        if (row->moved_to) {
            id_ = *row->moved_to;
            continue;
        }
        if (pg::is_current_transaction(row->xmin)) {
            throw_sent_here();
        }
        const auto stage = static_cast<UpdateStage>(row->stage);
        if (stage == UpdateStage::completed || stage == UpdateStage::rejected) {
            answer_ = core::update_answer(stage, row->content ? row->content->text : "");
            return true;
        }
        if (closed) {
            answer_ = core::unfinished_update_answer(stage, static_cast<ExecutionStatus>(closed->status));
            return true;
        }
        answer_ = core::update_answer(stage, "");
        return false;
    }
}

bool ResultLook::over(Oid user) {
    for (;;) {
        if (const std::optional<store::OpenRunRow> open = store::find_open_run(id_)) {
            if (!definitions().tenant_allowed(user, open->tenant)) {
                throw_unknown_execution(id_);
            }
            if (open->written_here) {
                throw Error(sqlstate::not_prerequisite,
                            "cannot wait for an execution that this transaction has started or signaled",
                            "It takes effect with the commit, and the execution does not end before.",
                            "Commit, and then wait.");
            }
            return false;
        }
        const std::optional<WorkflowId> next = next_run(closed_run(id_, user), &end_);
        if (!next) {
            return true;
        }
        id_ = *next;
    }
}

std::optional<std::string> ResultLook::result() const {
    switch (end_.type) {
    case ExecutionEventType::workflow_execution_completed:
        return end_.payload.empty() ? std::nullopt : std::optional(end_.payload);
    case ExecutionEventType::workflow_execution_failed: {
        const core::WorkflowFailure failure = core::parse_failure(end_.payload);
        pg::raise_recorded(failure.sqlstate, failure.message, failure.detail, failure.hint);
    }
    default:
        throw Error(sqlstate::child_ended,
                    fmt::format("workflow execution has ended: {}", core::to_string(core::status_after(end_.type))),
                    end_.text);
    }
}

} // namespace hc::engine
