// The options of receive_receipts and parse_receipts. See receipt_parser.hpp.
#include "core/provider_reader.hpp"
#include "core/receipt_parser.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hc::core {

namespace {

constexpr JsonDocumentRules kRules{"invalid receipt options", 1024 * 1024, 8};
constexpr std::size_t kMaxWordBytes = 512;
constexpr std::size_t kMaxMessagePayload = 64 * 1024;
constexpr std::size_t kMaxOverrides = 1000;
constexpr std::size_t kMaxUrlBytes = 16 * 1024;
constexpr std::size_t kMaxZoneBytes = 63;
constexpr const char *kErrorHint = "Example: {\"001\": [\"hard\", \"unknown_subscriber\"]}.";

const nlohmann::json &object_of(const JsonNode &node, const char *hint) {
    if (!node.value().is_object() || node.value().size() > kMaxOverrides)
        node.fail_type(fmt::format("an object of at most {} members", kMaxOverrides), hint);
    return node.value();
}

std::string text_or_number(const JsonNode &node, std::size_t max_bytes = kMaxWordBytes) {
    return node.value().is_number_integer() ? node.value().dump() : node.text(max_bytes);
}

void read_errors(const JsonNode &node, ReceiptOptions &options) {
    for (const auto &[code, value] : object_of(node, kErrorHint).items()) {
        const JsonNode row = node.child(value, code);
        const bool pair = value.is_array() && (value.size() == 1 || value.size() == 2);
        if (!pair && !value.is_string())
            row.fail_type("[failure kind, reason]", kErrorHint);
        const JsonNode kind = value.is_array() ? row.child(value[0], std::size_t{0}) : row;
        const std::string reason =
            value.is_array() && value.size() == 2 ? row.child(value[1], std::size_t{1}).name() : "unspecified";
        options.errors[code] = meaning_of_failure(kind.word(kFailureKindWords), reason);
    }
}

void read_statuses(const JsonNode &node, ReceiptOptions &options) {
    constexpr const char *kHint = "Example: {\"ACCEPTD\": \"delivered\"}.";
    for (const auto &[status, value] : object_of(node, kHint).items()) {
        const JsonNode row = node.child(value, status);
        const std::optional<ReceiptState> state = parse_receipt_state(row.text(kMaxWordBytes));
        if (!state || *state == ReceiptState::queued)
            row.fail("must be a receipt state", kHint);
        options.statuses[status] = {.state = *state,
                                    .final = is_final(*state),
                                    .kind = default_failure_kind(*state),
                                    .reason = is_failure(*state) ? "unspecified" : "",
                                    .suppress = "",
                                    .engagement = "",
                                    .by_code = is_failure(*state)};
    }
}

// "hex", "dec", 16, 10
bool is_hex(const JsonNode &node) {
    const std::string word = text_or_number(node);
    if (word != "hex" && word != "dec" && word != "16" && word != "10")
        node.fail("must be \"hex\" or \"dec\"", "");
    return word == "hex" || word == "16";
}

// {"answer": "hex", "receipt": "dec"}; a single word says only that the two differ.
IdBase read_id_base(const JsonNode &node) {
    if (!node.value().is_object()) {
        text_or_number(node);
        return IdBase::either;
    }
    static constexpr std::array<std::string_view, 8> kKeys{"answer",  "submit",  "submit_resp", "submit_sm_resp",
                                                           "receipt", "deliver", "deliver_sm",  "dlr"};
    const JsonObject object(node, kKeys);
    std::optional<bool> answer, receipt;
    for (std::size_t i = 0; i < kKeys.size(); ++i) {
        if (const auto base = object.find(kKeys[i]))
            (i < 4 ? answer : receipt) = is_hex(*base);
    }
    if (!answer || !receipt)
        return IdBase::either;
    if (*answer == *receipt)
        return IdBase::same;
    return *answer ? IdBase::hex_in_answer : IdBase::hex_in_receipt;
}

void read_smpp(const JsonObject &object, ReceiptOptions &options) {
    if (const auto esm_class = object.find("esm_class")) {
        options.smpp = true;
        options.smpp_parameters.esm_class = static_cast<std::int32_t>(esm_class->integer(0, 255));
    }
    if (const auto tlv = object.find("tlv")) {
        options.smpp = true;
        for (const auto &[name, value] : object_of(*tlv, "").items()) {
            const std::size_t limit = name == "message_payload" ? kMaxMessagePayload : kMaxWordBytes;
            const bool blank = value.is_string() && value.get_ref<const std::string &>().empty();
            if (!value.is_null() && !blank) // an empty parameter says nothing
                options.smpp_parameters.tlvs[name] = text_or_number(tlv->child(value, name), limit);
        }
    }
    options.smpp = options.smpp || object.find("pdu").has_value();
}

} // namespace

void read_receipt_options(const JsonObject &object, ReceiptOptions &options) {
    if (const auto errors = object.find("connector_err_map"))
        read_errors(*errors, options);
    if (const auto statuses = object.find("connector_status_map"))
        read_statuses(*statuses, options);
    if (const auto base = object.find("connector_id_base"))
        options.id_base = read_id_base(*base);
    if (const auto zone = object.find("connector_time_zone"))
        options.time_zone = zone->text(kMaxZoneBytes);
}

ReceiptOptions parse_receipt_options(std::string_view json, ReceiptOptions base) {
    static constexpr std::array<std::string_view, 10> kKeys{"connector_err_map",
                                                            "connector_status_map",
                                                            "connector_id_base",
                                                            "connector_time_zone",
                                                            "known_ids",
                                                            "method",
                                                            "esm_class",
                                                            "tlv",
                                                            "pdu",
                                                            "url"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    ReceiptOptions options = std::move(base);
    read_receipt_options(object, options);
    if (const auto ids = object.find("known_ids"); ids && !ids->value().empty()) {
        for (const JsonNode &id : ids->items(kMaxOverrides))
            options.known_ids.push_back(text_or_number(id));
    }
    if (const auto method = object.find("method"))
        options.query = method->text(16) == "GET" || method->text(16) == "get";
    if (const auto url = object.find("url"))
        options.url = url->text(kMaxUrlBytes);
    read_smpp(object, options);
    return options;
}

} // namespace hc::core
