// What a provider posted, as one JSON document: JSON as it is (unreadable escapes replaced), forms and query strings as
// an object of strings, SMPP deliver_sm text and TLVs as an object of the receipt's members.
#pragma once

#include "core/connector.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::core {

using Headers = std::vector<std::pair<std::string, std::string>>; // names in any letter case

// The SMPP parameters beside the text.
struct SmppParameters {
    std::optional<std::int32_t> esm_class; // none: taken for a receipt
    // receipted_message_id, message_state, network_error_code, message_payload
    std::map<std::string, std::string> tlvs;
};

// A value of the headers by name; letter case does not matter.
std::optional<std::string> header_value(const Headers &headers, std::string_view name);

// The kind of payload: by the SMPP parameters, the content-type header, the method (GET: a query string), else by its
// first character.
PayloadKind payload_kind(std::string_view payload, const Headers &headers, bool query, bool smpp);

// Valid JSON text of at most kMaxReceiptDepth levels, or nullopt with the reason.
struct PayloadDocument {
    std::optional<std::string> json;
    std::string error; // a sentence about the payload, without its content
};
PayloadDocument payload_document(PayloadKind kind, std::string_view payload, const SmppParameters &smpp);

// JSON whose escapes \u0000 and lone surrogates are replaced by \ufffd, so that its strings are text; everything else
// byte for byte.
std::string repair_json_escapes(std::string_view json);

// Whether an SMPP esm_class says delivery receipt or intermediate notification. SMPP v3.4, 5.2.12: bits 5 to 2.
bool is_receipt(std::int32_t esm_class);

} // namespace hc::core
