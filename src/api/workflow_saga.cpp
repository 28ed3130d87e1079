// SQL functions of compensations, which the body of a workflow function calls.
#include "engine/workflow_body.hpp"
#include "pg/function.hpp"

using namespace hc;

HC_FUNCTION(hc_body_add_compensation) {
    const std::string name = args.text(0, "name"), statement = args.text(1, "statement");
    engine::running_body().add_compensation(name, statement, args.jsonb(2, "arguments"));
    return pg::make_void();
}

HC_FUNCTION(hc_body_compensate) { return pg::make_int32(engine::running_body().compensate(args.json(0, "options"))); }
