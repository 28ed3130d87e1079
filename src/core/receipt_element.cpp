// Fields out of the elements of a payload. See receipt_element.hpp.
#include "core/receipt_element.hpp"

#include "core/history.hpp"
#include "core/receipt_parser.hpp"

#include <algorithm>
#include <charconv>

namespace hc::core {

namespace {

constexpr std::size_t kMaxFieldBytes = 512;

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// False: nothing is left of the value.
bool shape(const FieldSource &source, std::string &value) {
    if (!source.after.empty()) {
        const std::size_t at = value.find(source.after);
        if (at == std::string::npos)
            return false;
        value.erase(0, at + source.after.size());
    }
    if (!source.before.empty())
        value.resize(std::min(value.size(), value.find(source.before)));
    if (source.leading_digits)
        value.resize(static_cast<std::size_t>(std::find_if_not(value.begin(), value.end(), is_digit) - value.begin()));
    if (source.letter_case == LetterCase::upper)
        std::transform(value.begin(), value.end(), value.begin(), upper);
    else if (source.letter_case == LetterCase::lower)
        std::transform(value.begin(), value.end(), value.begin(), lower);
    if (value.empty())
        return false;
    value.insert(0, source.prefix);
    return true;
}

} // namespace

JsonMembers::JsonMembers(std::string_view json) : json_(json), members_(json_members(json)) {}

std::optional<std::string_view> JsonMembers::find(const JsonPath &path) const {
    if (path.segments.empty() || path.segments.front().every || path.segments.front().index >= 0)
        return find_json(json_, path);
    for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
        if (member->first == path.segments.front().member)
            return find_json(member->second, path, 1);
    }
    return std::nullopt;
}

std::optional<std::string_view> JsonMembers::find_once(const JsonPath &path) const {
    const auto known = found_.find(&path);
    return known != found_.end() ? known->second : found_.emplace(&path, find(path)).first->second;
}

std::optional<std::string> ElementReader::text(Field field) const {
    for (const FieldSource &source : section_.sources(field)) {
        if (std::optional<std::string> value = read(source))
            return value;
    }
    return std::nullopt;
}

std::optional<Time> ElementReader::time(Field field, const ZoneOffset &zone) const {
    for (const FieldSource &source : section_.sources(field)) {
        const std::optional<std::string> value = read(source);
        if (const auto time = value ? parse_provider_time(*value, source.format, zone) : std::nullopt)
            return time;
    }
    return std::nullopt;
}

std::optional<std::int64_t> ElementReader::integer(Field field) const {
    const std::optional<std::string> value = text(field);
    std::int64_t number = 0;
    if (!value)
        return std::nullopt;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    const bool good = error == std::errc{} && end == value->data() + value->size() && number >= 0;
    return good ? std::optional(number) : std::nullopt;
}

bool ElementReader::holds(const Condition &condition) const {
    const std::optional<std::string_view> found = find(condition.path);
    if (!found)
        return false;
    if (condition.in.empty() && !condition.contains)
        return *found != "null";
    const std::optional<std::string> value = json_scalar_text(*found);
    if (!value)
        return false;
    if (condition.contains && value->find(*condition.contains) == std::string::npos)
        return false;
    return condition.in.empty() || std::find(condition.in.begin(), condition.in.end(), *value) != condition.in.end();
}

std::optional<std::string_view> ElementReader::find(const DocumentPath &path) const {
    return path.from_root ? root_.find_once(path.path) : element_.find(path.path);
}

std::optional<std::string> ElementReader::read(const FieldSource &source) const {
    if (source.when && !holds(*source.when))
        return std::nullopt;
    std::optional<std::string> value = source.constant;
    if (!value) {
        const std::optional<std::string_view> found = find(source.path);
        value = found ? json_scalar_text(*found) : std::nullopt;
    }
    if (!value)
        return std::nullopt;
    std::erase(*value, '\0');
    if (!shape(source, *value))
        return std::nullopt;
    value->resize(cut_utf8(*value, kMaxFieldBytes).size());
    return value;
}

} // namespace hc::core
