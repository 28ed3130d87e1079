// What workers outside say of themselves when they poll, for activities or workflow tasks.
#pragma once

#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace hc::engine {

// Throws 22023.
void check_poll(std::int32_t max_tasks, const std::optional<std::string> &worker,
                const std::optional<core::Duration> &lease);

} // namespace hc::engine
