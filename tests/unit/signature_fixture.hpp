// Callbacks signed as the providers sign them, one of each scheme, for the tests of core/signature.hpp.
#pragma once

#include "core/crypto.hpp"
#include "core/signature.hpp"

#include <gtest/gtest.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace hc::core {

inline void PrintTo(SignatureCheck check, std::ostream *out) { *out << to_string(check); }

} // namespace hc::core

namespace hc::core::signature_test {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kSeconds = 1'700'000'000;
constexpr Time kNow = from_unix_micros(kSeconds * 1'000'000);

inline Time at(std::int64_t unix_seconds) { return from_unix_micros(unix_seconds * 1'000'000); }

// ---------------------------------------------------------------- signing, as the providers do it

inline std::string hmac(const EVP_MD *digest, const std::string &key, const std::string &data) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(digest, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char *>(data.data()),
         data.size(), out, &size);
    return {reinterpret_cast<const char *>(out), size};
}

inline std::string digest_of(const EVP_MD *digest, const std::string &data) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_Digest(data.data(), data.size(), out, &size, digest, nullptr);
    return {reinterpret_cast<const char *>(out), size};
}

inline std::string hex(const std::string &bytes, const char *digits = "0123456789abcdef") {
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text.append(1, digits[byte >> 4U]).append(1, digits[byte & 15U]);
    }
    return text;
}

inline std::string base64url(const std::string &bytes) {
    std::string text = base64_encode(bytes);
    for (char &c : text)
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text.substr(0, text.find('='));
}

inline std::string jwt(const std::string &key, const std::string &claims,
                       const std::string &header = R"({"alg":"HS256","typ":"JWT"})") {
    const std::string part = base64url(header) + "." + base64url(claims);
    return part + "." + base64url(hmac(EVP_sha256(), key, part));
}

struct FreeKey {
    void operator()(EVP_PKEY *key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

inline Key make_ed25519() { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }
inline Key make_ec(std::string curve = "P-256") { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.data())); }
inline Key make_rsa(unsigned int bits = 2048) { return Key(EVP_RSA_gen(bits)); }

inline const Key &rsa_key() { // slow to make
    static const Key key = make_rsa();
    return key;
}

inline std::string sign(const Key &key, const EVP_MD *digest, const std::string &data) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    std::size_t size = 0;
    const auto *bytes = reinterpret_cast<const unsigned char *>(data.data());
    EVP_DigestSignInit(context, nullptr, digest, nullptr, key.get());
    EVP_DigestSign(context, nullptr, &size, bytes, data.size());
    std::string signature(size, '\0');
    EVP_DigestSign(context, reinterpret_cast<unsigned char *>(signature.data()), &size, bytes, data.size());
    signature.resize(size);
    EVP_MD_CTX_free(context);
    return signature;
}

inline std::string raw_public(const Key &key) {
    unsigned char bytes[32];
    std::size_t size = sizeof bytes;
    EVP_PKEY_get_raw_public_key(key.get(), bytes, &size);
    return {reinterpret_cast<const char *>(bytes), size};
}

inline std::string der_public(const Key &key) {
    unsigned char *bytes = nullptr;
    const int size = i2d_PUBKEY(key.get(), &bytes);
    std::string der(reinterpret_cast<const char *>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return der;
}

inline std::string from_bio(const std::function<void(BIO *)> &write) {
    BIO *bio = BIO_new(BIO_s_mem());
    write(bio);
    char *data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
}

inline std::string pem_public(const Key &key) {
    return from_bio([&](BIO *bio) { PEM_write_bio_PUBKEY(bio, key.get()); });
}

inline std::string pem_certificate(const Key &key) {
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key.get());
    X509_sign(certificate, key.get(), EVP_sha256());
    std::string text = from_bio([&](BIO *bio) { PEM_write_bio_X509(bio, certificate); });
    X509_free(certificate);
    return text;
}

// ---------------------------------------------------------------- a request that can be changed

struct Callback {
    std::string scheme;
    std::vector<std::string> secrets;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::string url;
    std::string method = "POST";
    Time now = kNow;
    Duration window = minutes(5);
    std::string header = {};

    SignatureCheck check() const {
        ERR_clear_error(); // of other tests in this process
        const SignatureCheck result = verify_signature({.scheme = scheme,
                                                        .secrets = secrets,
                                                        .headers = headers,
                                                        .body = body,
                                                        .url = url,
                                                        .method = method,
                                                        .now = now,
                                                        .window = window,
                                                        .header = header});
        EXPECT_EQ(ERR_peek_error(), 0U) << "left in OpenSSL's error queue";
        return result;
    }

    void set(const std::string &name, const std::string &value) {
        for (auto &[n, v] : headers) {
            if (n == name) {
                v = value;
                return;
            }
        }
        headers.emplace_back(name, value);
    }

    void remove(const std::string &name) {
        std::erase_if(headers, [&](const auto &h) { return h.first == name; });
    }
};

// A valid callback of a scheme, and what a change of it may do.
struct Sample {
    Callback callback;
    std::string other_secret; // of the right form
    bool signs_body = true;
    bool signs_url = false;
    bool has_time = true;
    std::vector<std::string> needed; // headers without which the signature is missing
};

constexpr const char *kBody = R"({"messageId":"A1","status":"delivered"})";

inline Callback standard_webhooks(const std::string &key = std::string(24, 'k')) {
    const std::string timestamp = std::to_string(kSeconds);
    return {.scheme = "standard_webhooks",
            .secrets = {"whsec_" + base64_encode(key)},
            .headers = {{"webhook-id", "msg_1"},
                        {"webhook-timestamp", timestamp},
                        {"webhook-signature",
                         "v1," + base64_encode(hmac(EVP_sha256(), key, "msg_1." + timestamp + "." + kBody))}},
            .body = kBody,
            .url = {}};
}

inline Callback standard_webhooks_ed25519(const Key &key) {
    const std::string timestamp = std::to_string(kSeconds);
    Callback callback = standard_webhooks();
    callback.secrets = {"whpk_" + base64_encode(raw_public(key))};
    callback.set("webhook-signature", "v1a," + base64_encode(sign(key, nullptr, "msg_1." + timestamp + "." + kBody)));
    return callback;
}

constexpr const char *kTwilioForm = "MessageSid=SM1&MessageStatus=delivered&To=%2B15005550006";

inline Callback twilio() {
    const std::string url = "https://example.com/twilio?cascade=7";
    return {.scheme = "twilio",
            .secrets = {"token"},
            .headers = {{"X-Twilio-Signature",
                         base64_encode(
                             hmac(EVP_sha1(), "token", url + "MessageSidSM1MessageStatusdeliveredTo+15005550006"))}},
            .body = kTwilioForm,
            .url = url};
}

inline Callback sendgrid(const Key &key) {
    const std::string timestamp = std::to_string(kSeconds);
    return {.scheme = "sendgrid",
            .secrets = {base64_encode(der_public(key))},
            .headers = {{"X-Twilio-Email-Event-Webhook-Signature",
                         base64_encode(sign(key, EVP_sha256(), timestamp + kBody))},
                        {"X-Twilio-Email-Event-Webhook-Timestamp", timestamp}},
            .body = kBody,
            .url = {}};
}

inline std::string vonage_base() {
    return "&messageId=A1&status=delivered&text=a_b_c&timestamp=" + std::to_string(kSeconds);
}

inline std::string vonage_form(const std::string &signature) {
    return "status=delivered&timestamp=" + std::to_string(kSeconds) + "&text=a%26b%3Dc&messageId=A1&sig=" + signature;
}

inline Callback vonage_sms(const std::string &signature = hex(hmac(EVP_sha256(), "secret", vonage_base()))) {
    return {.scheme = "vonage_sms", .secrets = {"secret"}, .headers = {}, .body = vonage_form(signature), .url = {}};
}

inline std::string vonage_claims(const std::string &body = kBody) {
    return R"({"iat":)" + std::to_string(kSeconds) + R"(,"jti":"1","iss":"Vonage","payload_hash":")" +
           hex(digest_of(EVP_sha256(), body)) + R"(","api_key":"k"})";
}

inline Callback vonage_messages(const std::string &token = jwt("secret", vonage_claims())) {
    return {.scheme = "vonage_messages",
            .secrets = {"secret"},
            .headers = {{"Authorization", "Bearer " + token}},
            .body = kBody,
            .url = {}};
}

constexpr const char *kBirdUrl = "https://example.com/bird?id=1&status=delivered";

inline std::string bird_claims(const std::string &body, const std::string &more = "") {
    std::string claims = R"({"iss":"MessageBird","nbf":)" + std::to_string(kSeconds) + R"(,"exp":)" +
                         std::to_string(kSeconds + 60) + R"(,"jti":"j","url_hash":")" +
                         hex(digest_of(EVP_sha256(), kBirdUrl)) + "\"" + more;
    if (!body.empty())
        claims += R"(,"payload_hash":")" + hex(digest_of(EVP_sha256(), body)) + "\"";
    return claims + "}";
}

inline Callback messagebird(const std::string &token = jwt("key", bird_claims(kBody))) {
    return {.scheme = "messagebird",
            .secrets = {"key"},
            .headers = {{"MessageBird-Signature-JWT", token}},
            .body = kBody,
            .url = kBirdUrl};
}

inline Callback sinch(const EVP_MD *digest = EVP_sha256(), const std::string &algorithm = "HmacSHA256") {
    const std::string timestamp = std::to_string(kSeconds);
    return {.scheme = "sinch_conversation",
            .secrets = {"secret"},
            .headers = {{"x-sinch-webhook-signature",
                         base64_encode(hmac(digest, "secret", std::string(kBody) + ".nonce1." + timestamp))},
                        {"x-sinch-webhook-signature-timestamp", timestamp},
                        {"x-sinch-webhook-signature-nonce", "nonce1"},
                        {"x-sinch-webhook-signature-algorithm", algorithm}},
            .body = kBody,
            .url = {}};
}

constexpr const char *kPlivoUrl = "https://example.com/plivo?a=1";

inline Callback plivo() {
    return {.scheme = "plivo",
            .secrets = {"token"},
            .headers = {{"X-Plivo-Signature-V3",
                         base64_encode(
                             hmac(EVP_sha256(), "token", std::string(kPlivoUrl) + ".MessageUUIDu1Statusdelivered.n1"))},
                        {"X-Plivo-Signature-V3-Nonce", "n1"}},
            .body = "Status=delivered&MessageUUID=u1",
            .url = kPlivoUrl};
}

inline Callback plivo_v2() {
    return {
        .scheme = "plivo",
        .secrets = {"v2:token"},
        .headers = {{"X-Plivo-Signature-V2", base64_encode(hmac(EVP_sha256(), "token", "https://example.com/plivon1"))},
                    {"X-Plivo-Signature-V2-Nonce", "n1"}},
        .body = "Status=delivered&MessageUUID=u1",
        .url = kPlivoUrl};
}

inline Callback telnyx(const Key &key) {
    const std::string timestamp = std::to_string(kSeconds);
    return {.scheme = "telnyx",
            .secrets = {base64_encode(raw_public(key))},
            .headers = {{"telnyx-signature-ed25519", base64_encode(sign(key, nullptr, timestamp + "|" + kBody))},
                        {"telnyx-timestamp", timestamp}},
            .body = kBody,
            .url = {}};
}

inline Callback whatsapp() {
    return {.scheme = "whatsapp",
            .secrets = {"secret"},
            .headers = {{"X-Hub-Signature-256", "sha256=" + hex(hmac(EVP_sha256(), "secret", kBody))}},
            .body = kBody,
            .url = {}};
}

inline Callback infobip(const std::string &name = "X-Ib-Hmac-Signature") {
    return {.scheme = "infobip",
            .secrets = {"secret"},
            .headers = {{name, hex(hmac(EVP_sha256(), "secret", kBody))}},
            .body = kBody,
            .url = {}};
}

inline Callback basic() {
    return {.scheme = "basic",
            .secrets = {"user:pass:word"},
            .headers = {{"Authorization", "Basic " + base64_encode("user:pass:word")}},
            .body = kBody,
            .url = {}};
}

inline Callback bearer() {
    return {.scheme = "bearer",
            .secrets = {"token"},
            .headers = {{"Authorization", "Bearer token"}},
            .body = kBody,
            .url = {}};
}

constexpr const char *kTopic = "arn:aws:sns:us-east-1:123456789012:receipts";

inline std::string sns_body(const Key &key, const std::string &version = "1", const std::string &more = "") {
    const std::string text = std::string("Message\n{\"a\":\"b\\n\"}\nMessageId\nm-1\nSubject\nSub\nTimestamp\n"
                                         "2023-11-14T22:13:20.000Z\nTopicArn\n") +
                             kTopic + "\nType\nNotification\n";
    const std::string signature = base64_encode(sign(key, version == "1" ? EVP_sha1() : EVP_sha256(), text));
    return R"({"Type":"Notification","MessageId":"m-1","TopicArn":")" + std::string(kTopic) +
           R"(","Subject":"Sub","Message":"{\"a\":\"b\\n\"}","Timestamp":"2023-11-14T22:13:20.000Z",)" +
           R"("SignatureVersion":")" + version + R"(","Signature":")" + signature +
           R"(","SigningCertURL":"https://evil.example/c.pem","MessageAttributes":{"x":{"Type":"String"}})" + more +
           "}";
}

inline std::string sns_secret(const Key &key) { return std::string(kTopic) + "\n" + pem_certificate(key); }

inline Callback aws_sns(const std::string &version = "1") {
    return {.scheme = "aws_sns",
            .secrets = {sns_secret(rsa_key())},
            .headers = {},
            .body = sns_body(rsa_key(), version),
            .url = {}};
}

inline std::vector<Sample> samples() {
    const Key ed = make_ed25519();
    const Key ec = make_ec();
    const std::string other_ed = base64_encode(raw_public(make_ed25519()));
    const std::string other_ec = base64_encode(der_public(make_ec()));
    static const Key other_rsa = make_rsa();
    const std::vector<std::string> webhook = {"webhook-id", "webhook-timestamp", "webhook-signature"};
    return {
        {.callback = standard_webhooks(),
         .other_secret = "whsec_" + base64_encode(std::string(24, 'o')),
         .needed = webhook},
        {.callback = standard_webhooks_ed25519(ed), .other_secret = "whpk_" + other_ed, .needed = webhook},
        {.callback = twilio(),
         .other_secret = "other",
         .signs_url = true,
         .has_time = false,
         .needed = {"X-Twilio-Signature"}},
        {.callback = sendgrid(ec),
         .other_secret = other_ec,
         .needed = {"X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"}},
        {.callback = vonage_sms(), .other_secret = "other", .needed = {}},
        {.callback = vonage_messages(), .other_secret = "other", .needed = {"Authorization"}},
        {.callback = messagebird(),
         .other_secret = "other",
         .signs_url = true,
         .needed = {"MessageBird-Signature-JWT"}},
        {.callback = sinch(),
         .other_secret = "other",
         .needed = {"x-sinch-webhook-signature", "x-sinch-webhook-signature-timestamp",
                    "x-sinch-webhook-signature-nonce"}},
        {.callback = plivo(),
         .other_secret = "other",
         .signs_url = true,
         .has_time = false,
         .needed = {"X-Plivo-Signature-V3", "X-Plivo-Signature-V3-Nonce"}},
        {.callback = plivo_v2(),
         .other_secret = "v2:other",
         .signs_body = false,
         .has_time = false,
         .needed = {"X-Plivo-Signature-V2", "X-Plivo-Signature-V2-Nonce"}},
        {.callback = telnyx(ed), .other_secret = other_ed, .needed = {"telnyx-signature-ed25519", "telnyx-timestamp"}},
        {.callback = whatsapp(), .other_secret = "other", .has_time = false, .needed = {"X-Hub-Signature-256"}},
        {.callback = infobip(), .other_secret = "other", .has_time = false, .needed = {"X-Ib-Hmac-Signature"}},
        {.callback = basic(),
         .other_secret = "user:other",
         .signs_body = false,
         .has_time = false,
         .needed = {"Authorization"}},
        {.callback = bearer(),
         .other_secret = "other",
         .signs_body = false,
         .has_time = false,
         .needed = {"Authorization"}},
        {.callback = aws_sns(), .other_secret = sns_secret(other_rsa), .has_time = false, .needed = {}},
    };
}

} // namespace hc::core::signature_test
