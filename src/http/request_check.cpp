// Checks of a request before it is given to curl, and of an address before it is connected to.
// Process: dispatcher.
#include "http/request_check.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <span>
#include <sys/socket.h>

namespace hc::http {

namespace {

bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kMarks.find(c) != std::string_view::npos;
    });
}

// Fields that frame the message or steer the connection are the client's own: two of them would let a request be read
// differently by different peers.
bool is_framing_header(std::string_view name) {
    constexpr std::string_view kFraming[] = {"host",       "content-length", "transfer-encoding",
                                             "connection", "expect",         "upgrade"};
    return std::ranges::any_of(kFraming, [&](std::string_view framing) { return same_header_name(name, framing); });
}

} // namespace

bool same_header_name(std::string_view name, std::string_view lower) {
    return std::ranges::equal(name, lower, {},
                              [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
}

std::string refuse_request(const Request &request) {
    // CONNECT asks for a tunnel: there is no answer to read
    if (!is_token(request.method) || request.method == "CONNECT")
        return "malformed method";
    if (request.method == "HEAD" && !request.body.empty())
        return "HEAD with a body";
    if (const std::string reason = core::check_url(request.url); !reason.empty())
        return "URL " + reason;
    for (const auto &[name, value] : request.headers) {
        if (!is_token(name) || !core::allowed_header_value(value))
            return "malformed header";
        if (is_framing_header(name))
            return "header not allowed";
    }
    return {};
}

bool address_allowed(const sockaddr &address, std::size_t length, const Limits &limits) noexcept {
    std::uint8_t bytes[16];
    std::size_t count = 0;
    if (address.sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
        const auto &v4 = reinterpret_cast<const sockaddr_in &>(address);
        std::memcpy(bytes, &v4.sin_addr, count = 4);
    } else if (address.sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
        const auto &v6 = reinterpret_cast<const sockaddr_in6 &>(address);
        std::memcpy(bytes, &v6.sin6_addr, count = 16);
    } else {
        return false; // Unix sockets and anything unknown
    }
    const std::span<const std::uint8_t> numeric(bytes, count);
    return limits.allow_private || limits.allowed.contains(numeric) || core::is_public_address(numeric);
}

} // namespace hc::http
