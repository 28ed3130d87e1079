// See delivery_share.hpp.
#include "core/delivery_share.hpp"

#include <algorithm>

namespace hc::core {

namespace {

constexpr int kCountBits = 16;
constexpr std::uint64_t kCountMask = (1U << kCountBits) - 1;
static_assert(kDeliveryWindow <= static_cast<std::int64_t>(kCountMask));

struct Unpacked {
    DeliveryCounts counts;
    std::int64_t halved = 0; // seconds of Unix time, in the upper half of the word
};

std::int64_t seconds_of(Time t) {
    const std::int64_t seconds = to_unix_micros(t) / 1'000'000;
    return std::clamp<std::int64_t>(seconds, 1, UINT32_MAX);
}

void halve(DeliveryCounts &counts, std::int64_t times = 1) {
    const int shift = static_cast<int>(std::min<std::int64_t>(times, kCountBits));
    counts.delivered >>= shift;
    counts.ended >>= shift;
}

// Halved for the time that has passed.
Unpacked unpack(DeliveryWindow window, std::int64_t now) {
    Unpacked u{{static_cast<std::int64_t>(window & kCountMask),
                static_cast<std::int64_t>((window >> kCountBits) & kCountMask)},
               static_cast<std::int64_t>(window >> (2 * kCountBits))};
    constexpr std::int64_t kHalfLife = std::chrono::duration_cast<std::chrono::seconds>(kDeliveryHalfLife).count();
    const std::int64_t halvings = (now - u.halved) / kHalfLife;
    if (u.halved == 0 || halvings < 0) { // empty, or the clock was set back by more than a little
        u.halved = now;
    } else if (halvings > 0) {
        halve(u.counts, halvings);
        u.halved += halvings * kHalfLife;
    }
    return u;
}

} // namespace

DeliveryCounts delivery_counts(DeliveryWindow window, Time now) { return unpack(window, seconds_of(now)).counts; }

DeliveryWindow add_deliveries(DeliveryWindow window, DeliveryCounts change, Time now) {
    Unpacked u = unpack(window, seconds_of(now));
    // what is taken back may have been forgotten in part
    u.counts.ended = std::max<std::int64_t>(0, u.counts.ended + change.ended);
    u.counts.delivered = std::clamp<std::int64_t>(u.counts.delivered + change.delivered, 0, u.counts.ended);
    while (u.counts.ended > kDeliveryWindow)
        halve(u.counts);
    return static_cast<std::uint64_t>(u.halved) << (2 * kCountBits) |
           static_cast<std::uint64_t>(u.counts.ended) << kCountBits | static_cast<std::uint64_t>(u.counts.delivered);
}

std::optional<double> delivery_share(DeliveryCounts counts) {
    if (counts.ended < kDeliveryMinimum)
        return std::nullopt;
    return static_cast<double>(counts.delivered) / static_cast<double>(counts.ended);
}

std::uint8_t delivery_level(DeliveryCounts counts) {
    if (counts.ended < kDeliveryMinimum)
        return kBestDelivery;
    return static_cast<std::uint8_t>((counts.delivered * kBestDelivery + counts.ended / 2) / counts.ended);
}

DeliveryEnd delivery_end(const AttemptState &attempt) {
    const ReceiptFacts &receipt = attempt.receipt;
    if (is_success(receipt.state))
        return DeliveryEnd::delivered;
    if (!is_failure(receipt.state))
        return DeliveryEnd::none;
    switch (receipt.kind == FailureKind::none ? default_failure_kind(receipt.state) : receipt.kind) {
    case FailureKind::soft:
    case FailureKind::config:
        return DeliveryEnd::failed;
    case FailureKind::none:
    case FailureKind::hard:
    case FailureKind::policy:
        break;
    }
    return DeliveryEnd::none;
}

std::vector<DeliveryChange> delivery_changes(std::span<const DeliveryEnd> before, const State &state) {
    std::vector<DeliveryChange> changes;
    const auto delivered = [](DeliveryEnd end) { return end == DeliveryEnd::delivered ? 1 : 0; };
    const auto ended = [](DeliveryEnd end) { return end != DeliveryEnd::none ? 1 : 0; };
    for (std::size_t i = 0; i < state.attempts.size(); ++i) {
        const DeliveryEnd was = i < before.size() ? before[i] : DeliveryEnd::none;
        const DeliveryEnd is = delivery_end(state.attempts[i]);
        if (was != is)
            changes.push_back({state.attempts[i].provider, {delivered(is) - delivered(was), ended(is) - ended(was)}});
    }
    return changes;
}

} // namespace hc::core
