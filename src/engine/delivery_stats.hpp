// Counting of messages per tenant, channel and provider, and the page of hermes.metrics().
#pragma once

#include "core/delivery_metrics.hpp"
#include "core/delivery_share.hpp"
#include "engine/advance.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hc::engine {

// What is known of the attempts, to be compared after a decision.
struct AttemptsBefore {
    std::vector<core::ReceiptState> states;
    std::vector<core::DeliveryEnd> ends;

    void note(const core::State &state);
};

// What a decision adds, to the counters and to the providers' shares of deliveries, when the transaction commits.
// Arguments as of core::count_decision.
void count_deliveries(const Subject &subject, const AttemptsBefore &before, const core::State &state,
                      std::span<const core::HistoryEvent> events,
                      std::span<const std::span<const core::HistoryEvent>> earlier = {});

// One series that the user may see.
struct DeliveryStats {
    bool other = false; // what found no series of its own, of all tenants
    std::optional<std::string> tenant;
    std::string channel;
    std::int32_t provider = 0;
    core::SeriesCounters counters;
};
std::vector<DeliveryStats> delivery_stats(Oid user);

std::string metrics(Oid user); // OpenMetrics text; series of tenants as far as the user may see them

} // namespace hc::engine
