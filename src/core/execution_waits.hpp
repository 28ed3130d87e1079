// What an open execution has begun and not come to the end of, as its history says: for people who ask what it waits
// for. Pure.
#pragma once

#include "core/execution_events.hpp"

#include <span>
#include <vector>

namespace hc::core {

// Events that began a wait, timer, child or activity which is open, in their order. A wait that blocked the function is
// over as well when the function has issued another command since.
std::vector<const ExecutionEvent *> open_waits(std::span<const ExecutionEvent> events);

} // namespace hc::core
