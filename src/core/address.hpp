// Which network addresses an outbound request may connect to (SSRF guard), decided on the numeric address after DNS.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hc::core {

// `bytes`: 4 for IPv4, 16 for IPv6, network order. False for loopback, RFC 1918, link-local, CGNAT 100.64/10, 0/8,
// multicast, reserved, documentation and benchmarking ranges, IPv6 ::, ::1, fc00::/7, fe80::/10, site-local, and for
// v4 addresses embedded in v4-mapped, 64:ff9b::/96, 6to4 and Teredo forms that are themselves not public.
bool is_public_address(std::span<const std::uint8_t> bytes);

// A list of CIDR blocks, comma separated ("127.0.0.0/8,::1/128"); throws hc::Error 22023 on a malformed entry.
class AddressList {
public:
    AddressList() = default;
    explicit AddressList(std::string_view text);
    bool contains(std::span<const std::uint8_t> bytes) const;

private:
    struct Block {
        std::uint8_t bytes[16];
        std::uint8_t length; // 4 or 16
        std::uint8_t prefix; // bits
    };
    // at most kMaxBlocks entries
    Block blocks_[32]{};
    std::size_t count_ = 0;
};

// http or https, a host, no userinfo, no control characters; port 1 to 65535. Returns the reason when refused, else "".
std::string check_url(std::string_view url);

// Host and port that a URL leads to, in lower case; of a URL that check_url takes.
std::string destination_of(std::string_view url);

// True for a header name that is a token and that a configuration may set (not Host, Content-Length,
// Transfer-Encoding, Connection, nor webhook-*).
bool allowed_header_name(std::string_view name);
bool allowed_header_value(std::string_view value); // no byte below 0x20 but tab, no 0x7f

} // namespace hc::core
