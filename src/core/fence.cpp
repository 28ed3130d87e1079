// See fence.hpp.
#include "core/fence.hpp"

namespace hc::core {

FenceVerdict check_fence(const SystemToken &stored, const SystemToken &current, bool started_as_standby) {
    if (stored == current) {
        return FenceVerdict::go;
    }
    const bool same_database =
        stored.system_identifier == current.system_identifier && stored.database == current.database;
    // only the timeline moved: promotion of a standby goes on, recovery to a point in time does not
    return same_database && started_as_standby ? FenceVerdict::adopt : FenceVerdict::hold;
}

} // namespace hc::core
