// Signatures of inbound callbacks: whether a delivery receipt comes from the provider it claims to come from. Sources:
// the providers' documentation and the published tests of their libraries (twilio-python, sendgrid-go,
// vonage-php-sdk-core, messagebird go-rest-api, plivo-go and plivo-python, sinch-sdk-dotnet, telnyx-python), Standard
// Webhooks 1.0.0, RFC 7515, 7519, 7617, 6750, the Amazon SNS Developer Guide. The list of schemes says what each of
// them signs. The rest of a callback is not to be believed: the parameters of Plivo's version 2, or everything with
// "basic".
#pragma once

#include "core/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::core {

struct SignatureScheme {
    std::string_view name;
    std::string_view description; // what is signed, and what the secret is
};

inline constexpr std::array<SignatureScheme, 14> kSignatureSchemes{{
    {"standard_webhooks", "webhook-signature (or svix-signature) over id, timestamp and body; secret: whsec_..., or "
                          "whpk_... for Ed25519"},
    {"twilio",
     "X-Twilio-Signature, HMAC-SHA1 over the URL and the form, or over a URL with bodySHA256; secret: the auth "
     "token"},
    {"sendgrid", "X-Twilio-Email-Event-Webhook-Signature, ECDSA P-256 over timestamp and body; secret: the public key, "
                 "base64 or PEM"},
    {"vonage_sms", "parameter sig over the parameters of the form, query or JSON body; secret: the signature secret, "
                   "alone or as method:secret with md5hash, md5, sha1, sha256 or sha512"},
    {"vonage_messages", "Authorization: Bearer, a JWT (HS256) with the hash of the body; secret: the signature secret"},
    {"messagebird", "MessageBird-Signature-JWT (HS256) with the hashes of URL and body; secret: the signing key"},
    {"sinch_conversation",
     "x-sinch-webhook-signature, HMAC over body, nonce and timestamp; secret: the webhook's secret"},
    {"plivo", "X-Plivo-Signature-V3 or -Ma-V3, HMAC-SHA256 over URL, parameters and nonce; secret: the auth token; "
              "v2:token also takes X-Plivo-Signature-V2, which does not cover the parameters"},
    {"telnyx", "telnyx-signature-ed25519 over timestamp and body; secret: the public key in base64"},
    {"whatsapp", "X-Hub-Signature-256, HMAC-SHA256 over the body; secret: the app secret"},
    {"infobip", "HMAC-SHA256 over the body in the header named in the notification profile; secret: its key"},
    {"basic", "Authorization: Basic; secret: user:password"},
    {"bearer", "Authorization: Bearer; secret: the token"},
    {"aws_sns", "Signature in the body, RSA over the message; secret: the topic's ARN, a line break and the signing "
                "certificate in PEM"},
}};

struct SignatureAlias {
    std::string_view name;
    std::string_view scheme;
};

inline constexpr std::array<SignatureAlias, 5> kSignatureAliases{{
    {"svix", "standard_webhooks"},
    {"meta", "whatsapp"},
    {"aws_sms", "aws_sns"},
    {"sinch_sms", "basic"}, // these two have no signatures, and send the password configured with them
    {"bandwidth", "basic"},
}};

inline constexpr std::size_t kMaxSignedBody = 8 * 1024 * 1024;
inline constexpr std::size_t kMaxSignedUrl = 16 * 1024;
inline constexpr std::size_t kMaxSignatureHeader = 16 * 1024; // a longer header counts as absent
inline constexpr std::size_t kMaxSignatureSecrets = 8;        // further ones are not tried
inline constexpr std::size_t kMaxSignatureSecret = 16 * 1024; // a longer secret is no usable one

struct SignatureRequest {
    std::string_view scheme;                                  // a scheme or an alias
    std::vector<std::string> secrets;                         // any may match: several during a rotation
    std::vector<std::pair<std::string, std::string>> headers; // names in any case; of several the first counts
    std::string_view body;                                    // the bytes as received
    std::string_view url;                                     // as the provider saw it, with the query
    std::string_view method;
    Time now{};
    Duration window = std::chrono::minutes(5); // largest distance of the time signed, both ways
    std::string_view header = {};              // infobip: name of the header; empty: the usual ones are tried
};

enum class SignatureCheck : std::uint8_t {
    ok,
    missing,    // a header, a parameter or the URL that the scheme needs is not there
    malformed,  // what is there cannot be a signature of this scheme, or the request is too large
    stale,      // the signature is right, the time signed is too far from now
    no_match,   // the signature is wrong: other secret, or something was changed
    bad_secret, // none of the secrets can be one of this scheme
};

// An unknown scheme is an error of whoever configured it: hc::Error 22023 that lists the schemes.
SignatureCheck verify_signature(const SignatureRequest &request);

std::string_view to_string(SignatureCheck check);

// Schemes and aliases.
bool known_signature_scheme(std::string_view name);

// The scheme an alias stands for, anything else as it is.
std::string_view signature_scheme_of(std::string_view name);

} // namespace hc::core
