// How well each provider's recent messages were delivered (core/delivery_share.hpp), in shared memory beside the rest
// of its state. A transaction notes what it changes; the transaction callback of wake.cpp adds it at commit, so that
// what was rolled back was never counted. PREPARE TRANSACTION drops it.
#pragma once

#include "core/delivery_share.hpp"

#include <cstdint>
#include <vector>

namespace hc::pg {

// Counted when the transaction commits, unless a savepoint around it is rolled back.
void note_delivery(const core::DeliveryChange &change);

// Providers that are not among the best; few as a rule.
std::vector<core::DeliveryLevel> delivery_levels(core::Time now);

// ---- for wake.cpp; nothing of it raises ----

void publish_deliveries() noexcept; // the transaction commits
void forget_deliveries() noexcept;
void end_deliveries_level(std::int32_t level, bool keep) noexcept; // a subtransaction ends

} // namespace hc::pg
