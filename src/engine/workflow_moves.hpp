// Running executions go over to another version of their type: all that a predicate selects, or none. The caller of
// these functions alternates between a verb (the owner's identity) and the caller, as whom the functions are replayed.
#pragma once

#include "core/execution_reset.hpp"
#include "engine/workflow_replay.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

class WorkflowMove {
public:
    // In a verb. Throws 22023, 42501, 42704, WF021.
    WorkflowMove(Oid user, std::string type, std::int32_t to_version, std::string predicate,
                 const std::string &options_json);

    const std::string &type() const { return type_; }
    const std::string &predicate() const { return predicate_; }
    const ReplayFunction &function() const { return function_; }
    // In a verb: open executions of other versions, of any tenant; the predicate is still to choose among them.
    std::vector<core::WorkflowId> candidates() const;
    // In a verb: locks what was chosen, and waits for turns that are under way. Throws 54000 when they are too many.
    void lock(const std::vector<core::WorkflowId> &chosen);

    std::size_t size() const { return locked_.size(); }
    ReplaySubject load(std::size_t i); // in a verb
    void judge(std::size_t i, const core::ReplayVerdict &verdict);
    // In a verb: moves all. Throws WF021 when one of them does not follow the version.
    void finish();

private:
    struct Locked {
        core::WorkflowId id;
        std::int32_t type_id = 0;
        core::Time last{}; // time of its newest event
    };

    const std::string type_, predicate_;
    core::MoveOptions options_;
    ReplayFunction function_;
    std::int32_t type_id_ = 0, version_ = 0, queue_ = 0;
    std::vector<Locked> locked_;
    std::size_t refused_ = 0;
    std::string problems_; // of the first few
};

} // namespace hc::engine
