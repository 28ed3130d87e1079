// Request templates of providers: parsing, once for a configuration; any process.
#include "core/request_template.hpp"

#include "core/address.hpp"
#include "core/error.hpp"
#include "core/provider_reader.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

using namespace request;

namespace {

constexpr const char *kPlaceholderHint =
    "Placeholders are {{message.<path>}}, {{secret.<name>}}, {{attempt.id}}, {{attempt.number}}, {{cascade.id}}, "
    "{{cascade.key}}, {{cascade.tenant}}, {{cascade.validity_seconds}}, {{cascade.expires_at}}, "
    "{{cascade.expires_unix}}, {{step.number}}, {{step.channel}}, {{step.timeout_seconds}} and {{provider.name}}.";
constexpr std::size_t kMaxShownBytes = 64;

constexpr std::array<JsonWord<Source>, 12> kFixedSources{{{"attempt.id", Source::attempt_id},
                                                          {"attempt.number", Source::attempt_number},
                                                          {"cascade.id", Source::cascade_id},
                                                          {"cascade.key", Source::cascade_key},
                                                          {"cascade.tenant", Source::cascade_tenant},
                                                          {"step.number", Source::step_number},
                                                          {"step.timeout_seconds", Source::step_timeout},
                                                          {"cascade.validity_seconds", Source::validity_left},
                                                          {"cascade.expires_at", Source::expires_at},
                                                          {"cascade.expires_unix", Source::expires_unix},
                                                          {"step.channel", Source::step_channel},
                                                          {"provider.name", Source::provider_name}}};

[[noreturn]] void fail_config(std::string_view where, std::string_view what, const char *hint) {
    throw Error(sqlstate::invalid_parameter, kProviderConfigMessage, fmt::format("{}: {}.", where, what), hint);
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

std::string_view trim(std::string_view text) {
    while (text.starts_with(' '))
        text.remove_prefix(1);
    while (text.ends_with(' '))
        text.remove_suffix(1);
    return text;
}

bool is_secret_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxSecretNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
        return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '{' && c != '}';
    });
}

std::string shown_placeholder(std::string_view text) {
    std::string shown(text.substr(0, kMaxShownBytes));
    for (char &c : shown) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && text.size() > kMaxShownBytes))
            c = '?'; // a cut text is shown in ASCII only, so that no character is torn
    }
    return shown;
}

Placeholder parse_placeholder(std::string_view inner, std::string_view where) {
    Placeholder p;
    std::string_view text = trim(inner);
    if (text.ends_with('?')) {
        p.optional = true;
        text = trim(text.substr(0, text.size() - 1));
    }
    p.shown = shown_placeholder(text);
    for (const auto &fixed : kFixedSources) {
        if (fixed.word == text) {
            p.source = fixed.value;
            return p;
        }
    }
    if (text.starts_with("secret.") && is_secret_name(text.substr(7))) {
        p.source = Source::secret;
        p.secret_name = text.substr(7);
        return p;
    }
    if (text.starts_with("message.") || text.starts_with("message[")) {
        if (auto path = parse_json_path("$" + std::string(text.substr(7)))) {
            p.path = std::move(*path);
            return p;
        }
    }
    fail_config(where, fmt::format("unknown placeholder {{{{{}}}}}", p.shown), kPlaceholderHint);
}

TextTemplate parse_text(std::string_view text, std::string where) {
    TextTemplate result{.where = std::move(where), .pieces = {}};
    while (!text.empty()) {
        const std::size_t open = text.find("{{");
        Piece piece{.literal = std::string(text.substr(0, open)), .placeholder = {}};
        if (open == std::string_view::npos) {
            text = {};
        } else {
            const std::size_t close = text.find("}}", open + 2);
            if (close == std::string_view::npos)
                fail_config(result.where, "a placeholder is not closed", kPlaceholderHint);
            piece.placeholder = parse_placeholder(text.substr(open + 2, close - open - 2), result.where);
            text.remove_prefix(close + 2);
        }
        result.pieces.push_back(std::move(piece));
    }
    return result;
}

TextTemplate literal_text(std::string text, std::string where) {
    return {.where = std::move(where), .pieces = {{.literal = std::move(text), .placeholder = {}}}};
}

void refuse_placeholder_in_name(std::string_view name, std::string_view where) {
    if (name.find("{{") != std::string_view::npos)
        fail_config(where, "placeholders are not allowed in names", "Only values may hold placeholders.");
}

BodyNode compile_body(const JsonNode &node) {
    const nlohmann::json &value = node.value();
    BodyNode result;
    bool all_literal = true;
    if (value.is_string()) {
        result.text = parse_text(value.get_ref<const std::string &>(), node.path());
        all_literal = result.text.is_literal();
        result.kind = BodyKind::text;
    } else if (value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i) {
            result.elements.push_back(compile_body(node.child(value[i], i)));
            all_literal = all_literal && result.elements.back().kind == BodyKind::literal;
        }
        result.kind = BodyKind::array;
    } else if (value.is_object()) {
        for (const auto &[name, member] : value.items()) {
            const JsonNode child = node.child(member, name);
            refuse_placeholder_in_name(name, child.path());
            result.names.push_back(quote_json(name));
            result.elements.push_back(compile_body(child));
            all_literal = all_literal && result.elements.back().kind == BodyKind::literal;
        }
        result.kind = BodyKind::object;
    }
    if (all_literal)
        result = {.kind = BodyKind::literal, .literal = value.dump(), .text = {}, .names = {}, .elements = {}};
    return result;
}

std::vector<FormField> compile_form(const JsonNode &node) {
    constexpr const char *kHint = "A form body is an object whose members are strings, numbers or booleans.";
    if (!node.value().is_object())
        node.fail_type("an object", kHint);
    std::vector<FormField> fields;
    for (const auto &[name, member] : node.value().items()) {
        const JsonNode child = node.child(member, name);
        refuse_placeholder_in_name(name, child.path());
        FormField field;
        append_percent_encoded(field.name, name);
        if (member.is_string())
            field.value = parse_text(member.get_ref<const std::string &>(), child.path());
        else if (member.is_number() || member.is_boolean())
            field.value = literal_text(member.dump(), child.path());
        else
            child.fail_type("a string, a number or a boolean", kHint);
        fields.push_back(std::move(field));
    }
    return fields;
}

TextTemplate compile_url(std::string_view url) {
    std::string where = "$.request.url";
    const std::size_t scheme = url.find("://");
    const std::size_t authority_end = url.find_first_of("/?#", scheme == std::string_view::npos ? 0 : scheme + 3);
    if (url.substr(0, authority_end).find("{{") != std::string_view::npos)
        fail_config(where, "placeholders are allowed in the path and the query only",
                    "Write scheme, host and port literally.");
    TextTemplate result = parse_text(url, std::move(where));
    std::string sample;
    for (const Piece &piece : result.pieces)
        sample.append(piece.literal).append(piece.placeholder ? "x" : "");
    if (const std::string reason = check_url(sample); !reason.empty())
        fail_config(result.where, reason, "Write http:// or https://, a host, no user and no password.");
    if (has_dot_segment(sample))
        fail_config(result.where, "has a \".\" or \"..\" segment", "Write the path without such segments.");
    return result;
}

} // namespace

void request::append_percent_encoded(std::string &out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    for (const char c : text) {
        if (is_unreserved(c)) {
            out.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out.push_back('%');
        out.push_back(kHex[byte >> 4]);
        out.push_back(kHex[byte & 15]);
    }
}

std::string request::quote_json(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool request::has_dot_segment(std::string_view url) {
    const std::size_t scheme = url.find("://");
    std::size_t from = url.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
    const std::size_t end = std::min(url.find_first_of("?#"), url.size());
    while (from < end) {
        const std::size_t next = std::min(url.find('/', from + 1), end);
        const std::string_view segment = url.substr(from + 1, next - from - 1);
        if (segment == "." || segment == "..")
            return true;
        from = next;
    }
    return false;
}

void CompiledRequest::Impl::compile_content(const ProviderConfig &config) {
    constexpr JsonDocumentRules kBodyRules{kProviderConfigMessage, kMaxProviderConfigBytes, kMaxProviderConfigDepth};
    const nlohmann::json document = parse_json_document(config.body, kBodyRules, "$.request.body");
    const JsonNode root(document, "$.request.body", kProviderConfigMessage);
    has_body = true;
    form = config.form_encoding;
    content_type = form ? "application/x-www-form-urlencoded" : "application/json";
    for (const auto &[name, value] : config.headers) {
        if (lower_case(name) == "content-type")
            content_type = nullptr;
    }
    if (form)
        fields = compile_form(root);
    else
        body = compile_body(root);
}

void CompiledRequest::Impl::collect_secrets(const TextTemplate &text) {
    for (const Piece &piece : text.pieces) {
        if (!piece.placeholder || piece.placeholder->source != Source::secret)
            continue;
        const std::string &name = piece.placeholder->secret_name;
        if (std::find(secret_names.begin(), secret_names.end(), name) == secret_names.end())
            secret_names.push_back(name);
    }
}

void CompiledRequest::Impl::collect_secrets(const BodyNode &node) {
    collect_secrets(node.text);
    for (const BodyNode &element : node.elements)
        collect_secrets(element);
}

CompiledRequest::CompiledRequest(const ProviderConfig &config) {
    auto impl = std::make_shared<Impl>();
    if (config.kind == ProviderKind::http) {
        impl->method = config.method;
        impl->url = compile_url(config.url);
        impl->collect_secrets(impl->url);
        for (const auto &[name, value] : config.headers) {
            std::string where = "$.request.headers";
            append_json_member(where, name);
            impl->headers.emplace_back(name, parse_text(value, std::move(where)));
            impl->collect_secrets(impl->headers.back().second);
        }
        impl->idempotency_header = config.idempotency_header;
        if (!config.body.empty())
            impl->compile_content(config);
        impl->collect_secrets(impl->body);
        for (const FormField &field : impl->fields)
            impl->collect_secrets(field.value);
    }
    impl_ = std::move(impl);
}

const std::vector<std::string> &CompiledRequest::secret_names() const { return impl_->secret_names; }

} // namespace hc::core
