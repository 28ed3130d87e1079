// Receipts out of documents. See receipt_parser.hpp.
#include "core/receipt_parser.hpp"

#include "core/error.hpp"
#include "core/history.hpp"
#include "core/provider_reader.hpp"
#include "core/receipt_element.hpp"
#include "core/receipt_ids.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

struct Tables {
    const Connector &connector;
    const StatusTable &statuses;
    const ReceiptOptions &options;
    bool response = false;
};

void take(CanonicalReceipt &receipt, const Meaning &meaning) {
    receipt.disposition = meaning.disposition;
    receipt.state = meaning.state;
    receipt.final = meaning.final;
    receipt.kind = meaning.kind;
    receipt.reason = meaning.reason;
    receipt.suppress = meaning.suppress;
    if (!meaning.engagement.empty())
        receipt.engagement = meaning.engagement;
}

void park(CanonicalReceipt &receipt, std::string_view reason) {
    receipt.disposition = Disposition::park;
    receipt.state.reset();
    receipt.final = false;
    receipt.kind = FailureKind::none;
    receipt.reason = reason;
    receipt.suppress.clear();
    receipt.engagement.clear();
}

const Meaning *find_status(const Tables &tables, const std::string &status, const std::string &qualifier) {
    const auto row = tables.statuses.find({status, qualifier});
    return row == tables.statuses.end() ? nullptr : &row->second;
}

// For answers: the row of the class of the HTTP status.
const Meaning *find_http_class(const Tables &tables, const std::optional<std::string> &status, std::int32_t http) {
    if (!tables.response || status == std::nullopt)
        return nullptr;
    const Meaning *row = find_status(tables, fmt::format("{}xx", http / 100), "");
    return row != nullptr ? row : find_status(tables, "*", "");
}

const Meaning *find_code(const Tables &tables, const std::optional<std::string> &code) {
    if (!code)
        return nullptr;
    const auto own = tables.options.errors.find(*code);
    return own != tables.options.errors.end() ? &own->second : find_error(tables.connector, *code);
}

void interpret(const Tables &tables, const ElementReader &in, std::int32_t http, CanonicalReceipt &receipt) {
    const std::optional<std::string> qualifier = in.text(Field::qualifier);
    receipt.raw_status = in.text(Field::status);
    receipt.raw_code = in.text(Field::code);
    receipt.code_known = receipt.raw_code && (tables.options.errors.contains(*receipt.raw_code) ||
                                              tables.connector.errors.contains(*receipt.raw_code));
    if (!receipt.raw_status)
        return park(receipt, "no_status");
    const Meaning *meaning = qualifier ? find_status(tables, *receipt.raw_status, *qualifier) : nullptr;
    if (meaning != nullptr)
        receipt.raw_status->append("/").append(*qualifier);
    else
        meaning = find_status(tables, *receipt.raw_status, "");
    if (const auto own = tables.options.statuses.find(*receipt.raw_status); own != tables.options.statuses.end())
        meaning = &own->second;
    if (meaning == nullptr)
        meaning = find_http_class(tables, receipt.raw_status, http);
    if (meaning == nullptr)
        return park(receipt, "unknown_status");
    take(receipt, *meaning);
    if (!meaning->by_code)
        return;
    const Meaning *error = find_code(tables, receipt.raw_code);
    if (error == nullptr)
        error = find_code(tables, in.text(Field::code_fallback));
    if (error != nullptr)
        take(receipt, *error);
}

bool uses_root(const Section &section) {
    return std::any_of(section.fields.begin(), section.fields.end(), [](const std::vector<FieldSource> &sources) {
        return std::any_of(sources.begin(), sources.end(),
                           [](const FieldSource &s) { return s.path.from_root || (s.when && s.when->path.from_root); });
    });
}

std::string raw_text(std::string_view text) { return std::string(cut_utf8(text, kMaxParkedReceiptBytes)); }

CanonicalReceipt read_element(const Tables &tables, const Section &section, const JsonMembers &root,
                              std::string_view text, std::int32_t http) {
    const JsonMembers element(text);
    const ElementReader in(section, root, element);
    CanonicalReceipt receipt;
    receipt.correlation_id = in.text(Field::correlation_id);
    receipt.client_ref = in.text(Field::client_ref);
    receipt.recipient = in.text(Field::recipient);
    receipt.event_id = in.text(Field::event_id);
    receipt.event_time = in.time(Field::event_time, tables.options.zone);
    receipt.sequence = in.integer(Field::sequence);
    interpret(tables, in, http, receipt);
    const bool addressed = receipt.correlation_id || receipt.client_ref;
    if (!tables.response && receipt.disposition == Disposition::apply && !addressed)
        park(receipt, "no_message_id");
    if (receipt.correlation_id) {
        receipt.id_candidates =
            id_candidates(*receipt.correlation_id, tables.connector.id_conversions, tables.options.id_base);
        receipt.correlation_id = choose_known_id(receipt.id_candidates, tables.options);
    }
    if (receipt.disposition == Disposition::park)
        receipt.raw = raw_text(uses_root(section) && root.text().size() <= kMaxParkedReceiptBytes ? root.text() : text);
    return receipt;
}

std::string unwrap(const Section &section, std::string json) {
    for (const JsonPath &path : section.unwrap) {
        const std::optional<std::string_view> inner = find_json(json, path);
        if (!inner)
            continue;
        std::string next(*inner);
        if (next.starts_with('"')) { // JSON in a string
            PayloadDocument document =
                payload_document(PayloadKind::json, json_scalar_text(next).value_or(std::string()), {});
            if (!document.json)
                continue;
            next = std::move(*document.json);
        }
        json = std::move(next);
    }
    return json;
}

std::vector<std::string_view> find_elements(const Section &section, std::string_view json) {
    constexpr std::size_t kLimit = kMaxReceiptElements + 1;
    for (const JsonPath &path : section.elements) {
        std::vector<std::string_view> found = find_all_json(json, path, kLimit);
        if (!found.empty())
            return found;
    }
    if (!section.elements.empty())
        return {};
    const std::size_t first = json.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || json[first] != '[')
        return {json};
    JsonPathSegment every;
    every.every = true;
    return find_all_json(json, JsonPath{{every}}, kLimit);
}

bool is_empty_array(std::string_view json) {
    const std::size_t first = json.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && json[first] == '[' && json_elements(json).empty();
}

// Whether receipts would stand in an array that is there and holds nothing: the payload is one of no receipts.
bool holds_empty_list(const Section &section, std::string_view json) {
    if (section.elements.empty())
        return is_empty_array(json);
    for (const JsonPath &path : section.elements) {
        for (std::size_t i = 0; i < path.segments.size(); ++i) {
            if (!path.segments[i].every)
                continue;
            const JsonPath list{{path.segments.begin(), path.segments.begin() + static_cast<std::ptrdiff_t>(i)}};
            const std::vector<std::string_view> found = find_all_json(json, list, 1);
            if (!found.empty() && is_empty_array(found.front()))
                return true;
        }
    }
    return false;
}

CanonicalReceipt whole(Disposition disposition, std::string_view reason, std::string_view payload) {
    CanonicalReceipt receipt;
    receipt.disposition = disposition;
    receipt.reason = reason;
    receipt.raw = raw_text(payload);
    return receipt;
}

std::string_view kind_name(PayloadKind kind) {
    switch (kind) {
    case PayloadKind::json:
        return "JSON";
    case PayloadKind::form:
        return "a form";
    case PayloadKind::smpp:
        return "SMPP text";
    }
    return "";
}

// A sentence for a payload of a kind that the connector does not take.
std::string refusal(PayloadKind kind, const std::vector<PayloadKind> &taken) {
    std::string names;
    for (const PayloadKind one : taken)
        names.append(names.empty() ? "" : " or ").append(kind_name(one));
    return fmt::format("It is taken for {}, and this connector takes {}.", kind_name(kind),
                       names.empty() ? "nothing" : names);
}

std::vector<CanonicalReceipt> read_document(const Tables &tables, const Section &section, std::string_view json,
                                            std::int32_t http) {
    const JsonMembers root(json);
    const std::vector<std::string_view> elements = find_elements(section, json);
    if (elements.size() > kMaxReceiptElements)
        throw Error(sqlstate::limit_exceeded, "too many receipts in one payload",
                    fmt::format("A payload can hold {} receipts.", kMaxReceiptElements));
    std::vector<CanonicalReceipt> receipts;
    receipts.reserve(elements.size());
    for (const std::string_view element : elements)
        receipts.push_back(read_element(tables, section, root, element, http));
    const bool understood = std::any_of(receipts.begin(), receipts.end(),
                                        [](const CanonicalReceipt &r) { return r.raw_status.has_value(); });
    if (understood)
        return receipts;
    const ElementReader whole_document(section, root, root);
    const bool no_receipt = std::any_of(section.ignore.begin(), section.ignore.end(),
                                        [&](const Condition &c) { return whole_document.holds(c); });
    if (no_receipt)
        return {whole(Disposition::ignore, "not_a_receipt", {})};
    if (!tables.response && holds_empty_list(section, json))
        return {whole(Disposition::ignore, "no_receipts", {})};
    if (receipts.empty())
        receipts.push_back(whole(Disposition::park, "no_receipt_found", json));
    return receipts;
}

} // namespace

std::vector<CanonicalReceipt> parse_receipts(const Connector &connector, std::string_view payload,
                                             const Headers &headers, const ReceiptOptions &options) {
    if (!connector.receipts)
        throw Error(sqlstate::feature_not_supported, fmt::format("connector \"{}\" has no receipts", connector.name),
                    "Its provider tells all it knows in the answer of the send call.",
                    "Read answers with hermes.parse_response; let such steps succeed on accepted.");
    if (payload.size() > kMaxReceiptPayloadBytes)
        throw Error(sqlstate::limit_exceeded, "receipt payload is too large",
                    fmt::format("It has {} bytes, the limit is {}.", payload.size(), kMaxReceiptPayloadBytes));
    const Section &section = *connector.receipts;
    const auto takes = [&section](PayloadKind kind) {
        return std::find(section.payload.begin(), section.payload.end(), kind) != section.payload.end();
    };
    const bool smpp_only = section.payload.size() == 1 && takes(PayloadKind::smpp);
    const PayloadKind kind = payload_kind(payload, headers, options.query, options.smpp || smpp_only);
    if (kind == PayloadKind::smpp && options.smpp_parameters.esm_class &&
        !is_receipt(*options.smpp_parameters.esm_class))
        return {whole(Disposition::ignore, "not_a_receipt", {})};
    if (!takes(kind))
        return {whole(Disposition::reject, refusal(kind, section.payload), payload)};
    PayloadDocument document = payload_document(kind, payload, options.smpp_parameters);
    if (!document.json)
        return {whole(Disposition::reject, document.error, payload)};
    const std::string json = unwrap(section, std::move(*document.json));
    return read_document({connector, connector.statuses, options, false}, section, json, 0);
}

std::vector<CanonicalReceipt> parse_parked(const Connector &connector, std::string_view raw,
                                           const ReceiptOptions &options) {
    const PayloadDocument document = payload_document(PayloadKind::json, raw, {});
    if (!connector.receipts || !document.json)
        return {whole(Disposition::park, "unreadable", raw)};
    const Section &section = *connector.receipts;
    const Tables tables{connector, connector.statuses, options, false};
    if (!find_elements(section, *document.json).empty())
        return read_document(tables, section, *document.json, 0);
    return {read_element(tables, section, JsonMembers(*document.json), *document.json, 0)};
}

std::vector<CanonicalReceipt> parse_response(const Connector &connector, std::int32_t http_status,
                                             const Headers &headers, std::string_view body) {
    if (!connector.response)
        throw Error(sqlstate::feature_not_supported,
                    fmt::format("connector \"{}\" has no reading of answers", connector.name));
    const PayloadDocument parsed = payload_document(PayloadKind::json, body, {});
    nlohmann::json names = nlohmann::json::object();
    for (const auto &[name, value] : headers)
        names[lower_case(name)] = value;
    constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
    const std::string json = fmt::format(
        "{{\"http_status\":{},\"headers\":{},\"body\":{}}}", http_status, names.dump(-1, ' ', false, kReplace),
        parsed.json ? *parsed.json : nlohmann::json(body).dump(-1, ' ', false, kReplace));
    static const ReceiptOptions kNoOptions;
    return read_document({connector, connector.response_statuses, kNoOptions, true}, *connector.response, json,
                         http_status);
}

} // namespace hc::core
