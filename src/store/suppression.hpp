// The suppression list: what is not sent to whom. Entries are only inserted and deleted, never updated, and no index
// makes an insert wait for another transaction: a worker may insert while a client holds an entry that says the same.
#pragma once

#include "core/gates.hpp"
#include "core/id.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

enum class SuppressSource : std::uint8_t { verb, receipt, answer };

struct SuppressionEntry {
    core::WorkflowId hash; // core::recipient_hash
    std::optional<std::string> tenant;
    std::string channel, address, category;
    core::SuppressReason reason{};
    SuppressSource source{};
    std::optional<core::WorkflowId> cascade;
};
// Inserts those that are not there. Returns for each whether it was new; each (hash, reason) once.
std::vector<bool> insert_suppressions(const std::vector<SuppressionEntry> &entries, core::Time now);

struct SuppressionKey {
    core::WorkflowId hash;
    std::optional<core::SuppressReason> reason; // none: all
};
// Deletes; returns for each whether there was one. With `skip_locked` without those that another transaction is about
// to delete.
std::vector<bool> delete_suppressions(const std::vector<SuppressionKey> &keys, bool skip_locked);

struct SuppressionRow {
    core::WorkflowId hash;
    std::string reason;
    bool of_category = false;
    auto fields() { return std::tie(hash, reason, of_category); }
};
// `read_only`: as the caller's snapshot has them.
std::vector<SuppressionRow> find_suppressions(const std::vector<core::WorkflowId> &hashes, bool read_only = false);

// Whether there may be any; a look at the size of a file, and true from the commit of the first entry at the latest.
bool any_suppressions();

} // namespace hc::store
