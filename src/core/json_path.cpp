// JSON paths and their look-up in JSON text; any process.
#include "core/json_path.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <span>

namespace hc::core {

namespace {

bool is_plain_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// Each parser takes the text after its opening mark and removes what it read.
bool parse_name(std::string_view &rest, JsonPathSegment &out) {
    std::size_t n = 0;
    while (n < rest.size() && is_plain_name_byte(rest[n]))
        ++n;
    out.member = rest.substr(0, n);
    rest.remove_prefix(n);
    return n > 0;
}

bool parse_quoted(std::string_view &rest, JsonPathSegment &out) {
    std::size_t i = 0;
    for (; i < rest.size() && rest[i] != '\''; ++i) {
        if (rest[i] == '\\') {
            ++i;
            if (i == rest.size() || (rest[i] != '\'' && rest[i] != '\\'))
                return false;
        }
        out.member.push_back(rest[i]);
    }
    if (!rest.substr(i).starts_with("']"))
        return false;
    rest.remove_prefix(i + 2);
    return true;
}

bool parse_index(std::string_view &rest, JsonPathSegment &out) {
    if (rest.empty() || rest.front() < '0' || rest.front() > '9')
        return false; // from_chars would take a sign
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out.index);
    if (error != std::errc{} || out.index > kMaxJsonPathIndex)
        return false;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (!rest.starts_with(']'))
        return false;
    rest.remove_prefix(1);
    return true;
}

// Reads JSON text value by value without recursion; every step checks its bounds.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    void skip_space() {
        while (pos_ < text_.size() &&
               (text_[pos_] == ' ' || text_[pos_] == '\t' || text_[pos_] == '\n' || text_[pos_] == '\r'))
            ++pos_;
    }

    // Skips white space, then takes the character when it stands there.
    bool take(char c) {
        skip_space();
        if (pos_ >= text_.size() || text_[pos_] != c)
            return false;
        ++pos_;
        return true;
    }

    // One value after white space, as text; empty when there is none.
    std::string_view value() {
        skip_space();
        const std::size_t start = pos_;
        if (pos_ >= text_.size())
            return {};
        if (text_[pos_] == '"')
            skip_string();
        else if (text_[pos_] == '{' || text_[pos_] == '[')
            skip_container();
        else
            skip_scalar();
        return text_.substr(start, pos_ - start);
    }

private:
    void skip_string() {
        for (++pos_; pos_ < text_.size(); ++pos_) {
            if (text_[pos_] == '"') {
                ++pos_;
                return;
            }
            if (text_[pos_] == '\\' && pos_ + 1 < text_.size())
                ++pos_;
        }
    }

    void skip_container() {
        std::size_t depth = 0;
        while (pos_ < text_.size()) {
            const char c = text_[pos_];
            if (c == '"') {
                skip_string();
                continue;
            }
            ++pos_;
            if (c == '{' || c == '[')
                ++depth;
            else if ((c == '}' || c == ']') && --depth == 0)
                return;
        }
    }

    void skip_scalar() {
        constexpr std::string_view kEnds = ",:]}[{\" \t\r\n";
        while (pos_ < text_.size() && kEnds.find(text_[pos_]) == std::string_view::npos)
            ++pos_;
    }

    std::string_view text_;
    std::size_t pos_ = 0;
};

bool is_member(std::string_view key, std::string_view member) {
    if (key.size() < 2 || key.front() != '"' || key.back() != '"')
        return false;
    const std::string_view inner = key.substr(1, key.size() - 2);
    if (inner.find('\\') == std::string_view::npos)
        return inner == member;
    return json_scalar_text(key) == member;
}

// Calls take(key, value) for each member; the key is a JSON string.
template <class Take>
void each_member(std::string_view object, Take &&take) {
    Scanner scan(object);
    if (!scan.take('{'))
        return;
    do {
        const std::string_view key = scan.value();
        if (key.empty() || !scan.take(':'))
            return;
        const std::string_view value = scan.value();
        if (value.empty())
            return;
        take(key, value);
    } while (scan.take(','));
}

std::optional<std::string_view> find_member(std::string_view object, std::string_view member) {
    std::optional<std::string_view> found;
    each_member(object, [&](std::string_view key, std::string_view value) {
        if (is_member(key, member))
            found = value;
    });
    return found;
}

// Calls take(element) until it returns false.
template <class Take>
void each_element(std::string_view array, Take &&take) {
    Scanner scan(array);
    if (!scan.take('['))
        return;
    do {
        const std::string_view value = scan.value();
        if (value.empty() || !take(value))
            return;
    } while (scan.take(','));
}

std::optional<std::string_view> find_element(std::string_view array, std::int32_t index) {
    std::optional<std::string_view> found;
    each_element(array, [&](std::string_view value) {
        if (index-- == 0)
            found = value;
        return !found;
    });
    return found;
}

// Recursion is bounded by kMaxJsonPathSegments.
void collect(std::string_view value, std::span<const JsonPathSegment> rest, std::size_t limit,
             std::vector<std::string_view> &found) {
    for (; !rest.empty(); rest = rest.subspan(1)) {
        const JsonPathSegment &segment = rest.front();
        if (segment.every) {
            each_element(value, [&](std::string_view element) {
                collect(element, rest.subspan(1), limit, found);
                return found.size() < limit;
            });
            return;
        }
        const auto next = segment.index >= 0 ? find_element(value, segment.index) : find_member(value, segment.member);
        if (!next)
            return;
        value = *next;
    }
    if (!value.empty() && found.size() < limit)
        found.push_back(value);
}

} // namespace

std::optional<JsonPath> parse_json_path(std::string_view text, JsonWildcards wildcards) {
    JsonPath path;
    if (text.size() > kMaxJsonPathBytes || !text.starts_with('$'))
        return std::nullopt;
    std::string_view rest = text.substr(1);
    while (!rest.empty()) {
        JsonPathSegment segment;
        bool good = false;
        if (wildcards == JsonWildcards::taken && rest.starts_with("[*]")) {
            rest.remove_prefix(3);
            segment.every = good = true;
        } else if (rest.starts_with("['")) {
            rest.remove_prefix(2);
            good = parse_quoted(rest, segment);
        } else if (rest.starts_with('[')) {
            rest.remove_prefix(1);
            good = parse_index(rest, segment);
        } else if (rest.starts_with('.')) {
            rest.remove_prefix(1);
            good = parse_name(rest, segment);
        }
        if (!good || path.segments.size() == kMaxJsonPathSegments)
            return std::nullopt;
        path.segments.push_back(std::move(segment));
    }
    return path;
}

void append_json_member(std::string &path, std::string_view member) {
    bool plain = !member.empty();
    for (const char c : member)
        plain = plain && is_plain_name_byte(c);
    if (plain) {
        path.append(".").append(member);
        return;
    }
    path += "['";
    for (const char c : member) {
        if (c == '\'' || c == '\\')
            path.push_back('\\');
        path.push_back(c);
    }
    path += "']";
}

std::string to_string(const JsonPath &path) {
    std::string text = "$";
    for (const JsonPathSegment &segment : path.segments) {
        if (segment.every)
            text.append("[*]");
        else if (segment.index >= 0)
            text.append("[").append(std::to_string(segment.index)).append("]");
        else
            append_json_member(text, segment.member);
    }
    return text;
}

std::size_t json_nesting_depth(std::string_view text) {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            deepest = std::max(deepest, ++depth);
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return deepest;
}

bool is_valid_json(std::string_view json) {
    // The parser takes a zero byte for the end of its input.
    return json.find('\0') == std::string_view::npos && nlohmann::json::accept(json.begin(), json.end());
}

std::optional<std::string_view> find_json(std::string_view json, const JsonPath &path, std::size_t skip) {
    std::vector<std::string_view> found;
    collect(Scanner(json).value(), std::span(path.segments).subspan(skip), 1, found);
    return found.empty() ? std::nullopt : std::optional(found.front());
}

std::vector<std::string_view> find_all_json(std::string_view json, const JsonPath &path, std::size_t limit) {
    std::vector<std::string_view> found;
    collect(Scanner(json).value(), path.segments, limit, found);
    return found;
}

std::vector<std::pair<std::string, std::string_view>> json_members(std::string_view json) {
    std::vector<std::pair<std::string, std::string_view>> members;
    each_member(json, [&members](std::string_view key, std::string_view value) {
        members.emplace_back(json_scalar_text(key).value_or(std::string()), value);
    });
    return members;
}

std::vector<std::string_view> json_elements(std::string_view json) {
    std::vector<std::string_view> elements;
    each_element(json, [&elements](std::string_view element) {
        elements.push_back(element);
        return true;
    });
    return elements;
}

std::optional<std::string> json_scalar_text(std::string_view json) {
    if (json.empty() || json == "null" || json.front() == '{' || json.front() == '[')
        return std::nullopt;
    if (json.front() != '"')
        return std::string(json);
    const bool closed = json.size() >= 2 && json.back() == '"';
    if (closed && json.find('\\') == std::string_view::npos)
        return std::string(json.substr(1, json.size() - 2));
    const auto parsed = nlohmann::json::parse(json.begin(), json.end(), nullptr, false);
    if (!parsed.is_string())
        return std::nullopt;
    return parsed.get<std::string>();
}

bool equal_json_scalars(std::string_view a, std::string_view b) {
    if (a == b)
        return true;
    if (a.empty() || a.front() == '{' || a.front() == '[')
        return false;
    const auto left = nlohmann::json::parse(a.begin(), a.end(), nullptr, false);
    const auto right = nlohmann::json::parse(b.begin(), b.end(), nullptr, false);
    return !left.is_discarded() && left == right;
}

} // namespace hc::core
