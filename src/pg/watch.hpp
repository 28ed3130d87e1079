// Changes of watched tables (hermes.watch_table), told to workflow functions that wait for them (hermes.wait_until). A
// table is a slot in shared memory: its statement trigger notes the slot in this process, the commit counts it, and
// only where somebody waits wakes the supervisor, which puts the turns of the waiting executions due. Tables that share
// a slot wake each other's; nothing is lost by that but a look.
//
// Who waits marks the slot and reads its count before the look at the condition, and compares once its row is
// committed: a change that its snapshot did not see is either counted by then, or comes later and finds the mark.
#pragma once

#include "pg/shmem.hpp"

#include <span>
#include <string>
#include <vector>

namespace hc::pg {

// ---- who waits ----

struct WatchedTable {
    Oid relation = InvalidOid; // root of its partitions
    std::int32_t slot = 0;
    std::uint32_t changes = 0; // before the look
};
// Throws hc::Error 55000 when it has no trigger of hermes.watch_table, unless `known` to have.
WatchedTable begin_watch(Oid relation, bool known);
void end_watch(std::span<const WatchedTable> tables) noexcept; // after the commit: what has changed since wakes them
std::string relation_name(Oid relation);                       // as the role would write it

// ---- who changes ----

void note_trigger_change(FunctionCallInfo fcinfo); // in the trigger
void publish_changes() noexcept;                   // at commit
void forget_changes() noexcept;

// ---- the supervisor ----

struct ChangedSlot {
    std::int32_t slot = 0;
    std::uint32_t changes = 0;
};
bool changes_wait() noexcept;
std::vector<ChangedSlot> take_changes();                             // their marks are gone
void mark_waited(std::span<const ChangedSlot> slots) noexcept;       // somebody waits there still
void give_changes_back(std::span<const ChangedSlot> slots) noexcept; // they could not be looked at

} // namespace hc::pg
