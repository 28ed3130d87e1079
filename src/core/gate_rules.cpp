// The parts of rules that are about gates: reading them, and conditions over a message. See gate_rules.hpp.
#include "core/gate_rules.hpp"

#include "core/json_reader.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::size_t kMaxReasonWordBytes = 63;
constexpr std::int64_t kMaxPartsLimit = 255;
constexpr Duration kMinPer = std::chrono::minutes(1);
constexpr Duration kMaxPer = std::chrono::days(90);

constexpr std::array<std::string_view, 4> kSkipKeys{"path", "in", "absent", "reason"};
constexpr std::array<std::string_view, 4> kFrequencyKeys{"max", "per", "by", "otp"};
constexpr std::array<std::string_view, 1> kBy{"address"};

std::string read_reason(const JsonNode &node) {
    std::string word = node.text(kMaxReasonWordBytes);
    if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
        node.fail("is not a reason word", "Write 1 to 63 characters out of a-z, 0-9 and \"_\".");
    return word;
}

std::vector<std::string> read_values(const JsonNode &node) {
    std::vector<std::string> values;
    for (const JsonNode &item : node.items(kMaxSkipValues)) {
        if (item.value().is_structured() || item.value().is_null())
            item.fail_type("a string, a number or a boolean", "For a value that is not there write \"absent\": true.");
        values.push_back(item.value().dump());
    }
    return values;
}

SkipCondition read_skip_condition(const JsonNode &node) {
    const JsonObject object(node, kSkipKeys);
    SkipCondition condition;
    condition.path = read_message_path(object.require("path"));
    if (const auto n = object.find("absent"))
        condition.absent = n->boolean();
    if (const auto n = object.find("in")) {
        if (condition.absent)
            n->fail("does not go with \"absent\"", "Write one of the two.");
        condition.in = read_values(*n);
    }
    if (const auto n = object.find("reason"))
        condition.reason = read_reason(*n);
    return condition;
}

bool holds(const SkipCondition &condition, std::string_view message_json) {
    const auto value = find_json(message_json, condition.path);
    const bool present = value && *value != "null";
    if (condition.absent || !present)
        return condition.absent && !present;
    return condition.in.empty() || std::any_of(condition.in.begin(), condition.in.end(), [&](const std::string &given) {
               return equal_json_scalars(*value, given);
           });
}

} // namespace

const SkipCondition *find_skip(const std::vector<SkipCondition> &conditions, std::string_view message_json) {
    for (const SkipCondition &condition : conditions) {
        if (holds(condition, message_json))
            return &condition;
    }
    return nullptr;
}

std::vector<SkipCondition> read_skip_conditions(const JsonNode &node) {
    std::vector<SkipCondition> conditions;
    for (const JsonNode &item : node.items(kMaxSkipConditions))
        conditions.push_back(read_skip_condition(item));
    return conditions;
}

Frequency read_frequency(const JsonNode &node) {
    const JsonObject object(node, kFrequencyKeys);
    Frequency frequency;
    frequency.max = static_cast<std::uint32_t>(object.require("max").integer(1, kMaxFrequency));
    frequency.per = object.require("per").duration(kMinPer, kMaxPer);
    if (const auto n = object.find("by"))
        n->word(kBy);
    if (const auto n = object.find("otp"))
        frequency.otp = n->boolean();
    return frequency;
}

JsonPath read_message_path(const JsonNode &node) {
    const std::optional<JsonPath> path = parse_json_path(node.text(kMaxJsonPathBytes));
    if (!path)
        node.fail("is not a JSON path", "Write a path such as \"$.recipient.phone\" or \"$['a b']\".");
    return *path;
}

std::uint32_t read_max_parts(const JsonNode &node) {
    return static_cast<std::uint32_t>(node.integer(1, kMaxPartsLimit));
}

} // namespace hc::core
