// See fence.hpp.
#include "engine/fence.hpp"

#include "core/fence.hpp"
#include "pg/bgworker.hpp"
#include "pg/catalog.hpp"
#include "pg/wake.hpp"
#include "store/fence.hpp"

namespace hc::engine {

namespace {

core::SystemToken current_token() {
    const pg::SystemIdentity identity = pg::system_identity();
    return {identity.system_identifier, identity.timeline, identity.database};
}

} // namespace

Fence check_fence() {
    const std::optional<store::FenceRow> row = store::read_fence();
    if (!row) {
        return Fence::unclaimed;
    }
    if (row->held) {
        return Fence::held;
    }
    const core::SystemToken stored{row->system_identifier, row->timeline, static_cast<std::uint32_t>(row->database)};
    switch (core::check_fence(stored, current_token(), pg::started_as_standby())) {
    case core::FenceVerdict::go:
        return Fence::open;
    case core::FenceVerdict::adopt:
        store::write_fence(current_token());
        return Fence::open;
    case core::FenceVerdict::hold:
        store::hold_fence("restored, recovered to a point in time, or moved to another system");
        return Fence::held;
    }
    return Fence::held;
}

void claim_database() {
    if (store::insert_fence(current_token())) {
        pg::note_workers(); // the supervisor looks at the fence when this commits
    }
}

void confirm_restore() {
    store::write_fence(current_token());
    pg::note_workers();
}

} // namespace hc::engine
