// Words that rules and start options share. Private to src/core.
#pragma once

#include "core/json_reader.hpp"
#include "core/rule.hpp"

namespace hc::core {

inline constexpr std::array<JsonWord<Priority>, 3> kPriorityWords{
    {{"otp", Priority::otp}, {"transactional", Priority::transactional}, {"marketing", Priority::marketing}}};

} // namespace hc::core
