// The restore fence as a use case. The row of hermes.fence names the system that runs this database; the first
// definition verb writes it. A restore calls no verb: its own data bring the row of the system it came from, and the
// fence holds.
#pragma once

#include <cstdint>

namespace hc::engine {

enum class Fence : std::uint8_t {
    open,      // this system runs the database
    held,      // another one did: workers hold still until hermes.confirm_restore()
    unclaimed, // nothing was defined here yet, or a restore is being loaded: nothing to do
};

Fence check_fence();   // for the supervisor; adopts a promotion, writes a hold
void claim_database(); // in definition verbs: writes the row if there is none
void confirm_restore();

} // namespace hc::engine
