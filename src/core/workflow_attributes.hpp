// Search attributes and memo of an execution: declared types, what a change of them may hold, and what an execution has
// after its history. Values stay the JSON text they came as: numbers of jsonb have more digits than a double. Pure.
#pragma once

#include "core/execution_events.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hc::core {

inline constexpr std::size_t kMaxAttributes = 100; // of one execution, as its memo's fields
inline constexpr std::size_t kMaxAttributeBytes = 2048;
inline constexpr std::size_t kMaxAttributesBytes = std::size_t{40} * 1024; // names and values
inline constexpr std::size_t kMaxAttributeName = 63;

enum class AttributeType : std::uint8_t { text, keyword, integer, floating, boolean, datetime, keyword_list };
std::string_view
to_string(AttributeType type); // "text", "keyword", "int", "double", "bool", "datetime", "keyword_list"
AttributeType parse_attribute_type(std::string_view word); // throws 22023

using AttributeTypes = std::map<std::string, AttributeType, std::less<>>; // those declared

// A letter, then letters, digits and underscores, 1 to 63; none that executions have anyway. Throws 22023.
void check_attribute_name(std::string_view name);

// ISO 8601 UTC of one width, so that texts are ordered as times are; nullopt out of the years 0 to 9999.
std::optional<std::string> attribute_time(Time time);

// Members of a JSON object and their values as they stand.
using JsonFields = std::map<std::string, std::string>;
JsonFields split_json_object(std::string_view json); // throws 22023 when it is none
std::string join_json_object(const JsonFields &fields);
bool is_unset(std::string_view value); // of an attribute: null, or a list of nothing

struct ExecutionAttributes {
    JsonFields search, memo;
    bool empty() const { return search.empty() && memo.empty(); }
    bool operator==(const ExecutionAttributes &) const = default;
};

// A change of search attributes as it is recorded: each value fits its type, times in one form. `path` is its place in
// the caller's document, for errors: "$.search_attributes". Throws 22023 (no such attribute, wrong type), 54000.
std::string checked_attributes(std::string_view json, const AttributeTypes &types, std::string_view path);
std::string checked_memo(std::string_view json, std::string_view path); // an object; throws 22023

void change_fields(JsonFields &fields, std::string_view changes);                               // what is null goes
void check_attribute_limits(const ExecutionAttributes &attributes, std::size_t max_memo_bytes); // throws 54000

// After the changes that a history records.
ExecutionAttributes attributes_after(std::span<const ExecutionEvent> events);
bool changes_attributes(ExecutionEventType type);

// The events that give an execution what it begins with, after its start; with no number: no command asked for them.
std::vector<ExecutionEvent> attribute_events(const ExecutionAttributes &attributes, Time at);

// Whether options of a start may have some; false: they have none.
bool mentions_attributes(std::string_view options_json);
// Takes search_attributes and memo out of the options of a start, checked; `options_json` becomes what is left.
ExecutionAttributes take_start_attributes(std::string &options_json, const AttributeTypes &types,
                                          std::size_t max_memo_bytes);

// The options without them, unchecked: of a start that is recorded.
std::string without_start_attributes(std::string_view options_json);

} // namespace hc::core
