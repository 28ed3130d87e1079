// See provider_state.hpp.
#include "pg/provider_state.hpp"

#include "pg/shmem.hpp"
#include "pg/values.hpp"

#include <algorithm>

namespace hc::pg {

namespace {

class SpinGuard {
public:
    explicit SpinGuard(slock_t &lock) noexcept : lock_(lock) { SpinLockAcquire(&lock_); }
    ~SpinGuard() { SpinLockRelease(&lock_); }
    SpinGuard(const SpinGuard &) = delete;
    SpinGuard &operator=(const SpinGuard &) = delete;

private:
    slock_t &lock_;
};

bool is_open(const ProviderSlot &slot) noexcept { return slot.breaker.phase == core::BreakerPhase::open; }

// Of a slot whose breaker may change under it: keeps the count of the open ones.
class BreakerGuard {
public:
    explicit BreakerGuard(ProviderSlot &slot) noexcept : guard_(slot.lock), slot_(slot), was_open_(is_open(slot)) {}
    ~BreakerGuard() {
        if (is_open(slot_) != was_open_) {
            my_database()->open_breakers.fetch_add(was_open_ ? -1 : 1);
        }
    }
    BreakerGuard(const BreakerGuard &) = delete;
    BreakerGuard &operator=(const BreakerGuard &) = delete;

private:
    SpinGuard guard_; // given up last
    ProviderSlot &slot_;
    bool was_open_;
};

std::int64_t take_tokens(ProviderSlot &slot, const core::ProviderLimits &limits, core::Time now, std::int64_t wanted,
                         core::Time &until) noexcept {
    if (limits.rate) {
        const std::int64_t granted = core::token_bucket::take(slot.bucket, *limits.rate, now, wanted);
        until = granted > 0 ? now : core::token_bucket::next_available(slot.bucket, *limits.rate, now);
        return granted;
    }
    until = core::from_unix_micros(slot.bucket.blocked_until);
    return until <= now ? wanted : 0;
}

} // namespace

ProviderSlot *slot_of(std::int32_t provider) noexcept {
    DatabaseSlot *database = my_database();
    if (database == nullptr || provider <= 0) {
        return nullptr;
    }
    for (int i = 0; i < kProviderSlots; ++i) {
        ProviderSlot &slot = database->providers[(provider + i) % kProviderSlots];
        std::int32_t known = slot.provider.load(std::memory_order_acquire);
        if (known == provider ||
            (known == 0 && (slot.provider.compare_exchange_strong(known, provider) || known == provider))) {
            return &slot;
        }
    }
    return nullptr;
}

Admission admit_sends(std::int32_t provider, const core::ProviderLimits &limits, core::Time now,
                      std::int64_t wanted) noexcept {
    ProviderSlot *slot = slot_of(provider);
    if (slot == nullptr) {
        return {wanted, 0, false, now};
    }
    const BreakerGuard guard(*slot);
    Admission admission{wanted, 0, false, now};
    if (limits.breaker) {
        const core::circuit_breaker::Admission leave =
            core::circuit_breaker::allow(slot->breaker, *limits.breaker, now);
        admission.ticket = leave.ticket;
        if (leave.admit == core::circuit_breaker::Admit::no) {
            return {0, 0, slot->breaker.phase == core::BreakerPhase::open, leave.until};
        }
        if (leave.admit == core::circuit_breaker::Admit::probe) {
            admission.granted = std::min<std::int64_t>(wanted, 1);
        }
    }
    const std::int64_t allowed = admission.granted;
    admission.granted = take_tokens(*slot, limits, now, allowed, admission.until);
    if (admission.granted == 0 && limits.breaker) { // a probe that does not leave is none
        core::circuit_breaker::on_result(slot->breaker, *limits.breaker, core::circuit_breaker::Result::ignored, now,
                                         admission.ticket);
    }
    return admission;
}

void give_back_sends(std::int32_t provider, const core::ProviderLimits &limits, const Admission &admission,
                     std::int64_t unused, core::Time now) noexcept {
    ProviderSlot *slot = unused > 0 ? slot_of(provider) : nullptr;
    if (slot == nullptr) {
        return;
    }
    const BreakerGuard guard(*slot);
    if (limits.rate) {
        core::token_bucket::give_back(slot->bucket, unused);
    }
    if (limits.breaker && unused == admission.granted) {
        core::circuit_breaker::on_result(slot->breaker, *limits.breaker, core::circuit_breaker::Result::ignored, now,
                                         admission.ticket);
    }
}

void note_answer(std::int32_t provider, const core::ProviderLimits &limits, core::circuit_breaker::Result result,
                 std::uint32_t ticket, core::Time now, core::Time throttled_until, std::string_view failure) noexcept {
    ProviderSlot *slot = slot_of(provider);
    if (slot == nullptr) {
        return;
    }
    const BreakerGuard guard(*slot);
    if (limits.breaker) {
        core::circuit_breaker::on_result(slot->breaker, *limits.breaker, result, now, ticket);
    }
    if (throttled_until > now) {
        core::token_bucket::penalize_until(slot->bucket, throttled_until);
    }
    switch (result) {
    case core::circuit_breaker::Result::success:
        ++slot->accepted;
        return;
    case core::circuit_breaker::Result::ignored:
        ++slot->refused;
        return;
    case core::circuit_breaker::Result::failure:
        break;
    }
    ++slot->failed;
    slot->last_failure_at = core::to_unix_micros(now);
    const std::size_t length = std::min(failure.size(), sizeof slot->last_failure - 1);
    std::copy_n(failure.begin(), length, slot->last_failure);
    slot->last_failure[length] = '\0';
}

std::vector<std::int32_t> open_providers(core::Time now) {
    std::vector<std::int32_t> open;
    DatabaseSlot *database = my_database();
    if (database == nullptr || database->open_breakers.load() == 0) {
        return open;
    }
    for (ProviderSlot &slot : database->providers) {
        const std::int32_t provider = slot.provider.load(std::memory_order_acquire);
        // read without the lock: a breaker that changes just now may be taken either way
        if (provider != 0 && is_open(slot) && slot.breaker.until_us > core::to_unix_micros(now)) {
            open.push_back(provider);
        }
    }
    return open;
}

std::vector<ProviderSnapshot> provider_snapshots() {
    std::vector<ProviderSnapshot> snapshots;
    DatabaseSlot *database = my_database();
    if (database == nullptr) {
        return snapshots;
    }
    for (ProviderSlot &slot : database->providers) {
        const std::int32_t provider = slot.provider.load(std::memory_order_acquire);
        if (provider == 0) {
            continue;
        }
        ProviderSnapshot snapshot;
        snapshot.provider = provider;
        char failure[sizeof slot.last_failure];
        {
            const SpinGuard guard(slot.lock);
            snapshot.phase = slot.breaker.phase;
            snapshot.open_until = core::from_unix_micros(slot.breaker.until_us);
            snapshot.throttled_until = core::from_unix_micros(slot.bucket.blocked_until);
            snapshot.accepted = slot.accepted;
            snapshot.failed = slot.failed;
            snapshot.refused = slot.refused;
            snapshot.consecutive_failures = slot.breaker.consecutive;
            snapshot.last_failure_at = core::from_unix_micros(slot.last_failure_at);
            std::copy_n(slot.last_failure, sizeof failure, failure);
        }
        snapshot.in_flight = slot.in_flight.load(std::memory_order_relaxed);
        snapshot.deliveries = slot.deliveries.load(std::memory_order_relaxed);
        snapshot.last_failure = failure;
        snapshots.push_back(std::move(snapshot));
    }
    return snapshots;
}

bool take_tenant_tokens(std::uint64_t tenant, const core::TokenBucketConfig &config, core::Time now, std::int64_t n,
                        core::Time &retry_at) noexcept {
    DatabaseSlot *database = my_database();
    if (database == nullptr) {
        return true;
    }
    constexpr int kProbes = 8;
    const std::uint64_t wanted = tenant | 1U; // 0 marks a free slot
    TenantSlot *slot = &database->tenants[wanted % kTenantSlots];
    for (int i = 0; i < kProbes; ++i) { // all taken by others: their first is shared
        TenantSlot &candidate = database->tenants[(wanted + static_cast<std::uint64_t>(i)) % kTenantSlots];
        std::uint64_t known = candidate.tenant.load(std::memory_order_acquire);
        if (known == wanted ||
            (known == 0 && (candidate.tenant.compare_exchange_strong(known, wanted) || known == wanted))) {
            slot = &candidate;
            break;
        }
    }
    const SpinGuard guard(slot->lock);
    const std::int64_t granted = core::token_bucket::take(slot->bucket, config, now, n);
    if (granted == n) {
        return true;
    }
    core::token_bucket::give_back(slot->bucket, granted);
    retry_at = core::token_bucket::next_available(slot->bucket, config, now, n);
    return false;
}

} // namespace hc::pg
