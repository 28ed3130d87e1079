// The restore fence: a database that was restored, cloned or recovered to a point in time must not send again what its
// ancestor sent. A token (system identifier, timeline, database) stored in the database is compared with the running
// system.
#pragma once

#include <cstdint>

namespace hc::core {

struct SystemToken {
    std::int64_t system_identifier = 0;
    std::int32_t timeline = 0;
    std::uint32_t database = 0;
    bool operator==(const SystemToken &) const = default;
};

enum class FenceVerdict : std::uint8_t {
    go,    // the same system went on
    adopt, // a promotion of a standby: go, and store the token
    hold,  // a restore or another system: outbound requests wait for an operator
};

// Without a stored token nothing was ever run here; the caller decides about that.
// `started_as_standby`: standby.signal was there when the server started.
FenceVerdict check_fence(const SystemToken &stored, const SystemToken &current, bool started_as_standby);

} // namespace hc::core
