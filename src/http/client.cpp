// The HTTP client: one epoll set over the pools, the current one for new requests and older ones until they are empty.
// Process: dispatcher.
#include "http/client.hpp"

#include "core/error.hpp"
#include "http/pool.hpp"
#include "http/request_check.hpp"
#include "http/signal_block.hpp"
#include "http/transfer.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <curl/curl.h>
#include <iterator>
#include <memory>
#include <optional>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>

namespace hc::http {

namespace {

constexpr int kEventsAtOnce = 128;
constexpr int kMaxRounds = 8; // run() returns to its caller even when peers never pause

class CurlLibrary {
public:
    CurlLibrary() {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
            throw Error(sqlstate::internal_error, "could not initialize libcurl");
    }
    ~CurlLibrary() { curl_global_cleanup(); }
    CurlLibrary(const CurlLibrary &) = delete;
    CurlLibrary &operator=(const CurlLibrary &) = delete;
};

class Epoll {
public:
    Epoll() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
        if (fd_ < 0)
            throw Error(sqlstate::internal_error, "could not create an epoll descriptor");
    }
    ~Epoll() { close(fd_); }
    Epoll(const Epoll &) = delete;
    Epoll &operator=(const Epoll &) = delete;
    int fd() const { return fd_; }

private:
    int fd_;
};

} // namespace

struct Client::Impl {
    explicit Impl(const Limits &limits_in) : limits(limits_in) { add_pool(); }

    CurlLibrary library;
    Epoll epoll;
    Limits limits;
    std::uint32_t next_pool_id = 0;
    std::vector<std::unique_ptr<Pool>> pools; // the last one is current
    std::vector<Completion> ended;            // without curl: refused before they were sent

    void add_pool() {
        pools.push_back(std::make_unique<Pool>(next_pool_id, epoll.fd(), limits));
        ++next_pool_id;
    }

    std::size_t in_flight() const {
        std::size_t count = ended.size();
        for (const auto &pool : pools)
            count += pool->size();
        return count;
    }

    void take_ended(std::vector<Completion> &done) {
        done.reserve(done.size() + in_flight());
        std::ranges::move(ended, std::back_inserter(done));
        ended.clear();
    }

    void dispatch(const epoll_event &event) {
        const auto id = static_cast<std::uint32_t>(event.data.u64 >> 32);
        const auto pool = std::ranges::find(pools, id, &Pool::id);
        if (pool != pools.end())
            (*pool)->socket_ready(static_cast<int>(event.data.u64 & UINT32_MAX), event.events);
    }

    void take_events() {
        epoll_event events[kEventsAtOnce];
        for (int round = 0; round < kMaxRounds; ++round) {
            const int count = epoll_wait(epoll.fd(), events, kEventsAtOnce, 0);
            if (count < 0 && errno != EINTR)
                throw Error(sqlstate::internal_error, "could not wait for sockets of the HTTP client");
            for (int i = 0; i < count; ++i)
                dispatch(events[i]);
            if (count < kEventsAtOnce)
                return;
        }
    }

    void tidy(std::vector<Completion> &done) {
        for (auto &pool : pools)
            if (pool->broken())
                pool->abort(done, "HTTP client failed");
        if (pools.back()->broken())
            add_pool();
        drop_empty_pools();
    }

    void drop_empty_pools() {
        const Pool *current = pools.back().get();
        std::erase_if(pools, [&](const auto &pool) { return pool.get() != current && pool->size() == 0; });
    }
};

Client::Client(const Limits &limits) {
    const SignalBlock block;
    impl_ = std::make_unique<Impl>(limits);
}

Client::~Client() {
    const SignalBlock block;
    impl_.reset();
}

void Client::set_limits(const Limits &limits) {
    const SignalBlock block;
    Limits before = std::exchange(impl_->limits, limits);
    try {
        impl_->add_pool();
    } catch (...) {
        impl_->limits = std::move(before);
        throw;
    }
    impl_->drop_empty_pools();
}

void Client::submit(Request request) {
    const std::uint64_t tag = request.tag;
    std::string reason = refuse_request(request);
    if (reason.empty())
        impl_->pools.back()->add(std::move(request));
    else
        impl_->ended.push_back(not_sent(tag, std::move(reason)));
}

int Client::epoll_fd() const { return impl_->epoll.fd(); }

long Client::wait_milliseconds() const {
    if (!impl_->ended.empty())
        return 0;
    long shortest = -1;
    const auto now = std::chrono::steady_clock::now();
    for (const auto &pool : impl_->pools) {
        if (pool->broken() || pool->can_start())
            return 0;
        const std::optional<SteadyTime> deadline = pool->deadline();
        if (!deadline)
            continue;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now).count();
        const long wait = static_cast<long>(std::clamp<std::int64_t>(left, 0, INT_MAX));
        if (shortest < 0 || wait < shortest)
            shortest = wait;
    }
    return shortest;
}

void Client::run(std::vector<Completion> &done) {
    const SignalBlock block;
    impl_->take_ended(done);
    impl_->take_events();
    const auto now = std::chrono::steady_clock::now();
    for (auto &pool : impl_->pools) {
        pool->expire(now);
        pool->collect(done);
        pool->give_up_waiting(now, done);
        pool->start_waiting(done);
        pool->expire(std::chrono::steady_clock::now()); // begins what was just started
        pool->collect(done);
    }
    impl_->tidy(done);
}

std::size_t Client::in_flight() const { return impl_->in_flight(); }

void Client::abort_all(std::vector<Completion> &done) {
    const SignalBlock block;
    impl_->take_ended(done);
    for (auto &pool : impl_->pools)
        pool->abort(done, "aborted");
    impl_->tidy(done);
}

} // namespace hc::http
