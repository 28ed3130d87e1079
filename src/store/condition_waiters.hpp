// Executions that wait until a condition on tables is met: which tables, and the task that has them look again.
#pragma once

#include "core/id.hpp"
#include "core/time.hpp"
#include "pg/watch.hpp"

#include <span>
#include <string>
#include <vector>

namespace hc::store {

// A condition of a workflow function, an expression or a query, as a query of one boolean.
std::string condition_query(const std::string &condition);

// What an execution waits for from now on, instead of anything before.
void put_condition_waiter(const core::WorkflowId &id, std::int32_t command, std::span<const pg::WatchedTable> tables);
void delete_condition_waiter(const core::WorkflowId &id);

// It looks at its condition again then; claimed by nobody.
void put_look_again(const core::WorkflowId &id, std::int32_t queue, core::Time due);

// Puts the looks of all that wait for these slots due now; returns the slots for which somebody waits. Those whose turn
// is running are passed over: it compares the counts itself.
std::vector<pg::ChangedSlot> wake_condition_waiters(const std::vector<pg::ChangedSlot> &changed, core::Time now);

} // namespace hc::store
