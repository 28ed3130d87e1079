// Sends and reports that are handed to a dispatcher in the commit that puts them: the transaction which inserts the
// task writes the dispatcher as its owner, so that nothing is claimed between that commit and the request, nor flushed
// but for what gates write.
//
// One dispatcher of a database is the receiver. Of each bound (wake.hpp) it tells after a claim whether its queues had
// room left; as long as they have, callers hand it what is due at once. What it was handed has a bound of its own,
// beside that of the queue, because nobody else would find it. A claim of the receiver takes or puts back all that it
// finds there; a look at the whole queue finds what was prepared, or could not be put back because a client held it.
#pragma once

#include "core/time.hpp"

#include <cstdint>
#include <optional>

namespace hc::pg {

// ---- in the transaction that inserts a task ----

// The dispatcher that has the task from the commit on; nullopt: nobody, it is to be claimed. The task is to be noted
// with the same owner (wake.hpp). Up to 64 tasks a transaction, while hermes.outbound is on, of commits that wait for
// the disk, and for standbys where there are synchronous ones; such a commit waits even if synchronous_commit is
// lowered after that.
std::optional<std::int64_t> hand_over(std::int32_t queue, core::Time due);
// Around the commit of such a transaction, from the transaction callbacks: it waits as when the first was handed over.
void hold_commit_level() noexcept;
void end_handovers() noexcept; // at the end of every transaction

// ---- in a dispatcher ----

void become_receiver() noexcept; // unless there is one
void end_receiver() noexcept;    // at the end of the process
// The following do nothing, and find nothing, in a process that is not the receiver.
void set_room(int bound, bool room) noexcept;
void take_no_more() noexcept; // of any bound
// As take_bound() and the others, of what was handed over; kNever: nothing.
core::Time take_handed(int bound) noexcept;
void give_handed(int bound, core::Time due) noexcept;
core::Time peek_handed(int bound) noexcept;

} // namespace hc::pg
