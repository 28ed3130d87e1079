// Signature schemes over headers and body. Pure; runs in the backend that takes a callback.
#include "core/crypto.hpp"
#include "core/signature_scheme.hpp"
#include "core/webhook.hpp"

#include <algorithm>
#include <array>

namespace hc::core::scheme {
namespace {

constexpr std::size_t kMaxWebhookSignatures = 32; // entries of one header: each may cost a verification
constexpr std::size_t kMinWebhookKeyBytes = 16;   // the specification says 24; providers give what they give
constexpr std::size_t kMaxWebhookKeyBytes = 64;
constexpr std::size_t kSha256Bytes = 32;

// ---------------------------------------------------------------- Standard Webhooks

struct WebhookHeaders {
    std::string_view id;
    std::string_view timestamp;
    std::string_view signature;
};

// Those of the specification, else those that Svix sends; never some of both.
std::optional<WebhookHeaders> webhook_headers(const SignatureRequest &request) {
    struct Names {
        std::string_view id;
        std::string_view timestamp;
        std::string_view signature;
    };
    constexpr std::array<Names, 2> kFamilies = {{
        {"webhook-id", "webhook-timestamp", "webhook-signature"},
        {"svix-id", "svix-timestamp", "svix-signature"},
    }};
    for (const Names &names : kFamilies) {
        const auto signature = find_header(request, names.signature);
        const auto id = find_header(request, names.id);
        const auto timestamp = find_header(request, names.timestamp);
        if (signature && id && timestamp)
            return WebhookHeaders{*id, *timestamp, *signature};
    }
    return std::nullopt;
}

struct WebhookKeys {
    std::vector<std::string> symmetric;
    std::vector<PublicKey> asymmetric;
};

WebhookKeys webhook_keys(const SignatureRequest &request) {
    WebhookKeys keys;
    for (const std::string_view secret : request.secrets) {
        if (secret.starts_with("whpk_")) {
            if (auto key = PublicKey::parse(secret.substr(5), KeyKind::ed25519))
                keys.asymmetric.push_back(std::move(*key));
            continue;
        }
        auto key = base64_decode(secret.starts_with("whsec_") ? secret.substr(6) : secret);
        if (key && key->size() >= kMinWebhookKeyBytes && key->size() <= kMaxWebhookKeyBytes)
            keys.symmetric.push_back(std::move(*key));
    }
    return keys;
}

bool any_ed25519_matches(const std::vector<PublicKey> &keys, std::string_view header, std::string_view message) {
    while (!header.empty()) {
        const std::size_t end = std::min(header.find(' '), header.size());
        const std::string_view entry = header.substr(0, end);
        header.remove_prefix(std::min(end + 1, header.size()));
        const auto signature = entry.starts_with("v1a,") ? base64_decode(entry.substr(4)) : std::nullopt;
        if (signature && std::ranges::any_of(keys, [&](const auto &key) { return key.verify(*signature, message); }))
            return true;
    }
    return false;
}

SignatureCheck check_webhook(const WebhookKeys &keys, const WebhookHeaders &headers, std::string_view body, Time sent) {
    // The time was read already, and is judged by the caller.
    const bool symmetric =
        !keys.symmetric.empty() && verify_webhook(keys.symmetric, headers.id, headers.timestamp, body,
                                                  headers.signature, sent, Duration::zero()) == WebhookCheck::ok;
    if (symmetric)
        return SignatureCheck::ok;
    if (keys.asymmetric.empty())
        return SignatureCheck::no_match;
    std::string message;
    message.append(headers.id).append(".").append(headers.timestamp).append(".").append(body);
    return any_ed25519_matches(keys.asymmetric, headers.signature, message) ? SignatureCheck::ok
                                                                            : SignatureCheck::no_match;
}

// ---------------------------------------------------------------- Infobip

// The name is a setting of the notification profile; these are the ones seen.
std::optional<std::string_view> infobip_header(const SignatureRequest &request) {
    if (!request.header.empty())
        return find_header(request, request.header);
    for (const std::string_view name :
         {"x-ib-hmac-signature", "x-signature", "x-hub-signature-256", "x-hub-signature"}) {
        if (const auto value = find_header(request, name))
            return value;
    }
    return std::nullopt;
}

std::optional<std::string> hex_or_base64(std::string_view text) {
    if (text.size() == 2 * kSha256Bytes)
        return hex_decode(text);
    return base64_decode(text);
}

// ---------------------------------------------------------------- Authorization

// Compared by digest, so that not even the length of the secret shows.
bool same_credentials(std::string_view a, std::string_view b) {
    const Sha256 digest = sha256(a);
    return digest_matches(Digest::sha256, b, {reinterpret_cast<const char *>(digest.data()), digest.size()});
}

SignatureCheck check_credentials(const SignatureRequest &request, std::string_view given) {
    bool found = false;
    for (const std::string &secret : request.secrets)
        found = same_credentials(secret, given) || found;
    return found ? SignatureCheck::ok : SignatureCheck::no_match;
}

} // namespace

SignatureCheck standard_webhooks(const SignatureRequest &request) {
    const WebhookKeys keys = webhook_keys(request);
    if (keys.symmetric.empty() && keys.asymmetric.empty())
        return SignatureCheck::bad_secret;
    const auto headers = webhook_headers(request);
    if (!headers)
        return SignatureCheck::missing;
    const auto sent = parse_seconds(headers->timestamp);
    if (!sent || headers->id.find('.') != std::string_view::npos ||
        std::ranges::count(headers->signature, ' ') >= static_cast<std::ptrdiff_t>(kMaxWebhookSignatures))
        return SignatureCheck::malformed;
    return with_time(request, check_webhook(keys, *headers, request.body, *sent), *sent);
}

SignatureCheck sendgrid(const SignatureRequest &request) {
    const auto given = find_header(request, "x-twilio-email-event-webhook-signature");
    const auto timestamp = find_header(request, "x-twilio-email-event-webhook-timestamp");
    if (!given || !timestamp)
        return SignatureCheck::missing;
    const auto sent = parse_seconds(*timestamp);
    const auto signature = base64_decode(*given);
    if (!sent || !signature)
        return SignatureCheck::malformed;
    const std::string message = std::string(*timestamp).append(request.body);
    return with_time(request, check_public_key(request, KeyKind::ecdsa_p256, message, *signature), *sent);
}

SignatureCheck sinch_conversation(const SignatureRequest &request) {
    const auto given = find_header(request, "x-sinch-webhook-signature");
    const auto timestamp = find_header(request, "x-sinch-webhook-signature-timestamp");
    const auto nonce = find_header(request, "x-sinch-webhook-signature-nonce");
    if (!given || !timestamp || !nonce)
        return SignatureCheck::missing;
    const auto sent = parse_seconds(*timestamp);
    const auto signature = base64_decode(*given);
    const std::string_view algorithm =
        find_header(request, "x-sinch-webhook-signature-algorithm").value_or("HmacSHA256");
    const bool long_digest = algorithm == "HmacSHA512";
    // The end of the body is told from the nonce by the periods.
    if (!sent || !signature || nonce->find('.') != std::string_view::npos ||
        (!long_digest && algorithm != "HmacSHA256"))
        return SignatureCheck::malformed;
    std::string message(request.body);
    message.append(".").append(*nonce).append(".").append(*timestamp);
    const Digest digest = long_digest ? Digest::sha512 : Digest::sha256;
    return with_time(request, check_hmac(request, digest, message, *signature), *sent);
}

SignatureCheck telnyx(const SignatureRequest &request) {
    const auto given = find_header(request, "telnyx-signature-ed25519");
    const auto timestamp = find_header(request, "telnyx-timestamp");
    if (!given || !timestamp)
        return SignatureCheck::missing;
    const auto sent = parse_seconds(*timestamp);
    const auto signature = base64_decode(*given);
    if (!sent || !signature)
        return SignatureCheck::malformed;
    const std::string message = std::string(*timestamp).append("|").append(request.body);
    return with_time(request, check_public_key(request, KeyKind::ed25519, message, *signature), *sent);
}

SignatureCheck whatsapp(const SignatureRequest &request) {
    const auto given = find_header(request, "x-hub-signature-256");
    if (!given)
        return SignatureCheck::missing;
    const auto hex = after_prefix(*given, "sha256=");
    const auto signature = hex ? hex_decode(*hex) : std::nullopt;
    if (!signature || signature->size() != kSha256Bytes)
        return SignatureCheck::malformed;
    return check_hmac(request, Digest::sha256, request.body, *signature);
}

SignatureCheck infobip(const SignatureRequest &request) {
    const auto given = infobip_header(request);
    if (!given)
        return SignatureCheck::missing;
    const auto signature = hex_or_base64(after_prefix(*given, "sha256=").value_or(*given));
    if (!signature || signature->size() != kSha256Bytes)
        return SignatureCheck::malformed;
    return check_hmac(request, Digest::sha256, request.body, *signature);
}

SignatureCheck basic(const SignatureRequest &request) {
    if (std::ranges::none_of(request.secrets, [](const auto &secret) { return secret.find(':') != std::string::npos; }))
        return SignatureCheck::bad_secret;
    const Credentials given = authorization(request, "Basic");
    if (given.check != SignatureCheck::ok)
        return given.check;
    const auto pair = base64_decode(given.value);
    if (!pair || pair->find(':') == std::string::npos)
        return SignatureCheck::malformed;
    return check_credentials(request, *pair);
}

SignatureCheck bearer(const SignatureRequest &request) {
    const Credentials given = authorization(request, "Bearer");
    if (given.check != SignatureCheck::ok)
        return given.check;
    return check_credentials(request, given.value);
}

} // namespace hc::core::scheme
