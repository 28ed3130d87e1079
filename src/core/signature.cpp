// The list of signature schemes and what they share. Pure; runs in the backend that takes a callback.
#include "core/signature.hpp"

#include "core/error.hpp"
#include "core/signature_scheme.hpp"

#include <algorithm>
#include <charconv>

namespace hc::core {
namespace {

struct SchemeFunction {
    std::string_view name;
    SignatureCheck (*check)(const SignatureRequest &request);
};

constexpr std::array<SchemeFunction, kSignatureSchemes.size()> kFunctions{{
    {"standard_webhooks", scheme::standard_webhooks},
    {"twilio", scheme::twilio},
    {"sendgrid", scheme::sendgrid},
    {"vonage_sms", scheme::vonage_sms},
    {"vonage_messages", scheme::vonage_messages},
    {"messagebird", scheme::messagebird},
    {"sinch_conversation", scheme::sinch_conversation},
    {"plivo", scheme::plivo},
    {"telnyx", scheme::telnyx},
    {"whatsapp", scheme::whatsapp},
    {"infobip", scheme::infobip},
    {"basic", scheme::basic},
    {"bearer", scheme::bearer},
    {"aws_sns", scheme::aws_sns},
}};

static_assert(std::ranges::equal(kFunctions, kSignatureSchemes, {}, &SchemeFunction::name, &SignatureScheme::name));

const SchemeFunction *find_scheme(std::string_view name) {
    const auto *found = std::ranges::find(kFunctions, signature_scheme_of(name), &SchemeFunction::name);
    return found == kFunctions.end() ? nullptr : found;
}

[[noreturn]] void fail_unknown(std::string_view name) {
    std::string hint = "The schemes are ";
    for (const SignatureScheme &scheme : kSignatureSchemes)
        hint.append(&scheme == &kSignatureSchemes.front() ? "" : ", ").append(scheme.name);
    throw Error(sqlstate::invalid_parameter, "unknown signature scheme \"" + std::string(name.substr(0, 64)) + "\"", {},
                hint + ".");
}

std::vector<std::string> usable(const std::vector<std::string> &secrets) {
    std::vector<std::string> kept;
    for (const std::string &secret : secrets) {
        if (!secret.empty() && secret.size() <= kMaxSignatureSecret && kept.size() < kMaxSignatureSecrets)
            kept.push_back(secret);
    }
    return kept;
}

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

} // namespace

SignatureCheck verify_signature(const SignatureRequest &request) {
    const SchemeFunction *function = find_scheme(request.scheme);
    if (function == nullptr)
        fail_unknown(request.scheme);
    SignatureRequest checked = request;
    checked.secrets = usable(request.secrets);
    if (checked.secrets.empty())
        return SignatureCheck::bad_secret;
    if (request.body.size() > kMaxSignedBody || request.url.size() > kMaxSignedUrl)
        return SignatureCheck::malformed;
    return function->check(checked);
}

std::string_view to_string(SignatureCheck check) {
    constexpr std::array<std::string_view, 6> kWords = {"ok",    "missing",  "malformed",
                                                        "stale", "no_match", "bad_secret"};
    return kWords[static_cast<std::size_t>(check)];
}

bool known_signature_scheme(std::string_view name) { return find_scheme(name) != nullptr; }

std::string_view signature_scheme_of(std::string_view name) {
    const auto *alias = std::ranges::find(kSignatureAliases, name, &SignatureAlias::name);
    return alias == kSignatureAliases.end() ? name : alias->scheme;
}

namespace scheme {

std::optional<std::string_view> find_header(const SignatureRequest &request, std::string_view name) {
    const auto found = std::ranges::find_if(request.headers, [&](const auto &h) { return same_name(h.first, name); });
    if (found == request.headers.end())
        return std::nullopt;
    std::string_view value = found->second;
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
        value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t'))
        value.remove_suffix(1);
    if (value.empty() || value.size() > kMaxSignatureHeader)
        return std::nullopt;
    return value;
}

std::optional<std::string_view> after_prefix(std::string_view text, std::string_view prefix) {
    if (!same_name(text.substr(0, prefix.size()), prefix))
        return std::nullopt;
    return text.substr(prefix.size());
}

Credentials authorization(const SignatureRequest &request, std::string_view auth_scheme) {
    const std::optional<std::string_view> value = find_header(request, "authorization");
    if (!value)
        return {SignatureCheck::missing, {}};
    const std::optional<std::string_view> rest = after_prefix(*value, auth_scheme);
    if (!rest || !rest->starts_with(' ')) // another way to authenticate
        return {SignatureCheck::missing, {}};
    return {SignatureCheck::ok, rest->substr(std::min(rest->find_first_not_of(' '), rest->size()))};
}

UrlParts split_url(std::string_view url) {
    url = url.substr(0, url.find('#'));
    const std::size_t mark = std::min(url.find('?'), url.size());
    return {url.substr(0, mark), url.substr(std::min(mark + 1, url.size()))};
}

bool is_get(const SignatureRequest &request) { return same_name(request.method, "GET"); }

SignatureCheck with_time(const SignatureRequest &request, SignatureCheck check, Time signed_at) {
    if (check == SignatureCheck::ok && !within_window(signed_at, request.now, request.window))
        return SignatureCheck::stale;
    return check;
}

SignatureCheck check_hmac(const SignatureRequest &request, Digest algorithm, std::string_view data,
                          std::string_view given) {
    bool found = false;
    for (const std::string &secret : request.secrets)
        found = hmac_matches(algorithm, secret, data, given) || found;
    return found ? SignatureCheck::ok : SignatureCheck::no_match;
}

SignatureCheck check_public_key(const SignatureRequest &request, KeyKind kind, std::string_view message,
                                std::string_view signature) {
    SignatureCheck check = SignatureCheck::bad_secret;
    for (const std::string &secret : request.secrets) {
        const std::optional<PublicKey> key = PublicKey::parse(secret, kind);
        if (key && key->verify(signature, message))
            return SignatureCheck::ok; // nothing secret is compared here
        if (key)
            check = SignatureCheck::no_match;
    }
    return check;
}

} // namespace scheme
} // namespace hc::core
