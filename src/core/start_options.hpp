// Options of start_cascade: {"on_conflict": "return" | "error", "priority": "otp" | "transactional" | "marketing"}.
#pragma once

#include "core/rule.hpp"

#include <optional>
#include <string_view>

namespace hc::core {

struct StartOptions {
    std::optional<Priority> priority; // instead of the rule's
    bool error_on_conflict = false;   // same key, other rule or message: error WF002 instead of a notice
};

// Throws hc::Error 22023 with the JSON path for unknown keys or words.
StartOptions parse_start_options(std::string_view json);

} // namespace hc::core
