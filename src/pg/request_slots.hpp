// Requests that the dispatchers of a database have under way together, by provider account and by host, in shared
// memory. A slot is taken before a task is claimed and given back when its request has ended, so no cap is ever
// exceeded, however many dispatchers there are. What a process still holds at its end is given back then.
// Nothing in here allocates, waits or raises.
#pragma once

#include <cstdint>
#include <string_view>

namespace hc::pg {

// How many of the wanted slots were taken: no more than leave the sum within the cap.
std::int32_t take_provider_slots(std::int32_t provider, std::int32_t cap, std::int32_t wanted) noexcept;
void give_provider_slots(std::int32_t provider, std::int32_t slots) noexcept;

// A destination is a host and port. Few share a counter by their hash: together they keep to the cap.
std::int32_t take_host_slots(std::string_view destination, std::int32_t cap, std::int32_t wanted) noexcept;
void give_host_slots(std::string_view destination, std::int32_t slots) noexcept;
std::int32_t host_load(std::string_view destination) noexcept;

void give_all_slots() noexcept; // of this process

} // namespace hc::pg
