// What a request must be before it is given to curl, which sends header lines and methods as they are, and which
// addresses may be connected to.
// Process: dispatcher.
#pragma once

#include "http/client.hpp"

#include <cstddef>
#include <string>
#include <string_view>

struct sockaddr;

namespace hc::http {

// Why a request cannot be sent as it stands; empty: it can.
std::string refuse_request(const Request &request);

// The address policy, on the address about to be connected to. IPv4 and IPv6 only.
bool address_allowed(const sockaddr &address, std::size_t length, const Limits &limits) noexcept;

// Equal without regard to case; `lower` is in lower case.
bool same_header_name(std::string_view name, std::string_view lower);

} // namespace hc::http
