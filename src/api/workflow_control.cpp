// SQL functions that pause executions of workflow functions.
#include "engine/pauses.hpp"
#include "engine/verb.hpp"
#include "engine/workflow_pause.hpp"
#include "pg/function.hpp"

using namespace hc;

namespace {

pg::Return result_of(core::SignalResult result) { return pg::make_enum("signal_result", core::to_string(result)); }

} // namespace

HC_FUNCTION(hc_pause_workflow) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::optional<std::string> reason = args.optional_text(1), request_id = args.optional_text(2);
    engine::Verb verb;
    const core::SignalResult result = engine::pause_workflow(id, reason, request_id, verb.user());
    verb.finish();
    return result_of(result);
}

HC_FUNCTION(hc_resume_workflow) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::optional<std::string> reason = args.optional_text(1);
    engine::Verb verb;
    const core::SignalResult result = engine::resume_workflow(id, reason, verb.user());
    verb.finish();
    return result_of(result);
}

HC_FUNCTION(hc_pause_workflow_type) {
    const std::string name = args.text(0, "name");
    const std::optional<std::string> reason = args.optional_text(1);
    engine::Verb verb;
    const bool changed = engine::pause(engine::PauseScope::workflow_type, name, reason);
    verb.finish();
    return pg::make_bool(changed);
}

HC_FUNCTION(hc_resume_workflow_type) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    const bool changed = engine::resume(engine::PauseScope::workflow_type, name);
    verb.finish();
    return pg::make_bool(changed);
}
