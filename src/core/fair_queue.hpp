// Start-time fair queueing of a queue's sends among tenants (Goyal, Vin and Cheng 1996). A send gets its place, a
// virtual start time, when it becomes ready; claims go in the order of places, so their cost does not depend on the
// number of tenants. A tenant's places are apart by a cost divided by its weight. The virtual time of a queue is the
// place served last, and moves as sends are served, never by itself: it begins a day before the clock, so that every
// place is in the past, and it falls back behind the clock as long as less than 10,000 sends a second of the default
// weight are served. The state is plain words that processes share; zeroed words are a queue that nobody used yet.
#pragma once

#include "core/time.hpp"

#include <atomic>
#include <cstdint>

namespace hc::core::fair_queue {

inline constexpr std::uint32_t kMaxWeight = 1000;

using Word = std::atomic<std::int64_t>; // microseconds

// `served` of a queue: the place served last; negative: none yet, and places were given from its absolute value on.
// `finish` of a tenant in a queue: the end of its last place.

// The place of a tenant's next send.
Time place(Word &served, Word &finish, std::uint32_t weight, Time now) noexcept;

// Places given to a tenant that are not served yet. Those of sends that were rolled back or canceled count as well
// until others behind them are served: an estimate from above, which settle() corrects.
std::int64_t waiting(const Word &served, const Word &finish, std::uint32_t weight) noexcept;

// So many sends of the tenant were counted.
void settle(const Word &served, Word &finish, std::uint32_t weight, std::int64_t waiting) noexcept;

// Sends were claimed up to this place.
void serve(Word &served, Time place) noexcept;

} // namespace hc::core::fair_queue
