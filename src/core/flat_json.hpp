// The plain flat JSON object that most payloads are, read in one pass without a tree. It is a short cut beside
// parse_json_document(), not another reader: whatever is odd, or wrong, is left to that one, and so are all errors.
// Private to src/core.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string_view>

namespace hc::core {

// Puts the value of the member names[i] into values[i], of members of the same name the last; those of absent members
// stay as they are. False unless the text is an object without arrays and objects in it, whose strings are printable
// ASCII without escapes, and whose numbers are whole ones of at most 18 digits; what `values` hold is then of no use.
// If true, the values are those that nlohmann::json::parse() gives. Counts no bytes: that is the caller's.
bool read_flat_json(std::string_view text, std::span<const std::string_view> names, std::span<nlohmann::json> values);

} // namespace hc::core
