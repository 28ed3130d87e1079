// The HTTP client against scripted peers on loopback: each transport result, limits, timeouts, address policy, reuse.
// Process: unit tests.
#include "http/client.hpp"

#include "core/error.hpp"
#include "http_test_server.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <netdb.h>
#include <optional>
#include <semaphore>
#include <sys/epoll.h>
#include <sys/wait.h>

namespace {

using namespace std::chrono_literals;
using hc::core::TransportResult;
using hc::http::Client;
using hc::http::Completion;
using hc::http::Limits;
using hc::http::Request;
using hc::http::test::DeafPort;
using hc::http::test::Peer;
using hc::http::test::PeerConnection;
using hc::http::test::PeerRequest;

// What the resolver below does with "slow.test" and saw. Plain data: it is used by curl's threads.
struct ResolverState {
    std::counting_semaphore<1024> release{0};
    std::atomic<int> inside = 0;
    std::atomic<bool> signals_open = false;
};
ResolverState &resolver() {
    static ResolverState state;
    return state;
}

using GetAddrInfo = int (*)(const char *, const char *, const addrinfo *, addrinfo **);

GetAddrInfo real_getaddrinfo() { return reinterpret_cast<GetAddrInfo>(dlsym(RTLD_NEXT, "getaddrinfo")); }

int numeric_chain(const std::vector<const char *> &addresses, const char *service, const addrinfo *hints,
                  addrinfo **result) {
    addrinfo **end = result;
    for (const char *address : addresses) {
        addrinfo numeric = hints != nullptr ? *hints : addrinfo{};
        numeric.ai_flags = AI_NUMERICHOST;
        if (const int code = real_getaddrinfo()(address, service, &numeric, end); code != 0)
            return code;
        while (*end != nullptr)
            end = &(*end)->ai_next;
    }
    return 0;
}

void look_at_mask() {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE})
        if (sigismember(&mask, number) == 0)
            resolver().signals_open = true;
}

} // namespace

// Stands in for the system's resolver, so that no test asks a name server: names under .test have fixed answers.
// Visible, so that it stands before the C library's for libcurl as well.
extern "C" __attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                                  const addrinfo *hints, addrinfo **result) {
    const std::string_view name = node != nullptr ? node : "";
    if (!name.ends_with(".test"))
        return real_getaddrinfo()(node, service, hints, result);
    look_at_mask();
    if (name == "private.test")
        return numeric_chain({"10.1.2.3", "192.168.1.1", "169.254.169.254"}, service, hints, result);
    if (name == "mixed.test")
        return numeric_chain({"10.1.2.3", "127.0.0.1"}, service, hints, result);
    if (name == "loopback.test")
        return numeric_chain({"127.0.0.1"}, service, hints, result);
    if (name == "slow.test") {
        ++resolver().inside;
        resolver().release.acquire();
        --resolver().inside;
    }
    return EAI_NONAME;
}

namespace {

Limits loopback_limits() {
    Limits limits;
    limits.allowed = hc::core::AddressList("127.0.0.0/8");
    return limits;
}

Request get(std::string url, std::uint64_t tag = 1) {
    Request request;
    request.tag = tag;
    request.method = "GET";
    request.url = std::move(url);
    request.timeout = 20s;
    request.connect_timeout = 10s;
    return request;
}

Request post(std::string url, std::string body, std::uint64_t tag = 1) {
    Request request = get(std::move(url), tag);
    request.method = "POST";
    request.body = std::move(body);
    return request;
}

// Waits as a dispatcher does, until `count` requests have ended.
std::vector<Completion> wait_for(Client &client, std::size_t count) {
    std::vector<Completion> done;
    const auto give_up = std::chrono::steady_clock::now() + 60s;
    while (done.size() < count && std::chrono::steady_clock::now() < give_up) {
        const long wait = client.wait_milliseconds();
        pollfd ready{client.epoll_fd(), POLLIN, 0};
        poll(&ready, 1, wait < 0 || wait > 1000 ? 1000 : static_cast<int>(wait));
        client.run(done);
    }
    EXPECT_EQ(done.size(), count);
    return done;
}

void wait_until(Client &client, const std::function<bool()> &condition, std::vector<Completion> &done) {
    const auto give_up = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
        ASSERT_LT(std::chrono::steady_clock::now(), give_up);
        pollfd ready{client.epoll_fd(), POLLIN, 0};
        poll(&ready, 1, 5);
        client.run(done);
    }
}

Completion send_one(Client &client, Request request) {
    client.submit(std::move(request));
    EXPECT_EQ(client.in_flight(), 1u);
    std::vector<Completion> done = wait_for(client, 1);
    EXPECT_EQ(client.in_flight(), 0u);
    return done.empty() ? Completion{} : std::move(done.front());
}

Completion send_one(Request request) {
    Client client(loopback_limits());
    return send_one(client, std::move(request));
}

std::string header(const Completion &completion, std::string_view name) {
    for (const auto &[key, value] : completion.answer.headers)
        if (key == name)
            return value;
    return "(none)";
}

bool answer_ok(PeerConnection &connection, const PeerRequest &) { return connection.answer("200 OK", "fine"); }
bool never_answer(PeerConnection &connection, const PeerRequest &) {
    connection.wait_for_end();
    return false;
}
Peer::Script raw(std::string bytes) { // sends these bytes and closes
    return [bytes = std::move(bytes)](PeerConnection &connection, const PeerRequest &) {
        connection.send(bytes);
        return false;
    };
}

// -- What is sent

TEST(HttpClient, SendsTheRequestAsGiven) {
    Peer peer([](PeerConnection &connection, const PeerRequest &) {
        return connection.answer("202 Accepted", "{\"id\":\"x\"}", "X-Message-Id:  abc \r\nX-Empty:\r\n");
    });
    Request request = post(peer.url("/sms/messages?a=b"), std::string("{\"to\":\"1\0\"}", 11), 77);
    request.headers = {{"Content-Type", "application/json"}, {"Idempotency-Key", "k-1"}, {"X-Nothing", ""}};
    const Completion completion = send_one(std::move(request));
    EXPECT_EQ(completion.tag, 77u);
    EXPECT_EQ(completion.answer.transport, TransportResult::answered);
    EXPECT_EQ(completion.answer.status, 202);
    EXPECT_EQ(completion.answer.body, "{\"id\":\"x\"}");
    EXPECT_EQ(completion.answer.error, "");
    EXPECT_EQ(header(completion, "x-message-id"), "abc");
    EXPECT_EQ(header(completion, "x-empty"), "");
    EXPECT_GT(completion.elapsed.count(), 0);

    const PeerRequest seen = peer.last_request();
    EXPECT_EQ(seen.line(), "POST /sms/messages?a=b HTTP/1.1");
    EXPECT_EQ(seen.body, std::string("{\"to\":\"1\0\"}", 11));
    EXPECT_TRUE(seen.has("\r\nContent-Type: application/json"));
    EXPECT_TRUE(seen.has("\r\nIdempotency-Key: k-1"));
    EXPECT_TRUE(seen.has("\r\nX-Nothing:"));
    EXPECT_TRUE(seen.has("\r\nContent-Length: 11"));
    EXPECT_FALSE(seen.has("Expect"));
    EXPECT_FALSE(seen.has("Accept-Encoding"));
    EXPECT_FALSE(seen.has("Cookie"));
}

TEST(HttpClient, SendsLargeBodiesWithoutWaitingForContinue) {
    Peer peer(answer_ok);
    const std::string body(1536 * 1024, 'b');
    const Completion completion = send_one(post(peer.url(), body));
    EXPECT_EQ(completion.answer.status, 200);
    EXPECT_EQ(peer.last_request().body, body);
    EXPECT_FALSE(peer.last_request().has("Expect"));
    EXPECT_FALSE(peer.last_request().has("Content-Type"));
}

TEST(HttpClient, UsesAnyMethod) {
    Peer peer(answer_ok);
    Client client(loopback_limits());
    for (const char *method : {"GET", "DELETE", "PATCH", "PUT", "POST", "PURGE"}) {
        Request request = get(peer.url());
        request.method = method;
        EXPECT_EQ(send_one(client, std::move(request)).answer.status, 200);
        EXPECT_EQ(peer.last_request().line(), std::string(method) + " / HTTP/1.1");
        const bool framed = std::string_view(method).starts_with("P") && std::string_view(method) != "PURGE";
        EXPECT_EQ(peer.last_request().has("Content-Length: 0"), framed) << method;
    }
}

TEST(HttpClient, HeadDoesNotWaitForABody) {
    Peer peer(raw("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"));
    Request request = get(peer.url());
    request.method = "HEAD";
    const Completion completion = send_one(std::move(request));
    EXPECT_EQ(completion.answer.transport, TransportResult::answered);
    EXPECT_EQ(header(completion, "content-length"), "5000");
}

TEST(HttpClient, IgnoresProxiesOfTheEnvironment) {
    Peer peer(answer_ok);
    for (const char *name : {"http_proxy", "all_proxy", "ALL_PROXY"})
        setenv(name, "http://127.0.0.1:1", 1);
    EXPECT_EQ(send_one(get(peer.url())).answer.status, 200);
    for (const char *name : {"http_proxy", "all_proxy", "ALL_PROXY"})
        unsetenv(name);
}

// -- Not sent

TEST(HttpClient, RefusesBadRequestsWithoutThrowing) {
    std::vector<Request> bad;
    for (const char *url : {"", "nonsense", "ftp://127.0.0.1/", "file:///etc/passwd", "http://u:p@127.0.0.1/",
                            "http://127.0.0.1:99999/", "http://127.0.0.1/\r\nX: y", "gopher://127.0.0.1/", "http://"})
        bad.push_back(get(url));
    for (const char *method : {"", "GE T", "GET\r\n", "G\x01", "CONNECT"}) {
        bad.push_back(get("http://127.0.0.1:1/"));
        bad.back().method = method;
    }
    const std::pair<const char *, const char *> headers[] = {{"", "x"},
                                                             {"A B", "x"},
                                                             {"X", "a\r\nY: b"},
                                                             {"X\r\nY", "b"},
                                                             {"X:", "b"},
                                                             {"Host", "h"},
                                                             {"expect", "100-continue"},
                                                             {"Content-Length", "1"},
                                                             {"Transfer-Encoding", "chunked"}};
    for (const auto &pair : headers) {
        bad.push_back(get("http://127.0.0.1:1/"));
        bad.back().headers.emplace_back(pair);
    }
    Client client(loopback_limits());
    for (const Request &request : bad)
        client.submit(request);
    EXPECT_EQ(client.in_flight(), bad.size());
    EXPECT_EQ(client.wait_milliseconds(), 0);
    for (const Completion &completion : wait_for(client, bad.size())) {
        EXPECT_EQ(completion.answer.transport, TransportResult::not_sent);
        EXPECT_NE(completion.answer.error, "");
        EXPECT_NE(completion.answer.error, "could not connect"); // not by luck
    }
    EXPECT_EQ(client.in_flight(), 0u);
}

TEST(HttpClient, RefusedConnectionIsNotSent) {
    int port = 0;
    {
        Peer gone(answer_ok);
        port = gone.port();
    }
    const Completion completion = send_one(post("http://127.0.0.1:" + std::to_string(port) + "/", "x"));
    EXPECT_EQ(completion.answer.transport, TransportResult::not_sent);
    EXPECT_EQ(completion.answer.error, "could not connect");
    EXPECT_EQ(completion.answer.status, 0);
}

TEST(HttpClient, UnknownHostIsNotSent) {
    const Completion completion = send_one(get("http://nowhere.test/"));
    EXPECT_EQ(completion.answer.transport, TransportResult::not_sent);
    EXPECT_EQ(completion.answer.error, "could not resolve host");
}

TEST(HttpClient, ConnectTimeoutIsNotSent) {
    DeafPort deaf;
    Request request = get(deaf.url());
    request.connect_timeout = 150ms;
    const Completion completion = send_one(std::move(request));
    EXPECT_EQ(completion.answer.transport, TransportResult::not_sent);
    EXPECT_EQ(completion.answer.error, "could not connect in time");
    EXPECT_GE(completion.elapsed, 140ms);
    EXPECT_LT(completion.elapsed, 10s);
}

TEST(HttpClient, ResolverThatHangsDelaysNobody) {
    Peer peer(answer_ok);
    Client client(loopback_limits());
    Request request = get("http://slow.test/", 1);
    request.timeout = 200ms;
    client.submit(std::move(request));
    client.submit(get(peer.url(), 2));
    std::vector<Completion> done = wait_for(client, 2);
    ASSERT_EQ(done.size(), 2u);
    EXPECT_EQ(done[0].tag, 2u);
    EXPECT_EQ(done[1].tag, 1u);
    EXPECT_EQ(done[1].answer.transport, TransportResult::not_sent);
    EXPECT_LT(done[1].elapsed, 10s);
    EXPECT_FALSE(resolver().signals_open);

    client.submit(get("http://slow.test/", 3));
    std::vector<Completion> ended;
    wait_until(
        client, [] { return resolver().inside == 2; }, ended);
    client.abort_all(ended);
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0].answer.transport, TransportResult::not_sent);
    EXPECT_EQ(resolver().inside, 2); // still hanging: nobody waited for them
    resolver().release.release(2);
    while (resolver().inside > 0)
        std::this_thread::yield();
}

// -- Address policy

TEST(HttpClient, LoopbackIsBlockedByDefault) {
    Peer peer(answer_ok);
    Client client{Limits{}};
    const std::string port = std::to_string(peer.port());
    for (const std::string &url :
         {peer.url(), "http://localhost:" + port + "/", "http://[::1]:" + port + "/", "http://2130706433:" + port + "/",
          "http://0x7f.1:" + port + "/", "http://[::ffff:127.0.0.1]:" + port + "/", "http://0.0.0.0:" + port + "/",
          peer.url_of("loopback.test"), peer.url_of("private.test")}) {
        const Completion completion = send_one(client, post(url, "x"));
        EXPECT_EQ(completion.answer.transport, TransportResult::blocked) << url;
        EXPECT_EQ(completion.answer.error, "address not allowed");
    }
    EXPECT_EQ(peer.connections(), 0);
}

TEST(HttpClient, AllowPrivateAllowsAll) {
    Peer peer(answer_ok);
    Limits limits;
    limits.allow_private = true;
    Client client(limits);
    EXPECT_EQ(send_one(client, get(peer.url())).answer.status, 200);
}

TEST(HttpClient, OneAllowedAddressAmongSeveralIsEnough) {
    Peer peer(answer_ok);
    const Completion completion = send_one(get(peer.url_of("mixed.test")));
    EXPECT_EQ(completion.answer.transport, TransportResult::answered);
}

TEST(HttpClient, AllowedAddressThatFailsIsNotBlocked) {
    int port = 0;
    {
        Peer gone(answer_ok);
        port = gone.port();
    }
    const Completion completion = send_one(get("http://mixed.test:" + std::to_string(port) + "/"));
    EXPECT_EQ(completion.answer.transport, TransportResult::not_sent);
}

TEST(HttpClient, TighterPolicyDoesNotReuseConnections) {
    Peer peer(answer_ok);
    Client client(loopback_limits());
    EXPECT_EQ(send_one(client, get(peer.url())).answer.status, 200);
    client.set_limits(Limits{});
    EXPECT_EQ(send_one(client, get(peer.url())).answer.transport, TransportResult::blocked);
    client.set_limits(loopback_limits());
    EXPECT_EQ(send_one(client, get(peer.url())).answer.status, 200);
    EXPECT_EQ(peer.connections(), 2);
}

TEST(HttpClient, RequestsUnderWayKeepTheirPolicy) {
    std::binary_semaphore go{0};
    Peer peer([&](PeerConnection &connection, const PeerRequest &request) {
        go.acquire();
        return answer_ok(connection, request);
    });
    Client client(loopback_limits());
    client.submit(get(peer.url(), 1));
    std::vector<Completion> done;
    wait_until(
        client, [&] { return peer.requests() == 1; }, done);
    client.set_limits(Limits{});
    client.submit(get(peer.url(), 2));
    EXPECT_EQ(client.in_flight(), 2u);
    done = wait_for(client, 1);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].tag, 2u);
    EXPECT_EQ(done[0].answer.transport, TransportResult::blocked);
    go.release();
    done = wait_for(client, 1);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].answer.status, 200);
}

// -- No answer

struct CutCase {
    const char *name;
    const char *bytes;
    int status;
};
void PrintTo(const CutCase &value, std::ostream *out) { *out << value.name; }

class HttpClientCut : public testing::TestWithParam<CutCase> {};

TEST_P(HttpClientCut, IsNoAnswer) {
    Peer peer(raw(GetParam().bytes));
    const Completion completion = send_one(post(peer.url(), "x"));
    EXPECT_EQ(completion.answer.transport, TransportResult::no_answer);
    EXPECT_EQ(completion.answer.status, GetParam().status);
    EXPECT_NE(completion.answer.error, "");
    EXPECT_EQ(peer.requests(), 1);
}

constexpr CutCase kCutCases[] = {
    {"nothing", "", 0},
    {"status_line", "HTTP/1.1 200 OK\r\n", 0},
    {"headers", "HTTP/1.1 200 OK\r\nX-Id: 1\r\n", 0},
    {"interim_only", "HTTP/1.1 100 Continue\r\n\r\n", 0},
    {"body", "HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\nabc", 202},
    {"chunk", "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc", 202},
    {"last_chunk", "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 202},
    {"not_http", "SSH-2.0-OpenSSH_9.2\r\n", 0},
};
INSTANTIATE_TEST_SUITE_P(Cut, HttpClientCut, testing::ValuesIn(kCutCases),
                         [](const auto &item) { return std::string(item.param.name); });

TEST(HttpClient, ResetBeforeReadingIsNoAnswer) {
    std::binary_semaphore go{0};
    Peer peer(answer_ok, [&](PeerConnection &connection) {
        connection.pause(200); // the request arrives and stays unread
        connection.reset_on_close();
        return false;
    });
    const Completion completion = send_one(post(peer.url(), "x"));
    EXPECT_EQ(completion.answer.transport, TransportResult::no_answer);
    EXPECT_EQ(completion.answer.status, 0);
}

TEST(HttpClient, SilenceIsNoAnswer) {
    Peer peer(never_answer);
    Request request = post(peer.url(), "x");
    request.timeout = 200ms;
    const Completion completion = send_one(std::move(request));
    EXPECT_EQ(completion.answer.transport, TransportResult::no_answer);
    EXPECT_EQ(completion.answer.error, "no answer in time");
    EXPECT_GE(completion.elapsed, 190ms);
    EXPECT_LT(completion.elapsed, 10s);
}

TEST(HttpClient, SlowDripIsCutByTheTimeout) {
    Peer peer([](PeerConnection &connection, const PeerRequest &) {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while (connection.send("x") && !connection.pause(10)) {
        }
        return false;
    });
    Request request = get(peer.url());
    request.timeout = 300ms;
    const Completion completion = send_one(std::move(request));
    EXPECT_EQ(completion.answer.transport, TransportResult::no_answer);
    EXPECT_EQ(completion.answer.status, 200);
    EXPECT_LT(completion.elapsed, 10s);
}

TEST(HttpClient, PeerThatClosesDuringTheBodyIsNoAnswer) {
    signal(SIGPIPE, SIG_DFL);
    Peer peer(answer_ok, [](PeerConnection &) { return false; });
    const Completion completion = send_one(post(peer.url(), std::string(8 * 1024 * 1024, 'b')));
    EXPECT_EQ(completion.answer.transport, TransportResult::no_answer);
}

// -- Answers

TEST(HttpClient, ReadsChunkedBodiesAndIgnoresTrailers) {
    Peer peer(raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n"));
    const Completion completion = send_one(get(peer.url()));
    EXPECT_EQ(completion.answer.transport, TransportResult::answered);
    EXPECT_EQ(completion.answer.body, "abcdefg");
    EXPECT_EQ(header(completion, "x-t"), "(none)");
}

TEST(HttpClient, ReadsBodiesThatEndWithTheConnection) {
    Peer peer(raw("HTTP/1.0 200 OK\r\n\r\nabc"));
    const Completion completion = send_one(get(peer.url()));
    EXPECT_EQ(completion.answer.transport, TransportResult::answered);
    EXPECT_EQ(completion.answer.body, "abc");
}

TEST(HttpClient, KeepsTheBodyUpToItsCapAndTheConnection) {
    Peer peer([](PeerConnection &connection, const PeerRequest &) {
        return connection.answer("200 OK", std::string(1024 * 1024, 'x'));
    });
    Client client(loopback_limits());
    for (const std::uint32_t cap : {0u, 1u, 65536u, 4u * 1024 * 1024}) {
        Request request = get(peer.url());
        request.max_response_bytes = cap;
        const Completion completion = send_one(client, std::move(request));
        EXPECT_EQ(completion.answer.transport, TransportResult::answered);
        EXPECT_EQ(completion.answer.body.size(), std::min<std::size_t>(cap, 1024 * 1024));
    }
    EXPECT_EQ(peer.connections(), 1);
}

TEST(HttpClient, StopsReadingAnEndlessBody) {
    std::atomic<std::size_t> sent = 0;
    Peer peer([&](PeerConnection &connection, const PeerRequest &) {
        connection.send("HTTP/1.1 201 Created\r\nX-Id: 9\r\n\r\n");
        const std::string block(65536, 'x');
        while (connection.send(block))
            sent += block.size();
        return false;
    });
    const Completion completion = send_one(get(peer.url()));
    EXPECT_EQ(completion.answer.transport, TransportResult::answered);
    EXPECT_EQ(completion.answer.status, 201);
    EXPECT_EQ(header(completion, "x-id"), "9");
    EXPECT_EQ(completion.answer.body.size(), 65536u);
    EXPECT_EQ(completion.answer.error, "");
}

TEST(HttpClient, KeepsHeadersUpToTheirCap) {
    std::string answer = "HTTP/1.1 200 OK\r\nX-First: 1\r\n";
    for (int i = 0; i < 1000; ++i)
        answer += "X-Filler-" + std::to_string(i) + ": " + std::string(50, 'f') + "\r\n";
    Peer peer(raw(answer + "Content-Length: 2\r\n\r\nok"));
    const Completion completion = send_one(get(peer.url()));
    EXPECT_EQ(completion.answer.transport, TransportResult::answered);
    EXPECT_EQ(completion.answer.body, "ok");
    EXPECT_EQ(header(completion, "x-first"), "1");
    std::size_t kept = 0;
    for (const auto &[name, value] : completion.answer.headers)
        kept += name.size() + value.size();
    EXPECT_GT(kept, 8u * 1024);
    EXPECT_LE(kept, 16u * 1024);
}

TEST(HttpClient, EndlessHeadersAreNoAnswer) {
    Peer peer([](PeerConnection &connection, const PeerRequest &) {
        connection.send("HTTP/1.1 200 OK\r\n");
        while (connection.send("X-Filler: " + std::string(1000, 'f') + "\r\n")) {
        }
        return false;
    });
    const Completion completion = send_one(get(peer.url()));
    EXPECT_EQ(completion.answer.transport, TransportResult::no_answer);
    EXPECT_LT(completion.elapsed, 15s);
}

TEST(HttpClient, DropsInterimAnswersAndUnfoldsHeaders) {
    Peer peer(raw("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-Long: a\r\n  b\r\n"
                  "Content-Length: 0\r\n\r\n"));
    const Completion completion = send_one(get(peer.url()));
    EXPECT_EQ(completion.answer.status, 200);
    EXPECT_EQ(header(completion, "link"), "(none)");
    EXPECT_EQ(header(completion, "x-long"), "a b");
}

TEST(HttpClient, DoesNotFollowRedirects) {
    Peer target(answer_ok);
    Peer peer([&](PeerConnection &connection, const PeerRequest &) {
        return connection.answer("302 Found", "", "Location: " + target.url() + "\r\n");
    });
    const Completion completion = send_one(get(peer.url()));
    EXPECT_EQ(completion.answer.transport, TransportResult::answered);
    EXPECT_EQ(completion.answer.status, 302);
    EXPECT_EQ(header(completion, "location"), target.url());
    EXPECT_EQ(target.connections(), 0);
}

// -- Connections

TEST(HttpClient, ReusesConnectionsOfOneHost) {
    Peer peer(answer_ok);
    Client client(loopback_limits());
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(send_one(client, post(peer.url(), "x")).answer.status, 200);
    EXPECT_EQ(peer.connections(), 1);
    EXPECT_EQ(peer.requests(), 20);
}

TEST(HttpClient, ReplacesAConnectionClosedWhileIdle) {
    Peer peer([](PeerConnection &connection, const PeerRequest &request) {
        answer_ok(connection, request);
        return false; // without saying so
    });
    Client client(loopback_limits());
    std::vector<Completion> done;
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(send_one(client, post(peer.url(), "x")).answer.status, 200);
        wait_until(
            client, [&] { return peer.ended() == i; }, done);
    }
    EXPECT_EQ(peer.requests(), 3);
}

TEST(HttpClient, NeverSendsARequestTwice) {
    Peer peer([](PeerConnection &connection, const PeerRequest &request) {
        return request.number == 1 && answer_ok(connection, request); // the second one is taken and not answered
    });
    Client client(loopback_limits());
    EXPECT_EQ(send_one(client, post(peer.url(), "first")).answer.status, 200);
    const Completion completion = send_one(client, post(peer.url(), "second"));
    EXPECT_EQ(completion.answer.transport, TransportResult::no_answer);
    EXPECT_EQ(peer.requests(), 2);
    EXPECT_EQ(send_one(client, post(peer.url(), "third")).answer.status, 200);
}

TEST(HttpClient, DeadHostsDelayNobody) {
    Peer peer(answer_ok);
    Peer silent(never_answer);
    DeafPort deaf;
    Client client(loopback_limits());
    const int alive = 200;
    client.submit(get(silent.url(), 1001));
    client.submit(get(deaf.url(), 1002));
    for (int i = 0; i < alive; ++i)
        client.submit(post(peer.url(), "x", static_cast<std::uint64_t>(i)));
    std::map<std::uint64_t, int> seen;
    for (const Completion &completion : wait_for(client, alive)) {
        EXPECT_EQ(completion.answer.status, 200);
        EXPECT_LT(completion.tag, 1000u);
        ++seen[completion.tag];
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(alive));
    EXPECT_EQ(client.in_flight(), 2u);
    std::vector<Completion> done;
    client.abort_all(done);
    ASSERT_EQ(done.size(), 2u);
    for (const Completion &completion : done)
        EXPECT_EQ(completion.answer.transport,
                  completion.tag == 1001 ? TransportResult::no_answer : TransportResult::not_sent);
}

TEST(HttpClient, HoldsTheLimitOfConnections) {
    std::atomic<int> open = 0, most = 0;
    Peer peer([&](PeerConnection &connection, const PeerRequest &request) {
        const int now = ++open;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        connection.pause(2);
        --open;
        return answer_ok(connection, request);
    });
    Limits limits = loopback_limits();
    limits.max_connections = 4;
    Client client(limits);
    for (int i = 0; i < 60; ++i)
        client.submit(post(peer.url(), "x"));
    for (const Completion &completion : wait_for(client, 60))
        EXPECT_EQ(completion.answer.status, 200);
    EXPECT_LE(most, 4);
    EXPECT_LE(peer.connections(), 4);
}

TEST(HttpClient, TimeoutHoldsWhileWaitingForAConnection) {
    Peer peer(never_answer);
    Limits limits = loopback_limits();
    limits.max_connections = 1;
    Client client(limits);
    client.submit(get(peer.url(), 1));
    Request second = get(peer.url(), 2);
    second.timeout = 200ms;
    client.submit(std::move(second));
    const std::vector<Completion> done = wait_for(client, 1);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].tag, 2u);
    EXPECT_EQ(done[0].answer.transport, TransportResult::not_sent);
    EXPECT_LT(done[0].elapsed, 10s);
}

TEST(HttpClient, AbortAllEndsEverything) {
    Peer peer(never_answer);
    Client client(loopback_limits());
    for (std::uint64_t i = 0; i < 5; ++i)
        client.submit(post(peer.url(), "x", i));
    std::vector<Completion> done;
    wait_until(
        client, [&] { return peer.requests() == 5; }, done);
    client.submit(get("nonsense", 5));
    client.submit(get(peer.url(), 6)); // not begun
    client.abort_all(done);
    EXPECT_EQ(client.in_flight(), 0u);
    ASSERT_EQ(done.size(), 7u);
    for (const Completion &completion : done) {
        EXPECT_EQ(completion.answer.transport,
                  completion.tag < 5 ? TransportResult::no_answer : TransportResult::not_sent);
        EXPECT_NE(completion.answer.error, "");
    }
    EXPECT_EQ(client.wait_milliseconds(), -1);
    Peer alive(answer_ok);
    EXPECT_EQ(send_one(client, get(alive.url())).answer.status, 200);
}

// -- Descriptors and signals

std::vector<int> open_descriptors() {
    std::vector<int> fds;
    for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd"))
        fds.push_back(std::stoi(entry.path().filename().string()));
    return fds;
}

// curl's own wake-up pairs, which older versions open without FD_CLOEXEC
bool is_socket_pair(int fd) {
    int domain = 0;
    socklen_t length = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

TEST(HttpClient, LeavesNoDescriptorBehind) {
    Peer peer(never_answer);
    const std::vector<int> inherited = open_descriptors();
    int served = 0;
    {
        Client client(loopback_limits());
        for (int i = 0; i < 3; ++i)
            client.submit(get(peer.url_of("loopback.test")));
        std::vector<Completion> done;
        wait_until(
            client, [&] { return peer.requests() == 3; }, done);
        served = peer.ended();
        EXPECT_GT(open_descriptors().size(), inherited.size());
        for (const int fd : open_descriptors()) {
            const int flags = fcntl(fd, F_GETFD); // -1: the descriptor of the listing itself
            if (flags >= 0 && std::ranges::count(inherited, fd) == 0 && !is_socket_pair(fd)) {
                EXPECT_NE(flags & FD_CLOEXEC, 0) << fd;
            }
        }
    }
    EXPECT_EQ(served, 0);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (peer.ended() < 3 && std::chrono::steady_clock::now() < deadline) // the peer's side of each
        std::this_thread::yield();
    EXPECT_EQ(peer.ended(), 3);
    EXPECT_EQ(open_descriptors().size(), inherited.size());
}

TEST(HttpClient, DescriptorCanBeNested) {
    std::binary_semaphore go{0};
    Peer peer([&](PeerConnection &connection, const PeerRequest &request) {
        go.acquire();
        return answer_ok(connection, request);
    });
    Client client(loopback_limits());
    EXPECT_EQ(client.wait_milliseconds(), -1);
    client.submit(get(peer.url()));
    EXPECT_EQ(client.wait_milliseconds(), 0);
    std::vector<Completion> done;
    wait_until(
        client, [&] { return peer.requests() == 1; }, done);
    const int outer = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    ASSERT_EQ(epoll_ctl(outer, EPOLL_CTL_ADD, client.epoll_fd(), &event), 0);
    EXPECT_EQ(epoll_wait(outer, &event, 1, 0), 0);
    EXPECT_GT(client.wait_milliseconds(), 0);
    go.release();
    EXPECT_EQ(epoll_wait(outer, &event, 1, 30000), 1);
    EXPECT_EQ(wait_for(client, 1).size(), 1u);
    EXPECT_EQ(epoll_wait(outer, &event, 1, 0), 0);
    close(outer);
}

TEST(HttpClient, GivesTheSignalMaskBack) {
    Peer peer(answer_ok);
    sigset_t before, after;
    pthread_sigmask(SIG_BLOCK, nullptr, &before);
    send_one(get(peer.url()));
    pthread_sigmask(SIG_BLOCK, nullptr, &after);
    for (int number = 1; number < SIGRTMAX; ++number)
        EXPECT_EQ(sigismember(&before, number), sigismember(&after, number)) << number;
}

TEST(HttpClient, FailsAllWhenTheEpollSetBreaks) {
    Peer peer(answer_ok);
    Client client(loopback_limits());
    const int saved = fcntl(client.epoll_fd(), F_DUPFD_CLOEXEC, 0);
    const int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    client.submit(get(peer.url()));
    dup2(other, client.epoll_fd());
    std::vector<Completion> done;
    EXPECT_THROW(client.run(done), hc::Error);
    dup2(saved, client.epoll_fd());
    close(saved);
    close(other);
    EXPECT_EQ(client.in_flight(), 1u);
    EXPECT_EQ(wait_for(client, 1).front().answer.status, 200);
}

// -- TLS

// `openssl s_server` with a certificate made for this test, valid for 127.0.0.1.
class TlsPeer {
public:
    TlsPeer() {
        std::string pattern = (std::filesystem::temp_directory_path() / "hc-http-XXXXXX").string();
        directory_ = mkdtemp(pattern.data());
        const std::string command =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test"
            " -addext subjectAltName=IP:127.0.0.1 -keyout " +
            directory_ + "/key.pem -out " + ca_file() + " 2>/dev/null";
        made_ = std::system(command.c_str()) == 0;
        if (made_)
            start();
    }
    ~TlsPeer() {
        if (pid_ > 0) {
            kill(pid_, SIGTERM);
            waitpid(pid_, nullptr, 0);
        }
        std::filesystem::remove_all(directory_);
    }
    TlsPeer(const TlsPeer &) = delete;
    TlsPeer &operator=(const TlsPeer &) = delete;
    bool ready() const { return !port_.empty(); }
    std::string ca_file() const { return directory_ + "/cert.pem"; }
    std::string url(std::string_view host = "127.0.0.1") const {
        return "https://" + std::string(host) + ":" + port_ + "/";
    }

private:
    void start() {
        int out[2];
        if (pipe2(out, O_CLOEXEC) != 0)
            return;
        const std::string key = directory_ + "/key.pem", cert = ca_file();
        pid_ = fork();
        if (pid_ == 0) {
            dup2(out[1], 1);
            dup2(open("/dev/null", O_RDWR), 0);
            dup2(0, 2); // its complaint about the client that does not trust it
            execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-key", key.c_str(), "-cert",
                   cert.c_str(), static_cast<char *>(nullptr));
            _exit(127);
        }
        close(out[1]);
        read_port(out[0]);
        close(out[0]); // s_server -www writes nothing more
    }
    void read_port(int fd) { // "ACCEPT 127.0.0.1:45377"
        std::string text;
        char bytes[256];
        for (ssize_t count = 0; (count = read(fd, bytes, sizeof bytes)) > 0;) {
            text.append(bytes, static_cast<std::size_t>(count));
            const std::size_t at = text.find("ACCEPT 127.0.0.1:");
            if (at == std::string::npos || text.find('\n', at) == std::string::npos)
                continue;
            port_ = text.substr(at + 17, text.find_first_of("\r\n ", at + 17) - at - 17);
            return;
        }
    }
    std::string directory_, port_;
    bool made_ = false;
    pid_t pid_ = -1;
};

TEST(HttpClient, TrustsOnlyTheGivenAuthority) {
    TlsPeer peer;
    ASSERT_TRUE(peer.ready());
    const Completion untrusted = send_one(get(peer.url()));
    EXPECT_EQ(untrusted.answer.transport, TransportResult::not_sent);
    EXPECT_EQ(untrusted.answer.error, "certificate not trusted");

    Limits limits = loopback_limits();
    limits.ca_file = peer.ca_file();
    Client client(limits);
    const Completion trusted = send_one(client, get(peer.url()));
    EXPECT_EQ(trusted.answer.transport, TransportResult::answered);
    EXPECT_EQ(trusted.answer.status, 200);

    const Completion other_name = send_one(client, get(peer.url("loopback.test")));
    EXPECT_EQ(other_name.answer.transport, TransportResult::not_sent);
    EXPECT_EQ(other_name.answer.error, "certificate not trusted");

    limits.ca_file = peer.ca_file() + ".missing";
    client.set_limits(limits);
    const Completion missing = send_one(client, get(peer.url()));
    EXPECT_EQ(missing.answer.transport, TransportResult::not_sent);
    EXPECT_EQ(missing.answer.error, "could not read the CA file");
}

TEST(HttpClient, PlainPeerOnTlsIsNotSent) {
    Peer peer(answer_ok, [](PeerConnection &connection) {
        connection.send("this is not TLS at all, whatever came\r\n");
        connection.wait_for_end();
        return false;
    });
    const Completion completion = send_one(get("https" + peer.url().substr(4)));
    EXPECT_EQ(completion.answer.transport, TransportResult::not_sent);
}

} // namespace
