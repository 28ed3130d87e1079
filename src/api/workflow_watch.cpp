// SQL functions around changes of watched tables.
#include "engine/workflow_body.hpp"
#include "pg/function.hpp"
#include "pg/watch.hpp"

using namespace hc;

HC_FUNCTION(hc_body_wait_until) {
    const std::string condition = args.text(0, "condition");
    const std::vector<Oid> tables = args.oids(1, "tables");
    const std::string arguments = args.json(2, "args");
    const auto timeout = args.is_null(3) ? std::nullopt : std::optional(args.interval(3, "timeout"));
    return pg::make_bool(engine::running_body().wait_until(condition, tables, arguments, timeout));
}

HC_FUNCTION(hc_note_change) {
    pg::note_trigger_change(args.raw());
    return {}; // AFTER trigger: the result is not looked at
}
