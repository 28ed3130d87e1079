// One curl multi handle with its connections, all opened under the same limits. A change of limits makes a new pool, so
// that no connection outlives the policy that allowed it but for the requests already on it.
// Process: dispatcher.
#pragma once

#include "http/client.hpp"
#include "http/transfer.hpp"

#include <chrono>
#include <curl/curl.h>
#include <list>
#include <optional>
#include <vector>

namespace hc::http {

// All members are called with signals blocked.
class Pool {
public:
    Pool(std::uint32_t id, int epoll_fd, const Limits &limits); // throws hc::Error
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    // Takes the request in line. start_waiting() sets it off when a connection may be used.
    void add(Request &&request);

    void socket_ready(int fd, std::uint32_t epoll_events);
    void expire(SteadyTime now);

    // Appends what ended. `done` has room for size() more: nothing here may throw once a transfer has left curl.
    void collect(std::vector<Completion> &done) noexcept;
    void give_up_waiting(SteadyTime now, std::vector<Completion> &done) noexcept;
    void start_waiting(std::vector<Completion> &done) noexcept;
    void abort(std::vector<Completion> &done, const char *reason) noexcept;

    std::uint32_t id() const { return id_; }
    std::size_t size() const { return active_.size() + waiting_.size(); }
    bool broken() const { return broken_; }
    bool can_start() const;
    std::optional<SteadyTime> deadline() const; // when expire() or give_up_waiting() has work

private:
    static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user) noexcept;
    static int on_timer(CURLM *multi, long milliseconds, void *user) noexcept;

    bool set_options();
    void act(curl_socket_t fd, int mask);
    CURL *take_handle();
    bool start(Transfer &transfer) noexcept;
    void release(Transfer &transfer) noexcept;

    std::uint32_t id_;
    int epoll_fd_;
    Limits limits_;
    CURLM *multi_ = nullptr;
    std::size_t max_active_ = 0;
    std::list<Transfer> active_;  // known to curl
    std::list<Transfer> waiting_; // in the order of submission
    std::vector<CURL *> idle_;    // reset handles
    std::optional<SteadyTime> curl_deadline_;
    bool broken_ = false; // curl or epoll failed for good: abort, destroy
};

} // namespace hc::http
