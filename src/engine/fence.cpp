// See fence.hpp.
#include "engine/fence.hpp"

#include "core/fence.hpp"
#include "engine/definitions.hpp"
#include "pg/bgworker.hpp"
#include "store/fence.hpp"

namespace hc::engine {

namespace {

core::SystemToken current_token() {
    const pg::SystemIdentity identity = pg::system_identity();
    return {identity.system_identifier, identity.timeline, identity.database};
}

} // namespace

bool pass_fence() {
    const std::optional<store::FenceRow> row = store::read_fence();
    if (row && row->held) {
        return false;
    }
    std::optional<core::SystemToken> stored;
    if (row) {
        stored = core::SystemToken{row->system_identifier, row->timeline, static_cast<std::uint32_t>(row->database)};
    }
    switch (core::check_fence(stored, current_token(), pg::started_as_standby())) {
    case core::FenceVerdict::go:
        return true;
    case core::FenceVerdict::adopt:
        store::write_fence(current_token());
        return true;
    case core::FenceVerdict::hold:
        store::hold_fence("restored, recovered to a point in time, or moved to another system");
        return false;
    }
    return false;
}

void confirm_restore() { store::write_fence(current_token()); }

} // namespace hc::engine
