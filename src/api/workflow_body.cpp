// SQL functions that the body of a workflow function calls. They touch memory only; see engine/workflow_body.hpp.
#include "engine/workflow_body.hpp"
#include "pg/function.hpp"
#include "pg/plpgsql.hpp"

using namespace hc;

namespace {

pg::Return json_or_null(const std::optional<std::string> &json) {
    return json ? pg::make_jsonb(*json) : pg::make_null();
}

// The way out at every step: without a throw, which would cost as much as the rest of the call.
pg::Return suspension() {
    static const pg::Failure failure = [] {
        pg::Failure made;
        pg::capture(engine::WorkflowBody::suspension(), made);
        return made;
    }();
    pg::end_assignment();
    return {0, true, &failure};
}

} // namespace

HC_FUNCTION(hc_body_step) {
    const std::string name = args.text(0, "name"), statement = args.text(1, "statement");
    engine::WorkflowBody &body = engine::running_body();
    const auto result = body.step(name, statement, args.jsonb(2, "arguments"), args.json(3, "options"));
    return body.suspended() ? suspension() : json_or_null(result);
}

HC_FUNCTION(hc_body_fetch) {
    const std::string query = args.text(0, "query");
    return json_or_null(engine::running_body().fetch(query, args.json(1, "arguments")));
}

HC_FUNCTION(hc_body_side_effect) {
    return json_or_null(
        engine::running_body().side_effect(args.is_null(0) ? std::nullopt : std::optional(args.jsonb(0, "value"))));
}

HC_FUNCTION(hc_body_sleep) {
    engine::running_body().sleep(args.interval(0, "duration"));
    return pg::make_void();
}

HC_FUNCTION(hc_body_wait_signal) {
    const std::string name = args.text(0, "name");
    const auto timeout = args.is_null(1) ? std::nullopt : std::optional(args.interval(1, "timeout"));
    return json_or_null(engine::running_body().wait_signal(name, timeout));
}

HC_FUNCTION(hc_body_now) { return pg::make_timestamptz(engine::running_body().now()); }

HC_FUNCTION(hc_body_info) { return pg::make_jsonb(engine::running_body().info()); }

HC_FUNCTION(hc_body_random) {
    constexpr int kDigits = 53; // of a double
    const std::uint64_t bits = engine::running_body().random() >> (64 - kDigits);
    return pg::make_float8(static_cast<double>(bits) / static_cast<double>(1ULL << kDigits));
}

HC_FUNCTION(hc_body_uuid) {
    engine::WorkflowBody &body = engine::running_body();
    core::WorkflowId id;
    for (std::size_t half = 0; half < 2; ++half) {
        const std::uint64_t bits = body.random();
        for (std::size_t i = 0; i < 8; ++i) {
            id.bytes[8 * half + i] = static_cast<std::uint8_t>(bits >> (8 * i));
        }
    }
    id.bytes[6] = static_cast<std::uint8_t>(0x40 | (id.bytes[6] & 0x0f)); // version 4
    id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3f));
    return pg::make_uuid(id);
}

HC_FUNCTION(hc_body_get_version) {
    const std::string change = args.text(0, "change");
    return pg::make_int32(engine::running_body().version(change, args.integer(1, "oldest"), args.integer(2, "newest")));
}

HC_FUNCTION(hc_body_set_query_result) {
    const std::string name = args.text(0, "name");
    engine::running_body().set_query_result(name,
                                            args.is_null(1) ? std::nullopt : std::optional(args.json(1, "value")));
    return pg::make_void();
}

HC_FUNCTION(hc_body_start_timer) {
    return pg::make_int64(engine::running_body().start_timer(args.interval(0, "duration")));
}

namespace {

std::int64_t start_child(const pg::Arguments &args) {
    const std::string type = args.text(0, "type"), input = args.json(1, "input"), options = args.json(3, "options");
    return engine::running_body().start_child(type, input, args.optional_text(2), options);
}

} // namespace

HC_FUNCTION(hc_body_start_child) { return pg::make_int64(start_child(args)); }

HC_FUNCTION(hc_body_execute_child) { return json_or_null(engine::running_body().await(start_child(args))); }

HC_FUNCTION(hc_body_await) { return json_or_null(engine::running_body().await(args.bigint(0, "handle"))); }

HC_FUNCTION(hc_body_await_all) { return pg::make_jsonb(engine::running_body().await_all(args.bigints(0, "handles"))); }

HC_FUNCTION(hc_body_await_any) { return pg::make_int64(engine::running_body().await_any(args.bigints(0, "handles"))); }

HC_FUNCTION(hc_body_continue_as_new) { engine::running_body().continue_as_new(args.json(0, "input")); }

HC_FUNCTION(hc_body_start_activity) {
    const std::string type = args.text(0, "activity");
    return pg::make_int64(engine::running_body().start_activity(type, args.json(1, "input"), args.json(2, "options")));
}

HC_FUNCTION(hc_body_execute_activity) {
    const std::string type = args.text(0, "activity");
    engine::WorkflowBody &body = engine::running_body();
    return json_or_null(body.await(body.start_activity(type, args.json(1, "input"), args.json(2, "options"))));
}

HC_FUNCTION(hc_body_cancel) {
    engine::running_body().cancel(args.bigint(0, "handle"));
    return pg::make_void();
}
