// Headers of a callback as the receipt log keeps them. Pure.
#pragma once

#include "core/receipt_payload.hpp"

#include <string>
#include <string_view>

namespace hc::core {

inline constexpr std::size_t kMaxLoggedHeaders = 64;
inline constexpr std::size_t kMaxLoggedNameBytes = 128;
inline constexpr std::size_t kMaxLoggedValueBytes = 512;

// Authorization, cookies and whatever has token, secret, password, credential or api key in its name.
bool carries_credential(std::string_view header_name);

// A JSON object: lower-case names, values cut, those with credentials left out. Signatures stay: they prove what came.
std::string logged_headers(const Headers &headers);

} // namespace hc::core
