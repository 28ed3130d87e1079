// Options of start_cascade: {"on_conflict": "return" | "error", "priority": "otp" | "transactional" | "marketing",
// "send_at": "2026-12-01T08:00:00Z"}. send_at: the first step starts then, at once if that is past; at most
// kMaxSendAhead from now; the validity counts from it.
#pragma once

#include "core/rule.hpp"

#include <optional>
#include <string_view>

namespace hc::core {

inline constexpr Duration kMaxSendAhead = std::chrono::days(366);

struct StartOptions {
    std::optional<Priority> priority; // instead of the rule's
    std::optional<Time> send_at;
    bool error_on_conflict = false; // same key, other rule or message: error WF002 instead of a notice
};

// Throws hc::Error 22023 with the JSON path for unknown keys or words.
StartOptions parse_start_options(std::string_view json, Time now);

} // namespace hc::core
