// What the signature schemes have in common, and one function for each of them. Private to src/core.
#pragma once

#include "core/form.hpp"
#include "core/signature.hpp"
#include "core/signature_crypto.hpp"
#include "core/webhook.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>

namespace hc::core::scheme {

// Value of a header without blanks around it; nullopt when it is absent, empty or too long.
std::optional<std::string_view> find_header(const SignatureRequest &request, std::string_view name);

// The rest of text after a prefix that is compared without regard to case.
std::optional<std::string_view> after_prefix(std::string_view text, std::string_view prefix);

// Authorization: the credentials of the scheme ("Basic", "Bearer") given, or why there are none.
struct Credentials {
    SignatureCheck check;
    std::string_view value;
};
Credentials authorization(const SignatureRequest &request, std::string_view auth_scheme);

struct UrlParts {
    std::string_view base; // scheme, authority and path
    std::string_view query;
};
UrlParts split_url(std::string_view url);

bool is_get(const SignatureRequest &request);

// A right signature over a time that is too far away is stale.
SignatureCheck with_time(const SignatureRequest &request, SignatureCheck check, Time signed_at);

// Any secret is the key. verify_signature has left no empty one.
SignatureCheck check_hmac(const SignatureRequest &request, Digest algorithm, std::string_view data,
                          std::string_view given);

// Any secret is the public key; those that are none are left out.
SignatureCheck check_public_key(const SignatureRequest &request, KeyKind kind, std::string_view message,
                                std::string_view signature);

// One object without two members of the same name: readers that take the first and readers that take the last must
// agree.
std::optional<nlohmann::json> parse_object(std::string_view text);

// The text of a member; nullptr when it is absent or no string.
const std::string *text_member(const nlohmann::json &object, const char *name);

// signature_body.cpp: headers and body
SignatureCheck standard_webhooks(const SignatureRequest &request);
SignatureCheck sendgrid(const SignatureRequest &request);
SignatureCheck sinch_conversation(const SignatureRequest &request);
SignatureCheck telnyx(const SignatureRequest &request);
SignatureCheck whatsapp(const SignatureRequest &request);
SignatureCheck infobip(const SignatureRequest &request);
SignatureCheck basic(const SignatureRequest &request);
SignatureCheck bearer(const SignatureRequest &request);

// signature_form.cpp: URL and parameters
SignatureCheck twilio(const SignatureRequest &request);
SignatureCheck vonage_sms(const SignatureRequest &request);

// signature_plivo.cpp
SignatureCheck plivo(const SignatureRequest &request);

// signature_json.cpp: tokens and signed documents
SignatureCheck vonage_messages(const SignatureRequest &request);
SignatureCheck messagebird(const SignatureRequest &request);
SignatureCheck aws_sns(const SignatureRequest &request);

} // namespace hc::core::scheme
