// Tokens of tasks that are handed to workers outside: execution, number of the task, and a number that each attempt has
// of its own, in hexadecimal digits. Pure.
#pragma once

#include "core/id.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

struct TaskToken {
    WorkflowId id;
    std::int32_t number = 0;
    std::int64_t secret = 0;

    bool operator==(const TaskToken &) const = default;
};

std::string format_token(const TaskToken &token);
std::optional<TaskToken> parse_token(std::string_view text); // nullopt: it is none

} // namespace hc::core
