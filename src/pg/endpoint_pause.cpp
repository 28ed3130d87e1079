// See endpoint_pause.hpp. Runs in dispatchers.
#include "pg/endpoint_pause.hpp"

#include "pg/shmem.hpp"

namespace hc::pg {

namespace {

EndpointPause &entry_of(std::int32_t endpoint) noexcept {
    return my_database()->pauses[static_cast<std::uint32_t>(endpoint) % kEndpointPauses];
}

} // namespace

void pause_endpoint(std::int32_t endpoint, core::Time until) noexcept {
    EndpointPause &entry = entry_of(endpoint);
    entry.until = 0; // no reader joins the new endpoint and the old time
    entry.endpoint = endpoint;
    entry.until = core::to_unix_micros(until);
}

core::Time endpoint_paused_until(std::int32_t endpoint) noexcept {
    const EndpointPause &entry = entry_of(endpoint);
    if (entry.endpoint != endpoint) {
        return core::from_unix_micros(0);
    }
    const std::int64_t until = entry.until;
    return core::from_unix_micros(entry.endpoint == endpoint ? until : 0);
}

} // namespace hc::pg
