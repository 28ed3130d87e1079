// Time zones as the server knows them: those of pg_timezone_names.
#pragma once

#include "core/send_window.hpp"

#include <optional>
#include <string>

namespace hc::pg {

// The clock of a zone, valid for the life of the process; nullopt: there is no such zone. "" is UTC.
std::optional<core::ZoneOffset> find_time_zone(const std::string &name);

} // namespace hc::pg
