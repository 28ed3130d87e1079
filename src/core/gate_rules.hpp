// What a rule asks to be checked before a send leaves: the parts of it that are about gates. See rule.hpp.
#pragma once

#include "core/json_path.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

class JsonNode;

inline constexpr std::size_t kMaxSkipConditions = 16;
inline constexpr std::size_t kMaxSkipValues = 64;
inline constexpr std::uint32_t kMaxFrequency = 100;

// {"path": "$.preferences.sms", "in": [false], "reason": "channel_disabled"}: the step is skipped when the value at the
// path is one of these; without "in": when there is one; with "absent": true: when there is none. null is none.
struct SkipCondition {
    JsonPath path;
    std::vector<std::string> in; // JSON texts of strings, numbers, booleans; empty: any value
    bool absent = false;
    std::string reason = "skip_if";

    bool operator==(const SkipCondition &) const = default;
};

// {"max": 3, "per": "7d", "by": "address", "otp": false}: at most so many sends to one recipient in any such time.
struct Frequency {
    std::uint32_t max = 1;
    Duration per{};
    bool otp = false; // counts, and holds back, messages of priority otp as well

    bool operator==(const Frequency &) const = default;
};

// The first condition that holds; nullptr: none does.
const SkipCondition *find_skip(const std::vector<SkipCondition> &conditions, std::string_view message_json);

// Readers, for rule.cpp.
std::vector<SkipCondition> read_skip_conditions(const JsonNode &node);
Frequency read_frequency(const JsonNode &node);
JsonPath read_message_path(const JsonNode &node);
std::uint32_t read_max_parts(const JsonNode &node);

} // namespace hc::core
