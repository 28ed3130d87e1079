// SQL functions of workflow functions: define, run, act, ask.
#include "engine/fence.hpp"
#include "engine/verb.hpp"
#include "engine/workflow_query.hpp"
#include "engine/workflow_types.hpp"
#include "engine/workflow_verbs.hpp"
#include "pg/function.hpp"
#include "pg/group_commit.hpp"

using namespace hc;

namespace {

template <class Events>
pg::Return event_rows(pg::ResultSet &rows, const Events &events) {
    std::int32_t id = 0;
    for (const core::ExecutionEvent &event : events) {
        const std::string attributes = core::execution_attributes_json(event);
        rows.add(++id, event.time, core::to_string(event.type), pg::json_value{attributes});
    }
    return rows.done();
}

pg::Return result_of(core::SignalResult result) { return pg::make_enum("signal_result", core::to_string(result)); }

} // namespace

HC_FUNCTION(hc_register_workflow) {
    const std::string name = args.text(0, "name"), options = args.json(2, "options");
    const auto function = static_cast<Oid>(args.integer(1, "function")); // regprocedure
    engine::Verb verb;
    const std::int32_t version = engine::register_workflow(verb.user(), name, function, options);
    engine::claim_database();
    verb.finish();
    return pg::make_int32(version);
}

HC_FUNCTION(hc_drop_workflow) {
    const std::string name = args.text(0, "name");
    const std::optional<std::int32_t> version =
        args.is_null(1) ? std::nullopt : std::optional(args.integer(1, "version"));
    engine::Verb verb;
    engine::drop_workflow(name, version);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_start_workflow) {
    engine::WorkflowStart request;
    request.type = args.text(0, "type");
    request.input = args.jsonb(1, "input");
    request.workflow_id = args.optional_text(2);
    request.tenant = args.optional_text(3);
    request.options_json = args.json(4, "options");
    engine::Verb verb(pg::PinPath::before_sql);
    const core::WorkflowId id = engine::start_workflow(request, verb.user());
    verb.finish();
    return pg::make_uuid(id);
}

HC_FUNCTION(hc_signal_with_start) {
    engine::WorkflowStart request;
    request.type = args.text(0, "type");
    request.workflow_id = args.text(1, "workflow_id");
    request.signal = engine::StartSignal{args.text(2, "signal"), args.is_null(3) ? "null" : args.json(3, "payload")};
    request.input = args.jsonb(4, "input");
    request.tenant = args.optional_text(5);
    request.options_json = args.json(6, "options");
    engine::Verb verb;
    const core::WorkflowId id = engine::signal_with_start(request, verb.user());
    verb.finish();
    return pg::make_uuid(id);
}

HC_FUNCTION(hc_signal_workflow) {
    engine::WorkflowSignal signal;
    signal.id = args.uuid(0, "execution_id");
    signal.name = args.text(1, "signal");
    signal.payload_json = args.is_null(2) ? "null" : args.json(2, "payload");
    signal.request_id = args.optional_text(3);
    engine::Verb verb(pg::PinPath::before_sql);
    const core::SignalResult result = engine::signal_workflow(signal, verb.user());
    verb.finish();
    return result_of(result);
}

HC_FUNCTION(hc_cancel_workflow) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    engine::Verb verb;
    const core::SignalResult result = engine::cancel_workflow(id, args.optional_text(1), verb.user());
    verb.finish();
    return result_of(result);
}

HC_FUNCTION(hc_terminate_workflow) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    engine::Verb verb;
    const core::SignalResult result = engine::terminate_workflow(id, args.optional_text(1), verb.user());
    verb.finish();
    return result_of(result);
}

HC_FUNCTION(hc_workflow_status) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    engine::Verb verb;
    const std::string status = engine::workflow_status(id, verb.user());
    verb.finish();
    pg::wait_until_on_disk();
    return pg::make_jsonb(status);
}

HC_FUNCTION(hc_workflow_history) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<core::ExecutionEvent> events = engine::workflow_history(id, verb.user());
    verb.finish();
    pg::wait_until_on_disk();
    return event_rows(rows, events);
}

HC_FUNCTION(hc_decode_execution) {
    const std::string bytes = args.bytea(0, "history");
    pg::ResultSet rows(args);
    return event_rows(rows, core::decode_execution(bytes));
}

HC_FUNCTION(hc_query_workflow) {
    const core::WorkflowId id = args.uuid(0, "execution_id");
    const std::string name = args.text(1, "name"), arguments = args.json(2, "args");
    engine::Verb verb;
    engine::WorkflowQuery query(id, verb.user());
    verb.finish(); // the function runs as the caller
    pg::wait_until_on_disk();
    const std::optional<std::string> value = query.run(name, arguments);
    return value ? pg::make_jsonb(*value) : pg::make_null();
}
