// Decides which addresses, URLs and headers an outbound request may use. Pure (libcurl only parses here); used by the
// dispatcher before it connects and by the backends that check a configuration.
#include "core/address.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>

namespace hc::core {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kV4Length = 4;
constexpr std::size_t kV6Length = 16;

struct Range {
    std::uint8_t bytes[kV6Length];
    std::uint8_t prefix; // bits
};

// IPv4 special-purpose blocks that are not reachable from everywhere (RFC 6890 and its registry).
constexpr Range kPrivateV4[] = {
    {{0}, 8},             // this network
    {{10}, 8},            // RFC 1918
    {{100, 64}, 10},      // carrier-grade NAT
    {{127}, 8},           // loopback
    {{169, 254}, 16},     // link-local, cloud metadata
    {{172, 16}, 12},      // RFC 1918
    {{192, 0, 0}, 24},    // protocol assignments
    {{192, 0, 2}, 24},    // documentation
    {{192, 88, 99}, 24},  // former 6to4 relays
    {{192, 168}, 16},     // RFC 1918
    {{198, 18}, 15},      // benchmarking
    {{198, 51, 100}, 24}, // documentation
    {{203, 0, 113}, 24},  // documentation
    {{224}, 4},           // multicast
    {{240}, 4},           // reserved, broadcast
};

// Only 2000::/3 is given out for public use. That leaves out ::, ::1, fc00::/7, fe80::/10, fec0::/10, ff00::/8, the
// discard prefix 100::/64, the local NAT64 prefix 64:ff9b:1::/48 and whatever is reserved still.
constexpr Range kPublicV6 = {{0x20}, 3};

// What is not public inside it.
constexpr Range kPrivateV6[] = {
    {{0x20, 0x01}, 23},             // protocol assignments, benchmarking, ORCHID
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, // documentation
    {{0x3f, 0xff}, 20},             // documentation
};

// Forms with an IPv4 address inside.
constexpr Range kMapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
constexpr Range kNat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};
constexpr Range k6to4 = {{0x20, 0x02}, 16};
constexpr Range kTeredo = {{0x20, 0x01, 0x00, 0x00}, 32};

bool same_prefix(const std::uint8_t *a, const std::uint8_t *b, unsigned bits) {
    const unsigned whole = bits / 8;
    const unsigned rest = bits % 8;
    if (std::memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) & (0xff00U >> rest) & 0xffU) == 0;
}

bool within(Bytes address, const Range &range) { return same_prefix(address.data(), range.bytes, range.prefix); }

bool is_public_v4(Bytes address) {
    return std::none_of(std::begin(kPrivateV4), std::end(kPrivateV4),
                        [&](const Range &range) { return within(address, range); });
}

bool is_public_teredo(Bytes address) {
    std::uint8_t client[kV4Length]; // written inverted
    for (std::size_t i = 0; i < kV4Length; ++i)
        client[i] = static_cast<std::uint8_t>(~address[12 + i]);
    return is_public_v4(address.subspan(4, kV4Length)) && is_public_v4(client);
}

bool is_public_v6(Bytes address) {
    if (within(address, kMapped) || within(address, kNat64))
        return is_public_v4(address.subspan(12, kV4Length));
    if (within(address, k6to4))
        return is_public_v4(address.subspan(2, kV4Length));
    if (within(address, kTeredo))
        return is_public_teredo(address);
    return within(address, kPublicV6) && std::none_of(std::begin(kPrivateV6), std::end(kPrivateV6),
                                                      [&](const Range &range) { return within(address, range); });
}

// ---- address lists ----

constexpr const char *kListHint =
    "Write address blocks separated by commas, for example \"10.0.0.0/8, 192.0.2.7, fd00::/8\".";

[[noreturn]] void bad_block(std::string_view entry, std::string detail) {
    throw Error(sqlstate::invalid_parameter, fmt::format("invalid address block \"{}\"", entry), std::move(detail),
                kListHint);
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Length of the address read into `bytes`, 0 when the text is none.
std::size_t parse_address(std::string_view text, std::uint8_t *bytes) {
    // A zero byte would end the text early for inet_pton.
    if (text.find('\0') != std::string_view::npos)
        return 0;
    const std::string address(text);
    if (inet_pton(AF_INET, address.c_str(), bytes) == 1)
        return kV4Length;
    if (inet_pton(AF_INET6, address.c_str(), bytes) == 1)
        return kV6Length;
    return 0;
}

bool bits_beyond(const std::uint8_t *bytes, std::size_t length, unsigned prefix) {
    for (unsigned bit = prefix; bit < length * 8; ++bit) {
        if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return true;
    }
    return false;
}

unsigned parse_prefix(std::string_view entry, std::string_view text, unsigned limit) {
    unsigned prefix = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), prefix);
    const bool padded = text.size() > 1 && text.front() == '0';
    if (text.empty() || padded || error != std::errc{} || end != text.data() + text.size() || prefix > limit)
        bad_block(entry, fmt::format("The prefix length must be a number from 0 to {}.", limit));
    return prefix;
}

// ---- URLs and headers ----

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool starts_with_word(std::string_view text, std::string_view lower_case_word) {
    return text.size() >= lower_case_word.size() &&
           std::equal(lower_case_word.begin(), lower_case_word.end(), text.begin(),
                      [](char word, char c) { return word == lower(c); });
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_token_char(char c) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || kMarks.find(c) != std::string_view::npos;
}

struct UrlDeleter {
    void operator()(CURLU *url) const noexcept { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, UrlDeleter>;

// A part of a parsed URL; nullopt when it has none.
std::optional<std::string> url_part(CURLU *url, CURLUPart part) {
    char *text = nullptr;
    if (curl_url_get(url, part, &text, 0) != CURLUE_OK)
        return std::nullopt;
    struct Free {
        void operator()(char *p) const noexcept { curl_free(p); }
    };
    const std::unique_ptr<char, Free> owner(text);
    return std::string(text);
}

constexpr const char *kBadPort = "must have a port from 1 to 65535";
constexpr const char *kNoUserinfo = "must not contain a user name or password";

// What is checked by hand, before curl sees the text: where curl is lenient (one slash or three, an empty user name, a
// backslash), another reader of the same URL might find another host in it.
std::string check_url_text(std::string_view url) {
    if (std::any_of(url.begin(), url.end(), [](char c) { return is_control(c) || c == ' '; }))
        return "must not contain control characters or spaces";
    std::string_view rest = url;
    if (starts_with_word(url, "https://"))
        rest.remove_prefix(8);
    else if (starts_with_word(url, "http://"))
        rest.remove_prefix(7);
    else
        return "must begin with http:// or https://";
    if (url.find('\\') != std::string_view::npos)
        return "must not contain a backslash";
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    if (authority.find('@') != std::string_view::npos)
        return kNoUserinfo;
    if (authority.empty() || authority.front() == ':')
        return "must name a host";
    return {};
}

} // namespace

bool is_public_address(Bytes bytes) {
    if (bytes.size() == kV4Length)
        return is_public_v4(bytes);
    return bytes.size() == kV6Length && is_public_v6(bytes);
}

AddressList::AddressList(std::string_view text) {
    if (trim(text).empty())
        return;
    for (bool more = true; more;) {
        const std::size_t comma = text.find(',');
        const std::string_view entry = trim(text.substr(0, comma));
        more = comma != std::string_view::npos;
        if (more)
            text.remove_prefix(comma + 1);

        if (count_ == std::size(blocks_))
            throw Error(sqlstate::invalid_parameter, "too many address blocks",
                        fmt::format("A list may hold at most {} blocks.", std::size(blocks_)));
        Block &block = blocks_[count_];
        const std::size_t slash = entry.find('/');
        const std::size_t length = parse_address(entry.substr(0, slash), block.bytes);
        if (length == 0)
            bad_block(entry, "The block must begin with a numeric IPv4 or IPv6 address.");
        const auto bits = static_cast<unsigned>(length * 8);
        const unsigned prefix =
            slash == std::string_view::npos ? bits : parse_prefix(entry, entry.substr(slash + 1), bits);
        if (bits_beyond(block.bytes, length, prefix))
            bad_block(entry, fmt::format("The address has bits set beyond its prefix of {} bits.", prefix));
        block.length = static_cast<std::uint8_t>(length);
        block.prefix = static_cast<std::uint8_t>(prefix);
        ++count_;
    }
}

bool AddressList::contains(Bytes bytes) const {
    const auto listed = [this](Bytes address) {
        return std::any_of(blocks_, blocks_ + count_, [&](const Block &block) {
            return block.length == address.size() && same_prefix(block.bytes, address.data(), block.prefix);
        });
    };
    if (listed(bytes))
        return true;
    // A v4-mapped address reaches the same host as the IPv4 address inside.
    return bytes.size() == kV6Length && within(bytes, kMapped) && listed(bytes.subspan(12, kV4Length));
}

std::string check_url(std::string_view url) {
    if (std::string reason = check_url_text(url); !reason.empty())
        return reason;
    const UrlHandle handle(curl_url());
    if (!handle)
        throw Error(sqlstate::out_of_memory, "out of memory");
    switch (curl_url_set(handle.get(), CURLUPART_URL, std::string(url).c_str(), CURLU_DISALLOW_USER)) {
    case CURLUE_OK:
        break;
    case CURLUE_OUT_OF_MEMORY:
        throw Error(sqlstate::out_of_memory, "out of memory");
    case CURLUE_USER_NOT_ALLOWED:
        return kNoUserinfo;
    case CURLUE_BAD_PORT_NUMBER:
        return kBadPort;
    default:
        return "must be a valid URL";
    }
    if (const std::optional<std::string> host = url_part(handle.get(), CURLUPART_HOST); !host || host->empty())
        return "must name a host";
    // curl takes port 0; numbers above 65535 it has refused.
    if (const std::optional<std::string> port = url_part(handle.get(), CURLUPART_PORT); port == "0")
        return kBadPort;
    return {};
}

std::string destination_of(std::string_view url) {
    const std::size_t scheme = url.find("://");
    std::string_view authority = url.substr(scheme == std::string_view::npos ? 0 : scheme + 3);
    authority = authority.substr(0, authority.find_first_of("/?#"));
    const std::size_t bracket = authority.rfind(']'); // of an IPv6 address, whose colons are no ports
    const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    std::string_view host = authority.substr(0, colon);
    std::string_view port = colon == std::string_view::npos ? std::string_view() : authority.substr(colon + 1);
    if (port.empty())
        port = starts_with_word(url, "https") ? "443" : "80";
    if (host.ends_with('.'))
        host.remove_suffix(1);
    std::string destination = fmt::format("{}:{}", host, port);
    std::transform(destination.begin(), destination.end(), destination.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return destination;
}

bool allowed_header_name(std::string_view name) {
    constexpr std::string_view kForbidden[] = {"host", "content-length", "transfer-encoding", "connection"};
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_token_char))
        return false;
    if (starts_with_word(name, "webhook-"))
        return false;
    return std::none_of(std::begin(kForbidden), std::end(kForbidden), [&](std::string_view forbidden) {
        return name.size() == forbidden.size() && starts_with_word(name, forbidden);
    });
}

bool allowed_header_value(std::string_view value) {
    return std::none_of(value.begin(), value.end(), [](char c) { return is_control(c) && c != '\t'; });
}

} // namespace hc::core
