// Callers' use cases around updates and results of executions: send, with a start or without, and look what has become
// of them. Sending is in the caller's transaction and waits for no step.
#pragma once

#include "core/id.hpp"
#include "core/workflow_updates.hpp"
#include "engine/workflow_verbs.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>

namespace hc::engine {

struct UpdateRequest {
    std::string name;
    std::string arguments; // JSON
    std::string id;        // empty: a new one
};
// The id of the update. One that the execution knows is attached to; one that goes on as another is followed. Throws
// WF001, 54000, 55000.
std::string update_workflow(const core::WorkflowId &execution, UpdateRequest request, Oid user);

struct StartedUpdate {
    core::WorkflowId execution_id;
    std::string update_id;
};
StartedUpdate update_with_start(WorkflowStart start, UpdateRequest request, Oid user);

// ---- looks: each with fresh eyes, in a Verb, until one of them says that it is over ----

class UpdateLook {
public:
    UpdateLook(const core::WorkflowId &execution, std::string update_id)
        : id_(execution), update_id_(std::move(update_id)) {}
    // Throws WF001, 42704; 55000 when this transaction has sent the update.
    bool over(Oid user);
    const std::string &answer() const { return answer_; } // JSON, of the last look
    const core::WorkflowId &id() const { return id_; }    // the run it has come to

private:
    core::WorkflowId id_;
    const std::string update_id_;
    std::string answer_;
};

class ResultLook {
public:
    explicit ResultLook(const core::WorkflowId &execution) : id_(execution) {}
    // Throws WF001; 55000 when this transaction has started or signaled the execution, which cannot end before it.
    bool over(Oid user);
    // After the last look: raises the failure. nullopt: NULL.
    std::optional<std::string> result() const;
    const core::WorkflowId &id() const { return id_; }

private:
    core::WorkflowId id_;
    core::ExecutionEvent end_;
};

} // namespace hc::engine
