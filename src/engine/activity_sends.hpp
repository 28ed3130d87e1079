// Activities of kind http: their requests leave through a provider, with its limits, breaker and secrets. Part of
// claiming; recording is record_activities() of dispatch.hpp. Runs in dispatchers.
#pragma once

#include "engine/dispatch.hpp"

namespace hc::engine {

// Adds what the claimed tasks of a queue send to the claim, and to `waiting` what waits for the provider's breaker.
void claim_activity_sends(const ClaimRequest &request, const std::vector<store::ClaimedTask> &tasks, Claim &claim,
                          std::vector<store::TaskKey> &waiting);

} // namespace hc::engine
