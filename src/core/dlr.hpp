// The payload of signal `dlr` and of apply_receipt: a canonical receipt as JSON.
//   {"status": "delivered", "attempt": 1, "provider_message_id": "..", "error_code": "..", "failure_kind": "soft",
//    "timestamp": "2026-01-01T00:00:00Z", "sequence": 1, "event_id": "..", "reason": ".."}; only status is required.
// Of an error_code that is not one word only a leading code is recorded, unless "error_code_known" is true.
// Where the account is known also "suppress" and "recipient", see DlrEffect.
#pragma once

#include "core/cascade.hpp"
#include "core/receipt_parser.hpp"

#include <string>
#include <string_view>

namespace hc::core {

// ReceiptInput, or ParkInput when the status word is not a canonical one. `identity`: a signal id; empty: the receipt
// is identified by its event_id, else by its content (R2). Throws hc::Error 22023 with the JSON path; unknown members
// are ignored, since providers add fields without notice.
Input parse_dlr(std::string_view json, std::string_view identity);

// A receipt that a connector has read, as such a payload, with what it says of the address; parse_dlr reads it back. It
// must have a state.
std::string dlr_json(const CanonicalReceipt &receipt);

// What a payload says of the address, beside the state of the message. Throws hc::Error 22023.
struct DlrEffect {
    std::string suppress; // opt_out | invalid_address | complaint | clear_opt_out; empty: nothing
    std::optional<std::string> recipient;
};
DlrEffect parse_dlr_effect(std::string_view json);

} // namespace hc::core
