// Tests of digests and encodings against published vectors (FIPS 180-4, RFC 4231, RFC 4648).
#include "core/crypto.hpp"

#include <gtest/gtest.h>

#include <random>

namespace hc::core {
namespace {

std::string hex(const Sha256 &digest) {
    std::string text;
    for (const std::uint8_t byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

std::string random_bytes(std::mt19937_64 &random, std::size_t size) {
    std::string data;
    for (std::size_t i = 0; i < size; ++i)
        data += static_cast<char>(random());
    return data;
}

TEST(Crypto, Sha256Vectors) {
    EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex(sha256(std::string_view())), hex(sha256("")));
    EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Crypto, HmacVectors) {
    EXPECT_EQ(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(hex(hmac_sha256(std::string(20, '\xaa'), std::string(50, '\xdd'))),
              "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    EXPECT_EQ(hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(hex(hmac_sha256("", "")), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Crypto, HmacWithoutAKeyDoesNotReuseTheLastOne) {
    const std::string expected = hex(hmac_sha256("", "data"));
    (void)hmac_sha256("another key", "data");
    EXPECT_EQ(hex(hmac_sha256(std::string_view(), "data")), expected);
}

TEST(Crypto, Hash64IsTheHeadOfTheDigest) {
    const Sha256 digest = sha256("account\x1fid-1");
    std::uint64_t head = 0;
    for (int i = 0; i < 8; ++i)
        head = head * 256 + digest[static_cast<std::size_t>(i)];
    EXPECT_EQ(hash64("account", "id-1"), head);
    EXPECT_NE(hash64("ab", "c"), hash64("a", "bc"));
    EXPECT_NE(hash64("", "a"), hash64("a", ""));
}

TEST(Crypto, Base64Vectors) {
    constexpr std::pair<std::string_view, std::string_view> kVectors[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+"},
    };
    for (const auto &[data, text] : kVectors) {
        EXPECT_EQ(base64_encode(data), text);
        EXPECT_EQ(base64_decode(text), data);
    }
    EXPECT_EQ(base64_encode(std::string_view("\0\0\0", 3)), "AAAA");
    EXPECT_EQ(base64_decode("AAA="), std::string(2, '\0'));
}

TEST(Crypto, Base64RefusesAllElse) {
    for (const std::string_view text : {"Zg",    "Zg=",   "Zg===", "Zg==Zg==", "Z",    "=",       "==",     "===",
                                        "====",  "Z===",  "Zm9v=", "Zm9v====", "=Zm9", "Zm=v",    "Zm9v\n", " Zm9v",
                                        "Zm 9v", "Zm9v ", "Zm-_",  "Zm9!",     "Zg=a", "Zm9\xff", "Zh==",   "Zm9="})
        EXPECT_FALSE(base64_decode(text)) << '"' << text << '"';
    EXPECT_FALSE(base64_decode(std::string_view("Zm9\0", 4)));
}

TEST(Crypto, Base64RoundTrip) {
    std::mt19937_64 random(5);
    for (int i = 0; i < 2000; ++i) {
        const std::string data = random_bytes(random, random() % 100);
        const std::string text = base64_encode(data);
        EXPECT_EQ(text.size(), (data.size() + 2) / 3 * 4);
        EXPECT_EQ(base64_decode(text), data);
    }
}

TEST(Crypto, Base64HasOneTextForOneValue) {
    std::mt19937_64 random(6);
    constexpr std::string_view kAlphabet = "ABYZabyz0189+/==";
    int decoded = 0;
    for (int i = 0; i < 50000; ++i) {
        std::string text;
        for (int n = 0; n < 8; ++n)
            text += kAlphabet[random() % kAlphabet.size()];
        if (const std::optional<std::string> data = base64_decode(text)) {
            EXPECT_EQ(base64_encode(*data), text);
            ++decoded;
        }
    }
    EXPECT_GT(decoded, 1000);
}

TEST(Crypto, ConstantTimeEqual) {
    EXPECT_TRUE(constant_time_equal("", ""));
    EXPECT_TRUE(constant_time_equal("", std::string_view()));
    EXPECT_TRUE(constant_time_equal("abc", "abc"));
    EXPECT_FALSE(constant_time_equal("abc", "abd"));
    EXPECT_FALSE(constant_time_equal("bbc", "abc"));
    EXPECT_FALSE(constant_time_equal("abc", "ab"));
    EXPECT_FALSE(constant_time_equal("", "a"));
    const std::string_view whole = "abc";
    EXPECT_FALSE(constant_time_equal(whole, whole.substr(0, 2)));
    EXPECT_FALSE(constant_time_equal(whole.substr(0, 2), whole));
    EXPECT_FALSE(constant_time_equal(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

} // namespace
} // namespace hc::core
