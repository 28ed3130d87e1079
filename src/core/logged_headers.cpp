// See logged_headers.hpp.
#include "core/logged_headers.hpp"

#include "core/history.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace hc::core {

namespace {

std::string lower_case(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return lower;
}

} // namespace

bool carries_credential(std::string_view header_name) {
    constexpr std::array<std::string_view, 10> kParts{"authorization", "cookie",  "token",  "secret",  "password",
                                                      "credential",    "api-key", "apikey", "api_key", "auth-key"};
    const std::string name = lower_case(header_name);
    return std::any_of(kParts.begin(), kParts.end(),
                       [&name](std::string_view part) { return name.find(part) != std::string::npos; });
}

std::string logged_headers(const Headers &headers) {
    nlohmann::json kept = nlohmann::json::object();
    for (const auto &[name, value] : headers) {
        if (kept.size() >= kMaxLoggedHeaders)
            break;
        if (!carries_credential(name))
            kept[std::string(cut_utf8(lower_case(name), kMaxLoggedNameBytes))] = cut_utf8(value, kMaxLoggedValueBytes);
    }
    return kept.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace hc::core
