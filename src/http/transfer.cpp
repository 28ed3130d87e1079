// One request on its way: callbacks of curl and the meaning of a transfer's end.
// Process: dispatcher.
#include "http/transfer.hpp"

#include "http/request_check.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <string_view>
#include <sys/socket.h>

namespace hc::http {

namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && std::strchr(" \t\r\n", text.front()) != nullptr)
        text.remove_prefix(1);
    while (!text.empty() && std::strchr(" \t\r\n", text.back()) != nullptr)
        text.remove_suffix(1);
    return text;
}

// "HTTP/1.1 202 Accepted" -> 202. A new status line begins a new block: what an interim answer (1xx) said is dropped.
void begin_answer(Transfer &transfer, std::string_view line) {
    transfer.answer.headers.clear();
    transfer.header_bytes_kept = 0;
    transfer.headers_complete = false;
    transfer.last_header_kept = false;
    transfer.answer.status = 0;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos)
        return;
    std::int32_t status = 0;
    for (const char c : line.substr(space + 1, 3))
        status = c >= '0' && c <= '9' && status >= 0 ? status * 10 + (c - '0') : -1;
    transfer.answer.status = status < 0 ? 0 : status;
}

void keep_header(Transfer &transfer, std::string_view line) {
    auto &headers = transfer.answer.headers;
    const bool room = transfer.header_bytes_kept + line.size() <= transfer.limits.max_response_header_bytes;
    if (line.front() == ' ' || line.front() == '\t') { // obsolete folding: more of the value before
        if (!transfer.last_header_kept || !room)
            return;
        headers.back().second.append(" ").append(trim(line));
        transfer.header_bytes_kept += line.size();
        return;
    }
    transfer.last_header_kept = false;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !room)
        return;
    std::string name(trim(line.substr(0, colon)));
    for (char &c : name)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    headers.emplace_back(std::move(name), trim(line.substr(colon + 1)));
    transfer.header_bytes_kept += line.size();
    transfer.last_header_kept = true;
}

// curl calls it once for each header line, the empty line and trailers included.
std::size_t on_header(char *data, std::size_t size, std::size_t count, void *user) noexcept {
    auto &transfer = *static_cast<Transfer *>(user);
    const std::string_view line(data, size * count);
    transfer.header_bytes_read += line.size();
    if (transfer.header_bytes_read > kMaxReadBytes) {
        transfer.headers_too_large = true;
        return 0;
    }
    try {
        if (line.starts_with("HTTP/"))
            begin_answer(transfer, line);
        else if (trim(line).empty())
            transfer.headers_complete = true;
        else if (!transfer.headers_complete)
            keep_header(transfer, line);
    } catch (const std::exception &) {
        transfer.out_of_memory = true;
        return 0;
    }
    return line.size();
}

std::size_t on_body(char *data, std::size_t size, std::size_t count, void *user) noexcept {
    auto &transfer = *static_cast<Transfer *>(user);
    const std::size_t length = size * count;
    std::string &body = transfer.answer.body;
    const std::size_t room = transfer.request.max_response_bytes - body.size();
    try {
        body.append(data, length < room ? length : room);
    } catch (const std::exception &) {
        transfer.out_of_memory = true;
        return 0;
    }
    transfer.body_bytes_read += length;
    if (transfer.body_bytes_read <= kMaxReadBytes)
        return length;
    transfer.body_capped = true;
    return 0;
}

curl_socket_t on_open_socket(void *user, curlsocktype purpose, curl_sockaddr *address) noexcept {
    auto &transfer = *static_cast<Transfer *>(user);
    if (purpose != CURLSOCKTYPE_IPCXN || !address_allowed(address->addr, address->addrlen, transfer.limits)) {
        transfer.address_refused = true;
        return CURL_SOCKET_BAD;
    }
    transfer.address_tried = true;
    const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

// Last stop before the first byte of the request. curl comes here a second time when a reused connection broke before
// any answer, to send the request again: but the peer may have acted on the first copy, so the caller must decide.
int on_hand_over(void *user, char *, char *, int, int) noexcept {
    auto &transfer = *static_cast<Transfer *>(user);
    if (transfer.handed_over)
        return CURL_PREREQFUNC_ABORT;
    transfer.handed_over = true;
    return CURL_PREREQFUNC_OK;
}

class Options {
public:
    explicit Options(CURL *easy) : easy_(easy) {}
    void number(CURLoption option, long value) { check(curl_easy_setopt(easy_, option, value)); }
    void text(CURLoption option, const char *value) { check(curl_easy_setopt(easy_, option, value)); }
    template <class Pointer>
    void pointer(CURLoption option, Pointer value) {
        check(curl_easy_setopt(easy_, option, value));
    }
    void length(CURLoption option, std::size_t value) {
        check(curl_easy_setopt(easy_, option, static_cast<curl_off_t>(value)));
    }
    bool ok() const { return ok_; }

private:
    void check(CURLcode code) { ok_ = ok_ && code == CURLE_OK; }

    CURL *easy_;
    bool ok_ = true;
};

long milliseconds(core::Duration duration) {
    using std::chrono::milliseconds;
    const auto value = std::chrono::ceil<milliseconds>(duration);
    return static_cast<long>(std::clamp(value, milliseconds(1), milliseconds(std::chrono::hours(1))).count());
}

bool add_header(Transfer &transfer, const std::string &line) {
    curl_slist *longer = curl_slist_append(transfer.header_list, line.c_str());
    if (longer == nullptr)
        return false;
    transfer.header_list = longer;
    return true;
}

bool add_headers(Transfer &transfer) {
    bool ok = add_header(transfer, "Expect:"); // no waiting for 100 Continue
    bool has_type = false;
    for (const auto &[name, value] : transfer.request.headers) {
        std::string line(name);
        if (value.empty())
            line.append(";"); // to curl "Name:" means: leave out, and "Name;" means: send it empty
        else
            line.append(": ").append(value);
        ok = ok && add_header(transfer, line);
        has_type = has_type || same_header_name(name, "content-type");
    }
    return ok && (has_type || add_header(transfer, "Content-Type:")); // curl would say it is a form
}

void set_fixed_options(Options &options) {
    options.number(CURLOPT_NOSIGNAL, 1);
    options.number(CURLOPT_QUICK_EXIT, 1); // leave a resolver thread that hangs to itself: joining it stops everybody
    options.text(CURLOPT_PROTOCOLS_STR, "http,https");
    options.text(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    options.number(CURLOPT_FOLLOWLOCATION, 0);
    options.number(CURLOPT_DISALLOW_USERNAME_IN_URL, 1);
    options.number(CURLOPT_NETRC, CURL_NETRC_IGNORED);
    options.text(CURLOPT_PROXY, ""); // not from the environment
    options.text(CURLOPT_NOPROXY, "*");
    // One request on a connection at a time: trouble of one (flow control, GOAWAY, reset) never touches another, and
    // "handed over" is exact. HTTP/2 would mix the requests of tenants on one connection.
    options.number(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    options.number(CURLOPT_MAXAGE_CONN, 30);       // seconds idle; peers and NATs drop silently after a while
    options.number(CURLOPT_MAXLIFETIME_CONN, 600); // so that a change of DNS is followed
    options.number(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    options.number(CURLOPT_SSL_VERIFYPEER, 1);
    options.number(CURLOPT_SSL_VERIFYHOST, 2);
    options.text(CURLOPT_USERAGENT, "hermes_cascade");
}

void set_method(Options &options, const Request &request) {
    const std::string &method = request.method;
    if (method == "HEAD") {
        options.number(CURLOPT_NOBODY, 1);
    } else if (!request.body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
        options.length(CURLOPT_POSTFIELDSIZE_LARGE, request.body.size());
        options.text(CURLOPT_POSTFIELDS, request.body.data()); // not copied: the transfer owns it
    } else {
        options.number(CURLOPT_HTTPGET, 1);
    }
    options.text(CURLOPT_CUSTOMREQUEST, method.c_str());
}

void set_callbacks(Options &options, Transfer &transfer) {
    options.pointer(CURLOPT_PRIVATE, static_cast<void *>(&transfer));
    options.pointer(CURLOPT_HEADERFUNCTION, &on_header);
    options.pointer(CURLOPT_HEADERDATA, static_cast<void *>(&transfer));
    options.pointer(CURLOPT_WRITEFUNCTION, &on_body);
    options.pointer(CURLOPT_WRITEDATA, static_cast<void *>(&transfer));
    options.pointer(CURLOPT_OPENSOCKETFUNCTION, &on_open_socket);
    options.pointer(CURLOPT_OPENSOCKETDATA, static_cast<void *>(&transfer));
    options.pointer(CURLOPT_PREREQFUNCTION, &on_hand_over);
    options.pointer(CURLOPT_PREREQDATA, static_cast<void *>(&transfer));
}

// Fixed words: curl's own texts carry addresses, ports and host names, which a tenant must not learn.
const char *error_words(const Transfer &transfer, CURLcode result) {
    if (transfer.out_of_memory)
        return "out of memory";
    if (transfer.headers_too_large)
        return "response headers too large";
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "could not resolve host";
    case CURLE_COULDNT_CONNECT:
        return "could not connect";
    case CURLE_OPERATION_TIMEDOUT:
        return transfer.handed_over ? "no answer in time" : "could not connect in time";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "certificate not trusted";
    case CURLE_SSL_CACERT_BADFILE:
        return "could not read the CA file";
    case CURLE_SSL_CONNECT_ERROR:
        return "TLS handshake failed";
    case CURLE_GOT_NOTHING:
        return "connection closed without an answer";
    case CURLE_OK:
    case CURLE_PARTIAL_FILE:
        return "answer cut short";
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
        return "connection lost";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return "malformed URL";
    case CURLE_WEIRD_SERVER_REPLY:
        return "answer is not HTTP";
    case CURLE_OUT_OF_MEMORY:
        return "out of memory";
    default:
        return transfer.handed_over ? "no complete answer" : "could not send";
    }
}

core::TransportResult transport_result(const Transfer &transfer, CURLcode result) {
    // curl is content with a connection that ends inside the headers
    const bool complete = transfer.headers_complete && (result == CURLE_OK || transfer.body_capped);
    if (complete && !transfer.out_of_memory)
        return core::TransportResult::answered;
    if (transfer.handed_over)
        return core::TransportResult::no_answer;
    if (transfer.address_refused && !transfer.address_tried)
        return core::TransportResult::blocked;
    return core::TransportResult::not_sent;
}

Completion take_completion(Transfer &transfer, core::TransportResult result, const char *words) noexcept {
    Completion completion;
    completion.tag = transfer.request.tag;
    completion.answer = std::move(transfer.answer);
    completion.answer.transport = result;
    if (result != core::TransportResult::answered && (!transfer.headers_complete || completion.answer.status < 200)) {
        completion.answer.status = 0;
        completion.answer.headers.clear();
    }
    try {
        completion.answer.error = words;
    } catch (const std::exception &) {
        completion.answer.error.clear(); // the result says enough
    }
    completion.elapsed =
        std::chrono::duration_cast<core::Duration>(std::chrono::steady_clock::now() - transfer.started);
    return completion;
}

} // namespace

bool set_up(Transfer &transfer) {
    if (!add_headers(transfer))
        return false;
    const Request &request = transfer.request;
    Options options(transfer.easy);
    set_fixed_options(options);
    set_callbacks(options, transfer);
    options.text(CURLOPT_URL, request.url.c_str());
    set_method(options, request);
    options.pointer(CURLOPT_HTTPHEADER, transfer.header_list);
    // less what it spent waiting for a free connection
    const auto left = std::chrono::ceil<core::Duration>(transfer.deadline() - std::chrono::steady_clock::now());
    const bool own_limit = request.connect_timeout > core::Duration::zero();
    options.number(CURLOPT_TIMEOUT_MS, milliseconds(left));
    options.number(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(own_limit ? request.connect_timeout : left));
    if (!transfer.limits.ca_file.empty()) {
        options.text(CURLOPT_CAINFO, transfer.limits.ca_file.c_str());
        options.text(CURLOPT_CAPATH, nullptr); // this file and nothing else
    }
    return options.ok();
}

Completion finish(Transfer &transfer, CURLcode result) noexcept {
    const core::TransportResult meaning = transport_result(transfer, result);
    const char *words = "";
    if (meaning == core::TransportResult::blocked)
        words = "address not allowed";
    else if (meaning != core::TransportResult::answered)
        words = error_words(transfer, result);
    return take_completion(transfer, meaning, words);
}

Completion finish_aborted(Transfer &transfer, const char *reason) noexcept {
    const auto meaning = transfer.handed_over ? core::TransportResult::no_answer : core::TransportResult::not_sent;
    return take_completion(transfer, meaning, reason);
}

Completion not_sent(std::uint64_t tag, std::string reason) {
    Completion completion;
    completion.tag = tag;
    completion.answer.transport = core::TransportResult::not_sent;
    completion.answer.error = std::move(reason);
    return completion;
}

} // namespace hc::http
