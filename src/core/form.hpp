// Reading of application/x-www-form-urlencoded: bodies and query strings of callbacks. Source: WHATWG URL, section 5.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::core {

using FormPairs = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::size_t kMaxFormPairs = 1000;

// Names and values in the order sent, duplicates kept; a leading '?' and empty pairs ("a=1&&b=2") are skipped, a pair
// without '=' has an empty value. '+' is a blank, an escape that is not '%' and two hex digits stays as it is. The
// result is text that the database can store: invalid UTF-8 becomes U+FFFD, NUL is left out. nullopt: more than
// kMaxFormPairs.
std::optional<FormPairs> parse_form(std::string_view text);

// The same without the cleaning: the bytes that signatures are computed over.
std::optional<FormPairs> parse_form_bytes(std::string_view text);

// U+FFFD for each maximal part of a sequence that is not UTF-8 (Unicode 3.9, the practice of WHATWG). NUL stays.
std::string replace_invalid_utf8(std::string_view text);

} // namespace hc::core
