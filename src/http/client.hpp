// HTTP client over libcurl's multi interface, driven by one epoll descriptor. No Postgres, no threads of its own.
// Process: dispatcher. curl's callbacks are noexcept and touch only memory of the transfer. All signals are blocked
// around every curl call, because curl's resolver threads inherit the mask.
#pragma once

#include "core/address.hpp"
#include "core/provider_config.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hc::http {

struct Limits {
    core::AddressList allowed;           // addresses allowed although not public
    bool allow_private = false;          // allow every address
    std::string ca_file;                 // empty: system default
    std::uint32_t max_connections = 256; // over all hosts, kept alive included
    std::uint32_t max_response_header_bytes = 16 * 1024;
};

struct Request {
    std::uint64_t tag = 0; // given back with the answer
    std::string method, url;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    core::Duration timeout{}, connect_timeout{};
    std::uint32_t max_response_bytes = 64 * 1024; // kept; reading stops at 1 MiB
};

struct Completion {
    std::uint64_t tag = 0;
    core::HttpAnswer answer;
    core::Duration elapsed{};
};

class Client {
public:
    explicit Client(const Limits &limits); // throws hc::Error when curl or epoll cannot be set up
    ~Client();
    Client(const Client &) = delete;
    Client &operator=(const Client &) = delete;

    void set_limits(const Limits &limits); // for requests submitted from now on

    // Never throws for a bad URL: such a request completes as TransportResult::not_sent.
    void submit(Request request);

    // Descriptor to wait on for readability, and how long to wait at most (-1: no timer of curl's).
    int epoll_fd() const;
    long wait_milliseconds() const;

    // Does what is ready without blocking; appends what ended.
    void run(std::vector<Completion> &done);

    std::size_t in_flight() const;

    // Ends all transfers now; each completes as no_answer or not_sent.
    void abort_all(std::vector<Completion> &done);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace hc::http
