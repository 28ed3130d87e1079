// See workflow_moves.hpp. Runs in callers' backends.
#include "engine/workflow_moves.hpp"

#include "core/error.hpp"
#include "core/executor_queue.hpp"
#include "engine/definitions.hpp"
#include "store/workflow_moves.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::engine {

namespace {

constexpr std::int32_t kMostCandidates = 1'000'000; // that a predicate chooses among
constexpr std::size_t kProblemsTold = 5;

std::string event_bytes(std::int32_t from, std::int32_t to, const std::string &reason, core::Time last) {
    nlohmann::ordered_json change{{"version", to}, {"from_version", from}};
    if (!reason.empty()) {
        change["reason"] = reason;
    }
    const core::ExecutionEvent event{.type = core::ExecutionEventType::workflow_execution_options_updated,
                                     .time = std::max(pg::now(), last),
                                     .payload = change.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
    return core::encode_execution({&event, 1}, last);
}

} // namespace

WorkflowMove::WorkflowMove(Oid user, std::string type, std::int32_t to_version, std::string predicate,
                           const std::string &options_json)
    : type_(std::move(type)), predicate_(std::move(predicate)), options_(core::parse_move_options(options_json)) {
    check_predicate(predicate_);
    const WorkflowType *to = find_workflow_version(type_, to_version);
    if (to == nullptr) {
        throw Error(sqlstate::undefined_object,
                    fmt::format("workflow type \"{}\" has no version {}", type_, to_version), {},
                    "Register its function with hermes.register_workflow.");
    }
    if (to->is_external()) {
        throw Error(sqlstate::feature_not_supported, "executions cannot be moved to a program outside of the database",
                    "Its workers alone can replay their histories.",
                    "Start new executions, or reset with the version.");
    }
    function_ = replay_function(user, *to);
    type_id_ = to->id;
    version_ = to->version;
    queue_ = core::executor_queue(to->role_id);
}

std::vector<core::WorkflowId> WorkflowMove::candidates() const {
    std::vector<core::WorkflowId> ids = store::find_executions_to_move(type_, type_id_, kMostCandidates + 1);
    if (ids.size() > static_cast<std::size_t>(kMostCandidates)) {
        throw Error(sqlstate::limit_exceeded, "too many running executions",
                    fmt::format("More than {} are of other versions.", kMostCandidates));
    }
    return ids;
}

void WorkflowMove::lock(const std::vector<core::WorkflowId> &chosen) {
    if (chosen.size() > static_cast<std::size_t>(options_.max_executions)) {
        throw Error(sqlstate::limit_exceeded, "too many executions to move at once",
                    fmt::format("The predicate selects {}, and $.max_executions is {}.", chosen.size(),
                                options_.max_executions),
                    "Select fewer, or raise the option max_executions.");
    }
    for (const store::LockedExecutionRow &row : store::lock_executions(chosen)) {
        if (workflow_type(row.type_id).is_external()) {
            throw Error(sqlstate::feature_not_supported, "executions of an outside program cannot be moved",
                        fmt::format("Execution {} is one.", core::to_string(row.id)), "Select others.");
        }
        if (row.type_id != type_id_ && workflow_type(row.type_id).name == type_) { // as it is now
            locked_.push_back({row.id, row.type_id, {}});
        }
    }
}

ReplaySubject WorkflowMove::load(std::size_t i) {
    const pg::fresh_reads_scope afresh; // of what a turn has written that was waited for
    Locked &locked = locked_.at(i);
    std::optional<store::ExecutionRow> row = store::lock_execution(locked.id, store::LockWait::wait);
    const std::string older = row->chunks != 0 ? store::read_chunks(locked.id) : std::string();
    ReplaySubject subject{locked.id, type_, std::move(row->workflow_id),
                          core::decode_execution(older + row->history.data), pg::to_text(row->input)};
    locked.last = subject.events.back().time;
    return subject;
}

void WorkflowMove::judge(std::size_t i, const core::ReplayVerdict &verdict) {
    if (verdict.ok) {
        return;
    }
    if (++refused_ <= kProblemsTold) {
        problems_ +=
            fmt::format("{}{}: {}", problems_.empty() ? "" : "\n", core::to_string(locked_.at(i).id), verdict.problem);
    }
}

void WorkflowMove::finish() {
    if (refused_ != 0) {
        throw Error(sqlstate::nondeterminism,
                    fmt::format("{} of {} executions do not follow version {} of workflow type \"{}\"", refused_,
                                locked_.size(), version_, type_),
                    problems_ + (refused_ > kProblemsTold ? "\n.." : ""),
                    "Nothing is changed. See all of them with hermes.replay_check; hermes.get_version lets a function "
                    "go both ways.");
    }
    std::vector<core::WorkflowId> ids;
    std::vector<std::string> events;
    for (const Locked &locked : locked_) {
        ids.push_back(locked.id);
        events.push_back(event_bytes(workflow_type(locked.type_id).version, version_, options_.reason, locked.last));
    }
    if (!ids.empty()) {
        store::move_executions(ids, events, type_id_, queue_);
    }
}

} // namespace hc::engine
