// Receipts known only by the provider's message id: look-up, inbox, rematch.
#pragma once

#include "core/cascade.hpp"
#include "core/id.hpp"
#include "core/receipt_ids.hpp"

#include "pg/values.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hc::engine {

// Look-up hash of (provider, provider message id).
std::int64_t attempt_hash(std::int32_t provider, std::string_view provider_message_id);

// The same, and that of the id's normal form where the provider declares that ids are written in two ways.
std::vector<std::int64_t> attempt_hashes(std::int32_t provider, std::string_view provider_message_id,
                                         core::IdSide side);

// hermes.apply_receipt: applies, or keeps the receipt in the inbox with a rematch task that looks again after the
// commit.
core::SignalResult apply_receipt(const std::string &provider, const std::string &provider_message_id,
                                 const std::string &payload_json, Oid user);

// Of a message in parts, adds the id of the part that a receipt means in another way of writing to its more_ids (whose
// first is the id as the provider wrote it).
void name_part(core::ReceiptInput &receipt, const core::State &state);

// Throws 42501 unless the user may act for all tenants: a provider's receipts may belong to any.
void check_receipt_privilege(Oid user);

struct WaitingReceipt {
    std::int64_t hash = 0; // of the attempt that may come
    std::int32_t provider = 0;
    std::string provider_message_id;
    std::string payload; // as for parse_dlr
};
// Keeps receipts in the inbox, each with a rematch task that looks again after the commit.
void keep_waiting_receipts(const std::vector<WaitingReceipt> &receipts);

// Applies the receipts waiting for any of these attempts. For workers: a new transaction after the attempts' commit.
// Executions held by others are left waiting; returns false then.
bool rematch(const std::vector<std::int64_t> &hashes);

} // namespace hc::engine
