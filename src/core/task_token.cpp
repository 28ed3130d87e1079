// See task_token.hpp. Pure.
#include "core/task_token.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace hc::core {

namespace {

constexpr std::size_t kTokenDigits = 32 + 8 + 16;

std::uint64_t part(std::string_view digits) {
    std::uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return value;
}

} // namespace

std::string format_token(const TaskToken &token) {
    std::string text;
    for (const std::uint8_t byte : token.id.bytes)
        text += fmt::format("{:02x}", byte);
    return text + fmt::format("{:08x}{:016x}", static_cast<std::uint32_t>(token.number),
                              static_cast<std::uint64_t>(token.secret));
}

std::optional<TaskToken> parse_token(std::string_view text) {
    const bool digits = text.size() == kTokenDigits && std::all_of(text.begin(), text.end(), [](char c) {
                            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                        });
    if (!digits)
        return std::nullopt;
    TaskToken token;
    for (std::size_t i = 0; i < token.id.bytes.size(); ++i)
        token.id.bytes[i] = static_cast<std::uint8_t>(part(text.substr(2 * i, 2)));
    token.number = static_cast<std::int32_t>(part(text.substr(32, 8)));
    token.secret = static_cast<std::int64_t>(part(text.substr(40, 16)));
    return token;
}

} // namespace hc::core
