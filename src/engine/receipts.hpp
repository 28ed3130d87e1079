// Receipts known only by the provider's message id: look-up, inbox, rematch.
#pragma once

#include "core/cascade.hpp"
#include "core/id.hpp"

#include "pg/values.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hc::engine {

// Look-up hash of (provider, provider message id).
std::int64_t attempt_hash(std::int32_t provider, std::string_view provider_message_id);

// hermes.apply_receipt: applies, or keeps the receipt in the inbox with a rematch task that looks again after the
// commit.
core::SignalResult apply_receipt(const std::string &provider, const std::string &provider_message_id,
                                 const std::string &payload_json, Oid user);

// Applies the receipts waiting for any of these attempts. For workers: a new transaction after the attempts' commit.
// Executions held by others are left waiting; returns false then.
bool rematch(const std::vector<std::int64_t> &hashes);

} // namespace hc::engine
