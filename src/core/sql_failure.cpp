// See sql_failure.hpp.
#include "core/sql_failure.hpp"

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::size_t kMaxWords = 8;
constexpr std::size_t kMaxWordBytes = 32;

// Up to the first colon or line end, without what stands in double quotes.
std::string without_values(std::string_view message) {
    message = message.substr(0, message.find_first_of(":\r\n"));
    std::string plain;
    bool quoted = false;
    for (const char c : message) {
        quoted = quoted != (c == '"');
        plain += quoted || c == '"' ? ' ' : c;
    }
    return plain;
}

bool may_be_told(std::string_view word) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == ',' || c == '\'';
    };
    return word.size() <= kMaxWordBytes && std::all_of(word.begin(), word.end(), plain);
}

} // namespace

std::string short_sql_failure(std::string_view sqlstate, std::string_view message) {
    std::string told(sqlstate);
    if (sqlstate.starts_with("P0"))
        return told;
    const std::string plain = without_values(message);
    const std::string_view text = plain;
    std::size_t words = 0;
    for (std::size_t at = text.find_first_not_of(' '); at != std::string_view::npos && words < kMaxWords;) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        if (const std::string_view word = text.substr(at, end - at); may_be_told(word)) {
            told += words++ == 0 ? ": " : " ";
            told += word;
        }
        at = text.find_first_not_of(' ', end);
    }
    return told;
}

} // namespace hc::core
