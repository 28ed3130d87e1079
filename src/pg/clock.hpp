// The clock of the engine. In a database for tests it may go ahead of the server's: by a word of shared memory, which
// only grows. The supervisor alone moves it, after it has kept the new value in hermes.test_clock: no time is seen, and
// nothing is committed at it, that the next start of the server would not know. Anywhere else the word is zero, and
// reading it is all that it costs.
#pragma once

#include "core/time.hpp"

#include <atomic>
#include <cstdint>

namespace hc::pg {

namespace detail {
extern const std::atomic<std::int64_t> *g_clock_ahead; // microseconds; of this process's database once it is known
} // namespace detail

inline core::Duration clock_ahead() noexcept {
    return core::Duration(detail::g_clock_ahead->load(std::memory_order_relaxed));
}

// Whether this database's word is what its table says; false: read it, and tell. From here on clock_ahead() is of this
// database.
bool clock_is_known() noexcept;
void set_clock(core::Duration ahead) noexcept; // what the table says; negative: nothing, the database has no such clock

// Asks the supervisor to put the clock ahead so that it shows at least this time.
void ask_for_time(core::Time to) noexcept;
// Of the supervisor: how far ahead the clock shall go, and that it may, being kept; wakes the other workers of the
// database.
core::Duration clock_asked_for() noexcept;
void move_clock(core::Duration ahead) noexcept;

// For a verb that waits for workers: a few milliseconds, served interrupts included.
void pause_verb(long milliseconds);
// Whether the transaction has written, or keeps its first snapshot: then it may not wait for workers.
bool may_wait_for_workers();
bool has_supervisor() noexcept; // this database

} // namespace hc::pg
