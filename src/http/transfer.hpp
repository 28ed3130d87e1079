// One request on its way: what curl's callbacks may touch, how an easy handle is set up for it, and what its end means.
// Process: dispatcher.
#pragma once

#include "http/client.hpp"

#include <algorithm>
#include <chrono>
#include <curl/curl.h>
#include <list>
#include <string>

namespace hc::http {

// Reading stops after this many bytes of body, or of header lines, whatever is kept of them.
inline constexpr std::uint64_t kMaxReadBytes = 1024 * 1024;

using SteadyTime = std::chrono::steady_clock::time_point;

struct Transfer {
    Transfer(Request &&request_in, const Limits &limits_in)
        : request(std::move(request_in)), limits(limits_in), started(std::chrono::steady_clock::now()) {}
    ~Transfer() { curl_slist_free_all(header_list); }
    Transfer(const Transfer &) = delete;
    Transfer &operator=(const Transfer &) = delete;

    SteadyTime deadline() const {
        return started + std::clamp<core::Duration>(request.timeout, core::Duration::zero(), std::chrono::hours(1));
    }

    Request request;      // curl reads the body from here
    const Limits &limits; // of the pool, which outlives its transfers
    SteadyTime started;
    std::list<Transfer>::iterator self;
    CURL *easy = nullptr;
    curl_slist *header_list = nullptr;

    core::HttpAnswer answer;
    std::uint64_t header_bytes_read = 0, header_bytes_kept = 0, body_bytes_read = 0;
    bool handed_over = false;     // the request was given to a connection: from here on the peer may have it
    bool address_refused = false; // at least one address failed the policy
    bool address_tried = false;   // at least one address passed it
    bool headers_complete = false;
    bool last_header_kept = false; // a folded line belongs to it
    bool body_capped = false;
    bool headers_too_large = false;
    bool out_of_memory = false;
};

// Sets all options of a fresh or reset handle. False: curl ran out of memory or lacks an option. Throws std::bad_alloc.
bool set_up(Transfer &transfer);

// What the end of a transfer means to the caller. Empties the transfer's answer.
Completion finish(Transfer &transfer, CURLcode result) noexcept;
Completion finish_aborted(Transfer &transfer, const char *reason) noexcept;

Completion not_sent(std::uint64_t tag, std::string reason);

} // namespace hc::http
