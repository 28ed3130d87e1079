// See cost.hpp.
#include "core/cost.hpp"

#include "core/gate_rules.hpp"
#include "core/json_reader.hpp"
#include "core/sms_parts.hpp"

namespace hc::core {

namespace {

constexpr std::int64_t kMaxCost = 1000;

} // namespace

void read_cost(const JsonObject &provider, CostSettings &settings) {
    static constexpr std::array<std::string_view, 2> kKeys{"per_message", "per_part"};
    if (const auto text = provider.find("text"))
        settings.text = read_message_path(*text);
    const auto cost = provider.find("cost");
    if (!cost)
        return;
    const JsonObject object(*cost, kKeys);
    const auto per_message = object.find("per_message");
    const auto per_part = object.find("per_part");
    if (!per_message && !per_part)
        cost->fail("must have \"per_message\" or \"per_part\"", "Example: {\"per_part\": 0.075}.");
    if (per_message)
        settings.per_message = read_amount(*per_message, kMaxCost);
    if (per_part)
        settings.per_part = read_amount(*per_part, kMaxCost);
}

std::uint64_t count_parts(const CostSettings &settings, std::string_view message_json) {
    const auto value = find_json(message_json, settings.text);
    const auto text = value ? json_scalar_text(*value) : std::nullopt;
    return text ? count_sms_parts(*text).parts : 1;
}

Micros estimate_cost(const CostSettings &settings, std::string_view message_json) {
    Micros cost = settings.per_message;
    if (settings.per_part != 0) // a message has at most some millions of parts
        cost = add_amounts(cost, settings.per_part * static_cast<Micros>(count_parts(settings, message_json)));
    return cost;
}

} // namespace hc::core
