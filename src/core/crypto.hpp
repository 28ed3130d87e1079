// Digests and encodings used by keys, attempt look-up and webhook signatures. Backed by OpenSSL's libcrypto.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view data);
Sha256 hmac_sha256(std::string_view key, std::string_view data);

// First 64 bits of SHA-256 over the parts joined by 0x1f: look-up hashes (never a proof of identity).
std::uint64_t hash64(std::string_view a, std::string_view b);

std::string base64_encode(std::string_view data);                 // with padding
std::optional<std::string> base64_decode(std::string_view text);  // strict: padding required, no white space
bool constant_time_equal(std::string_view a, std::string_view b); // length may leak, content may not

} // namespace hc::core
