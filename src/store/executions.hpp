// Executions: open (hermes.workflow), closed (hermes.closed) and their idempotency keys.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"
#include "pg/table.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

// ---- keys ----

struct KeyRow {
    core::WorkflowId hash;
    core::WorkflowId workflow_id;
    std::int64_t fingerprint = 0;
    auto fields() { return std::tie(hash, workflow_id, fingerprint); }
};

// Inserts what is not there yet, waiting for concurrent uncommitted inserters; returns the rows inserted.
// Rows must be sorted by hash, so that two batches lock in one order.
std::vector<KeyRow> insert_keys(const std::vector<core::WorkflowId> &hashes, const std::vector<core::WorkflowId> &ids,
                                const std::vector<std::int64_t> &fingerprints);
std::vector<KeyRow> find_keys(const std::vector<core::WorkflowId> &hashes); // with a new snapshot

// ---- open ----

struct NewOpenRow {
    core::WorkflowId id;
    std::int32_t rule_id = 0;
    const std::optional<std::string> *tenant = nullptr, *key = nullptr; // of the caller's
    pg::bytes history;
    pg::jsonb_view message;
};
void insert_open(const std::vector<NewOpenRow> &rows);

struct TimerPlace {
    std::int32_t number = 0;
    pg::RowPlace place;
};
struct OpenRow {
    core::WorkflowId id;
    std::int32_t rule_id = 0;
    std::optional<std::string> tenant;
    std::optional<std::string> key;
    pg::bytes history; // the whole of it
    // when it was locked:
    pg::RowPlace place;
    bool continued = false; // the newest events stand in the timer (Timer::history)
    std::optional<TimerPlace> timer;
    auto fields() { return std::tie(id, rule_id, tenant, key, history); }
};

enum class LockWait : std::uint8_t {
    wait, // a caller: waits for other callers and workers
    skip, // a worker: never waits for a row that a client may hold
};
inline pg::IfLocked if_locked(LockWait mode) {
    return mode == LockWait::wait ? pg::IfLocked::wait : pg::IfLocked::skip;
}

std::vector<OpenRow> lock_open(const std::vector<core::WorkflowId> &ids, LockWait mode); // by id, FOR NO KEY UPDATE
std::vector<OpenRow> read_open(const std::vector<core::WorkflowId> &ids);
// Of these ids, the ones open now (locked by others or not).
std::vector<core::WorkflowId> existing_open(const std::vector<core::WorkflowId> &ids);

// What rendering a request needs.
struct SendRow {
    core::WorkflowId id;
    std::int32_t rule_id = 0;
    std::optional<std::string> tenant;
    std::optional<std::string> key;
    pg::bytes history;
    pg::json_text message;
    auto fields() { return std::tie(id, rule_id, tenant, key, history, message); }
};
std::vector<SendRow> read_for_send(const std::vector<core::WorkflowId> &ids, bool read_only = false);

// Whose executions these are, open or closed.
struct OwnerRow {
    core::WorkflowId id;
    std::optional<std::string> tenant;
    auto fields() { return std::tie(id, tenant); }
};
std::vector<OwnerRow> find_owners(const std::vector<core::WorkflowId> &ids);

// Histories as they are now, of rows that lock_open gave.
struct OpenHistory {
    pg::RowPlace place;
    pg::bytes history;
};
void update_open_histories(const std::vector<OpenHistory> &rows);

// An execution that ends: its open row, if it has one, goes, and it is archived.
struct Closing {
    core::WorkflowId id;
    core::Time closed_at{};
    std::int32_t rule_id = 0;
    std::int16_t outcome = 0;
    std::optional<std::string> tenant;
    std::optional<std::string> key;
    pg::bytes history;
    std::optional<pg::RowPlace> open;
};
void close_open(const std::vector<Closing> &rows);

// ---- closed ----

struct ClosedRow {
    core::WorkflowId id;
    std::int32_t rule_id = 0;
    std::optional<std::string> tenant;
    std::optional<std::string> key;
    std::optional<core::Time> reported_at;
    pg::bytes history;
    auto fields() { return std::tie(id, rule_id, tenant, key, reported_at, history); }
};
std::vector<ClosedRow> lock_closed(const std::vector<core::WorkflowId> &ids, LockWait mode);
std::vector<ClosedRow> read_closed(const std::vector<core::WorkflowId> &ids);
void append_closed_history(const core::WorkflowId &id, const pg::bytes &events);
// Returns the ids marked or gone; rows that others hold are left out.
std::vector<core::WorkflowId> mark_reported(std::vector<core::WorkflowId> ids, core::Time at);

} // namespace hc::store
