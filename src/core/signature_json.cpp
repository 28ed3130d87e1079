// Signature schemes with JSON in them: tokens (JWT) and documents that hold their own signature. Pure; runs in the
// backend that takes a callback.
#include "core/crypto.hpp"
#include "core/signature_scheme.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace hc::core::scheme {
namespace {

using nlohmann::json;

constexpr Duration kClockSkew = std::chrono::minutes(1); // for nbf and exp, which give a window themselves

// ---------------------------------------------------------------- JWT

struct Token {
    std::string_view signed_part;
    std::string header;
    std::string claims;
    std::string signature;
};

std::optional<Token> split_token(std::string_view text) {
    const std::size_t first = text.find('.');
    const std::size_t last = text.rfind('.');
    if (first == std::string_view::npos || last == first || text.find('.', first + 1) != last)
        return std::nullopt;
    auto header = base64url_decode(text.substr(0, first));
    auto claims = base64url_decode(text.substr(first + 1, last - first - 1));
    auto signature = base64url_decode(text.substr(last + 1));
    if (!header || !claims || !signature)
        return std::nullopt;
    return Token{text.substr(0, last), std::move(*header), std::move(*claims), std::move(*signature)};
}

// One algorithm only, whatever the token says; and no extension that this code would have to understand.
bool is_hs256(const std::string &text) {
    const auto header = parse_object(text);
    if (!header || header->contains("crit"))
        return false;
    const std::string *algorithm = text_member(*header, "alg");
    return algorithm != nullptr && *algorithm == "HS256";
}

// The claims of a token that one of the secrets has signed.
SignatureCheck read_claims(const SignatureRequest &request, std::string_view text, json &claims) {
    const auto token = split_token(text);
    if (!token || !is_hs256(token->header))
        return SignatureCheck::malformed;
    const SignatureCheck check = check_hmac(request, Digest::sha256, token->signed_part, token->signature);
    if (check != SignatureCheck::ok)
        return check;
    auto values = parse_object(token->claims);
    if (!values)
        return SignatureCheck::malformed;
    claims = std::move(*values);
    return SignatureCheck::ok;
}

// Seconds since 1970, possibly with a fraction (RFC 7519, NumericDate).
std::optional<Time> time_claim(const json &claims, const char *name) {
    constexpr double kMaxSeconds = 9e12; // the microseconds fit 64 bits
    const auto found = claims.find(name);
    if (found == claims.end() || !found->is_number())
        return std::nullopt;
    const double seconds = found->get<double>();
    if (!(seconds >= 0 && seconds <= kMaxSeconds))
        return std::nullopt;
    return from_unix_micros(static_cast<std::int64_t>(seconds * 1e6));
}

// A claim that is there must be a time, and must allow now.
SignatureCheck check_lifetime(const SignatureRequest &request, const json &claims) {
    const Duration skew = std::clamp(request.window, Duration::zero(), kClockSkew);
    for (const char *name : {"nbf", "exp"}) {
        if (!claims.contains(name))
            continue;
        const auto time = time_claim(claims, name);
        if (!time)
            return SignatureCheck::malformed;
        const bool begins = std::string_view(name) == "nbf";
        const bool allowed = begins ? request.now >= *time || within_window(*time, request.now, skew)
                                    : request.now <= *time || within_window(*time, request.now, skew);
        if (!allowed)
            return SignatureCheck::stale;
    }
    return SignatureCheck::ok;
}

// Whether the claim is the hexadecimal SHA-256 of the data.
bool hash_claim_matches(const json &claims, const char *name, std::string_view data) {
    const std::string *text = text_member(claims, name);
    const auto hash = text != nullptr ? hex_decode(*text) : std::nullopt;
    return hash && digest_matches(Digest::sha256, data, *hash);
}

// MessageBird: the payload is hashed exactly when there is one.
bool payload_matches(const json &claims, std::string_view body) {
    return body.empty() ? !claims.contains("payload_hash") : hash_claim_matches(claims, "payload_hash", body);
}

// ---------------------------------------------------------------- Amazon SNS

struct SnsSecret {
    std::string_view topic;
    std::string_view key;
};

// The certificate is that of every topic of the region, anybody's: it proves nothing without the topic.
std::optional<SnsSecret> parse_sns_secret(std::string_view secret) {
    const std::size_t pem = secret.find("-----BEGIN ");
    if (pem == std::string_view::npos || !secret.starts_with("arn:"))
        return std::nullopt;
    const std::string_view topic = secret.substr(0, secret.find_first_of(" \t\r\n"));
    if (topic.size() >= pem ||
        secret.substr(topic.size(), pem - topic.size()).find_first_not_of(" \t\r\n") != std::string_view::npos)
        return std::nullopt;
    return SnsSecret{topic, secret.substr(pem)};
}

struct SnsField {
    const char *name;
    bool required;
};

constexpr std::array<SnsField, 6> kNotificationFields = {{
    {"Message", true},
    {"MessageId", true},
    {"Subject", false},
    {"Timestamp", true},
    {"TopicArn", true},
    {"Type", true},
}};

constexpr std::array<SnsField, 7> kSubscriptionFields = {{
    {"Message", true},
    {"MessageId", true},
    {"SubscribeURL", true},
    {"Timestamp", true},
    {"Token", true},
    {"TopicArn", true},
    {"Type", true},
}};

template <std::size_t N>
std::optional<std::string> sns_text(const json &message, const std::array<SnsField, N> &fields) {
    std::string text;
    for (const SnsField &field : fields) {
        const std::string *value = text_member(message, field.name);
        if (value == nullptr) {
            const auto found = message.find(field.name);
            if (field.required || (found != message.end() && !found->is_null()))
                return std::nullopt;
            continue;
        }
        text.append(field.name).append("\n").append(*value).append("\n");
    }
    return text;
}

std::optional<std::string> sns_canonical_text(const json &message) {
    const std::string *type = text_member(message, "Type");
    if (type == nullptr)
        return std::nullopt;
    if (*type == "Notification")
        return sns_text(message, kNotificationFields);
    if (*type == "SubscriptionConfirmation" || *type == "UnsubscribeConfirmation")
        return sns_text(message, kSubscriptionFields);
    return std::nullopt;
}

std::optional<Digest> sns_digest(const json &message) {
    const std::string *version = text_member(message, "SignatureVersion");
    if (version != nullptr && *version == "1")
        return Digest::sha1;
    if (version != nullptr && *version == "2")
        return Digest::sha256;
    return std::nullopt;
}

SignatureCheck check_sns(const SignatureRequest &request, const json &message, const std::string &signature) {
    const auto text = sns_canonical_text(message);
    const auto digest = sns_digest(message);
    if (!text || !digest)
        return SignatureCheck::malformed;
    SignatureCheck check = SignatureCheck::bad_secret;
    for (const std::string &secret : request.secrets) {
        const auto parsed = parse_sns_secret(secret);
        const auto key = parsed ? PublicKey::parse(parsed->key, KeyKind::rsa) : std::nullopt;
        if (!key)
            continue;
        if (*text_member(message, "TopicArn") == parsed->topic && key->verify(signature, *text, *digest))
            return SignatureCheck::ok;
        check = SignatureCheck::no_match;
    }
    return check;
}

} // namespace

std::optional<json> parse_object(std::string_view text) {
    std::set<std::string> names;
    bool repeated = false;
    const auto watch = [&](int depth, json::parse_event_t event, json &parsed) {
        if (depth == 1 && event == json::parse_event_t::key)
            repeated = !names.insert(parsed.get<std::string>()).second || repeated;
        return true;
    };
    json object = json::parse(text, watch, false);
    if (!object.is_object() || repeated)
        return std::nullopt;
    return object;
}

const std::string *text_member(const json &object, const char *name) {
    const auto found = object.find(name);
    return found == object.end() ? nullptr : found->get_ptr<const std::string *>();
}

SignatureCheck vonage_messages(const SignatureRequest &request) {
    const Credentials given = authorization(request, "Bearer");
    if (given.check != SignatureCheck::ok)
        return given.check;
    json claims;
    const SignatureCheck read = read_claims(request, given.value, claims);
    if (read != SignatureCheck::ok)
        return read;
    const auto issued = time_claim(claims, "iat");
    if (!issued || !claims.contains("payload_hash"))
        return SignatureCheck::malformed;
    if (!hash_claim_matches(claims, "payload_hash", request.body))
        return SignatureCheck::no_match;
    return with_time(request, check_lifetime(request, claims), *issued);
}

SignatureCheck messagebird(const SignatureRequest &request) {
    const auto given = find_header(request, "messagebird-signature-jwt");
    if (!given || request.url.empty())
        return SignatureCheck::missing;
    json claims;
    const SignatureCheck read = read_claims(request, *given, claims);
    if (read != SignatureCheck::ok)
        return read;
    const std::string *issuer = text_member(claims, "iss");
    if (issuer == nullptr || !claims.contains("nbf") || !claims.contains("exp"))
        return SignatureCheck::malformed;
    if (*issuer != "MessageBird" || !hash_claim_matches(claims, "url_hash", request.url) ||
        !payload_matches(claims, request.body))
        return SignatureCheck::no_match;
    const auto issued = time_claim(claims, "iat");
    const SignatureCheck check = check_lifetime(request, claims);
    return issued ? with_time(request, check, *issued) : check;
}

SignatureCheck aws_sns(const SignatureRequest &request) {
    const auto message = parse_object(request.body);
    if (!message)
        return SignatureCheck::malformed;
    const std::string *text = text_member(*message, "Signature");
    if (text == nullptr) // also "raw message delivery", which is not signed
        return SignatureCheck::missing;
    const auto signature = base64_decode(*text);
    return signature ? check_sns(request, *message, *signature) : SignatureCheck::malformed;
}

} // namespace hc::core::scheme
