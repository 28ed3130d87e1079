// SQL functions of sql/install/37_connectors_after.sql: argument checks, then one engine or core call.
#include "core/signature.hpp"
#include "core/signature_secrets.hpp"
#include "engine/pauses.hpp"
#include "engine/receive.hpp"
#include "engine/verb.hpp"
#include "pg/catalog.hpp"
#include "pg/function.hpp"

#include <fmt/format.h>

using namespace hc;

namespace {

std::optional<std::string> text_or_null(std::string_view text) {
    return text.empty() ? std::nullopt : std::optional(std::string(text));
}

std::optional<std::string> kind_or_null(core::FailureKind kind) {
    return kind == core::FailureKind::none ? std::nullopt : text_or_null(core::to_string(kind));
}

std::optional<std::string> state_or_null(const std::optional<core::ReceiptState> &state) {
    return state ? text_or_null(core::to_string(*state)) : std::nullopt;
}

pg::Return add_parsed(pg::ResultSet &rows, const std::vector<core::CanonicalReceipt> &receipts) {
    std::int32_t ordinal = 0;
    for (const core::CanonicalReceipt &r : receipts) {
        rows.add(++ordinal, std::string(core::to_string(r.disposition)), r.correlation_id, r.client_ref, r.recipient,
                 r.event_id, r.event_time, r.sequence, r.raw_status, r.raw_code, state_or_null(r.state), r.final,
                 kind_or_null(r.kind), text_or_null(r.reason), text_or_null(r.suppress), text_or_null(r.engagement));
    }
    return rows.done();
}

pg::Return add_received(pg::ResultSet &rows, const std::vector<engine::ReceivedReceipt> &receipts) {
    std::int32_t ordinal = 0;
    for (const engine::ReceivedReceipt &r : receipts) {
        rows.add(++ordinal, r.cascade, r.attempt, state_or_null(r.state), kind_or_null(r.kind),
                 pg::enum_value{"signal_result", core::to_string(r.result)});
    }
    return rows.done();
}

} // namespace

HC_FUNCTION(hc_parse_receipts) {
    const std::string connector = args.text(0, "connector");
    const std::string payload = args.text(1, "payload");
    const core::Headers headers = engine::parse_headers(args.json(2, "headers"));
    core::ReceiptOptions options = core::parse_receipt_options(args.json(3, "options"));
    pg::ResultSet rows(args);
    engine::Verb verb;
    options.zone = engine::zone_clock(options.time_zone);
    const auto receipts = core::parse_receipts(*engine::definitions().connector(connector), payload, headers, options);
    verb.finish();
    return add_parsed(rows, receipts);
}

HC_FUNCTION(hc_parse_response) {
    const std::string connector = args.text(0, "connector");
    const std::int32_t http_status = args.integer(1, "http_status");
    const core::Headers headers = engine::parse_headers(args.json(2, "headers"));
    const std::string body = args.optional_text(3).value_or("");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const auto receipts = core::parse_response(*engine::definitions().connector(connector), http_status, headers, body);
    verb.finish();
    return add_parsed(rows, receipts);
}

HC_FUNCTION(hc_verify_signature) {
    const std::string scheme = args.text(0, "scheme");
    const std::string body = args.text(3, "body");
    const std::string url = args.optional_text(4).value_or("");
    core::SignatureRequest request;
    request.scheme = scheme;
    request.secrets = core::split_secrets(scheme, args.text(1, "secret"));
    request.headers = engine::parse_headers(args.json(2, "headers"));
    request.body = body;
    request.url = url;
    request.now = args.timestamptz(5, "now");
    return pg::make_bool(core::verify_signature(request) == core::SignatureCheck::ok);
}

HC_FUNCTION(hc_receive_receipts) {
    const std::string provider = args.text(0, "provider");
    const std::string payload = args.text(1, "payload");
    const core::Headers headers = engine::parse_headers(args.json(2, "headers"));
    const std::string options = args.json(3, "options");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const auto receipts = engine::receive_receipts(provider, payload, headers, options, verb.user());
    verb.finish();
    return add_received(rows, receipts);
}

HC_FUNCTION(hc_retry_parked_receipts) {
    const std::string provider = args.text(0, "provider");
    const std::int32_t limit = args.integer(1, "max_receipts");
    const std::int64_t after = args.bigint(2, "after_id");
    pg::ResultSet rows(args);
    engine::Verb verb;
    const engine::RetriedReceipts retried = engine::retry_parked_receipts(provider, limit, after, verb.user());
    verb.finish();
    if (retried.rest_after) {
        pg::notice("more parked receipts are left",
                   fmt::format("One call applies max_receipts and reads {}; go on with after_id => {}.",
                               engine::kMaxParkedRead, *retried.rest_after));
    }
    return add_received(rows, retried.receipts);
}

HC_FUNCTION(hc_connectors_changed) {
    engine::Verb verb;
    engine::check_connectors();
    verb.finish();
    return {}; // AFTER trigger: the result is not looked at
}
