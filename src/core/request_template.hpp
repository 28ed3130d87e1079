// The parsed form of a provider's request, between request_template.cpp, which parses, and request_render.cpp, which
// fills it in. Private to src/core.
#pragma once

#include "core/json_path.hpp"
#include "core/provider_config.hpp"

namespace hc::core {

namespace request {

enum class Source : std::uint8_t {
    message,
    secret,
    attempt_id,
    attempt_number,
    cascade_id,
    cascade_key,
    cascade_tenant,
    step_number,
    step_timeout,
    validity_left,
    expires_at,
    expires_unix,
    step_channel,
    provider_name,
};

struct Placeholder {
    Source source{};
    bool optional = false;
    std::string shown;       // "message.to", for errors
    JsonPath path;           // of a message value
    std::string secret_name; // of a secret
};

struct Piece {
    std::string literal; // stands before the placeholder
    std::optional<Placeholder> placeholder;
};

struct TextTemplate {
    std::string where; // JSON path of the template, for errors
    std::vector<Piece> pieces;

    bool is_literal() const { return pieces.empty() || (pieces.size() == 1 && !pieces[0].placeholder); }
    bool is_one_placeholder() const { return pieces.size() == 1 && pieces[0].placeholder && pieces[0].literal.empty(); }
};

enum class BodyKind : std::uint8_t { literal, text, object, array };

// A JSON body; subtrees without placeholders are folded into one literal.
struct BodyNode {
    BodyKind kind = BodyKind::literal;
    std::string literal; // JSON text
    TextTemplate text;
    std::vector<std::string> names; // of an object's members, as JSON text
    std::vector<BodyNode> elements; // of an array, or the values of an object
};

struct FormField {
    std::string name;   // percent-encoded
    TextTemplate value; // a number or boolean is a literal
};

// Everything but the unreserved characters of RFC 3986.
void append_percent_encoded(std::string &out, std::string_view text);

// A JSON string. Invalid UTF-8 (a secret may be anything) is replaced rather than refused.
std::string quote_json(std::string_view text);

// True when the path of the URL has a "." or ".." segment, which would be resolved away before sending.
bool has_dot_segment(std::string_view url);

} // namespace request

struct CompiledRequest::Impl {
    std::string method;
    request::TextTemplate url;
    std::vector<std::pair<std::string, request::TextTemplate>> headers;
    std::string idempotency_header;
    const char *content_type = nullptr; // to be added; nullptr: no body, or among the headers
    bool has_body = false;
    bool form = false;
    request::BodyNode body;
    std::vector<request::FormField> fields;
    std::vector<std::string> secret_names;

    void compile_content(const ProviderConfig &config);
    void collect_secrets(const request::TextTemplate &text);
    void collect_secrets(const request::BodyNode &node);
};

} // namespace hc::core
