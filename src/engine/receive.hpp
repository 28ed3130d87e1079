// receive_receipts: what a provider posted, verified, read by its connector, matched and applied, in one transaction.
#pragma once

#include "core/cascade.hpp"
#include "core/id.hpp"
#include "core/receipt_parser.hpp"

#include "pg/values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

struct ReceivedReceipt {
    std::optional<core::WorkflowId> cascade;
    std::optional<std::int32_t> attempt;
    std::optional<core::ReceiptState> state;
    core::FailureKind kind = core::FailureKind::none;
    core::SignalResult result = core::SignalResult::ignored;
};

// Rows in the order of the payload. Throws 28000 for a bad signature, 22023 for a payload that cannot be read, 42501
// when the user may not act for all tenants, 42704 for an unknown provider.
std::vector<ReceivedReceipt> receive_receipts(const std::string &provider, const std::string &payload,
                                              const core::Headers &headers, const std::string &options_json, Oid user);

// Reads parked receipts again, by id from the one after `after`, until `limit` of them are understood; those still not
// understood stay, and hide nothing behind them.
inline constexpr std::int32_t kMaxParkedTaken = 10'000; // receipts a call applies
inline constexpr std::int32_t kMaxParkedRead = 100'000; // and looks at
struct RetriedReceipts {
    std::vector<ReceivedReceipt> receipts;
    std::optional<std::int64_t> rest_after; // more are left after this id
};
RetriedReceipts retry_parked_receipts(const std::string &provider, std::int32_t limit, std::int64_t after, Oid user);

// A jsonb object of strings, numbers or arrays of them (the last counts) as header names and values; other members are
// left out.
core::Headers parse_headers(const std::string &json);

} // namespace hc::engine
