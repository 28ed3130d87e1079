// The restore fence as a use case: check at the supervisor's start, release by hermes.confirm_restore().
#pragma once

namespace hc::engine {

// True when outbound requests may leave. Writes the token, or the hold, where needed.
bool pass_fence();

} // namespace hc::engine
