// See flat_json.hpp. Pure.
#include "core/flat_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace hc::core {

namespace {

constexpr std::size_t kMaxDigits = 18; // fit a signed number of 64 bits

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A character of a string that stands for itself. Others than ASCII are odd enough for the reader that checks them.
bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

// Every function steps over what it is named after; false, or nothing, if something else is there.
class FlatReader {
public:
    explicit FlatReader(std::string_view text) : text_(text) {}

    bool object(std::span<const std::string_view> names, std::span<nlohmann::json> values) {
        if (!symbol('{'))
            return false;
        if (symbol('}'))
            return end();
        do {
            const auto key = string();
            if (!key || !symbol(':'))
                return false;
            const auto name = std::find(names.begin(), names.end(), *key);
            nlohmann::json ignored;
            if (!value(name == names.end() ? ignored : values[static_cast<std::size_t>(name - names.begin())]))
                return false;
        } while (symbol(','));
        return symbol('}') && end();
    }

private:
    void space() {
        while (at_ < text_.size() && is_space(text_[at_]))
            ++at_;
    }

    bool symbol(char c) {
        space();
        if (at_ == text_.size() || text_[at_] != c)
            return false;
        ++at_;
        return true;
    }

    bool end() {
        space();
        return at_ == text_.size();
    }

    bool word(std::string_view word) {
        if (!text_.substr(at_).starts_with(word))
            return false;
        at_ += word.size();
        return true;
    }

    std::optional<std::string_view> string() {
        if (!symbol('"'))
            return std::nullopt;
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_plain(text_[at_]))
            ++at_;
        const std::string_view inside = text_.substr(begin, at_ - begin);
        return word("\"") ? std::optional(inside) : std::nullopt;
    }

    // What follows the digits, of a fraction for one, is refused by whoever looks for the next symbol.
    bool integer(nlohmann::json &value) {
        const bool negative = word("-");
        const std::size_t begin = at_;
        std::int64_t number = 0;
        for (; at_ < text_.size() && is_digit(text_[at_]) && at_ - begin < kMaxDigits; ++at_)
            number = number * 10 + (text_[at_] - '0');
        const bool odd_zero = at_ > begin && text_[begin] == '0' && (negative || at_ - begin > 1);
        if (at_ == begin || odd_zero)
            return false;
        if (negative)
            value = -number;
        else
            value = static_cast<std::uint64_t>(number); // the type that the parser gives it
        return true;
    }

    bool value(nlohmann::json &value) {
        space();
        switch (at_ < text_.size() ? text_[at_] : '\0') {
        case '"': {
            const auto text = string();
            if (text)
                value = *text;
            return text.has_value();
        }
        case 't':
            value = true;
            return word("true");
        case 'f':
            value = false;
            return word("false");
        case 'n':
            value = nullptr;
            return word("null");
        default:
            return integer(value);
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace

bool read_flat_json(std::string_view text, std::span<const std::string_view> names, std::span<nlohmann::json> values) {
    return FlatReader(text).object(names, values);
}

} // namespace hc::core
