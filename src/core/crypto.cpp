// Digests and encodings over OpenSSL's one-shot functions. Pure; used by every process.
#include "core/crypto.hpp"

#include "core/error.hpp"

#include <climits>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace hc::core {
namespace {

constexpr std::string_view kBase64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr char kSeparator = '\x1f'; // joins the parts of a look-up hash

const unsigned char *bytes(std::string_view data) { return reinterpret_cast<const unsigned char *>(data.data()); }

constexpr int kNotBase64 = -1;

constexpr std::array<std::int8_t, 256> make_base64_values() {
    std::array<std::int8_t, 256> values{};
    for (std::int8_t &value : values)
        value = kNotBase64;
    for (std::size_t i = 0; i < kBase64Alphabet.size(); ++i)
        values[static_cast<unsigned char>(kBase64Alphabet[i])] = static_cast<std::int8_t>(i);
    return values;
}

constexpr std::array<std::int8_t, 256> kBase64Values = make_base64_values();

int base64_value(char c) { return kBase64Values[static_cast<unsigned char>(c)]; }

std::uint32_t byte_at(std::string_view data, std::size_t i) { return static_cast<unsigned char>(data[i]); }

} // namespace

Sha256 sha256(std::string_view data) {
    // looked up once: EVP_sha256() is looked up at each use
    static EVP_MD *const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    Sha256 digest{};
    unsigned int size = 0;
    if (EVP_Digest(data.data(), data.size(), digest.data(), &size, kSha256 != nullptr ? kSha256 : EVP_sha256(),
                   nullptr) != 1 ||
        size != digest.size())
        throw Error(sqlstate::internal_error, "could not compute SHA-256 digest");
    return digest;
}

Sha256 hmac_sha256(std::string_view key, std::string_view data) {
    if (key.size() > INT_MAX)
        throw Error(sqlstate::limit_exceeded, "HMAC key is too long");
    if (key.data() == nullptr)
        key = ""; // a null key means "the key of the call before" to some OpenSSL functions
    Sha256 digest{};
    unsigned int size = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(data), data.size(), digest.data(), &size) ==
            nullptr ||
        size != digest.size())
        throw Error(sqlstate::internal_error, "could not compute HMAC-SHA-256");
    return digest;
}

std::uint64_t hash64(std::string_view a, std::string_view b) {
    std::string joined;
    joined.reserve(a.size() + 1 + b.size());
    joined.append(a).append(1, kSeparator).append(b);
    const Sha256 digest = sha256(joined);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i)
        value = value << 8 | digest[i];
    return value;
}

std::string base64_encode(std::string_view data) {
    std::string text;
    text.reserve((data.size() + 2) / 3 * 4);
    std::size_t i = 0;
    for (; i + 3 <= data.size(); i += 3) {
        const std::uint32_t group = byte_at(data, i) << 16 | byte_at(data, i + 1) << 8 | byte_at(data, i + 2);
        for (const int shift : {18, 12, 6, 0})
            text += kBase64Alphabet[group >> shift & 63U];
    }
    const std::size_t left = data.size() - i;
    if (left == 0)
        return text;
    const std::uint32_t group = byte_at(data, i) << 16 | (left == 2 ? byte_at(data, i + 1) << 8 : 0);
    text += kBase64Alphabet[group >> 18 & 63U];
    text += kBase64Alphabet[group >> 12 & 63U];
    text += left == 2 ? kBase64Alphabet[group >> 6 & 63U] : '=';
    text += '=';
    return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0)
        return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
        ++padding;

    std::string data;
    data.reserve(text.size() / 4 * 3);
    std::uint32_t group = 0;
    unsigned bits = 0;
    for (const char c : text.substr(0, text.size() - padding)) {
        const int value = base64_value(c);
        if (value == kNotBase64)
            return std::nullopt;
        group = (group << 6 | static_cast<std::uint32_t>(value)) & 0xffffU;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            data += static_cast<char>(group >> bits & 0xffU);
        }
    }
    // Bits left over must be zero: one text only for one sequence of bytes.
    if ((group & ((1U << bits) - 1U)) != 0)
        return std::nullopt;
    return data;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
    if (a.size() != b.size())
        return false;
    return a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace hc::core
