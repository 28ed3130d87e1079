// What all dispatchers know of a provider account, in shared memory: token bucket, circuit breaker, counters. One short
// spinlock a provider; nothing in here allocates, raises or waits under it. Limits come with each call, from the
// provider's configuration, so that they change at run time.
#pragma once

#include "core/circuit_breaker.hpp"
#include "core/delivery_share.hpp"
#include "core/provider_limits.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hc::pg {

struct ProviderSlot; // shmem.hpp

// The slot of a provider, given out on first use; null without shared memory or when all are taken.
ProviderSlot *slot_of(std::int32_t provider) noexcept;

// Leave to send.
struct Admission {
    std::int64_t granted = 0;
    std::uint32_t ticket = 0; // goes with the results of these sends
    bool open = false;        // nothing granted because the breaker is open
    core::Time until{};       // when nothing is granted: ask again then
};
Admission admit_sends(std::int32_t provider, const core::ProviderLimits &limits, core::Time now,
                      std::int64_t wanted) noexcept;
// Of what was granted, what was not used.
void give_back_sends(std::int32_t provider, const core::ProviderLimits &limits, const Admission &admission,
                     std::int64_t unused, core::Time now) noexcept;

// An answer. throttled_until: not zero when the provider asked for a pause.
void note_answer(std::int32_t provider, const core::ProviderLimits &limits, core::circuit_breaker::Result result,
                 std::uint32_t ticket, core::Time now, core::Time throttled_until, std::string_view failure) noexcept;

// Providers whose breaker is open now.
std::vector<std::int32_t> open_providers(core::Time now);

struct ProviderSnapshot {
    std::int32_t provider = 0;
    std::int32_t in_flight = 0;
    core::DeliveryWindow deliveries = 0;
    core::BreakerPhase phase{};
    core::Time open_until{};      // meaningful while open
    core::Time throttled_until{}; // in the past: not throttled
    std::int64_t accepted = 0, failed = 0, refused = 0;
    std::uint32_t consecutive_failures = 0;
    core::Time last_failure_at{};
    std::string last_failure;
};
std::vector<ProviderSnapshot> provider_snapshots();

// Start-rate buckets of tenants. Grants all or nothing; otherwise `retry_at` tells when so many are there, kNever
// if they never are.
bool take_tenant_tokens(std::uint64_t tenant, const core::TokenBucketConfig &config, core::Time now, std::int64_t n,
                        core::Time &retry_at) noexcept;

} // namespace hc::pg
