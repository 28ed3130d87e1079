// SQL function for operators: why an execution stands where it stands.
#include "engine/workflow_explain.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"

using namespace hc;

HC_FUNCTION(hc_explain_workflow) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<engine::ExplainRow> found = engine::explain_workflow(id, verb.user());
    verb.finish();
    const auto shown = [](const std::string &words) { return words.empty() ? std::nullopt : std::optional(words); };
    for (const engine::ExplainRow &row : found) {
        rows.add(row.subject, row.state, row.since, row.due, shown(row.detail), shown(row.hint));
    }
    return rows.done();
}
