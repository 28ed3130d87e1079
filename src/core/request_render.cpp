// Request templates of providers: rendering, once for each attempt; dispatcher processes.
// No error text here ever holds the value of a placeholder.
#include "core/address.hpp"
#include "core/error.hpp"
#include "core/history.hpp"
#include "core/request_template.hpp"

#include <fmt/format.h>

namespace hc::core {

using namespace request;

namespace {

constexpr const char *kRenderMessage = "cannot build the provider request";
constexpr const char *kNoValueHint = "Supply the value, or make the placeholder optional: {{name?}}.";
constexpr const char *kScalarHint = "Arrays and objects can only be whole values of a JSON body.";
constexpr const char *kHeaderHint = "The value of a header is one line of text.";

[[noreturn]] void fail_render(std::string_view where, std::string_view what, const char *hint) {
    throw Error(sqlstate::invalid_parameter, kRenderMessage, fmt::format("{}: {}.", where, what), hint);
}

bool is_number(Source source) {
    return source == Source::attempt_number || source == Source::step_number || source == Source::step_timeout ||
           source == Source::validity_left || source == Source::expires_unix;
}

// Providers take whole seconds, and none of them takes zero.
std::int64_t whole_seconds(Duration d) {
    return std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(d).count(), 1);
}

// Looks values up for one rendering.
class Resolver {
public:
    explicit Resolver(const TemplateValues &values) : values_(values) {}

    // As text; nullopt: no value and optional.
    std::optional<std::string> text(const Placeholder &p, std::string_view where) {
        std::optional<std::string> value;
        if (p.source == Source::message) {
            if (const auto raw = message_value(p)) {
                value = json_scalar_text(*raw);
                if (!value)
                    fail_render(where, fmt::format("the value of {} is not a string, number or boolean", braces(p)),
                                kScalarHint);
            }
        } else {
            value = other_value(p);
        }
        return checked(p, where, std::move(value));
    }

    // As JSON text of the value's own type; nullopt: no value and optional.
    std::optional<std::string> json(const Placeholder &p, std::string_view where) {
        std::optional<std::string> value;
        if (p.source == Source::message) {
            if (const auto raw = message_value(p))
                value = std::string(*raw);
        } else {
            value = other_value(p);
            if (value && !is_number(p.source))
                value = quote_json(*value);
        }
        return checked(p, where, std::move(value));
    }

    static std::string braces(const Placeholder &p) { return fmt::format("{{{{{}}}}}", p.shown); }

    std::string attempt_id() const { return fmt::format("{}-{}", values_.cascade_id, values_.attempt); }

private:
    static std::optional<std::string> checked(const Placeholder &p, std::string_view where,
                                              std::optional<std::string> value) {
        if (!value && !p.optional)
            fail_render(where, fmt::format("the placeholder {} has no value", braces(p)), kNoValueHint);
        return value;
    }

    std::optional<std::string_view> message_value(const Placeholder &p) {
        if (!message_checked_ && !is_valid_json(values_.message_json))
            fail_render("$", "the message is not valid JSON", "Numbers must fit double precision.");
        message_checked_ = true;
        auto raw = find_json(values_.message_json, p.path);
        if (raw == "null")
            raw.reset();
        return raw;
    }

    std::optional<std::string> other_value(const Placeholder &p) const {
        const auto given = [](const std::string &text) { return text.empty() ? std::optional<std::string>() : text; };
        switch (p.source) {
        case Source::message:
            break;
        case Source::secret:
            return values_.secret ? values_.secret(p.secret_name) : std::nullopt;
        case Source::attempt_id:
            return attempt_id();
        case Source::attempt_number:
            return std::to_string(values_.attempt);
        case Source::cascade_id:
            return given(values_.cascade_id);
        case Source::cascade_key:
            return given(values_.cascade_key);
        case Source::cascade_tenant:
            return given(values_.tenant);
        case Source::step_number:
            return std::to_string(std::uint64_t{values_.step} + 1);
        case Source::step_channel:
            return given(values_.channel);
        case Source::provider_name:
            return given(values_.provider_name);
        case Source::step_timeout:
            return std::to_string(whole_seconds(values_.step_timeout));
        case Source::validity_left:
            return values_.expires ? std::optional(std::to_string(whole_seconds(*values_.expires - values_.now)))
                                   : std::nullopt;
        case Source::expires_at:
            return values_.expires ? std::optional(format_iso8601(*values_.expires)) : std::nullopt;
        case Source::expires_unix:
            return values_.expires ? std::optional(std::to_string(to_unix_micros(*values_.expires) / 1'000'000))
                                   : std::nullopt;
        }
        return std::nullopt;
    }

    const TemplateValues &values_;
    bool message_checked_ = false;
};

// `append` gets the output, the placeholder and its value, and decides how the value is written.
template <class Append>
std::string render_text(const TextTemplate &text, Resolver &resolver, Append append) {
    std::string out;
    for (const Piece &piece : text.pieces) {
        out += piece.literal;
        if (!piece.placeholder)
            continue;
        if (const auto value = resolver.text(*piece.placeholder, text.where))
            append(out, *piece.placeholder, *value);
    }
    return out;
}

std::string render_plain(const TextTemplate &text, Resolver &resolver) {
    return render_text(text, resolver,
                       [](std::string &out, const Placeholder &, const std::string &value) { out += value; });
}

std::string placeholder_names(const TextTemplate &text) {
    std::string names;
    for (const Piece &piece : text.pieces) {
        if (piece.placeholder)
            names.append(names.empty() ? "" : ", ").append(Resolver::braces(*piece.placeholder));
    }
    return names;
}

void check_line_length(const TextTemplate &text, const std::string &line) {
    if (line.size() > kMaxRenderedLineBytes)
        fail_render(text.where,
                    fmt::format("longer than {} bytes with {}", kMaxRenderedLineBytes, placeholder_names(text)),
                    "URLs and headers are for short values; send long ones in the body.");
}

std::string render_url(const TextTemplate &text, Resolver &resolver) {
    std::string url = render_text(text, resolver, [](std::string &out, const Placeholder &, const std::string &value) {
        append_percent_encoded(out, value);
    });
    check_line_length(text, url);
    if (has_dot_segment(url) || !check_url(url).empty())
        fail_render(text.where, fmt::format("not an allowed URL with {}", placeholder_names(text)),
                    "Values must not turn into a \".\" or \"..\" segment of the path.");
    return url;
}

// nullopt: the header is one optional placeholder without a value.
std::optional<std::string> render_header(const TextTemplate &text, Resolver &resolver) {
    if (text.is_one_placeholder() && !resolver.text(*text.pieces[0].placeholder, text.where))
        return std::nullopt;
    std::string line =
        render_text(text, resolver, [&](std::string &out, const Placeholder &p, const std::string &value) {
            if (!allowed_header_value(value))
                fail_render(text.where, fmt::format("the value of {} has control characters", Resolver::braces(p)),
                            kHeaderHint);
            out += value;
        });
    check_line_length(text, line);
    return line;
}

// False, and nothing appended, when the value is one optional placeholder without a value.
bool append_json_text(std::string &out, const TextTemplate &text, Resolver &resolver) {
    if (!text.is_one_placeholder()) {
        out += quote_json(render_plain(text, resolver));
        return true;
    }
    const auto value = resolver.json(*text.pieces[0].placeholder, text.where);
    out += value.value_or("");
    return value.has_value();
}

void append_body(std::string &out, const BodyNode &node, Resolver &resolver);

void append_object(std::string &out, const BodyNode &node, Resolver &resolver) {
    bool first = true;
    out += '{';
    for (std::size_t i = 0; i < node.elements.size(); ++i) {
        const BodyNode &member = node.elements[i];
        const std::size_t before = out.size();
        out.append(first ? "" : ",").append(node.names[i]).append(":");
        if (member.kind == BodyKind::text && !append_json_text(out, member.text, resolver)) {
            out.resize(before);
            continue;
        }
        if (member.kind != BodyKind::text)
            append_body(out, member, resolver);
        first = false;
    }
    out += '}';
}

// Recursion is bounded by kMaxProviderConfigDepth.
void append_body(std::string &out, const BodyNode &node, Resolver &resolver) {
    switch (node.kind) {
    case BodyKind::literal:
        out += node.literal;
        break;
    case BodyKind::text:
        if (!append_json_text(out, node.text, resolver))
            out += "\"\"";
        break;
    case BodyKind::object:
        append_object(out, node, resolver);
        break;
    case BodyKind::array:
        out += '[';
        for (std::size_t i = 0; i < node.elements.size(); ++i) {
            out += i > 0 ? "," : "";
            append_body(out, node.elements[i], resolver);
        }
        out += ']';
        break;
    }
}

std::string render_form(const std::vector<FormField> &fields, Resolver &resolver) {
    std::string out;
    for (const FormField &field : fields) {
        const TextTemplate &text = field.value;
        if (text.is_one_placeholder() && !resolver.text(*text.pieces[0].placeholder, text.where))
            continue;
        out.append(out.empty() ? "" : "&").append(field.name).append("=");
        append_percent_encoded(out, render_plain(text, resolver));
    }
    return out;
}

} // namespace

RenderedRequest CompiledRequest::render(const TemplateValues &values) const {
    Resolver resolver(values);
    RenderedRequest request;
    if (impl_->method.empty())
        return request;
    request.method = impl_->method;
    request.url = render_url(impl_->url, resolver);
    for (const auto &[name, text] : impl_->headers) {
        if (auto value = render_header(text, resolver))
            request.headers.emplace_back(name, std::move(*value));
    }
    if (!impl_->idempotency_header.empty())
        request.headers.emplace_back(impl_->idempotency_header, resolver.attempt_id());
    if (impl_->content_type != nullptr)
        request.headers.emplace_back("Content-Type", impl_->content_type);
    if (impl_->has_body && impl_->form)
        request.body = render_form(impl_->fields, resolver);
    else if (impl_->has_body)
        append_body(request.body, impl_->body, resolver);
    return request;
}

RenderedRequest render_request(const ProviderConfig &config, const TemplateValues &values) {
    return CompiledRequest(config).render(values);
}

} // namespace hc::core
