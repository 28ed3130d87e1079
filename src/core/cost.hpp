// What a send is estimated to cost: "cost" and "text" of a provider's configuration, over a message.
//   "cost": {"per_message": 0.05, "per_part": 0.075}     one of them, or both; up to 1000, six digits after the point
//   "text": "$.text"                                     where the message has the text whose SMS parts are counted
#pragma once

#include "core/json_path.hpp"
#include "core/money.hpp"

#include <cstdint>
#include <string_view>

namespace hc::core {

class JsonObject;

struct CostSettings {
    Micros per_message = 0;
    Micros per_part = 0;
    JsonPath text{{{.member = "text", .index = -1, .every = false}}};
};

// Reads "cost" and "text" of a provider.
void read_cost(const JsonObject &provider, CostSettings &settings);

// SMS parts of the message's text; 1 when it has none.
std::uint64_t count_parts(const CostSettings &settings, std::string_view message_json);

Micros estimate_cost(const CostSettings &settings, std::string_view message_json);

} // namespace hc::core
