// What dispatchers count before a send leaves: sends to a recipient in a window, and what a tenant's day has cost.
// Only workers lock these rows, in the order of their keys, contacts before spends; they hold them until the commit.
#pragma once

#include "core/gates.hpp"
#include "core/id.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

// ---- recipient_contact: recipients by hash (core::recipient_hash) ----

struct WindowWanted {
    core::WorkflowId hash;
    std::int64_t mark = 0; // a row that was not there begins with this send
    core::Duration per{};
};
struct Window {
    core::WorkflowId hash;
    core::Duration longest{}; // window of any rule that counts by this row
    bool fresh = false;       // made by this call, with the mark that was given
    std::vector<core::Contact> contacts;
};
// Locks the rows, making those that are missing. By hash, each once.
std::vector<Window> lock_windows(const std::vector<WindowWanted> &wanted, core::Time now);
std::vector<Window> lock_known_windows(const std::vector<core::WorkflowId> &hashes); // sorted; those that are there
void write_windows(const std::vector<Window> &windows);

// Looks at `limit` rows after `from`, and deletes those whose windows are over. Returns the last hash looked at;
// nullopt: the end of the table.
std::optional<core::WorkflowId> prune_windows(const core::WorkflowId &from, core::Time now, std::int32_t limit);

// ---- spend: estimated cost of a tenant's day of UTC ----

struct Spend {
    std::string tenant;
    core::Micros micros = 0;
    auto fields() { return std::tie(tenant, micros); }
};
// Adds the amounts, and returns the sums. By tenant in the order of bytes, each once.
std::vector<Spend> add_spends(const std::vector<Spend> &amounts, core::Time day);
// Takes back, down to 0. Any order.
void take_back_spends(const std::vector<Spend> &amounts, core::Time day);
void delete_spends_before(core::Time day);

} // namespace hc::store
