// See request_slots.hpp. Runs in dispatchers.
#include "pg/request_slots.hpp"

#include "pg/provider_state.hpp"
#include "pg/shmem.hpp"

#include <algorithm>

namespace hc::pg {

namespace {

// What this process holds, by the place of the counter.
std::int32_t g_of_providers[kProviderSlots];
std::int32_t g_of_hosts[kHostSlots];

struct Counter {
    std::atomic<std::int32_t> *shared;
    std::int32_t *own;
};

std::uint32_t place_of(std::string_view text) noexcept { // FNV-1a
    std::uint32_t hash = 2166136261U;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    }
    return hash % kHostSlots;
}

Counter counter_of_host(std::string_view destination) noexcept {
    const std::uint32_t place = place_of(destination);
    return {&my_database()->host_load[place], &g_of_hosts[place]};
}

Counter counter_of_provider(std::int32_t provider) noexcept {
    ProviderSlot *slot = slot_of(provider);
    if (slot == nullptr) { // more providers than slots: it is counted among the hosts
        const auto place = static_cast<std::uint32_t>(provider) % kHostSlots;
        return {&my_database()->host_load[place], &g_of_hosts[place]};
    }
    return {&slot->in_flight, &g_of_providers[slot - my_database()->providers]};
}

std::int32_t take(const Counter &counter, std::int32_t cap, std::int32_t wanted) noexcept {
    std::int32_t load = counter.shared->load();
    std::int32_t taken = 0;
    do {
        taken = std::min(wanted, cap - load);
        if (taken <= 0) {
            return 0;
        }
    } while (!counter.shared->compare_exchange_weak(load, load + taken));
    *counter.own += taken;
    return taken;
}

void give(const Counter &counter, std::int32_t slots) noexcept {
    counter.shared->fetch_sub(slots);
    *counter.own -= slots;
}

} // namespace

std::int32_t take_provider_slots(std::int32_t provider, std::int32_t cap, std::int32_t wanted) noexcept {
    return take(counter_of_provider(provider), cap, wanted);
}

void give_provider_slots(std::int32_t provider, std::int32_t slots) noexcept {
    give(counter_of_provider(provider), slots);
}

std::int32_t take_host_slots(std::string_view destination, std::int32_t cap, std::int32_t wanted) noexcept {
    return take(counter_of_host(destination), cap, wanted);
}

void give_host_slots(std::string_view destination, std::int32_t slots) noexcept {
    give(counter_of_host(destination), slots);
}

std::int32_t host_load(std::string_view destination) noexcept { return counter_of_host(destination).shared->load(); }

void give_all_slots() noexcept {
    DatabaseSlot *database = my_database();
    if (database == nullptr) {
        return;
    }
    for (int i = 0; i < kProviderSlots; ++i) {
        database->providers[i].in_flight.fetch_sub(std::exchange(g_of_providers[i], 0));
    }
    for (int i = 0; i < kHostSlots; ++i) {
        database->host_load[i].fetch_sub(std::exchange(g_of_hosts[i], 0));
    }
}

} // namespace hc::pg
