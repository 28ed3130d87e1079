// Digests, keys and encodings of the callback signatures beyond what core/crypto.hpp offers. Private to src/core.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <openssl/types.h>

namespace hc::core {

enum class Digest : std::uint8_t { md5, sha1, sha256, sha512 };

// Whether `given` is the digest, or the HMAC, of the data: constant time. False also when the library refuses the
// algorithm (MD5 in FIPS mode), or the key is empty.
bool digest_matches(Digest algorithm, std::string_view data, std::string_view given);
bool hmac_matches(Digest algorithm, std::string_view key, std::string_view data, std::string_view given);

std::optional<std::string> hex_decode(std::string_view text);       // upper and lower case
std::optional<std::string> base64url_decode(std::string_view text); // RFC 4648 section 5, without padding

enum class KeyKind : std::uint8_t { ed25519, ecdsa_p256, rsa };

class PublicKey {
public:
    // PEM (a public key or an X.509 certificate), or base64 of a DER SubjectPublicKeyInfo, or of the 32 bytes of an
    // Ed25519 key. nullopt when it is anything else, another kind of key, or an RSA key of less than 2048 bits.
    static std::optional<PublicKey> parse(std::string_view text, KeyKind kind);

    // ECDSA signatures are DER, RSA ones PKCS #1 v1.5. Ed25519 has no choice of digest.
    bool verify(std::string_view signature, std::string_view message, Digest digest = Digest::sha256) const;

private:
    struct Free {
        void operator()(EVP_PKEY *key) const;
    };

    PublicKey(EVP_PKEY *key, KeyKind kind) : key_(key), kind_(kind) {}

    std::unique_ptr<EVP_PKEY, Free> key_;
    KeyKind kind_;
};

} // namespace hc::core
