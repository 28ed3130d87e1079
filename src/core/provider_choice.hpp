// The order in which the providers of a step are tried, by its key "choose". Pure. The rest is done at each choice, by
// CascadeMachine::choose_provider: those that are out come last, those of one position share by weight, and where
// deliveries count, the better level goes before the position.
#pragma once

#include "core/cascade.hpp"
#include "core/money.hpp"

#include <vector>

namespace hc::core {

struct Candidate {
    ProviderRef provider; // its position is that of its configuration
    Micros price = 0;     // of a message of one part
};

// `candidates`: those of the step's list in its order, or all of its channel.
//   position       by the list, else by the position configured
//   least_cost     by the price; equal prices are one position
//   best_delivery  all are one position
std::vector<ProviderRef> rank_candidates(const Step &step, std::vector<Candidate> candidates);

// Whether decisions about cascades of this rule depend on Surroundings::deliveries.
bool looks_at_deliveries(const Rule &rule);

} // namespace hc::core
