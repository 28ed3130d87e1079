// SQL functions of sql/install/50_cascade.sql: argument checks, then one engine call.
#include "core/error.hpp"
#include "engine/query.hpp"
#include "engine/receipts.hpp"
#include "engine/signal.hpp"
#include "engine/start.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"
#include "pg/group_commit.hpp"

#include <fmt/format.h>

using namespace hc;

namespace {

pg::enum_value result_value(core::SignalResult result) { return {"signal_result", core::to_string(result)}; }

void check_length(std::size_t given, std::size_t wanted, const char *name, const char *reference = "cascade_ids") {
    if (given != wanted) {
        throw Error(sqlstate::invalid_parameter, fmt::format("array \"{}\" has the wrong length", name),
                    fmt::format("It has {} elements, \"{}\" has {}.", given, reference, wanted));
    }
}

pg::Return result_of(core::SignalResult result) { return pg::make_enum("signal_result", core::to_string(result)); }

pg::Return cancel(const pg::Arguments &args, bool terminate) {
    const core::WorkflowId id = args.uuid(0, "cascade_id");
    const std::optional<std::string> reason = args.optional_text(1);
    engine::Verb verb;
    const core::SignalResult result = engine::cancel_cascade(id, reason, terminate, verb.user());
    verb.finish();
    return result_of(result);
}

} // namespace

HC_FUNCTION(hc_start_cascade) {
    engine::StartRequest request;
    request.rule = args.text(0, "rule");
    request.messages.push_back(args.jsonb(1, "message"));
    if (!args.is_null(2)) {
        request.keys.push_back(args.optional_text(2));
    }
    request.tenant = args.optional_text(3);
    request.options_json = args.json(4, "options");
    engine::Verb verb(pg::PinPath::before_sql);
    const std::vector<core::WorkflowId> ids = engine::start_cascades(request, verb.user());
    verb.finish();
    return pg::make_uuid(ids.front());
}

HC_FUNCTION(hc_start_cascades) {
    engine::StartRequest request;
    request.rule = args.text(0, "rule");
    request.messages = args.jsonbs(1, "messages");
    if (!args.is_null(2)) {
        request.keys = args.texts(2, "keys");
        check_length(request.keys.size(), request.messages.size(), "keys", "messages");
    }
    request.tenant = args.optional_text(3);
    request.options_json = args.json(4, "options");
    pg::ResultSet rows(args);
    engine::Verb verb(pg::PinPath::before_sql);
    const std::vector<core::WorkflowId> ids = engine::start_cascades(request, verb.user());
    verb.finish();
    for (const core::WorkflowId &id : ids) {
        rows.add(id);
    }
    return rows.done();
}

HC_FUNCTION(hc_signal_cascade) {
    const engine::Signal signal{args.uuid(0, "cascade_id"), args.text(1, "signal"), args.json(2, "payload"),
                                args.optional_text(3)};
    engine::Verb verb(pg::PinPath::before_sql);
    const core::SignalResult result = engine::signal_cascades({signal}, verb.user()).front();
    verb.finish();
    return pg::make_enum("signal_result", core::to_string(result));
}

HC_FUNCTION(hc_signal_cascades) {
    const std::vector<core::WorkflowId> ids = args.uuids(0, "cascade_ids");
    const std::vector<std::optional<std::string>> names = args.texts(1, "signals");
    const std::vector<std::string> payloads = args.jsons(2, "payloads");
    std::vector<std::optional<std::string>> signal_ids(ids.size());
    if (!args.is_null(3)) {
        signal_ids = args.texts(3, "signal_ids");
    }
    check_length(names.size(), ids.size(), "signals");
    check_length(payloads.size(), ids.size(), "payloads");
    check_length(signal_ids.size(), ids.size(), "signal_ids");
    std::vector<engine::Signal> signals;
    signals.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!names[i]) {
            throw Error(sqlstate::null_not_allowed, "argument \"signals\" must not contain null elements");
        }
        signals.push_back({ids[i], *names[i], payloads[i], signal_ids[i]});
    }
    pg::ResultSet rows(args);
    engine::Verb verb(pg::PinPath::before_sql);
    const std::vector<core::SignalResult> results = engine::signal_cascades(signals, verb.user());
    verb.finish();
    for (const core::SignalResult result : results) {
        rows.add(result_value(result));
    }
    return rows.done();
}

HC_FUNCTION(hc_apply_receipt) {
    const std::string provider = args.text(0, "provider");
    const std::string message_id = args.text(1, "provider_message_id");
    const std::string payload = args.json(2, "payload");
    engine::Verb verb(pg::PinPath::before_sql);
    const core::SignalResult result = engine::apply_receipt(provider, message_id, payload, verb.user());
    verb.finish();
    return pg::make_enum("signal_result", core::to_string(result));
}

HC_FUNCTION(hc_cancel_cascade) { return cancel(args, false); }

HC_FUNCTION(hc_terminate_cascade) { return cancel(args, true); }

HC_FUNCTION(hc_cascade_status) {
    const core::WorkflowId id = args.uuid(0, "cascade_id");
    engine::Verb verb;
    const std::string json = engine::cascade_status(id, verb.user());
    verb.finish();
    pg::wait_until_on_disk();
    return pg::make_jsonb(json);
}

namespace {

void add_events(pg::ResultSet &rows, const std::vector<core::HistoryEvent> &events) {
    std::int32_t number = 0;
    for (const core::HistoryEvent &event : events) {
        rows.add(++number, event.time, core::to_string(event.type), pg::json_value{core::event_attributes_json(event)});
    }
}

} // namespace

HC_FUNCTION(hc_cascade_history) {
    const core::WorkflowId id = args.uuid(0, "cascade_id");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<core::HistoryEvent> events = engine::cascade_history(id, verb.user());
    verb.finish();
    pg::wait_until_on_disk();
    add_events(rows, events);
    return rows.done();
}

HC_FUNCTION(hc_dry_run) {
    const std::string rule = args.text(0, "rule");
    const std::string message = args.json(1, "message");
    const std::string script = args.json(2, "script");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<core::HistoryEvent> events = engine::dry_run(rule, message, script);
    verb.finish();
    add_events(rows, events);
    return rows.done();
}

HC_FUNCTION(hc_dry_run_rule) {
    const std::string rule = args.json(0, "rule");
    const std::string message = args.json(1, "message");
    const std::string script = args.json(2, "script");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const std::vector<core::HistoryEvent> events = engine::dry_run_rule(rule, message, script);
    verb.finish();
    add_events(rows, events);
    return rows.done();
}

HC_FUNCTION(hc_decode_history) {
    const std::string history = args.bytea(0, "history");
    pg::ResultSet rows(args);
    add_events(rows, core::decode_events(history));
    return rows.done();
}

HC_FUNCTION(hc_retry_dead_letter) {
    const std::int64_t id = args.bigint(0, "id");
    engine::Verb verb;
    engine::retry_dead_letter(id);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_hold_cascade) {
    const core::WorkflowId id = args.uuid(0, "cascade_id");
    const std::optional<std::string> reason = args.optional_text(1);
    engine::Verb verb;
    const core::SignalResult result = engine::hold_cascade(id, reason, verb.user());
    verb.finish();
    return result_of(result);
}

HC_FUNCTION(hc_release_cascade) {
    const core::WorkflowId id = args.uuid(0, "cascade_id");
    engine::Verb verb;
    const core::SignalResult result = engine::release_cascade(id, verb.user());
    verb.finish();
    return result_of(result);
}
