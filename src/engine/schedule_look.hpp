// What is done when a schedule is looked at, by the supervisor, in one transaction: what it has started is followed,
// times that have come become starts, starts are decided on and made, and when to look again is put down.
#pragma once

#include "core/id.hpp"
#include "core/time.hpp"

namespace hc::engine {

// False: a caller holds it; try again soon.
bool run_schedule(const core::WorkflowId &id, core::Time now);

// Looked at in vain, by an error that is not of its action: later.
void put_off_schedule(const core::WorkflowId &id, core::Time due);

} // namespace hc::engine
