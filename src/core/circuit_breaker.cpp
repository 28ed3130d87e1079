// The transitions of a circuit breaker. Pure; runs in the dispatcher under the lock of the provider's slot.
#include "core/circuit_breaker.hpp"

#include <algorithm>
#include <bit>

namespace hc::core {
namespace circuit_breaker {
namespace {

constexpr Duration kMinOpenFor = std::chrono::milliseconds(1);
constexpr std::uint32_t kWordBits = 64;

Duration base_duration(const CircuitBreakerConfig &config) { return std::max(config.open_for, kMinOpenFor); }

std::uint32_t window(const CircuitBreakerConfig &config) {
    return std::clamp<std::uint32_t>(config.window, 1, kMaxBreakerWindow);
}

std::uint32_t probes(const CircuitBreakerConfig &config) { return std::max<std::uint32_t>(config.half_open_probes, 1); }

std::int64_t after(Time now, Duration duration) {
    const std::int64_t now_us = to_unix_micros(now);
    const std::int64_t more = std::max(duration, kMinOpenFor).count();
    return now_us > INT64_MAX - more ? INT64_MAX : now_us + more;
}

// ---------------------------------------------------------------- the window

void remember(CircuitBreakerState &state, bool failure) {
    state.results[1] = state.results[1] << 1U | state.results[0] >> (kWordBits - 1);
    state.results[0] = state.results[0] << 1U | (failure ? 1U : 0U);
    state.recorded = std::min(state.recorded + 1, kMaxBreakerWindow);
    state.consecutive = failure ? std::min(state.consecutive, UINT32_MAX - 1) + 1 : 0;
}

constexpr std::uint64_t low_bits(std::uint32_t n) {
    return n >= kWordBits ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
}

std::uint32_t failures_among(const CircuitBreakerState &state, std::uint32_t newest) {
    const std::uint32_t older = newest > kWordBits ? newest - kWordBits : 0;
    return static_cast<std::uint32_t>(std::popcount(state.results[0] & low_bits(newest)) +
                                      std::popcount(state.results[1] & low_bits(older)));
}

bool too_many_failures(const CircuitBreakerState &state, const CircuitBreakerConfig &config) {
    if (config.consecutive_failures > 0 && state.consecutive >= config.consecutive_failures)
        return true;
    const std::uint32_t counted = std::min(state.recorded, window(config));
    if (config.failure_percent == 0 || counted < std::clamp<std::uint32_t>(config.minimum_calls, 1, window(config)))
        return false;
    return failures_among(state, counted) * 100 >= std::min<std::uint32_t>(config.failure_percent, 100) * counted;
}

// ---------------------------------------------------------------- the phases

// What was counted in the phase that ends does not count in the next.
void enter(CircuitBreakerState &state, BreakerPhase phase) {
    const std::uint32_t openings = phase == BreakerPhase::closed ? 0 : state.openings;
    const std::uint32_t generation = state.generation + 1;
    state = {};
    state.phase = phase;
    state.openings = openings;
    state.generation = generation;
}

void open(CircuitBreakerState &state, const CircuitBreakerConfig &config, Time now) {
    enter(state, BreakerPhase::open);
    state.openings = std::min(state.openings, UINT32_MAX - 1) + 1;
    state.until_us = after(now, open_duration(config, state.openings));
}

Admission probe(CircuitBreakerState &state, const CircuitBreakerConfig &config, Time now) {
    ++state.probes_given;
    state.until_us = after(now, config.probe_timeout);
    return {Admit::probe, now, state.generation};
}

// Whether the end of the phase is reached. However the clock was set, and whatever the configuration was, nobody waits
// longer than `longest`.
bool is_over(CircuitBreakerState &state, Time now, Duration longest) {
    state.until_us = std::min(state.until_us, after(now, longest));
    return to_unix_micros(now) >= state.until_us;
}

Admission refuse(const CircuitBreakerState &state) {
    return {Admit::no, from_unix_micros(state.until_us), state.generation};
}

void on_probe_result(CircuitBreakerState &state, const CircuitBreakerConfig &config, Result result, Time now) {
    switch (result) {
    case Result::success:
        if (++state.probes_good >= probes(config))
            enter(state, BreakerPhase::closed);
        break;
    case Result::failure:
        open(state, config, now);
        break;
    case Result::ignored: // another call takes its place
        state.probes_given -= state.probes_given > state.probes_good ? 1 : 0;
        break;
    }
}

} // namespace

Admission allow(CircuitBreakerState &state, const CircuitBreakerConfig &config, Time now) {
    switch (state.phase) {
    case BreakerPhase::closed:
        break;
    case BreakerPhase::open:
        if (!is_over(state, now, open_duration(config, state.openings)))
            return refuse(state);
        enter(state, BreakerPhase::half_open);
        return probe(state, config, now);
    case BreakerPhase::half_open:
        if (state.probes_given < probes(config))
            return probe(state, config, now);
        if (!is_over(state, now, config.probe_timeout))
            return refuse(state);
        enter(state, BreakerPhase::half_open); // their results, should they still come, are late
        return probe(state, config, now);
    }
    return {Admit::yes, now, state.generation};
}

void on_result(CircuitBreakerState &state, const CircuitBreakerConfig &config, Result result, Time now,
               std::optional<std::uint32_t> ticket) {
    if (ticket.value_or(state.generation) != state.generation || state.phase == BreakerPhase::open)
        return;
    if (state.phase == BreakerPhase::half_open) {
        on_probe_result(state, config, result, now);
        return;
    }
    if (result == Result::ignored)
        return;
    remember(state, result == Result::failure);
    if (too_many_failures(state, config))
        open(state, config, now);
}

Duration open_duration(const CircuitBreakerConfig &config, std::uint32_t n) {
    const Duration longest = std::max(config.max_open_for, base_duration(config));
    Duration duration = base_duration(config);
    for (; n > 1 && duration < longest; --n)
        duration = duration > longest / 2 ? longest : duration * 2;
    return duration;
}

} // namespace circuit_breaker

std::string_view to_string(BreakerPhase phase) {
    switch (phase) {
    case BreakerPhase::open:
        return "open";
    case BreakerPhase::half_open:
        return "half_open";
    case BreakerPhase::closed:
        break;
    }
    return "closed";
}

} // namespace hc::core
