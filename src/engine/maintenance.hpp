// Recurring maintenance when it is not the supervisor that does it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace hc::engine {

std::int32_t maintain(); // number of partitions created or dropped

// A job of pg_cron that does it at these times, or none. Throws 0A000 where there is no pg_cron.
std::optional<std::int64_t> schedule_maintenance(const std::optional<std::string> &cron);

} // namespace hc::engine
