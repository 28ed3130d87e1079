// What answers say of a provider's health, and which providers new attempts should pass over.
#pragma once

#include "core/cascade.hpp"
#include "core/circuit_breaker.hpp"

#include <cstdint>
#include <vector>

namespace hc::engine {

// Providers whose circuit breaker is open now, or that are paused; empty as a rule.
std::vector<std::int32_t> unavailable_providers();

// Failures are: no answer, 5xx, not reached, refused for reasons of the account (config). A throttled request (429)
// says nothing.
core::circuit_breaker::Result health_result(const core::SendAnswer &answer);

// Until when the provider asked to be left alone (429, or 503 with Retry-After); zero: it did not.
core::Time throttled_until(const core::SendAnswer &answer, core::Time now);

} // namespace hc::engine
