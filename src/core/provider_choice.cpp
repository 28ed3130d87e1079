// See provider_choice.hpp.
#include "core/provider_choice.hpp"

#include <algorithm>

namespace hc::core {

namespace {

void sort_by_price(std::vector<Candidate> &candidates) {
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate &a, const Candidate &b) { return a.price < b.price; });
    std::int32_t place = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (i == 0 || candidates[i].price != candidates[i - 1].price)
            ++place;
        candidates[i].provider.position = place;
    }
}

void sort_by_position(const Step &step, std::vector<Candidate> &candidates) {
    std::int32_t place = 0;
    for (Candidate &c : candidates) {
        if (!step.providers.empty()) // a list in the rule is an order of its own
            c.provider.position = ++place;
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate &a, const Candidate &b) { return a.provider.position < b.provider.position; });
}

} // namespace

std::vector<ProviderRef> rank_candidates(const Step &step, std::vector<Candidate> candidates) {
    switch (step.choose) {
    case Choose::position:
        sort_by_position(step, candidates);
        break;
    case Choose::least_cost:
        sort_by_price(candidates);
        break;
    case Choose::best_delivery:
        for (Candidate &c : candidates)
            c.provider.position = 1;
        break;
    }
    std::vector<ProviderRef> ranked;
    ranked.reserve(candidates.size());
    for (const Candidate &c : candidates)
        ranked.push_back(c.provider);
    return ranked;
}

bool looks_at_deliveries(const Rule &rule) {
    return std::any_of(rule.steps.begin(), rule.steps.end(),
                       [](const Step &step) { return step.choose == Choose::best_delivery; });
}

} // namespace hc::core
