// SQL functions of search attributes, memo, lists and counts.
#include "engine/verb.hpp"
#include "engine/workflow_attributes.hpp"
#include "engine/workflow_body.hpp"
#include "engine/workflow_list.hpp"
#include "pg/function.hpp"

using namespace hc;

namespace {

std::optional<pg::json_value> json_or_null(const std::optional<pg::json_text> &json) {
    return json ? std::optional(pg::json_value{json->text}) : std::nullopt;
}

} // namespace

HC_FUNCTION(hc_create_search_attribute) {
    const std::string name = args.text(0, "name"), type = args.text(1, "type");
    engine::Verb verb;
    engine::create_search_attribute(name, type);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_drop_search_attribute) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    engine::drop_search_attribute(name);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_list_workflows) {
    engine::WorkflowPage page;
    page.filter = args.optional_text(0).value_or("");
    page.size = args.integer(1, "page_size");
    page.token = args.optional_text(2);
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<store::ListedRow> found = engine::list_workflows(page, verb.user());
    verb.finish();
    for (const store::ListedRow &row : found) {
        rows.add(row.id, row.type, row.version, row.workflow_id, row.tenant, row.status, row.started_at, row.closed_at,
                 json_or_null(row.attributes), json_or_null(row.memo), engine::page_token_after(row));
    }
    return rows.done();
}

HC_FUNCTION(hc_count_workflows) {
    const std::string filter = args.optional_text(0).value_or("");
    const std::optional<std::string> group_by = args.optional_text(1);
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<store::CountRow> counts = engine::count_workflows(filter, group_by, verb.user());
    verb.finish();
    for (const store::CountRow &row : counts) {
        rows.add(row.value, row.executions);
    }
    return rows.done();
}

HC_FUNCTION(hc_body_set_attributes) {
    engine::running_body().set_attributes(args.json(0, "attributes"));
    return pg::make_void();
}

HC_FUNCTION(hc_body_set_memo) {
    engine::running_body().set_memo(args.json(0, "fields"));
    return pg::make_void();
}
