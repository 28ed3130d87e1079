// Connectors: how a provider's delivery receipts, and the answers of its send call, are read, as data. A connector is a
// JSON document assembled from the tables hermes.connector, connector_status and connector_error; docs/connectors.md
// describes it member by member. This file is its parsed form; receipt_parser.hpp applies it.
#pragma once

#include "core/json_path.hpp"
#include "core/receipt.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxConnectorBytes = 512 * 1024;
inline constexpr std::size_t kMaxConnectorRows = 5000; // statuses and errors, each
inline constexpr std::size_t kMaxFieldSources = 16;

enum class PayloadKind : std::uint8_t { json, form, smpp };

// What a parsed element of a payload asks for.
enum class Disposition : std::uint8_t {
    apply,            // a receipt
    ignore,           // valid, says nothing of a delivery
    side_effect_only, // suppression or engagement, no state
    park,             // not understood: kept for an operator
    reject,           // the payload cannot be read at all
};

// "$.x" starts at the element, "$$.x" at the document.
struct DocumentPath {
    JsonPath path;
    bool from_root = false;
};

struct Condition {
    DocumentPath path;
    std::vector<std::string> in;         // empty: any value
    std::optional<std::string> contains; // part of the value
};

enum class TimeFormat : std::uint8_t { iso, epoch, yymmddhhmm, yyyymmddhhmmss };
enum class LetterCase : std::uint8_t { as_is, upper, lower };

// One place a value may come from, and what is cut off or added.
struct FieldSource {
    DocumentPath path;
    std::optional<std::string> constant; // instead of the path
    std::optional<Condition> when;
    std::string before, after, prefix;
    bool leading_digits = false;
    LetterCase letter_case = LetterCase::as_is;
    TimeFormat format = TimeFormat::iso;
};

enum class Field : std::uint8_t {
    correlation_id,
    client_ref,
    recipient,
    event_id,
    event_time,
    sequence,
    status,
    qualifier,
    code,
    code_fallback,
};
inline constexpr std::size_t kFields = 10;

struct Section {
    std::vector<PayloadKind> payload;
    std::vector<JsonPath> unwrap;
    std::vector<JsonPath> elements;
    std::vector<Condition> ignore;
    std::array<std::vector<FieldSource>, kFields> fields;

    const std::vector<FieldSource> &sources(Field f) const { return fields[static_cast<std::size_t>(f)]; }
};

// What a status word or an error code stands for.
struct Meaning {
    Disposition disposition = Disposition::apply;
    std::optional<ReceiptState> state; // none for ignore, side_effect_only and park
    bool final = false;
    FailureKind kind = FailureKind::none;
    std::string reason, suppress, engagement; // empty: none
    bool by_code = false;                     // an error row for the code replaces this one
};

// (status, qualifier) -> meaning.
using StatusTable = std::map<std::pair<std::string, std::string>, Meaning>;

enum class IdConversion : std::uint8_t { strip_zeros, hex_to_dec, dec_to_hex, upper, lower };

struct Connector {
    std::string name, signature;
    PartMode part_mode = PartMode::provider;
    std::vector<IdConversion> id_conversions;
    std::optional<Section> receipts, response;
    StatusTable statuses, response_statuses;
    std::map<std::string, Meaning> errors;
    std::map<std::string, Meaning> error_prefixes; // codes ending in *, without it
};

// Throws hc::Error like parse_rule. Unknown keys are errors.
Connector parse_connector(std::string_view json);

// State, finality and suppression of a failure of this kind and reason where a table says no more.
Meaning meaning_of_failure(FailureKind kind, std::string_view reason);

// The row of a code: exact, else the longest prefix. Null: none.
const Meaning *find_error(const Connector &connector, std::string_view code);

std::string_view to_string(Disposition d);

} // namespace hc::core
