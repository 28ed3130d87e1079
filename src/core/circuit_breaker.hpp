// Circuit breaker of a provider: closed (calls pass), open (none does), half open (a few probes do). The state is plain
// memory that processes share and change under a lock; zeroed memory is a closed breaker. After M. Nygard, "Release
// It!", and resilience4j's count-based window.
#pragma once

#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace hc::core {

inline constexpr std::uint32_t kMaxBreakerWindow = 128; // results that the state remembers

// May change at any time. Values outside of what makes sense are taken as the nearest that does.
struct CircuitBreakerConfig {
    std::uint32_t failure_percent = 50;               // of the window; 0: does not count
    std::uint32_t window = 100;                       // the last results that count, at most kMaxBreakerWindow
    std::uint32_t minimum_calls = 20;                 // fewer results in the window prove nothing
    std::uint32_t consecutive_failures = 10;          // open at once after so many; 0: does not count
    Duration open_for = std::chrono::seconds(5);      // doubled each time the probes fail
    Duration max_open_for = std::chrono::minutes(5);  // at most
    std::uint32_t half_open_probes = 1;               // calls that pass, and have to succeed, before it closes
    Duration probe_timeout = std::chrono::minutes(1); // longer than a call lasts: then a probe is lost, and others pass
};

enum class BreakerPhase : std::uint32_t { closed, open, half_open };

struct CircuitBreakerState {
    std::uint64_t results[2] = {};  // the last results, newest in the lowest bit of [0]; 1 is a failure
    std::int64_t until_us = 0;      // open: its end; half open: when the probes given are lost
    std::uint32_t recorded = 0;     // results remembered
    std::uint32_t consecutive = 0;  // failures since the last success
    std::uint32_t openings = 0;     // since it was closed last
    std::uint32_t generation = 0;   // changes with the phase
    std::uint32_t probes_given = 0; //
    std::uint32_t probes_good = 0;  //
    BreakerPhase phase = BreakerPhase::closed;
};
static_assert(std::is_trivially_copyable_v<CircuitBreakerState> && std::is_standard_layout_v<CircuitBreakerState>);

namespace circuit_breaker {

enum class Admit : std::uint8_t { yes, no, probe };

struct Admission {
    Admit admit;
    Time until;           // no: ask again then, or after the next result
    std::uint32_t ticket; // yes, probe: to be given to on_result
};

// A call that is admitted must be reported by on_result, whatever becomes of it.
Admission allow(CircuitBreakerState &state, const CircuitBreakerConfig &config, Time now);

enum class Result : std::uint8_t {
    success,
    failure,
    ignored, // says nothing of the provider: not sent after all, refused for what it contained
};

// Results of calls admitted before the last change of the phase do not count: the late timeouts of an outage must not
// open a breaker again whose probes are on their way. Without a ticket a result is taken as one of a call admitted
// since.
void on_result(CircuitBreakerState &state, const CircuitBreakerConfig &config, Result result, Time now,
               std::optional<std::uint32_t> ticket = std::nullopt);

// How long it is open the n-th time in a row, n from 1.
Duration open_duration(const CircuitBreakerConfig &config, std::uint32_t n);

} // namespace circuit_breaker

std::string_view to_string(BreakerPhase phase);

} // namespace hc::core
