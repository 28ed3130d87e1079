// See json_slices.hpp. Pure.
#include "core/json_slices.hpp"

#include "core/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <vector>

namespace hc::core {

namespace {

constexpr std::size_t kMaxDepth = 10'000; // of brackets: as deep as jsonb may be, and more

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool ends_scalar(char c) { return is_space(c) || c == ',' || c == ']' || c == '}' || c == ':'; }

} // namespace

void JsonSlices::fail(const char *message, const std::string &path, const std::string &what) {
    throw Error(sqlstate::invalid_parameter, message, fmt::format("{}: {}.", path, what));
}

void JsonSlices::skip_space() {
    while (at_ < text_.size() && is_space(text_[at_]))
        ++at_;
}

bool JsonSlices::take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c)
        return false;
    ++at_;
    return true;
}

void JsonSlices::expect(char c, const std::string &path) {
    if (!take(c))
        fail(message_, path, fmt::format("is no JSON: '{}' is missing at byte {}", c, at_));
}

std::string_view JsonSlices::string_slice(const std::string &path) {
    const std::size_t begin = at_;
    expect('"', path);
    while (at_ < text_.size() && text_[at_] != '"')
        at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size())
        fail(message_, path, "has a string without an end");
    ++at_;
    std::string_view slice = text_.substr(begin, at_ - begin);
    return slice.substr(slice.find('"'));
}

// A container is stepped over by its brackets, which must match.
std::string_view JsonSlices::value_slice(const std::string &path) {
    skip_space();
    const std::size_t begin = at_;
    std::vector<char> closers;
    do {
        skip_space();
        if (at_ >= text_.size())
            fail(message_, path, "is no JSON: it ends inside a value");
        const char c = text_[at_];
        if (c == '"') {
            string_slice(path);
        } else if (c == '{' || c == '[') {
            if (closers.size() >= kMaxDepth)
                throw Error(sqlstate::limit_exceeded, message_, fmt::format("{}: is nested too deeply.", path));
            closers.push_back(c == '{' ? '}' : ']');
            ++at_;
        } else if (!closers.empty() && c == closers.back()) {
            closers.pop_back();
            ++at_;
        } else if (!closers.empty() && (c == ',' || c == ':')) {
            ++at_;
        } else if (ends_scalar(c)) {
            fail(message_, path, fmt::format("is no JSON: '{}' at byte {}", c, at_));
        } else {
            while (at_ < text_.size() && !ends_scalar(text_[at_]))
                ++at_;
        }
    } while (!closers.empty());
    return text_.substr(begin, at_ - begin);
}

void JsonSlices::check_end(const std::string &path) {
    skip_space();
    if (at_ != text_.size())
        fail(message_, path, fmt::format("is no JSON: it goes on at byte {}", at_));
}

void JsonSlices::each_member(const std::string &path,
                             const std::function<void(const std::string &, std::string_view)> &visit) {
    at_ = 0;
    if (!take('{'))
        fail(message_, path, "must be an object");
    if (!take('}')) {
        do {
            skip_space();
            const std::string key = unquote_json(string_slice(path), message_, path);
            expect(':', path);
            visit(key, value_slice(path));
        } while (take(','));
        expect('}', path);
    }
    check_end(path);
}

void JsonSlices::each_element(const std::string &path,
                              const std::function<void(std::size_t, std::string_view)> &visit) {
    at_ = 0;
    if (!take('['))
        fail(message_, path, "must be an array");
    if (!take(']')) {
        std::size_t i = 0;
        do
            visit(i++, value_slice(path));
        while (take(','));
        expect(']', path);
    }
    check_end(path);
}

std::string unquote_json(std::string_view slice, const char *message, const std::string &path) {
    const nlohmann::json value = nlohmann::json::parse(slice, nullptr, false);
    if (!value.is_string())
        JsonSlices::fail(message, path, "must be a string");
    return value.get<std::string>();
}

} // namespace hc::core
