// Applies a connector to what a provider sent: canonical receipts, one an element, in the order of the payload. Never
// guesses (R6): a word without a row parks its element, the others still apply. Pure.
#pragma once

#include "core/connector.hpp"
#include "core/receipt_payload.hpp"
#include "core/send_window.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxReceiptPayloadBytes = 8 * 1024 * 1024;
inline constexpr std::size_t kMaxReceiptElements = 20'000;
inline constexpr std::size_t kMaxParkedReceiptBytes = 16 * 1024; // raw bytes kept of one element

// Bases in which a provider writes one and the same message id in answers and in receipts.
enum class IdBase : std::uint8_t { same, hex_in_answer, hex_in_receipt, either };

// Settings of one provider account, and facts of one call.
struct ReceiptOptions {
    std::map<std::string, Meaning> errors{};   // connector_err_map: before the connector's own rows
    std::map<std::string, Meaning> statuses{}; // connector_status_map
    IdBase id_base = IdBase::same;             // connector_id_base
    std::string time_zone{};                   // connector_time_zone, of dates that name none; empty: UTC
    ZoneOffset zone{};                         // of it, set by the caller
    std::vector<std::string> known_ids{};      // when given, the id that is known is chosen
    bool query = false;                        // method GET
    bool smpp = false;                         // esm_class, tlv or pdu was given
    SmppParameters smpp_parameters{};
    std::string url{}; // as the provider called it, for signatures
};

// {"connector_err_map": {"001": ["hard", "unknown_subscriber"]}, "connector_status_map": {"ACCEPTD": "delivered"},
//  "connector_id_base": {"answer": "hex", "receipt": "dec"}, "connector_time_zone": "Europe/Berlin",
//  "known_ids": [..], "method": "GET", "esm_class": 4,
//  "tlv": {"receipted_message_id": "..", "message_state": 2, "network_error_code": ".."},
//  "url": "https://public.example/dlr?attempt=.."}. Throws hc::Error 22023.
// What the call does not say is taken from `base`, the settings of the account.
ReceiptOptions parse_receipt_options(std::string_view json, ReceiptOptions base = {});

// What a provider account says of its receipts: "connector" and "receipts" of its configuration.
//   "connector": "twilio",                      default: hermes, canonical words
//   "receipts": {"secret": "name of a secret", "signature": "twilio", "url": "https://public.example/dlr",
//                "window": "5m", "part_mode": "all", "connector_err_map": {..}, "connector_status_map": {..},
//                "connector_id_base": {..}, "connector_time_zone": "Europe/Berlin",
//                "opt_out_category": "newsletter",    what its opt-outs are about; default: everything
//                "tenant": "acme"}                    whom receipts about an address mean that name no message known
//                                                     here; default: every tenant
// A secret makes the signature required; signature defaults to the connector's; url: for schemes that sign it; window:
// how far a signed time may be from now, both ways.
struct ReceiptSettings {
    std::string connector; // empty: none named
    std::string secret_name, signature, url;
    Duration window = std::chrono::minutes(5);
    std::optional<PartMode> part_mode;
    std::string opt_out_category; // empty: every category
    std::string tenant;           // empty: every one
    ReceiptOptions options;
};

struct CanonicalReceipt {
    Disposition disposition = Disposition::apply;
    std::optional<std::string> correlation_id; // exact, or the known one of `id_candidates`
    std::vector<std::string> id_candidates;    // the exact id, then its declared conversions (R5)
    std::optional<std::string> client_ref, recipient, event_id;
    std::optional<Time> event_time;
    std::optional<std::int64_t> sequence;
    std::optional<std::string> raw_status, raw_code;
    bool code_known = false; // the connector, or the account, has a row for this very raw_code: it is no free text
    std::optional<ReceiptState> state;
    bool final = false;
    FailureKind kind = FailureKind::none;
    std::string reason, suppress, engagement; // empty: none
    // The element as it came, for the inbox; of a form or SMPP text: as JSON; the whole document, unless it is
    // too long, where fields of the connector stand outside of the element.
    std::string raw;
};

// Receipts of a payload; of an empty list of them one row with disposition ignore. A payload that cannot be read at all
// gives one row with disposition reject, its reason a sentence. Throws hc::Error 54000 over a cap, 0A000 for a
// connector without receipts.
std::vector<CanonicalReceipt> parse_receipts(const Connector &connector, std::string_view payload,
                                             const Headers &headers, const ReceiptOptions &options);

// One parked receipt again, from its `raw` text.
std::vector<CanonicalReceipt> parse_parked(const Connector &connector, std::string_view raw,
                                           const ReceiptOptions &options);

// What the answer of a send call says.
std::vector<CanonicalReceipt> parse_response(const Connector &connector, std::int32_t http_status,
                                             const Headers &headers, std::string_view body);

// Times as providers write them; what names no zone is in this one. nullopt: not readable.
std::optional<Time> parse_provider_time(std::string_view text, TimeFormat format, const ZoneOffset &zone = {});

} // namespace hc::core
