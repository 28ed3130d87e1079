// Replays of histories against a function, whatever function that is: in the caller's backend, as the caller,
// read-only. Nothing is recorded. How queries replay stands in workflow_query.hpp; here the question is whether the
// function does what the history says.
#pragma once

#include "core/execution_events.hpp"
#include "core/id.hpp"
#include "core/replay_verdict.hpp"
#include "engine/workflow_types.hpp"
#include "pg/values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

// A function that histories are replayed against.
struct ReplayFunction {
    std::string statement; // that calls it
    core::Duration timeout{};
};
// In a verb. The caller needs EXECUTE on it. Throws 22023, 42501, 42704.
ReplayFunction replay_function(Oid user, Oid function, core::Duration timeout);
ReplayFunction replay_function(Oid user, const WorkflowType &type);
void check_replay_timeout(core::Duration timeout); // throws 22023

// An execution to be replayed.
struct ReplaySubject {
    core::WorkflowId id;
    std::string workflow_type;
    std::optional<std::string> workflow_id;
    std::vector<core::ExecutionEvent> events;
    std::string input; // JSON
};
// In a verb; nullopt: there is none, or the caller may not see it.
std::optional<ReplaySubject> find_replay_subject(Oid user, const core::WorkflowId &id);

// Outside of a verb: as the caller. Passes on only what ends the statement: a cancel of the session.
core::ReplayVerdict check_replay(const ReplayFunction &function, const ReplaySubject &subject);

// ---- hermes.replay_check ----

struct ReplayCheck {
    std::string type;
    std::string predicate;
    std::int32_t max_executions = 0;
    ReplayFunction function;
};
// In a verb: checks the arguments. Throws 22023, 42501, 42704.
ReplayCheck make_replay_check(Oid user, Oid function, const std::string &type, const std::string &predicate,
                              std::int32_t max_executions);
void check_predicate(const std::string &predicate); // one expression; throws 22023

} // namespace hc::engine
