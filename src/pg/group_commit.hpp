// Commits of an executor that wait for the disk together. A turn of a workflow commits without its own flush: its
// effects, its events and what it has begun are one commit, and whatever depends on it comes later in the WAL, so that
// a crash of the server before the flush takes all of it and the turn is done anew. The flush follows within moments,
// and before anything that cannot be done anew: a step that asked for a commit before it, the end of a batch, a sleep.
// Our verbs tell nobody of an execution before what they have read is on disk; dispatchers flush when they claim, so no
// request leaves for what a crash can forget.
#pragma once

#include "pg/call.hpp"

namespace hc::pg {

class worker_transaction;

// ---- in an executor ----

// Commits without a wait for the disk, unless hermes.turn_flush_delay is 0.
void commit_unflushed(worker_transaction &transaction);
// Waits for the disk, and for standbys where synchronous_commit asks for them, on behalf of all commits since the last
// time.
void flush_commits();
// Since the first of them hermes.turn_flush_delay is over.
bool flush_is_due() noexcept;

// ---- in every backend ----

// Returns once every turn that this backend can have seen is on disk, and on the standbys that its synchronous_commit
// asks for. Not under an LWLock.
void wait_for_turns_on_disk();

} // namespace hc::pg
