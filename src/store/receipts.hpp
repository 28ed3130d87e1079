// Look-up from a provider's message id to the attempt, the inbox of receipts that found none, and the log of what came.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

struct AttemptRow {
    std::int64_t hash = 0;
    core::WorkflowId workflow_id;
    std::int32_t attempt = 0;
    auto fields() { return std::tie(hash, workflow_id, attempt); }
};
void insert_attempts(const std::vector<AttemptRow> &rows, core::Time now);
std::vector<AttemptRow> find_attempts(const std::vector<std::int64_t> &hashes);

struct InboxRow {
    std::int64_t id = 0;
    std::int64_t hash = 0;
    std::int32_t provider = 0;
    std::string provider_message_id;
    std::string payload; // JSON text
    auto fields() { return std::tie(id, hash, provider, provider_message_id, payload); }
};
// Ids of the new rows (InboxRow::id of the argument does not matter), in order.
std::vector<std::int64_t> insert_waiting_receipts(const std::vector<InboxRow> &rows, core::Time now);
struct ParkedReceipt {
    std::int64_t hash = 0;
    std::optional<std::int32_t> provider;
    std::optional<std::string> provider_message_id;
    std::optional<core::WorkflowId> workflow_id;
    std::string payload; // as it came
    std::string reason;
};
void insert_parked_receipt(const ParkedReceipt &receipt, core::Time now);
struct ParkedRow {
    std::int64_t id = 0;
    std::string payload;
    auto fields() { return std::tie(id, payload); }
};
// Parked receipts of these providers that name no cascade, by id, those after the id given; not locked.
std::vector<ParkedRow> parked_receipts_after(const std::vector<std::int32_t> &providers, std::int64_t after,
                                             std::int32_t limit);
// Of these parked receipts, the ones that are still there and that nobody else holds, now locked; by id.
std::vector<std::int64_t> lock_parked_receipts(const std::vector<std::int64_t> &ids);
// Waiting receipts of these hashes, locked SKIP LOCKED, in order of arrival.
std::vector<InboxRow> lock_waiting_receipts(const std::vector<std::int64_t> &hashes);
// Of these hashes, the ones with a waiting receipt, locked by others or not.
std::vector<std::int64_t> waiting_hashes(const std::vector<std::int64_t> &hashes);
void delete_receipts(const std::vector<std::int64_t> &ids);
std::uint64_t delete_receipts_before(core::Time before, std::int32_t limit);

struct LoggedCall { // of receive_receipts
    std::int32_t provider = 0;
    std::int32_t receipts = 0;
    std::string headers; // JSON object
    std::string payload; // as it came
};
void log_call(const LoggedCall &call, core::Time now);

} // namespace hc::store
