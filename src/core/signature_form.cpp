// Signature schemes over the URL and the parameters. The parameters are signed as they were before they were encoded;
// the plain bytes are used here, not the cleaned text. Pure; runs in the backend that takes a callback.
#include "core/crypto.hpp"
#include "core/signature_scheme.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace hc::core::scheme {
namespace {

// ---------------------------------------------------------------- URLs

struct Authority {
    std::size_t end;  // of host and port
    std::size_t port; // position of its ':'; end when there is none
    bool https;
};

std::optional<Authority> find_authority(std::string_view url) {
    const bool https = after_prefix(url, "https://").has_value();
    if (!https && !after_prefix(url, "http://"))
        return std::nullopt;
    const std::size_t start = https ? 8 : 7;
    const std::size_t end = std::min(url.find_first_of("/?#", start), url.size());
    const std::string_view authority = url.substr(start, end - start);
    const std::size_t colon = authority.rfind(':');
    // Behind the last ':' of an IPv6 address or a password there are not only digits.
    const bool port = colon != std::string_view::npos && colon + 1 < authority.size() &&
                      authority.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
    return Authority{end, port ? start + colon : end, https};
}

// Twilio may sign the URL with the default port although it is not written, and without the port that is.
std::vector<std::string> url_variants(std::string_view url) {
    std::vector<std::string> variants{std::string(url)};
    const auto authority = find_authority(url);
    if (!authority)
        return variants;
    const std::string_view rest = url.substr(authority->end);
    if (authority->port != authority->end)
        variants.push_back(std::string(url.substr(0, authority->port)).append(rest));
    else
        variants.push_back(
            std::string(url.substr(0, authority->end)).append(authority->https ? ":443" : ":80").append(rest));
    return variants;
}

// ---------------------------------------------------------------- Twilio

// Name and value of each pair, sorted, each pair once.
std::string twilio_parameters(FormPairs pairs) {
    std::ranges::sort(pairs);
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    std::string text;
    for (const auto &[name, value] : pairs)
        text.append(name).append(value);
    return text;
}

// Whether the query holds the digest of the body, which is how Twilio signs what is no form.
bool body_hash_matches(const SignatureRequest &request) {
    const auto query = parse_form_bytes(split_url(request.url).query);
    if (!query)
        return false;
    const auto found = std::ranges::find(*query, "bodySHA256", &FormPairs::value_type::first);
    const auto hash = found == query->end() ? std::nullopt : hex_decode(found->second);
    return hash && digest_matches(Digest::sha256, request.body, *hash);
}

// ---------------------------------------------------------------- Vonage SMS

struct VonageMethod {
    std::string_view name;
    Digest digest;
    bool hmac; // else the secret is appended to the data
    std::size_t bytes;
};

constexpr std::array<VonageMethod, 5> kVonageMethods = {{
    {"md5hash", Digest::md5, false, 16},
    {"md5", Digest::md5, true, 16},
    {"sha1", Digest::sha1, true, 20},
    {"sha256", Digest::sha256, true, 32},
    {"sha512", Digest::sha512, true, 64},
}};

bool vonage_matches(const VonageMethod &method, std::string_view secret, const std::string &data,
                    std::string_view given) {
    if (given.size() != method.bytes)
        return false;
    return method.hmac ? hmac_matches(method.digest, secret, data, given)
                       : digest_matches(method.digest, data + std::string(secret), given);
}

// A secret with a method is used with that one only; else every method whose digest is as long as the one given.
bool vonage_secret_matches(std::string_view secret, const std::string &data, std::string_view given) {
    for (const VonageMethod &method : kVonageMethods) {
        if (secret.starts_with(method.name) && secret.substr(method.name.size()).starts_with(':')) {
            secret.remove_prefix(method.name.size() + 1);
            return !secret.empty() && vonage_matches(method, secret, data, given);
        }
    }
    bool found = false;
    for (const VonageMethod &method : kVonageMethods)
        found = vonage_matches(method, secret, data, given) || found;
    return found;
}

// The members of a JSON body; only text and whole numbers have one way to be written.
std::optional<FormPairs> json_pairs(std::string_view body) {
    const auto object = parse_object(body);
    if (!object || object->size() > kMaxFormPairs)
        return std::nullopt;
    FormPairs pairs;
    for (const auto &[name, value] : object->items()) {
        if (value.is_string())
            pairs.emplace_back(name, value.get<std::string>());
        else if (value.is_number_integer())
            pairs.emplace_back(name, value.dump());
        else
            return std::nullopt;
    }
    return pairs;
}

std::optional<FormPairs> vonage_pairs(const SignatureRequest &request) {
    if (request.body.empty())
        return parse_form_bytes(split_url(request.url).query);
    if (is_get(request))
        return std::nullopt; // would not be signed
    return request.body.starts_with('{') ? json_pairs(request.body) : parse_form_bytes(request.body);
}

// "&name=value" of each pair but the signature, sorted. nullopt when a name could be taken for several pairs.
std::optional<std::string> vonage_data(FormPairs pairs) {
    std::ranges::sort(pairs);
    std::string data;
    for (auto &[name, value] : pairs) {
        if (name.find_first_of("&=") != std::string::npos)
            return std::nullopt;
        if (name == "sig")
            continue;
        std::ranges::replace_if(
            value, [](char c) { return c == '&' || c == '='; }, '_');
        data.append("&").append(name).append("=").append(value);
    }
    return data;
}

// The value of a parameter that must be there once.
std::optional<std::string> only_value(const FormPairs &pairs, std::string_view name) {
    const auto found = std::ranges::find(pairs, name, &FormPairs::value_type::first);
    if (found == pairs.end() || std::ranges::count(pairs, name, &FormPairs::value_type::first) != 1)
        return std::nullopt;
    return found->second;
}

} // namespace

SignatureCheck twilio(const SignatureRequest &request) {
    const auto given = find_header(request, "x-twilio-signature");
    if (!given || request.url.empty())
        return SignatureCheck::missing;
    const auto signature = base64_decode(*given);
    auto pairs = parse_form_bytes(request.body);
    if (!signature || !pairs)
        return SignatureCheck::malformed;
    const std::string parameters = body_hash_matches(request) ? "" : twilio_parameters(std::move(*pairs));
    bool found = false;
    for (const std::string &url : url_variants(request.url))
        found = check_hmac(request, Digest::sha1, url + parameters, *signature) == SignatureCheck::ok || found;
    return found ? SignatureCheck::ok : SignatureCheck::no_match;
}

SignatureCheck vonage_sms(const SignatureRequest &request) {
    const auto pairs = vonage_pairs(request);
    if (!pairs)
        return SignatureCheck::malformed;
    if (std::ranges::find(*pairs, "sig", &FormPairs::value_type::first) == pairs->end())
        return SignatureCheck::missing;
    const auto given = only_value(*pairs, "sig");
    const auto timestamp = only_value(*pairs, "timestamp");
    const auto signature = given ? hex_decode(*given) : std::nullopt;
    const auto sent = timestamp ? parse_seconds(*timestamp) : std::nullopt;
    const auto data = vonage_data(*pairs);
    if (!signature || !sent || !data)
        return SignatureCheck::malformed;
    bool found = false;
    for (const std::string &secret : request.secrets)
        found = vonage_secret_matches(secret, *data, *signature) || found;
    return with_time(request, found ? SignatureCheck::ok : SignatureCheck::no_match, *sent);
}

} // namespace hc::core::scheme
