// A scripted HTTP/1.1 peer on loopback for tests of the HTTP client: plain sockets, one thread a connection, all joined
// when the peer goes. What it does with a request is a function given by the test.
// Process: unit tests.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace hc::http::test {

struct PeerRequest {
    std::string head; // request line and header lines, without the empty line
    std::string body;
    std::size_t number = 0; // of this connection, from 1
    std::string line() const { return head.substr(0, head.find("\r\n")); }
    bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

class PeerConnection {
public:
    explicit PeerConnection(int fd) : fd_(fd) {}

    bool send(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0)
                return false;
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }
    bool answer(std::string_view status, std::string_view body, std::string_view headers = {}) const {
        return send("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
                    std::string(headers) + "\r\n" + std::string(body));
    }
    // Until the other side or the peer's destructor ends the connection.
    void wait_for_end() const {
        char byte[256];
        while (::recv(fd_, byte, sizeof byte, 0) > 0) {
        }
    }
    // True when the connection ended within the pause.
    bool pause(int milliseconds) const {
        pollfd wait{fd_, POLLRDHUP, 0};
        return ::poll(&wait, 1, milliseconds) > 0;
    }
    void reset_on_close() const {
        const linger now{1, 0};
        setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    // False: the other side ended the connection first.
    bool read_request(PeerRequest &request) {
        std::size_t end = 0;
        while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
            if (!read_more())
                return false;
        request.head = buffer_.substr(0, end);
        buffer_.erase(0, end + 4);
        const std::size_t length = content_length(request.head);
        while (buffer_.size() < length)
            if (!read_more())
                return false;
        request.body = buffer_.substr(0, length);
        buffer_.erase(0, length);
        ++request.number;
        return true;
    }

private:
    static std::size_t content_length(const std::string &head) {
        const std::size_t at = head.find("Content-Length: ");
        return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
    }
    bool read_more() {
        char bytes[16384];
        const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
        if (count <= 0)
            return false;
        buffer_.append(bytes, static_cast<std::size_t>(count));
        return true;
    }

    int fd_;
    std::string buffer_;
};

class Peer {
public:
    // True: read the next request of this connection; false: close it.
    using Script = std::function<bool(PeerConnection &, const PeerRequest &)>;
    // Called right after accept, before any byte is read; false: close.
    using Greeting = std::function<bool(PeerConnection &)>;

    explicit Peer(Script script, Greeting greeting = {}) : script_(std::move(script)), greeting_(std::move(greeting)) {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        if (bind(listener_, reinterpret_cast<sockaddr *>(&address), length) != 0 || listen(listener_, 1024) != 0 ||
            getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &length) != 0)
            throw std::runtime_error("peer cannot listen");
        port_ = ntohs(address.sin_port);
        acceptor_ = std::thread([this] { accept_loop(); });
    }
    ~Peer() {
        stopping_ = true;
        shutdown(listener_, SHUT_RDWR); // wakes accept()
        acceptor_.join();
        {
            const std::lock_guard lock(mutex_);
            for (const int fd : open_)
                shutdown(fd, SHUT_RDWR);
        }
        for (std::thread &thread : threads_)
            thread.join();
        close(listener_);
    }
    Peer(const Peer &) = delete;
    Peer &operator=(const Peer &) = delete;

    int port() const { return port_; }
    std::string url(std::string_view path = "/") const { return url_of("127.0.0.1", path); }
    std::string url_of(std::string_view host, std::string_view path = "/") const {
        return "http://" + std::string(host) + ":" + std::to_string(port_) + std::string(path);
    }
    int connections() const { return connections_; }
    int requests() const { return requests_; }
    int ended() const { return ended_; } // connections closed on this side
    PeerRequest last_request() const {
        const std::lock_guard lock(mutex_);
        return last_;
    }

private:
    void accept_loop() {
        while (!stopping_) {
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0)
                continue;
            ++connections_;
            const std::lock_guard lock(mutex_);
            open_.push_back(fd);
            threads_.emplace_back([this, fd] { serve(fd); });
        }
    }
    void serve(int fd) {
        PeerConnection connection(fd);
        PeerRequest request;
        bool open = !greeting_ || greeting_(connection);
        while (open && connection.read_request(request)) {
            ++requests_;
            {
                const std::lock_guard lock(mutex_);
                last_ = request;
            }
            open = script_(connection, request);
        }
        const std::lock_guard lock(mutex_);
        std::erase(open_, fd);
        close(fd);
        ++ended_;
    }

    Script script_;
    Greeting greeting_;
    int listener_ = -1, port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> connections_ = 0, requests_ = 0, ended_ = 0;
    mutable std::mutex mutex_;
    std::vector<int> open_;
    std::vector<std::thread> threads_;
    PeerRequest last_;
    std::thread acceptor_;
};

// A port of loopback where connecting hangs: its queue of connections is full and nobody accepts.
class DeafPort {
public:
    DeafPort() {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address_;
        if (bind(listener_, reinterpret_cast<sockaddr *>(&address_), length) != 0 || listen(listener_, 0) != 0 ||
            getsockname(listener_, reinterpret_cast<sockaddr *>(&address_), &length) != 0)
            throw std::runtime_error("cannot listen");
        for (int i = 0; i < 16; ++i)
            if (!fill())
                return;
        throw std::runtime_error("the queue does not fill");
    }
    ~DeafPort() {
        for (const int fd : fillers_)
            close(fd);
        close(listener_);
    }
    DeafPort(const DeafPort &) = delete;
    DeafPort &operator=(const DeafPort &) = delete;
    int port() const { return ntohs(address_.sin_port); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port()) + "/"; }

private:
    bool fill() { // false: this one was not taken in
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        fillers_.push_back(fd);
        connect(fd, reinterpret_cast<sockaddr *>(&address_), sizeof address_);
        pollfd wait{fd, POLLOUT, 0};
        return poll(&wait, 1, 300) == 1;
    }
    int listener_ = -1;
    sockaddr_in address_{};
    std::vector<int> fillers_;
};

} // namespace hc::http::test
