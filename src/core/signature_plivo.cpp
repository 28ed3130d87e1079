// Plivo's callback signatures: version 3 over URL and parameters, version 2 over the URL alone. Pure; runs in the
// backend that takes a callback.
#include "core/crypto.hpp"
#include "core/signature_scheme.hpp"

#include <algorithm>

namespace hc::core::scheme {
namespace {

constexpr std::string_view kPlivoV2Prefix = "v2:";

std::string joined(FormPairs pairs, std::string_view between, std::string_view after) {
    std::ranges::sort(pairs);
    std::string text;
    for (const auto &[name, value] : pairs)
        text.append(text.empty() ? "" : after).append(name).append(between).append(value);
    return text;
}

// Pairs as they stand in the query, not decoded.
FormPairs raw_pairs(std::string_view query) {
    FormPairs pairs;
    while (!query.empty() && pairs.size() < kMaxFormPairs) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        if (!pair.empty())
            pairs.emplace_back(pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size())));
    }
    return pairs;
}

// GET: base?query.nonce. POST: base?query.parameters.nonce, without the '?' or the period before parameters where
// nothing precedes or follows.
std::string plivo_data(std::string_view base, const FormPairs &query, const FormPairs &form, std::string_view nonce) {
    std::string data(base);
    if (!query.empty() || !form.empty())
        data.append("?").append(joined(query, "=", "&"));
    if (!query.empty() && !form.empty())
        data.append(".");
    return data.append(joined(form, "", "")).append(".").append(nonce);
}

struct PlivoSignature {
    std::vector<std::string> data;  // several ways to read the URL, each covers all of it
    std::vector<std::string> given; // one for each of the account's tokens
};

// The header holds signatures separated by commas. False: one of them is none.
bool add_signatures(const SignatureRequest &request, std::string_view name, std::vector<std::string> &given) {
    std::string_view list = find_header(request, name).value_or("");
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(','), list.size());
        auto signature = base64_decode(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
        list.remove_prefix(std::min(list.find_first_not_of(' '), list.size()));
        if (!signature || given.size() == 2 * kMaxSignatureSecrets)
            return false;
        given.push_back(std::move(*signature));
    }
    return true;
}

// What follows the mark of a secret that may be used with version 2.
std::string_view plivo_token(std::string_view secret) {
    return secret.starts_with(kPlivoV2Prefix) ? secret.substr(kPlivoV2Prefix.size()) : secret;
}

SignatureCheck check_plivo(const SignatureRequest &request, const PlivoSignature &signature, bool only_marked) {
    bool found = false;
    for (const std::string &secret : request.secrets) {
        if (only_marked && !secret.starts_with(kPlivoV2Prefix))
            continue;
        for (const std::string &data : signature.data) {
            for (const std::string &given : signature.given)
                found = hmac_matches(Digest::sha256, plivo_token(secret), data, given) || found;
        }
    }
    return found ? SignatureCheck::ok : SignatureCheck::no_match;
}

SignatureCheck plivo_v3(const SignatureRequest &request, std::string_view nonce, PlivoSignature signature) {
    const UrlParts url = split_url(request.url);
    const auto query = parse_form_bytes(url.query);
    const auto form = parse_form_bytes(request.body);
    if (!query || !form || (is_get(request) && !request.body.empty())) // a body of GET would not be signed
        return SignatureCheck::malformed;
    signature.data = {plivo_data(url.base, *query, *form, nonce),
                      plivo_data(url.base, raw_pairs(url.query), *form, nonce)};
    return check_plivo(request, signature, false);
}

SignatureCheck plivo_v2(const SignatureRequest &request) {
    const bool allowed = std::ranges::any_of(
        request.secrets, [](const std::string &secret) { return secret.starts_with(kPlivoV2Prefix); });
    const auto nonce = find_header(request, "x-plivo-signature-v2-nonce");
    PlivoSignature signature;
    if (!add_signatures(request, "x-plivo-signature-v2", signature.given) ||
        !add_signatures(request, "x-plivo-signature-ma-v2", signature.given))
        return SignatureCheck::malformed;
    if (!allowed || !nonce || signature.given.empty())
        return SignatureCheck::missing;
    signature.data = {std::string(split_url(request.url).base).append(*nonce)};
    return check_plivo(request, signature, true);
}

} // namespace

SignatureCheck plivo(const SignatureRequest &request) {
    if (std::ranges::all_of(request.secrets, [](const auto &secret) { return plivo_token(secret).empty(); }))
        return SignatureCheck::bad_secret;
    if (request.url.empty())
        return SignatureCheck::missing;
    PlivoSignature signature;
    if (!add_signatures(request, "x-plivo-signature-v3", signature.given) ||
        !add_signatures(request, "x-plivo-signature-ma-v3", signature.given))
        return SignatureCheck::malformed;
    if (signature.given.empty())
        return plivo_v2(request);
    const auto nonce = find_header(request, "x-plivo-signature-v3-nonce");
    return nonce ? plivo_v3(request, *nonce, std::move(signature)) : SignatureCheck::missing;
}

} // namespace hc::core::scheme
