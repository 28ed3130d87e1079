// See receipts.hpp.
#include "store/receipts.hpp"

#include "pg/table_search.hpp"

#include <algorithm>

namespace hc::store {

using Hashes = std::vector<std::int64_t>;

namespace {
struct IdRow {
    std::int64_t id = 0;
    auto fields() { return std::tie(id); }
};
struct DatedAttemptRow : AttemptRow {
    core::Time created_at{};
    auto fields() { return std::tie(hash, workflow_id, attempt, created_at); }
};
} // namespace

void insert_attempts(const std::vector<AttemptRow> &rows, core::Time now) {
    constinit static pg::table_insert<std::int64_t, core::Time, core::WorkflowId, std::int32_t> insert(
        "attempt", {"hash", "created_at", "workflow_id", "attempt"});
    insert.run(rows.size(), [&rows, &now](std::size_t i) {
        return std::tie(rows[i].hash, now, rows[i].workflow_id, rows[i].attempt);
    });
}

std::vector<AttemptRow> find_attempts(const Hashes &hashes) {
    constinit static pg::table_search<DatedAttemptRow, std::int64_t> search(
        "attempt", {"hash", "workflow_id", "attempt", "created_at"}, "hash");
    std::vector<DatedAttemptRow> found = search.run(hashes);
    std::stable_sort(found.begin(), found.end(),
                     [](const auto &a, const auto &b) { return a.created_at > b.created_at; });
    return {found.begin(), found.end()};
}

std::vector<std::int64_t> insert_waiting_receipts(const std::vector<InboxRow> &rows, core::Time now) {
    constinit static pg::statement<IdRow(Hashes, std::vector<std::int32_t>, std::vector<std::string>,
                                         std::vector<std::string>, core::Time)>
        insert("INSERT INTO hermes.receipt_inbox (hash, provider, provider_message_id, parked, payload, received_at) "
               "SELECT u.hash, u.provider, u.message_id, false, u.payload, $5 "
               "FROM unnest($1, $2, $3, $4) AS u (hash, provider, message_id, payload) RETURNING id");
    Hashes hashes;
    std::vector<std::int32_t> providers;
    std::vector<std::string> message_ids, payloads;
    for (const InboxRow &row : rows) {
        hashes.push_back(row.hash);
        providers.push_back(row.provider);
        message_ids.push_back(row.provider_message_id);
        payloads.push_back(row.payload);
    }
    Hashes ids;
    for (const IdRow &row : insert.query(hashes, providers, message_ids, payloads, now)) {
        ids.push_back(row.id);
    }
    return ids;
}

void insert_parked_receipt(const ParkedReceipt &receipt, core::Time now) {
    constinit static pg::statement<void(std::int64_t, std::optional<std::int32_t>, std::optional<std::string>,
                                        std::optional<core::WorkflowId>, std::string, std::string, core::Time)>
        insert("INSERT INTO hermes.receipt_inbox (hash, provider, provider_message_id, workflow_id, parked, payload, "
               "reason, received_at) VALUES ($1, $2, $3, $4, true, $5, $6, $7)");
    insert.execute(receipt.hash, receipt.provider, receipt.provider_message_id, receipt.workflow_id, receipt.payload,
                   receipt.reason, now);
}

std::vector<ParkedRow> parked_receipts_after(const std::vector<std::int32_t> &providers, std::int64_t after,
                                             std::int32_t limit) {
    constinit static pg::statement<ParkedRow(std::vector<std::int32_t>, std::int64_t, std::int32_t)> find(
        "SELECT r.id, r.payload FROM unnest($1) AS p (id) CROSS JOIN LATERAL (SELECT i.id, i.payload "
        "FROM hermes.receipt_inbox i WHERE i.parked AND i.workflow_id IS NULL AND i.provider = p.id AND i.id > $2 "
        "ORDER BY i.id LIMIT $3) AS r ORDER BY r.id LIMIT $3");
    return find.query(providers, after, limit);
}

Hashes lock_parked_receipts(const Hashes &ids) {
    if (ids.empty()) {
        return {};
    }
    constinit static pg::statement<IdRow(Hashes)> lock(
        "SELECT id FROM hermes.receipt_inbox WHERE id = ANY ($1) AND parked ORDER BY id FOR UPDATE SKIP LOCKED");
    Hashes locked;
    for (const IdRow &row : lock.query(ids)) {
        locked.push_back(row.id);
    }
    return locked;
}

std::vector<InboxRow> lock_waiting_receipts(const Hashes &hashes) {
    constinit static pg::statement<InboxRow(Hashes)> find(
        "SELECT id, hash, provider, provider_message_id, payload FROM hermes.receipt_inbox "
        "WHERE hash = ANY ($1) AND NOT parked ORDER BY id FOR UPDATE SKIP LOCKED");
    return find.query(hashes);
}

Hashes waiting_hashes(const Hashes &hashes) {
    constinit static pg::statement<IdRow(Hashes)> find(
        "SELECT DISTINCT hash FROM hermes.receipt_inbox WHERE hash = ANY ($1) AND NOT parked");
    Hashes waiting;
    for (const IdRow &row : find.query(hashes)) {
        waiting.push_back(row.id);
    }
    return waiting;
}

void delete_receipts(const Hashes &ids) {
    if (ids.empty()) {
        return;
    }
    constinit static pg::statement<void(Hashes)> remove("DELETE FROM hermes.receipt_inbox WHERE id = ANY ($1)");
    remove.execute(ids);
}

std::uint64_t delete_receipts_before(core::Time before, std::int32_t limit) {
    constinit static pg::statement<void(core::Time, std::int32_t)> remove(
        "DELETE FROM hermes.receipt_inbox WHERE id = ANY (ARRAY(SELECT id FROM hermes.receipt_inbox WHERE received_at "
        "< $1 "
        "ORDER BY received_at LIMIT $2))");
    return remove.execute(before, limit);
}

void log_call(const LoggedCall &call, core::Time now) {
    constinit static pg::statement<void(core::Time, std::int32_t, std::int32_t, std::string, std::string)> insert(
        "INSERT INTO hermes.receipt (received_at, provider, receipts, headers, payload) VALUES ($1, $2, $3, $4::jsonb, "
        "$5)");
    insert.execute(now, call.provider, call.receipts, call.headers, call.payload);
}

} // namespace hc::store
