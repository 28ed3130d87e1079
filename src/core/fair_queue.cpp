// See fair_queue.hpp. Atomics only: any process, at any time.
#include "core/fair_queue.hpp"

#include <algorithm>

namespace hc::core::fair_queue {

namespace {

constexpr std::int64_t kCost = 1000; // virtual microseconds a send of weight 1
constexpr std::int64_t kBehind = std::int64_t{24} * 3600 * 1000 * 1000;

std::int64_t cost_of(std::uint32_t weight) noexcept {
    return std::max<std::int64_t>(1, kCost / std::clamp<std::int64_t>(weight, 1, kMaxWeight));
}

std::int64_t base_of(const Word &served) noexcept {
    const std::int64_t place = served.load(std::memory_order_relaxed);
    return place < 0 ? -place : place;
}

// The beginning of a queue is chosen once: one that followed the clock would soon be behind everything that waits.
void begin(Word &served, std::int64_t clock) noexcept {
    std::int64_t unused = 0;
    if (served.load(std::memory_order_relaxed) == 0) {
        served.compare_exchange_strong(unused, -std::max<std::int64_t>(1, clock - kBehind), std::memory_order_relaxed);
    }
}

} // namespace

Time place(Word &served, Word &finish, std::uint32_t weight, Time now) noexcept {
    const std::int64_t clock = to_unix_micros(now);
    begin(served, clock);
    const std::int64_t base = base_of(served);
    const std::int64_t cost = cost_of(weight);
    std::int64_t last = finish.load(std::memory_order_relaxed);
    std::int64_t place = 0;
    do {
        place = std::min(std::max(base, last), clock); // a clock that went back leaves places in the future
    } while (!finish.compare_exchange_weak(last, place + cost, std::memory_order_relaxed));
    return from_unix_micros(place);
}

std::int64_t waiting(const Word &served, const Word &finish, std::uint32_t weight) noexcept {
    const std::int64_t ahead = finish.load(std::memory_order_relaxed) - base_of(served);
    return ahead > 0 ? (ahead - 1) / cost_of(weight) : 0; // the one served last counts no more
}

void settle(const Word &served, Word &finish, std::uint32_t weight, std::int64_t waiting) noexcept {
    finish.store(base_of(served) + waiting * cost_of(weight) + 1, std::memory_order_relaxed);
}

void serve(Word &served, Time place) noexcept {
    const std::int64_t to = to_unix_micros(place);
    std::int64_t known = served.load(std::memory_order_relaxed);
    // the first place served counts also when it is earlier: it may wait from before a restart of the server
    while (known < to && !served.compare_exchange_weak(known, to, std::memory_order_relaxed)) {
    }
}

} // namespace hc::core::fair_queue
