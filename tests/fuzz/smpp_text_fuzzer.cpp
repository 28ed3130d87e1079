// Fuzzes the reading of SMPP receipt texts: the free text as it comes, then a receipt written from the same bytes,
// whose values must come back. The first byte says which TLVs stand beside it; the second is the esm_class.
#include "core/error.hpp"
#include "core/form.hpp"
#include "core/json_path.hpp"
#include "core/receipt_parser.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace hc::core;

// The shape of the shipped connector: a parameter goes before the text.
constexpr const char *kConnector = R"({"name": "fuzz", "id_conversions": ["strip_zeros"],
    "receipts": {"payload": ["smpp"], "fields": {
        "correlation_id": ["$.tlv.receipted_message_id", "$.id"],
        "event_time": [{"path": "$['done date']", "format": "yymmddhhmm"}, "$['done date']"],
        "status": ["$.tlv.message_state", {"path": "$.stat", "case": "upper"}],
        "code": ["$.tlv.network_error_code", "$.err"]}},
    "statuses": [{"status": "DELIVRD", "state": "delivered"}, {"status": "2", "state": "delivered"},
        {"status": "UNDELIV", "state": "failed", "by_code": true}],
    "errors": [{"code": "001", "failure_kind": "hard", "reason": "unknown_subscriber"}]})";

constexpr std::array<std::string_view, 8> kKeys{"id",        "sub",  "dlvrd", "submit date",
                                                "done date", "stat", "err",   "text"};

void require(bool condition) {
    if (!condition)
        std::abort();
}

std::string_view trimmed(std::string_view text) {
    const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
    while (!text.empty() && blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && blank(text.back()))
        text.remove_suffix(1);
    return text;
}

std::string member(const PayloadDocument &document, std::string_view key) {
    for (const auto &[name, value] : json_members(*document.json)) {
        if (name == key)
            return json_scalar_text(value).value();
    }
    return {};
}

// Any text gives a document of known keys only, whose values stand in the text.
void check_document(std::string_view text, const SmppParameters &smpp) {
    const PayloadDocument document = payload_document(PayloadKind::smpp, text, smpp);
    require(document.json && is_valid_json(*document.json));
    const std::string clean = replace_invalid_utf8(text);
    for (const auto &[name, value] : json_members(*document.json)) {
        if (name == "tlv") {
            require(json_members(value).size() == smpp.tlvs.size());
            continue;
        }
        require(name == "short_message" || std::find(kKeys.begin(), kKeys.end(), name) != kKeys.end());
        // what is cut between two keys may tear no character, so its replacement is that of the whole
        require(clean.find(json_scalar_text(value).value()) != std::string::npos);
    }
}

// A word of the input: no white space and no colon, so that it cannot be taken for a key.
std::string take_word(std::string_view &rest) {
    std::string word;
    while (!rest.empty() && word.size() < 40) {
        const char c = rest.front();
        rest.remove_prefix(1);
        if (c == '\n')
            break;
        if (static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 0x7f && c != ':')
            word.push_back(c);
    }
    return word;
}

void check_written_receipt(std::string_view rest) {
    std::array<std::string, kKeys.size()> values;
    std::string text;
    for (std::size_t i = 0; i < kKeys.size(); ++i) {
        const bool message = i + 1 == kKeys.size();
        values[i] = message ? replace_invalid_utf8(rest) : take_word(rest);
        text.append(text.empty() ? "" : " ").append(kKeys[i]).append(":").append(values[i]);
    }
    const PayloadDocument document = payload_document(PayloadKind::smpp, text, {});
    require(document.json.has_value());
    for (std::size_t i = 0; i < kKeys.size(); ++i)
        require(member(document, kKeys[i]) == trimmed(values[i]));
}

void check_receipt(const CanonicalReceipt &receipt, const ReceiptOptions &options) {
    require((receipt.disposition == Disposition::apply) == receipt.state.has_value());
    if (options.smpp_parameters.esm_class && !is_receipt(*options.smpp_parameters.esm_class)) {
        require(receipt.disposition == Disposition::ignore);
        return;
    }
    const auto &tlvs = options.smpp_parameters.tlvs;
    if (const auto id = tlvs.find("receipted_message_id"); id != tlvs.end() && !id->second.empty())
        require(receipt.id_candidates.front() == id->second);
    if (tlvs.contains("message_state"))
        require(receipt.raw_status == "2" && receipt.disposition != Disposition::ignore);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    static const Connector connector = parse_connector(kConnector);
    if (size < 2)
        return 0;
    const std::string_view text(reinterpret_cast<const char *>(data) + 2, size - 2);
    ReceiptOptions options;
    options.smpp = true;
    if ((data[0] & 1) != 0)
        options.smpp_parameters.tlvs["receipted_message_id"] = "a01F";
    if ((data[0] & 2) != 0)
        options.smpp_parameters.tlvs["message_state"] = "2";
    if ((data[0] & 4) != 0)
        options.smpp_parameters.tlvs["network_error_code"] = "001";
    if ((data[0] & 8) != 0)
        options.smpp_parameters.esm_class = data[1];
    options.id_base = static_cast<IdBase>(data[0] / 16 % 4);
    check_document(text, options.smpp_parameters);
    check_written_receipt(text);
    const std::vector<CanonicalReceipt> receipts = parse_receipts(connector, text, {}, options);
    require(receipts.size() == 1);
    check_receipt(receipts.front(), options);
    return 0;
}
