// Tests of the outbound guard: which addresses are public, address lists, URLs and headers.
#include "core/address.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <random>
#include <vector>

namespace hc::core {
namespace {

std::vector<std::uint8_t> ip(const std::string &text) {
    std::vector<std::uint8_t> bytes(4);
    if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1)
        return bytes;
    bytes.resize(16);
    if (inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1)
        ADD_FAILURE() << "not an address: " << text;
    return bytes;
}

constexpr const char *kPublicV4[] = {
    "1.1.1.1",         "8.8.8.8",         "1.0.0.0",         "9.255.255.255",   "11.0.0.0",      "100.63.255.255",
    "100.128.0.0",     "126.255.255.255", "128.0.0.0",       "169.253.255.255", "169.255.0.0",   "172.15.255.255",
    "172.32.0.0",      "191.255.255.255", "192.0.1.0",       "192.0.3.0",       "192.88.98.255", "192.88.100.0",
    "192.167.255.255", "192.169.0.0",     "198.17.255.255",  "198.20.0.0",      "198.51.99.255", "198.51.101.0",
    "203.0.112.255",   "203.0.114.0",     "223.255.255.255",
};

constexpr const char *kPrivateV4[] = {
    "0.0.0.0",         "0.0.0.1",         "0.255.255.255", "10.0.0.0",        "10.255.255.255",  "100.64.0.0",
    "100.100.100.200", "100.127.255.255", "127.0.0.0",     "127.0.0.1",       "127.255.255.255", "169.254.0.0",
    "169.254.169.254", "169.254.255.255", "172.16.0.0",    "172.31.255.255",  "192.0.0.0",       "192.0.0.255",
    "192.0.2.0",       "192.0.2.255",     "192.88.99.0",   "192.88.99.255",   "192.168.0.0",     "192.168.255.255",
    "198.18.0.0",      "198.19.255.255",  "198.51.100.0",  "198.51.100.255",  "203.0.113.0",     "203.0.113.255",
    "224.0.0.0",       "239.255.255.255", "240.0.0.0",     "255.255.255.254", "255.255.255.255",
};

TEST(Address, V4) {
    for (const char *text : kPublicV4)
        EXPECT_TRUE(is_public_address(ip(text))) << text;
    for (const char *text : kPrivateV4)
        EXPECT_FALSE(is_public_address(ip(text))) << text;
}

TEST(Address, V6) {
    for (const char *text :
         {"2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1", "2000::", "2001:200::1", "2001:db7:ffff::1",
          "2001:db9::1", "2003::1", "2001:ffff::1", "3ffe::1", "3fff:1000::1", "3fff:ffff::1", "2620:fe::fe"})
        EXPECT_TRUE(is_public_address(ip(text))) << text;
    for (const char *text : {"::",
                             "::1",
                             "::2",
                             "::ffff:ffff",
                             "fc00::",
                             "fc00::1",
                             "fd00:ec2::254",
                             "fdff:ffff::1",
                             "fe80::",
                             "fe80::1",
                             "febf:ffff::1",
                             "fec0::1",
                             "feff::1",
                             "ff00::",
                             "ff02::1",
                             "ff0e::1",
                             "2001:db8::1",
                             "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                             "3fff::1",
                             "3fff:fff:ffff::1",
                             "2001:2::1",
                             "2001:2:0:1::1",
                             "2001:10::1",
                             "2001:20::1",
                             "2001:1ff:ffff::1",
                             "100::1",
                             "100::",
                             "4000::1",
                             "5f00::1",
                             "1fff::1",
                             "fbff::1",
                             "64:ff9a::808:808",
                             "64:ff9b:1::808:808",
                             "64:ff9b:0:0:0:1:808:808",
                             "200::1",
                             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"})
        EXPECT_FALSE(is_public_address(ip(text))) << text;
}

// An IPv6 form with the IPv4 address `v4` inside.
std::vector<std::uint8_t> embed(const char *form, const char *v4, std::size_t at, bool inverted = false) {
    std::vector<std::uint8_t> bytes = ip(form);
    const std::vector<std::uint8_t> inner = ip(v4);
    for (std::size_t i = 0; i < inner.size(); ++i)
        bytes[at + i] = inverted ? static_cast<std::uint8_t>(~inner[i]) : inner[i];
    return bytes;
}

void check_embedded(const char *v4, bool expected) {
    EXPECT_EQ(is_public_address(embed("::ffff:0:0", v4, 12)), expected) << "v4-mapped " << v4;
    EXPECT_EQ(is_public_address(embed("64:ff9b::", v4, 12)), expected) << "NAT64 " << v4;
    EXPECT_EQ(is_public_address(embed("2002::1", v4, 2)), expected) << "6to4 " << v4;
    // Teredo names a server (65.54.227.120 here) and, inverted, the client.
    EXPECT_EQ(is_public_address(embed("2001:0:4136:e378:8000:63bf::", v4, 12, true)), expected) << "client " << v4;
    EXPECT_EQ(is_public_address(embed("2001:0:0:0:8000:63bf:3fff:fdd2", v4, 4)), false) << "client is 192.0.2.45";
    EXPECT_EQ(is_public_address(embed("2001:0:0:0:8000:63bf:f7f7:f7f7", v4, 4)), expected) << "server " << v4;
    // IPv4-compatible addresses are obsolete and never public.
    EXPECT_FALSE(is_public_address(embed("::", v4, 12))) << "v4-compatible " << v4;
}

TEST(Address, EmbeddedV4) {
    for (const char *text : kPublicV4)
        check_embedded(text, true);
    for (const char *text : kPrivateV4)
        check_embedded(text, false);
    EXPECT_TRUE(is_public_address(ip("::ffff:8.8.8.8")));
    EXPECT_FALSE(is_public_address(ip("::ffff:127.0.0.1")));
    EXPECT_FALSE(is_public_address(ip("::ffff:169.254.169.254")));
    EXPECT_FALSE(is_public_address(ip("64:ff9b::10.0.0.1")));
    EXPECT_FALSE(is_public_address(ip("2002:7f00:1::")));
    EXPECT_FALSE(is_public_address(ip("2002:c0a8:101::1")));
    EXPECT_TRUE(is_public_address(ip("2002:808:808::1")));
}

TEST(Address, OtherLengthsAreNoAddress) {
    const std::vector<std::uint8_t> bytes(32, 8);
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
        const bool expected = length == 4; // 8.8.8.8; 808:808:.. is not in 2000::/3
        EXPECT_EQ(is_public_address(std::span(bytes).first(length)), expected) << length;
    }
}

// ---- address lists ----

TEST(AddressList, EmptyHoldsNothing) {
    for (const char *text : {"", " ", "\t\n"}) {
        const AddressList list{std::string_view(text)};
        EXPECT_FALSE(list.contains(ip("127.0.0.1")));
        EXPECT_FALSE(list.contains(ip("::")));
    }
    EXPECT_FALSE(AddressList().contains(ip("0.0.0.0")));
}

TEST(AddressList, Blocks) {
    const AddressList list("127.0.0.0/8, ::1/128 ,10.1.2.128/25,192.0.2.7,fd00::/9,2001:db8::5");
    for (const char *text : {"127.0.0.0", "127.255.255.255", "::1", "10.1.2.128", "10.1.2.255", "192.0.2.7",
                             "fd00::", "fd7f:ffff::1", "2001:db8::5"})
        EXPECT_TRUE(list.contains(ip(text))) << text;
    for (const char *text : {"126.255.255.255", "128.0.0.0", "::", "::2", "10.1.2.127", "10.1.3.128", "192.0.2.6",
                             "192.0.2.8", "fd80::", "fc00::", "2001:db8::4", "8.8.8.8"})
        EXPECT_FALSE(list.contains(ip(text))) << text;
    EXPECT_FALSE(list.contains({}));
    EXPECT_FALSE(list.contains(std::vector<std::uint8_t>(5, 127)));
}

TEST(AddressList, FamiliesAreApart) {
    const AddressList all_v4("0.0.0.0/0");
    EXPECT_TRUE(all_v4.contains(ip("255.1.2.3")));
    EXPECT_FALSE(all_v4.contains(ip("::")));
    EXPECT_FALSE(all_v4.contains(ip("2001:db8::1")));
    const AddressList all_v6("::/0");
    EXPECT_TRUE(all_v6.contains(ip("2001:db8::1")));
    EXPECT_FALSE(all_v6.contains(ip("127.0.0.1")));
}

TEST(AddressList, MappedAddressIsTheOneInside) {
    const AddressList list("127.0.0.0/8");
    EXPECT_TRUE(list.contains(ip("::ffff:127.0.0.1")));
    EXPECT_FALSE(list.contains(ip("::ffff:128.0.0.1")));
    EXPECT_FALSE(list.contains(ip("64:ff9b::127.0.0.1")));
    EXPECT_FALSE(list.contains(ip("::127.0.0.1")));
    EXPECT_TRUE(AddressList("::ffff:10.0.0.0/104").contains(ip("::ffff:10.9.9.9")));
}

void expect_refused(const std::string &text, const std::string &message, const std::string &detail) {
    try {
        const AddressList list(text);
        ADD_FAILURE() << "no error: " << text;
    } catch (const Error &error) {
        EXPECT_STREQ(error.sqlstate(), sqlstate::invalid_parameter) << text;
        EXPECT_EQ(error.message(), message) << text;
        EXPECT_EQ(error.detail(), detail) << text;
    }
}

TEST(AddressList, MalformedAddresses) {
    const std::string detail = "The block must begin with a numeric IPv4 or IPv6 address.";
    for (const std::string entry :
         {"localhost", "127.1", "127.0.0.1.1", "0x7f.0.0.1", "0177.0.0.1", "256.0.0.1", "1.2.3.4:80", "[::1]", "::1%lo",
          ":::1", "1.2.3", "/8", "10.0.0.0 /8", "10/8", "-", "2130706433", "12345::"})
        expect_refused(entry, "invalid address block \"" + entry + "\"", detail);
    expect_refused(",", "invalid address block \"\"", detail);
    expect_refused("::1,", "invalid address block \"\"", detail);
    expect_refused(",::1", "invalid address block \"\"", detail);
    expect_refused("::1,,::2", "invalid address block \"\"", detail);
    expect_refused("::1;::2", "invalid address block \"::1;::2\"", detail);
    EXPECT_THROW(AddressList(std::string_view("::1\0x", 5)), Error);
}

TEST(AddressList, MalformedPrefixes) {
    const auto refused = [](const std::string &entry, int limit) {
        expect_refused("8.8.8.8, " + entry, "invalid address block \"" + entry + "\"",
                       "The prefix length must be a number from 0 to " + std::to_string(limit) + ".");
    };
    for (const char *prefix :
         {"", "33", "-1", "+8", " 8", "08", "00", "8.0", "8/8", "x", "255.0.0.0", "4294967304", "99999999999999999999"})
        refused(std::string("10.0.0.0/") + prefix, 32);
    for (const char *prefix : {"", "129", "-1", "a", "0128", "64/64"})
        refused(std::string("fd00::/") + prefix, 128);
}

TEST(AddressList, BitsBeyondThePrefix) {
    const auto refused = [](const std::string &entry, int prefix) {
        expect_refused(entry, "invalid address block \"" + entry + "\"",
                       "The address has bits set beyond its prefix of " + std::to_string(prefix) + " bits.");
    };
    refused("127.0.0.1/8", 8);
    refused("10.0.0.1/31", 31);
    refused("0.0.0.1/0", 0);
    refused("128.0.0.0/0", 0);
    refused("fd00::1/127", 127);
    refused("fd40::/9", 9);
}

TEST(AddressList, AtMost32Blocks) {
    std::string text = "10.0.0.0/8";
    for (int i = 1; i < 32; ++i)
        text += ",192.0.2." + std::to_string(i);
    EXPECT_TRUE(AddressList(text).contains(ip("192.0.2.31")));
    expect_refused(text + ",192.0.2.32", "too many address blocks", "A list may hold at most 32 blocks.");
}

TEST(AddressList, PrefixAgreesWithBitByBitComparison) {
    std::mt19937_64 random(13);
    for (int i = 0; i < 3000; ++i) {
        const bool v6 = random() % 2 == 0;
        std::vector<std::uint8_t> base(v6 ? 16 : 4);
        const std::size_t bits = base.size() * 8;
        const std::size_t prefix = random() % (bits + 1);
        const auto bit = [](const std::vector<std::uint8_t> &bytes, std::size_t n) {
            return bytes[n / 8] >> (7 - n % 8) & 1;
        };
        for (std::size_t n = 0; n < prefix; ++n)
            base[n / 8] = static_cast<std::uint8_t>(base[n / 8] | (random() & 1) << (7 - n % 8));
        char text[INET6_ADDRSTRLEN];
        ASSERT_NE(inet_ntop(v6 ? AF_INET6 : AF_INET, base.data(), text, sizeof text), nullptr);
        const AddressList list(std::string(text) + "/" + std::to_string(prefix));

        std::vector<std::uint8_t> other = base;
        const std::size_t flipped = random() % bits;
        other[flipped / 8] = static_cast<std::uint8_t>(other[flipped / 8] ^ 1U << (7 - flipped % 8));
        bool expected = true;
        for (std::size_t n = 0; n < prefix; ++n)
            expected = expected && bit(base, n) == bit(other, n);
        EXPECT_TRUE(list.contains(base)) << text << '/' << prefix;
        EXPECT_EQ(list.contains(other), expected) << text << '/' << prefix << " bit " << flipped;
    }
}

// ---- URLs ----

TEST(CheckUrl, Accepted) {
    for (const std::string_view url :
         {"http://example.com", "https://example.com/", "HTTPS://Example.COM/path", "https://example.com:8443/a?b=c#d",
          "http://127.0.0.1:1/", "http://example.com:65535", "http://[::1]:8080/x", "https://[2001:db8::1]/",
          "https://example.com/a@b", "https://example.com?mail=a@b", "https://example.com/#a@b", "http://localhost/",
          "https://example.com/%20%00", "https://a.b-c.example./x", "https://example.com/a:b//c",
          "http://example.com:", "https://example.com/\xc3\xbc"})
        EXPECT_EQ(check_url(url), "") << url;
}

TEST(CheckUrl, Refused) {
    constexpr std::string_view kScheme = "must begin with http:// or https://";
    constexpr std::string_view kControl = "must not contain control characters or spaces";
    constexpr std::string_view kUser = "must not contain a user name or password";
    constexpr std::string_view kHost = "must name a host";
    constexpr std::string_view kPort = "must have a port from 1 to 65535";
    constexpr std::string_view kValid = "must be a valid URL";
    constexpr std::string_view kBackslash = "must not contain a backslash";
    constexpr std::pair<std::string_view, std::string_view> kCases[] = {
        {"", kScheme},
        {"example.com", kScheme},
        {"//example.com", kScheme},
        {"ftp://example.com/", kScheme},
        {"file:///etc/passwd", kScheme},
        {"gopher://example.com/", kScheme},
        {"javascript:alert(1)", kScheme},
        {"http:example.com", kScheme},
        {"http:/example.com", kScheme},
        {"https", kScheme},
        {"httpss://x/", kScheme},
        {"unix:/run/x", kScheme},
        {"data:text/plain,x", kScheme},
        {"http://", kHost},
        {"http:///example.com", kHost},
        {"https:////x", kHost},
        {"http://?x", kHost},
        {"http://#x", kHost},
        {"http://:80/", kHost},
        {"http://user@example.com/", kUser},
        {"http://user:secret@example.com/", kUser},
        {"http://@example.com/", kUser},
        {"http://:@example.com/", kUser},
        {"http://a@b@example.com", kUser},
        {"http://example.com:80@evil.example", kUser},
        {"http://example.com\\@evil.example/", kBackslash},
        {"http://example.com/a\\b", kBackslash},
        {"http://example.com:0/", kPort},
        {"http://example.com:00/", kPort},
        {"http://example.com:65536/", kPort},
        {"http://example.com:99999999999999999999/", kPort},
        {"http://example.com:-1/", kPort},
        {"http://example.com:8a/", kPort},
        {"http://example.com:+80/", kPort},
        {"http://[::1/", kValid},
        {"http://[zz]/", kValid},
        {"http://exa mple.com/", kControl},
        {" http://example.com/", kControl},
        {"http://example.com/ ", kControl},
        {"http://example.com/\r\nHost: x", kControl},
        {"http://example.com/\t", kControl},
        {"http://example.com/\x7f", kControl},
        {"http://exam\nple.com/", kControl},
        {{"http://example.com/\0", 20}, kControl},
        {{"http://a\0b/", 11}, kControl},
        {"\x01http://example.com/", kControl},
        {"http://exa<mple.com/", kValid},
        {"http://%0a.example/", kValid},
    };
    for (const auto &[url, reason] : kCases)
        EXPECT_EQ(check_url(url), reason) << url;
}

TEST(DestinationOf, HostAndPort) {
    const std::pair<const char *, const char *> kCases[] = {
        {"https://example.com/a", "example.com:443"},
        {"HTTPS://Example.COM", "example.com:443"},
        {"http://example.com", "example.com:80"},
        {"http://example.com?x=http://other:1/", "example.com:80"},
        {"https://example.com:8443/a:1", "example.com:8443"},
        {"https://example.com:443#x", "example.com:443"},
        {"https://example.com:/a", "example.com:443"},
        {"https://example.com./a", "example.com:443"},
        {"http://127.0.0.1:8080/", "127.0.0.1:8080"},
        {"http://[2001:DB8::1]/", "[2001:db8::1]:80"},
        {"http://[::1]:81/", "[::1]:81"},
        {"https://example.com/{{message.path}}", "example.com:443"},
    };
    for (const auto &[url, destination] : kCases)
        EXPECT_EQ(destination_of(url), destination) << url;
}

TEST(CheckUrl, EveryControlCharacterAnywhere) {
    const std::string url = "https://example.com:8443/a?b#c";
    ASSERT_EQ(check_url(url), "");
    for (std::size_t i = 0; i <= url.size(); ++i) {
        for (int byte = 0; byte <= 0x7f; ++byte) {
            if (byte == 0x21)
                byte = 0x7f; // from the blank on to DEL
            std::string bad = url;
            bad.insert(i, 1, static_cast<char>(byte));
            EXPECT_EQ(check_url(bad), "must not contain control characters or spaces") << i << ' ' << byte;
        }
    }
}

TEST(CheckUrl, ReasonsDoNotRepeatTheUrl) {
    for (const std::string_view url :
         {"https://u:hunter2@example.com/", "hunter2", "http://hunter2:0/", "http://[hunter2"})
        EXPECT_EQ(check_url(url).find("hunter2"), std::string::npos) << url;
}

// ---- headers ----

TEST(Header, Names) {
    for (const std::string_view name : {"Authorization", "X-Api-Key", "x", "Idempotency-Key", "Content-Type", "Hosts",
                                        "X-Host", "Connection-Id", "webhook", "Webhooks-Id", "!#$%&'*+-.^_`|~09azAZ"})
        EXPECT_TRUE(allowed_header_name(name)) << name;
    for (const std::string_view name : {"",
                                        "Host",
                                        "HOST",
                                        "host",
                                        "Content-Length",
                                        "content-length",
                                        "Transfer-Encoding",
                                        "transfer-ENCODING",
                                        "Connection",
                                        "connection",
                                        "webhook-id",
                                        "Webhook-Signature",
                                        "WEBHOOK-TIMESTAMP",
                                        "webhook-",
                                        "webhook-x",
                                        "X Y",
                                        "X:",
                                        ":X",
                                        "X\r\nY",
                                        "X\n",
                                        " X",
                                        "X ",
                                        "X\t",
                                        "X\"",
                                        "X(",
                                        "X)",
                                        "X,",
                                        "X/",
                                        "X;",
                                        "X<",
                                        "X=",
                                        "X>",
                                        "X?",
                                        "X@",
                                        "X[",
                                        "X\\",
                                        "X]",
                                        "X{",
                                        "X}",
                                        "X\x7f",
                                        "X\x80",
                                        "\xc3\xbc"})
        EXPECT_FALSE(allowed_header_name(name)) << name;
    EXPECT_FALSE(allowed_header_name(std::string_view("X\0Y", 3)));
}

TEST(Header, Values) {
    for (const std::string_view value : {"", "Bearer abc", "a\tb", " ", "\xc3\xbc", "a:b;c=\"d\"", "\x80\xff"})
        EXPECT_TRUE(allowed_header_value(value)) << value;
    for (int byte = 0; byte < 256; ++byte) {
        const bool expected = (byte >= 0x20 || byte == '\t') && byte != 0x7f;
        const std::string value = {'a', static_cast<char>(byte), 'b'};
        EXPECT_EQ(allowed_header_value(value), expected) << byte;
    }
    EXPECT_FALSE(allowed_header_value("x\r\nHost: evil"));
}

} // namespace
} // namespace hc::core
