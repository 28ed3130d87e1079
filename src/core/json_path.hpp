// JSON paths ("$.a.b[0]", "$['a b']") and their look-up in JSON text, used on messages and on answers of providers.
// Works on the text, not on a parsed document: numbers keep every digit, and deep nesting costs no stack.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxJsonPathBytes = 512;
inline constexpr std::size_t kMaxJsonPathSegments = 32;
inline constexpr std::int32_t kMaxJsonPathIndex = 1'000'000;

struct JsonPathSegment {
    std::string member;      // object member; meaningful when index is negative
    std::int32_t index = -1; // array element, 0-based
    bool every = false;      // "[*]": every element of an array

    bool operator==(const JsonPathSegment &) const = default;
};

struct JsonPath {
    std::vector<JsonPathSegment> segments; // empty: the root

    bool operator==(const JsonPath &) const = default;
};

// "$", then ".name" (letters, digits, '_', '-', bytes above ASCII), "[n]" or "['any text']" (\' and \\ for those two
// characters), and, where wildcards are taken, "[*]". nullopt when malformed or over the limits.
enum class JsonWildcards : std::uint8_t { refused, taken };
std::optional<JsonPath> parse_json_path(std::string_view text, JsonWildcards wildcards = JsonWildcards::refused);

// Text that parse_json_path reads back to the same path.
std::string to_string(const JsonPath &path);

// Appends ".name" or "['any text']".
void append_json_member(std::string &path, std::string_view member);

// Nesting of brackets outside of strings; right for valid JSON, and a bound for anything else.
std::size_t json_nesting_depth(std::string_view text);

// True for exactly one JSON value in valid UTF-8 whose numbers fit a double; any depth.
bool is_valid_json(std::string_view json);

// The text of the value at `path`, the first one where the path has wildcards; the last one of duplicate members, as in
// jsonb. `json` must be valid for the answer to mean anything; other text is read safely.
// The first `skip` segments of the path are taken as walked.
std::optional<std::string_view> find_json(std::string_view json, const JsonPath &path, std::size_t skip = 0);

// Every value at a path with wildcards, in document order, at most `limit`.
std::vector<std::string_view> find_all_json(std::string_view json, const JsonPath &path, std::size_t limit);

// Names and values of an object's members in order; empty for anything else.
std::vector<std::pair<std::string, std::string_view>> json_members(std::string_view json);

// The elements of an array in order; empty for anything else.
std::vector<std::string_view> json_elements(std::string_view json);

// The characters of a JSON string, the digits of a number, "true" or "false"; nullopt for null, arrays, objects and
// malformed text. `json` is one value without white space around it, as find_json gives it.
std::optional<std::string> json_scalar_text(std::string_view json);

// Equal as JSON values, so that 1 equals 1.0; arrays and objects equal nothing but the same text.
bool equal_json_scalars(std::string_view a, std::string_view b);

} // namespace hc::core
