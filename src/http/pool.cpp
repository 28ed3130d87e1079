// One curl multi handle, its sockets in the epoll set and its timer.
// Process: dispatcher.
#include "http/pool.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <new>
#include <sys/epoll.h>

namespace hc::http {

Pool::Pool(std::uint32_t id, int epoll_fd, const Limits &limits) : id_(id), epoll_fd_(epoll_fd), limits_(limits) {
    max_active_ = std::clamp<std::size_t>(limits.max_connections, 1, 65536);
    multi_ = curl_multi_init();
    if (multi_ != nullptr && set_options())
        return;
    if (multi_ != nullptr)
        curl_multi_cleanup(multi_);
    throw Error(sqlstate::out_of_memory, "could not set up the HTTP client");
}

Pool::~Pool() {
    for (Transfer &transfer : active_) {
        curl_multi_remove_handle(multi_, transfer.easy);
        curl_easy_cleanup(transfer.easy);
    }
    for (CURL *easy : idle_)
        curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
}

bool Pool::set_options() {
    // curl closes idle connections to stay below; its own queue is never used, because timeouts do not hold there
    const long connections = static_cast<long>(max_active_);
    return curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Pool::on_socket) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Pool::on_timer) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections) == CURLM_OK &&
           curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections) == CURLM_OK;
}

// Keeps the epoll set as curl wants it. A failure is remembered, not returned: curl would act on it in ways that differ
// between versions.
int Pool::on_socket(CURL *, curl_socket_t fd, int what, void *user, void *) noexcept {
    auto &pool = *static_cast<Pool *>(user);
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(pool.epoll_fd_, EPOLL_CTL_DEL, fd, nullptr); // may be closed already
        return 0;
    }
    epoll_event event{};
    if ((what & CURL_POLL_IN) != 0)
        event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0)
        event.events |= EPOLLOUT;
    event.data.u64 = std::uint64_t{pool.id_} << 32 | static_cast<std::uint32_t>(fd);
    if (epoll_ctl(pool.epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    if (errno != EEXIST || epoll_ctl(pool.epoll_fd_, EPOLL_CTL_MOD, fd, &event) != 0)
        pool.broken_ = true;
    return 0;
}

int Pool::on_timer(CURLM *, long milliseconds, void *user) noexcept {
    auto &pool = *static_cast<Pool *>(user);
    if (milliseconds < 0)
        pool.curl_deadline_.reset();
    else
        pool.curl_deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    return 0;
}

CURL *Pool::take_handle() {
    if (idle_.empty())
        return curl_easy_init();
    CURL *easy = idle_.back();
    idle_.pop_back();
    return easy;
}

void Pool::add(Request &&request) {
    idle_.reserve(idle_.size() + size() + 1); // so that giving a handle back never allocates
    Transfer &transfer = waiting_.emplace_back(std::move(request), limits_);
    transfer.self = std::prev(waiting_.end());
}

bool Pool::start(Transfer &transfer) noexcept {
    transfer.easy = take_handle();
    try {
        if (transfer.easy != nullptr && set_up(transfer) && curl_multi_add_handle(multi_, transfer.easy) == CURLM_OK)
            return true;
    } catch (const std::bad_alloc &) {
        // told like curl's own lack of memory
    }
    if (transfer.easy != nullptr)
        curl_easy_cleanup(transfer.easy);
    return false;
}

void Pool::start_waiting(std::vector<Completion> &done) noexcept {
    while (!waiting_.empty() && active_.size() < max_active_ && !broken_) {
        Transfer &transfer = waiting_.front();
        if (start(transfer)) {
            active_.splice(active_.end(), waiting_, transfer.self);
            continue;
        }
        done.push_back(finish_aborted(transfer, "out of memory"));
        waiting_.pop_front();
    }
}

void Pool::give_up_waiting(SteadyTime now, std::vector<Completion> &done) noexcept {
    for (auto next = waiting_.begin(); next != waiting_.end();) {
        const auto transfer = next++;
        if (transfer->deadline() > now)
            continue;
        done.push_back(finish_aborted(*transfer, "no free connection in time"));
        waiting_.erase(transfer);
    }
}

std::optional<SteadyTime> Pool::deadline() const {
    std::optional<SteadyTime> first = curl_deadline_;
    for (const Transfer &transfer : waiting_)
        if (!first || transfer.deadline() < *first)
            first = transfer.deadline();
    return first;
}

bool Pool::can_start() const { return !waiting_.empty() && active_.size() < max_active_; }

void Pool::act(curl_socket_t fd, int mask) {
    int running = 0;
    const CURLMcode code = curl_multi_socket_action(multi_, fd, mask, &running);
    // a socket curl no longer knows is an event that came too late
    if (code != CURLM_OK && code != CURLM_BAD_SOCKET)
        broken_ = true;
}

void Pool::socket_ready(int fd, std::uint32_t epoll_events) {
    int mask = 0;
    if ((epoll_events & EPOLLIN) != 0)
        mask |= CURL_CSELECT_IN;
    if ((epoll_events & EPOLLOUT) != 0)
        mask |= CURL_CSELECT_OUT;
    if ((epoll_events & (EPOLLERR | EPOLLHUP)) != 0)
        mask |= CURL_CSELECT_ERR;
    act(fd, mask);
}

void Pool::expire(SteadyTime now) {
    if (!curl_deadline_ || *curl_deadline_ > now)
        return;
    curl_deadline_.reset(); // curl calls the timer callback again for what is left
    act(CURL_SOCKET_TIMEOUT, 0);
}

// The handle goes back to the idle ones; curl has let go of the transfer before.
void Pool::release(Transfer &transfer) noexcept {
    curl_easy_reset(transfer.easy); // forgets every pointer into the transfer
    idle_.push_back(transfer.easy);
    active_.erase(transfer.self);
}

void Pool::collect(std::vector<Completion> &done) noexcept {
    int left = 0;
    while (const CURLMsg *message = curl_multi_info_read(multi_, &left)) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle; // the message dies with the removal
        const CURLcode result = message->data.result;
        char *pointer = nullptr;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &pointer);
        auto &transfer = *reinterpret_cast<Transfer *>(pointer);
        curl_multi_remove_handle(multi_, easy);
        done.push_back(finish(transfer, result));
        release(transfer);
    }
}

void Pool::abort(std::vector<Completion> &done, const char *reason) noexcept {
    collect(done); // what ended before is told as it ended
    while (!active_.empty()) {
        Transfer &transfer = active_.front();
        curl_multi_remove_handle(multi_, transfer.easy);
        done.push_back(finish_aborted(transfer, reason));
        release(transfer);
    }
    for (Transfer &transfer : waiting_)
        done.push_back(finish_aborted(transfer, reason));
    waiting_.clear();
}

} // namespace hc::http
