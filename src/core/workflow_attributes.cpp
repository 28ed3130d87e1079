// See workflow_attributes.hpp. Pure.
#include "core/workflow_attributes.hpp"

#include "core/error.hpp"
#include "core/history.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace hc::core {

namespace {

constexpr std::array<std::string_view, 7> kTypeNames = {"text", "keyword",  "int",         "double",
                                                        "bool", "datetime", "keyword_list"};
// What the filter of hermes.list_workflows knows of every execution.
constexpr std::array<std::string_view, 11> kSystemNames = {
    "WorkflowId", "WorkflowType",    "WorkflowVersion",   "ExecutionId",
    "RunId",      "ExecutionStatus", "ParentExecutionId", "StartTime",
    "CloseTime",  "Tenant",          "ExecutionDuration"};

constexpr const char *kMessage = "invalid search attributes";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over the members of an object; what stands in the values is PostgreSQL's to have checked.
class MemberReader {
public:
    explicit MemberReader(std::string_view json) : json_(json) {}

    JsonFields read() {
        JsonFields fields;
        need('{');
        if (!accept('}')) {
            do {
                std::string name = member_name();
                need(':');
                fields[std::move(name)] = value();
            } while (accept(','));
            need('}');
        }
        skip_space();
        return at_ == json_.size() ? fields : fail();
    }

private:
    [[noreturn]] static JsonFields fail() {
        throw Error(sqlstate::invalid_parameter, "invalid JSON object", "It must be an object.",
                    R"(Example: {"City": "Berlin"}.)");
    }
    void skip_space() {
        while (at_ < json_.size() && is_space(json_[at_]))
            ++at_;
    }
    bool accept(char c) {
        skip_space();
        const bool found = at_ < json_.size() && json_[at_] == c;
        at_ += found ? 1 : 0;
        return found;
    }
    void need(char c) {
        if (!accept(c))
            fail();
    }
    void skip_string() { // past the quote that ends it
        for (++at_; at_ < json_.size() && json_[at_] != '"'; ++at_)
            at_ += json_[at_] == '\\' ? 1 : 0;
        if (at_ >= json_.size())
            fail();
        ++at_;
    }
    std::string member_name() {
        skip_space();
        const std::size_t from = at_;
        if (at_ >= json_.size() || json_[at_] != '"')
            fail();
        skip_string();
        const nlohmann::json name = nlohmann::json::parse(json_.substr(from, at_ - from), nullptr, false);
        if (!name.is_string())
            fail();
        return name.get<std::string>();
    }
    std::string value() {
        skip_space();
        const std::size_t from = at_;
        std::size_t depth = 0;
        while (at_ < json_.size()) {
            const char c = json_[at_];
            if (c == '"') {
                skip_string();
                continue;
            }
            if (depth == 0 && (c == ',' || c == '}' || c == ']'))
                break;
            if (c == '{' || c == '[')
                ++depth;
            else if (c == '}' || c == ']')
                --depth;
            ++at_;
        }
        std::string_view text = json_.substr(from, at_ - from);
        while (!text.empty() && is_space(text.back()))
            text.remove_suffix(1);
        if (text.empty() || depth != 0)
            fail();
        return std::string(text);
    }

    std::string_view json_;
    std::size_t at_ = 0;
};

// `place`: the JSON path, a colon, and the name of the attribute as a word of its own: as a part of the path it may
// look like a credential, which is masked.
[[noreturn]] void fail_at(const std::string &place, std::string_view what, std::string hint) {
    throw Error(sqlstate::invalid_parameter, kMessage, fmt::format("{} {}.", place, what), std::move(hint));
}

std::string dump(const nlohmann::json &json) {
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<std::string> string_of(const std::string &value) {
    const nlohmann::json json = nlohmann::json::parse(value, nullptr, false);
    return json.is_string() ? std::optional(json.get<std::string>()) : std::nullopt;
}

std::string checked_text(const std::string &value, const std::string &path) {
    if (!string_of(value))
        fail_at(path, "must be a string", "Give a JSON string.");
    return value;
}

std::string checked_integer(const std::string &value, const std::string &path) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size())
        fail_at(path, "must be a whole number of 64 bits", "Give a JSON number without a fraction.");
    return value;
}

std::string checked_number(const std::string &value, const std::string &path) {
    double number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool starts = !value.empty() && (value.front() == '-' || is_digit(value.front()));
    if (!starts || error != std::errc() || end != value.data() + value.size() || !std::isfinite(number))
        fail_at(path, "must be a number in the range of double precision", "Give a JSON number.");
    return value;
}

std::string checked_time(const std::string &value, const std::string &path) {
    const std::optional<std::string> text = string_of(value);
    const std::optional<Time> time = text ? parse_iso8601(*text) : std::nullopt;
    const std::optional<std::string> canonical = time ? attribute_time(*time) : std::nullopt;
    if (!canonical)
        fail_at(path, "must be an ISO 8601 time with a zone", "Example: \"2026-01-01T00:00:00Z\".");
    return dump(*canonical);
}

std::string checked_list(const std::string &value, const std::string &path) {
    const nlohmann::json list = nlohmann::json::parse(value, nullptr, false);
    const bool good =
        list.is_array() && std::all_of(list.begin(), list.end(), [](const auto &e) { return e.is_string(); });
    if (!good)
        fail_at(path, "must be an array of strings", R"(Example: ["red", "green"].)");
    return value;
}

std::string checked_value(AttributeType type, const std::string &value, const std::string &path) {
    if (value.size() > kMaxAttributeBytes)
        throw Error(sqlstate::limit_exceeded, kMessage,
                    fmt::format("{} has more than {} bytes.", path, kMaxAttributeBytes),
                    "Keep large values in the memo, or in a table of yours.");
    switch (type) {
    case AttributeType::text:
    case AttributeType::keyword:
        return checked_text(value, path);
    case AttributeType::integer:
        return checked_integer(value, path);
    case AttributeType::floating:
        return checked_number(value, path);
    case AttributeType::boolean:
        return value == "true" || value == "false" ? value : (fail_at(path, "must be true or false", ""), value);
    case AttributeType::datetime:
        return checked_time(value, path);
    case AttributeType::keyword_list:
        break;
    }
    return checked_list(value, path);
}

JsonFields fields_at(std::string_view json, std::string_view path) {
    try {
        return split_json_object(json);
    } catch (const Error &) {
        fail_at(std::string(path) + ":", "must be an object", R"(Example: {"City": "Berlin"}.)");
    }
}

std::size_t bytes_of(const JsonFields &fields) {
    std::size_t bytes = 0;
    for (const auto &[name, value] : fields)
        bytes += name.size() + value.size();
    return bytes;
}

} // namespace

std::string_view to_string(AttributeType type) { return kTypeNames[static_cast<std::size_t>(type)]; }

AttributeType parse_attribute_type(std::string_view word) {
    for (std::size_t i = 0; i < kTypeNames.size(); ++i)
        if (kTypeNames[i] == word)
            return static_cast<AttributeType>(i);
    throw Error(sqlstate::invalid_parameter, "invalid type of a search attribute", "",
                fmt::format("It is one of {}.", fmt::join(kTypeNames, ", ")));
}

void check_attribute_name(std::string_view name) {
    const bool good =
        !name.empty() && name.size() <= kMaxAttributeName && is_letter(name.front()) &&
        std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
    if (!good)
        throw Error(sqlstate::invalid_parameter, "invalid name of a search attribute",
                    fmt::format("It must have 1 to {} letters, digits and underscores, and begin with a letter.",
                                kMaxAttributeName));
    if (std::find(kSystemNames.begin(), kSystemNames.end(), name) != kSystemNames.end())
        throw Error(sqlstate::invalid_parameter, "invalid name of a search attribute",
                    fmt::format("Every execution has {}.", name));
}

std::optional<std::string> attribute_time(Time time) {
    constexpr std::size_t kWidth = 27; // "2026-01-01T00:00:00.000000Z"
    std::string text = format_iso8601(time);
    const bool fits = text.size() == kWidth && text.front() != '-';
    return fits ? std::optional(std::move(text)) : std::nullopt;
}

JsonFields split_json_object(std::string_view json) { return MemberReader(json).read(); }

std::string join_json_object(const JsonFields &fields) {
    std::string json = "{";
    for (const auto &[name, value] : fields)
        json += fmt::format("{}{}: {}", json.size() > 1 ? ", " : "", dump(name), value);
    return json + "}";
}

bool is_unset(std::string_view value) {
    if (value == "null")
        return true;
    return value.size() >= 2 && value.front() == '[' && value.back() == ']' &&
           std::all_of(value.begin() + 1, value.end() - 1, is_space);
}

std::string checked_attributes(std::string_view json, const AttributeTypes &types, std::string_view path) {
    JsonFields fields = fields_at(json, path);
    for (auto &[name, value] : fields) {
        const std::string place = fmt::format("{}: {}", path, name);
        const auto type = types.find(name);
        if (type == types.end())
            fail_at(place, "is no search attribute", "Declare it with hermes.create_search_attribute.");
        value = is_unset(value) ? "null" : checked_value(type->second, value, place);
    }
    return join_json_object(fields);
}

std::string checked_memo(std::string_view json, std::string_view path) {
    return join_json_object(fields_at(json, path));
}

void change_fields(JsonFields &fields, std::string_view changes) {
    for (auto &[name, value] : split_json_object(changes)) {
        if (value == "null")
            fields.erase(name);
        else
            fields[name] = value;
    }
}

void check_attribute_limits(const ExecutionAttributes &attributes, std::size_t max_memo_bytes) {
    const std::size_t count = std::max(attributes.search.size(), attributes.memo.size());
    if (count > kMaxAttributes || bytes_of(attributes.search) > kMaxAttributesBytes)
        throw Error(
            sqlstate::limit_exceeded, "execution has too many search attributes or memo fields",
            fmt::format("It may have {} of each, the attributes {} bytes in all.", kMaxAttributes, kMaxAttributesBytes),
            "Unset some with null.");
    if (bytes_of(attributes.memo) > max_memo_bytes)
        throw Error(sqlstate::limit_exceeded, "memo of the execution is too large",
                    fmt::format("It may have {} bytes in all.", max_memo_bytes), "See hermes.max_message_size.");
}

bool changes_attributes(ExecutionEventType type) {
    return type == ExecutionEventType::search_attributes_upserted || type == ExecutionEventType::memo_modified;
}

ExecutionAttributes attributes_after(std::span<const ExecutionEvent> events) {
    ExecutionAttributes attributes;
    for (const ExecutionEvent &event : events) {
        if (event.type == ExecutionEventType::search_attributes_upserted)
            change_fields(attributes.search, event.payload);
        else if (event.type == ExecutionEventType::memo_modified)
            change_fields(attributes.memo, event.payload);
    }
    return attributes;
}

std::vector<ExecutionEvent> attribute_events(const ExecutionAttributes &attributes, Time at) {
    std::vector<ExecutionEvent> events;
    if (!attributes.search.empty())
        events.push_back({.type = ExecutionEventType::search_attributes_upserted,
                          .time = at,
                          .payload = join_json_object(attributes.search)});
    if (!attributes.memo.empty())
        events.push_back(
            {.type = ExecutionEventType::memo_modified, .time = at, .payload = join_json_object(attributes.memo)});
    return events;
}

bool mentions_attributes(std::string_view options_json) {
    return options_json.find("\"search_attributes\"") != std::string_view::npos ||
           options_json.find("\"memo\"") != std::string_view::npos;
}

ExecutionAttributes take_start_attributes(std::string &options_json, const AttributeTypes &types,
                                          std::size_t max_memo_bytes) {
    ExecutionAttributes attributes;
    if (!mentions_attributes(options_json))
        return attributes;
    JsonFields options;
    try {
        options = split_json_object(options_json);
    } catch (const Error &) {
        return attributes; // the reader of the options says what is wrong
    }
    if (const auto search = options.find("search_attributes"); search != options.end()) {
        change_fields(attributes.search, checked_attributes(search->second, types, "$.search_attributes"));
        options.erase(search);
    }
    if (const auto memo = options.find("memo"); memo != options.end()) {
        change_fields(attributes.memo, checked_memo(memo->second, "$.memo"));
        options.erase(memo);
    }
    check_attribute_limits(attributes, max_memo_bytes);
    options_json = join_json_object(options);
    return attributes;
}

std::string without_start_attributes(std::string_view options_json) {
    if (!mentions_attributes(options_json))
        return std::string(options_json);
    try {
        JsonFields options = split_json_object(options_json);
        options.erase("search_attributes");
        options.erase("memo");
        return join_json_object(options);
    } catch (const Error &) {
        return std::string(options_json); // the reader of the options says what is wrong
    }
}

} // namespace hc::core
