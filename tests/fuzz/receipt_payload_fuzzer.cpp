// Fuzzes what strangers post: the first byte picks the kind, the rest is the payload, through payload_document() alone
// and through a connector that uses every way of finding a value. Nothing but the cap on elements may be thrown; what
// comes out is text that a database can store, has a state when it is applied, and goes through the payload of a
// receipt. The short cut through flat JSON reads what the parser reads.
#include "core/dlr.hpp"
#include "core/error.hpp"
#include "core/flat_json.hpp"
#include "core/form.hpp"
#include "core/json_path.hpp"
#include "core/receipt_ids.hpp"
#include "core/receipt_parser.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

using namespace hc::core;

constexpr const char *kConnector = R"({"name": "fuzz", "part_mode": "all",
    "id_conversions": ["strip_zeros", "hex_to_dec", "dec_to_hex", "upper", "lower"],
    "receipts": {"payload": ["json", "form", "smpp"], "unwrap": ["$.Message", "$.detail"],
        "elements": ["$.results[*]", "$.entry[*].changes[*].value.statuses[*]", "$[*]", "$"],
        "ignore": [{"path": "$.Type", "in": ["SubscriptionConfirmation"]}, {"path": "$.entry[*].changes[*].value.messages"},
                   {"path": "$.note", "contains": "in"}],
        "fields": {
            "correlation_id": ["$.id", "$.MessageSid", "$['message id']", "$.tlv.receipted_message_id",
                               {"path": "$.sg_message_id", "before": "."}],
            "client_ref": ["$.ref", {"path": "$$.ref", "when": {"path": "$$.kind", "in": ["dlr"]}}],
            "recipient": ["$.to", {"path": "$.To", "after": ":", "before": "@"}],
            "event_id": [{"path": "$.event", "prefix": "e/", "case": "lower"}],
            "event_time": [{"path": "$.t", "format": "epoch"}, "$.t", {"path": "$['done date']", "format": "yymmddhhmm"},
                           {"path": "$.at", "format": "yyyymmddhhmmss"}],
            "sequence": ["$.n"], "qualifier": ["$.type"],
            "status": ["$.stat", "$.s", {"path": "$.status[*].name", "case": "upper"}, {"value": "sent", "when": {"path": "$.sent"}}],
            "code": ["$.err", {"path": "$.reason", "leading": "digits", "prefix": "EC_"}], "code_fallback": ["$.codes[*]"]}},
    "response": {"elements": ["$.body.messages[*]", "$"],
        "fields": {"correlation_id": ["$.id", "$.body.id", "$$.headers.x-message-id", {"path": "$$.body", "after": "id: "}],
                   "status": ["$.s", "$$.http_status"], "code": ["$.err", "$.body.err"]}},
    "statuses": [{"status": "DELIVRD", "state": "delivered"}, {"status": "sent", "state": "sent"},
        {"status": "bounce", "state": "undeliverable", "suppress": "invalid_address", "by_code": true},
        {"status": "bounce", "qualifier": "blocked", "state": "failed", "reason": "blocked_by_carrier"},
        {"status": "open", "state": "read", "engagement": "opened"}, {"status": "stop", "disposition": "side_effect_only", "suppress": "opt_out"},
        {"status": "click", "disposition": "ignore"}, {"status": "odd", "disposition": "park"}],
    "response_statuses": [{"status": "2xx", "state": "accepted"}, {"status": "*", "state": "failed", "by_code": true}],
    "errors": [{"code": "1", "failure_kind": "hard", "reason": "unknown_subscriber"}, {"code": "EC_5*", "failure_kind": "policy"},
        {"code": "2", "disposition": "ignore", "reason": "duplicate_submit"}]})";

void require(bool condition) {
    if (!condition)
        std::abort();
}

bool is_text(std::string_view text) {
    return text.find('\0') == std::string_view::npos && replace_invalid_utf8(text) == text;
}

void check_texts(const CanonicalReceipt &receipt) {
    for (const auto *text : {&receipt.correlation_id, &receipt.client_ref, &receipt.recipient, &receipt.event_id,
                             &receipt.raw_status, &receipt.raw_code})
        require(!*text || (is_text(**text) && (*text)->size() <= 1100));
    for (const std::string &id : receipt.id_candidates)
        require(is_text(id));
    require(is_text(receipt.reason) && is_text(receipt.suppress) && is_text(receipt.engagement));
}

void check_receipt(const CanonicalReceipt &receipt, std::string_view payload) {
    check_texts(receipt);
    require(receipt.raw.size() <= kMaxParkedReceiptBytes);
    require((receipt.disposition == Disposition::apply) == receipt.state.has_value());
    require(receipt.correlation_id.has_value() == !receipt.id_candidates.empty());
    if (receipt.disposition == Disposition::reject)
        require(payload.starts_with(receipt.raw)); // as it came
    else
        require(is_text(receipt.raw));
    if (receipt.state) {
        const Input input = parse_dlr(dlr_json(receipt), {});
        require(std::get<ReceiptInput>(input).facts.state == *receipt.state);
    }
}

// A parked element is understood no better when it is read again, unless it was cut.
void check_parked(const Connector &connector, const CanonicalReceipt &receipt, const ReceiptOptions &options) {
    if (receipt.disposition != Disposition::park || receipt.raw.size() + 4 > kMaxParkedReceiptBytes)
        return;
    for (const CanonicalReceipt &again : parse_parked(connector, receipt.raw, options)) {
        check_receipt(again, receipt.raw);
        require(again.disposition != Disposition::reject);
    }
}

void check_receipts(const Connector &connector, std::string_view payload, const Headers &headers,
                    const ReceiptOptions &options) {
    std::vector<CanonicalReceipt> receipts;
    try {
        receipts = parse_receipts(connector, payload, headers, options);
    } catch (const hc::Error &e) {
        require(std::strcmp(e.sqlstate(), hc::sqlstate::limit_exceeded) == 0);
        return;
    }
    require(!receipts.empty() && receipts.size() <= kMaxReceiptElements);
    for (const CanonicalReceipt &receipt : receipts) {
        check_receipt(receipt, payload);
        check_parked(connector, receipt, options);
    }
}

void check_document(PayloadKind kind, std::string_view payload, const SmppParameters &smpp) {
    const PayloadDocument document = payload_document(kind, payload, smpp);
    require(document.json.has_value() == document.error.empty());
    if (!document.json)
        return;
    require(is_valid_json(*document.json));
    for (const auto &[name, value] : json_members(*document.json)) {
        const auto text = json_scalar_text(value);
        if (kind != PayloadKind::smpp) // where only fields are cleaned
            require(is_text(name) && (!text || is_text(*text)));
    }
}

// What the short cut accepts, the parser reads in the same way.
void check_flat(std::string_view payload) {
    constexpr std::array<std::string_view, 4> kNames{"status", "id", "stat", ""};
    std::array<nlohmann::json, kNames.size()> values;
    if (!read_flat_json(payload, kNames, values))
        return;
    const nlohmann::json document = nlohmann::json::parse(payload, nullptr, false);
    require(document.is_object());
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        const auto it = document.find(kNames[i]);
        const nlohmann::json expected = it == document.end() ? nlohmann::json() : *it;
        require(expected.type() == values[i].type() && expected == values[i]);
    }
}

void check_response(const Connector &connector, std::string_view payload) {
    const std::int32_t status = 200 + static_cast<std::int32_t>(payload.size() % 3) * 100;
    try {
        for (const CanonicalReceipt &receipt :
             parse_response(connector, status, {{"X-Message-Id", std::string(payload.substr(0, 40))}}, payload))
            check_texts(receipt);
    } catch (const hc::Error &e) {
        require(std::strcmp(e.sqlstate(), hc::sqlstate::limit_exceeded) == 0);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const Connector connector = parse_connector(kConnector);
    if (size == 0)
        return 0;
    const std::string_view payload(reinterpret_cast<const char *>(data) + 1, size - 1);
    ReceiptOptions options;
    options.id_base = static_cast<IdBase>(data[0] / 16 % 4);
    Headers headers;
    PayloadKind kind = PayloadKind::json;
    switch (data[0] % 4) {
    case 0:
        headers = {{"Content-Type", "application/json"}};
        break;
    case 1:
        kind = PayloadKind::form;
        headers = {{"content-type", "application/x-www-form-urlencoded"}};
        break;
    case 2:
        kind = PayloadKind::smpp;
        options.smpp = true;
        options.smpp_parameters.tlvs["receipted_message_id"] = payload.substr(0, payload.size() % 9);
        break;
    default: // by its first character
        kind = payload_kind(payload, headers, false, false);
        break;
    }
    check_flat(payload);
    check_document(kind, payload, options.smpp_parameters);
    check_receipts(connector, payload, headers, options);
    check_response(connector, payload);
    return 0;
}
