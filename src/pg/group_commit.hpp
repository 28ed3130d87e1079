// Commits of workers that wait for the disk together. A turn of a workflow, and a batch of answers of providers,
// commits without its own flush: effects, events and what follows are one commit, and whatever depends on it comes
// later in the WAL, so that a crash of the server before the flush takes all of it. A turn is then done anew, an answer
// that is lost is asked for again with the same idempotency key, as after a crash between the answer and its record.
// The flush follows within hermes.turn_flush_delay, and before anything that cannot be done anew: a step that asked for
// a commit before it, the end of a batch, a sleep. Our verbs tell nobody of an execution or a cascade before what they
// have read is on disk; dispatchers flush a claim for which requests leave, so none leaves for what a crash can forget.
#pragma once

#include "pg/call.hpp"

namespace hc::pg {

class worker_transaction;

// ---- in a worker ----

// Commits without a wait for the disk, unless hermes.turn_flush_delay is 0.
void commit_unflushed(worker_transaction &transaction);
// Waits for the disk, and for standbys where synchronous_commit asks for them, on behalf of all commits since the last
// time.
void flush_commits();
// Since the first of them hermes.turn_flush_delay is over.
bool flush_is_due() noexcept;
long milliseconds_until_flush(long most) noexcept; // rounded up

// ---- in every backend ----

// Returns once every such commit that this backend can have seen is on disk, and on the standbys that its
// synchronous_commit asks for. Not under an LWLock.
void wait_until_on_disk();

} // namespace hc::pg
