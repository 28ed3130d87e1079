// The share of a provider's recent attempts that were delivered, among those that came to an end which tells something
// of the provider: delivered, or failed softly or for reasons of the account. An address that does not exist, or one
// that must not be written to, tells nothing of it.
//
// A window is one word, so that processes change it without a lock: two counts that are halved when there are more than
// kDeliveryWindow ends, and after each kDeliveryHalfLife, so that a provider that is spared because of its past becomes
// unknown again and gets another chance. Zero is an empty window.
#pragma once

#include "core/cascade.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hc::core {

inline constexpr std::int64_t kDeliveryWindow = 1000;
inline constexpr std::int64_t kDeliveryMinimum = 20; // of fewer ends nothing follows
inline constexpr Duration kDeliveryHalfLife = std::chrono::minutes(10);

using DeliveryWindow = std::uint64_t;

struct DeliveryCounts {
    std::int64_t delivered = 0;
    std::int64_t ended = 0;

    bool operator==(const DeliveryCounts &) const = default;
};

// As of now. A time before the last change counts as that of the last change.
DeliveryCounts delivery_counts(DeliveryWindow window, Time now);
DeliveryWindow add_deliveries(DeliveryWindow window, DeliveryCounts change, Time now);

// 0 to 1; nullopt: not known.
std::optional<double> delivery_share(DeliveryCounts counts);

// The share in steps of 5 percentage points, to the nearest: 0 to kBestDelivery; not known: the best.
std::uint8_t delivery_level(DeliveryCounts counts);

// ---- what is counted ----

enum class DeliveryEnd : std::uint8_t { none, delivered, failed };
DeliveryEnd delivery_end(const AttemptState &attempt);

struct DeliveryChange {
    std::int32_t provider = 0;
    DeliveryCounts counts; // what comes to the window, or leaves it when a later receipt tells otherwise

    bool operator==(const DeliveryChange &) const = default;
};

// What a decision changes. `before`: the ends of the attempts there were before it.
std::vector<DeliveryChange> delivery_changes(std::span<const DeliveryEnd> before, const State &state);

} // namespace hc::core
