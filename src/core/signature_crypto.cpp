// Signature primitives over OpenSSL. What OpenSSL does not like leaves nothing behind in its error queue, which belongs
// to the TLS connections of the process. Pure; runs in the backend that takes a callback.
#include "core/signature_crypto.hpp"

#include "core/crypto.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace hc::core {
namespace {

constexpr std::size_t kEd25519KeyBytes = 32;
constexpr int kMinRsaBits = 2048;
constexpr std::string_view kPemStart = "-----BEGIN ";
constexpr std::string_view kCertificateStart = "-----BEGIN CERTIFICATE-----";
constexpr const char *kP256 = "prime256v1";

// Drops the errors raised in its scope.
class ErrorScope {
public:
    ErrorScope() { ERR_set_mark(); }
    ~ErrorScope() { ERR_pop_to_mark(); }
    ErrorScope(const ErrorScope &) = delete;
    ErrorScope &operator=(const ErrorScope &) = delete;
};

template <auto Function>
struct Deleter {
    template <class T>
    void operator()(T *object) const {
        Function(object);
    }
};

using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;

const unsigned char *bytes(std::string_view data) { return reinterpret_cast<const unsigned char *>(data.data()); }

std::string_view text_of(const unsigned char *data, unsigned int size) {
    return {reinterpret_cast<const char *>(data), size};
}

const EVP_MD *algorithm_of(Digest digest) {
    switch (digest) {
    case Digest::md5:
        return EVP_md5();
    case Digest::sha1:
        return EVP_sha1();
    case Digest::sha256:
        return EVP_sha256();
    case Digest::sha512:
        return EVP_sha512();
    }
    return nullptr;
}

// Never asks anybody for the password of an encrypted PEM text.
int no_password(char * /*buffer*/, int /*size*/, int /*writing*/, void * /*argument*/) { return 0; }

EVP_PKEY *key_of_pem(std::string_view text) {
    const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    if (!bio)
        return nullptr;
    if (!text.starts_with(kCertificateStart))
        return PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr);
    const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
    return certificate ? X509_get_pubkey(certificate.get()) : nullptr;
}

EVP_PKEY *key_of_base64(std::string_view text, KeyKind kind) {
    const std::optional<std::string> der = base64_decode(text);
    if (!der)
        return nullptr;
    if (kind == KeyKind::ed25519 && der->size() == kEd25519KeyBytes)
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(*der), der->size());
    const unsigned char *start = bytes(*der);
    EVP_PKEY *key = d2i_PUBKEY(nullptr, &start, static_cast<long>(der->size()));
    if (key != nullptr && start != bytes(*der) + der->size()) { // something follows the key
        EVP_PKEY_free(key);
        return nullptr;
    }
    return key;
}

bool on_p256(const EVP_PKEY *key) {
    char group[32] = {};
    return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1 &&
           std::string_view(group) == kP256;
}

bool is_kind(const EVP_PKEY *key, KeyKind kind) {
    switch (kind) {
    case KeyKind::ed25519:
        return EVP_PKEY_is_a(key, "ED25519") == 1;
    case KeyKind::ecdsa_p256:
        return on_p256(key);
    case KeyKind::rsa:
        return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) >= kMinRsaBits;
    }
    return false;
}

constexpr int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlanks);
    return first == std::string_view::npos ? std::string_view()
                                           : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

} // namespace

bool digest_matches(Digest algorithm, std::string_view data, std::string_view given) {
    const ErrorScope errors;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    return EVP_Digest(data.data(), data.size(), digest, &size, algorithm_of(algorithm), nullptr) == 1 &&
           constant_time_equal(text_of(digest, size), given);
}

bool hmac_matches(Digest algorithm, std::string_view key, std::string_view data, std::string_view given) {
    if (key.empty())
        return false;
    const ErrorScope errors;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    return HMAC(algorithm_of(algorithm), key.data(), static_cast<int>(key.size()), bytes(data), data.size(), digest,
                &size) != nullptr &&
           constant_time_equal(text_of(digest, size), given);
}

std::optional<std::string> hex_decode(std::string_view text) {
    if (text.size() % 2 != 0)
        return std::nullopt;
    std::string data;
    data.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_value(text[i]);
        const int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return std::nullopt;
        data += static_cast<char>(high * 16 + low);
    }
    return data;
}

std::optional<std::string> base64url_decode(std::string_view text) {
    if (text.find_first_of("+/=") != std::string_view::npos)
        return std::nullopt;
    std::string plain(text);
    for (char &c : plain) {
        if (c == '-')
            c = '+';
        else if (c == '_')
            c = '/';
    }
    plain.append((4 - plain.size() % 4) % 4, '=');
    return base64_decode(plain); // three characters of padding are refused there
}

void PublicKey::Free::operator()(EVP_PKEY *key) const { EVP_PKEY_free(key); }

std::optional<PublicKey> PublicKey::parse(std::string_view text, KeyKind kind) {
    const ErrorScope errors;
    text = trim(text);
    PublicKey key(text.starts_with(kPemStart) ? key_of_pem(text) : key_of_base64(text, kind), kind);
    if (!key.key_ || !is_kind(key.key_.get(), kind))
        return std::nullopt;
    return key;
}

bool PublicKey::verify(std::string_view signature, std::string_view message, Digest digest) const {
    const ErrorScope errors;
    const DigestContext context(EVP_MD_CTX_new());
    const EVP_MD *algorithm = kind_ == KeyKind::ed25519 ? nullptr : algorithm_of(digest);
    return context && EVP_DigestVerifyInit(context.get(), nullptr, algorithm, nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(message), message.size()) == 1;
}

} // namespace hc::core
