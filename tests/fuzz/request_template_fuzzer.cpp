// Fuzzes request templates. The input is up to three parts divided by 0xff bytes: one text template, the message, and a
// JSON body template. The text stands in a URL, a header, a JSON body and a form in turn, and comes out as a naive
// reading of it says; the JSON body renders to valid JSON or is refused. Only hc::Error may be thrown, and no error
// holds the secret.
#include "core/address.hpp"
#include "core/error.hpp"
#include "core/form.hpp"
#include "core/json_path.hpp"
#include "core/provider_config.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

namespace {

using namespace hc::core;
using nlohmann::json;

constexpr std::string_view kSecret = "hunter2-5ec7e7";
constexpr std::string_view kCascade = "0190163d-8694-739b-aea5-966c26f8ad91";
constexpr std::string_view kBase = "https://provider.example/send/";

void require(bool condition) {
    if (!condition)
        std::abort();
}

std::string_view next_part(std::string_view &rest) {
    const std::size_t end = std::min(rest.find('\xff'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
}

TemplateValues values_of(std::string_view message) {
    TemplateValues values;
    values.message_json = message;
    values.cascade_id = kCascade;
    values.cascade_key = "order 17/\"&=\r\n";
    values.attempt = 3;
    values.channel = "sms";
    values.provider_name = "p";
    values.secret = [](std::string_view) { return std::optional<std::string>(kSecret); };
    return values;
}

std::optional<RenderedRequest> render(const ProviderConfig &config, const TemplateValues &values) {
    try {
        return CompiledRequest(config).render(values);
    } catch (const hc::Error &e) {
        require(e.detail().starts_with('$') && !e.hint().empty());
        require((e.message() + e.detail() + e.hint()).find(kSecret) == std::string::npos);
        return std::nullopt;
    }
}

// ---- a naive reading of a text template ----

// What stands for a placeholder; nullopt: one this reading does not know.
std::optional<std::string> naive_value(std::string_view name, const json &message) {
    if (name == "attempt.id")
        return std::string(kCascade) + "-3";
    if (name == "attempt.number")
        return "3";
    if (name == "cascade.id")
        return std::string(kCascade);
    if (name == "cascade.tenant?")
        return ""; // there is none
    if (name == "step.number")
        return "1";
    if (name == "secret.token")
        return std::string(kSecret);
    if (name == "message.to" && message.is_object() && message.contains("to") && message["to"].is_string())
        return message["to"].get<std::string>();
    return std::nullopt;
}

struct Naive {
    std::string plain;   // as a header or a form field
    std::string encoded; // as part of a URL
    bool one_placeholder = false;
};

std::string percent_encoded(std::string_view text) {
    static constexpr std::string_view kUnreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (kUnreserved.find(c) != std::string_view::npos)
            out += c;
        else
            out.append("%").append(1, kHex[byte / 16]).append(1, kHex[byte % 16]);
    }
    return out;
}

std::optional<Naive> naive_reading(const std::string &text, const json &message) {
    Naive result;
    std::size_t at = 0;
    for (std::size_t open = text.find("{{"); open != std::string::npos; open = text.find("{{", at)) {
        const std::size_t close = text.find("}}", open + 2);
        if (close == std::string::npos)
            return std::nullopt;
        const auto value = naive_value(text.substr(open + 2, close - open - 2), message);
        if (!value)
            return std::nullopt;
        const std::string literal = text.substr(at, open - at);
        result.one_placeholder = open == 0 && close + 2 == text.size();
        result.plain.append(literal).append(*value);
        result.encoded.append(literal).append(percent_encoded(*value));
        at = close + 2;
    }
    result.plain.append(text, at);
    result.encoded.append(text, at);
    return result;
}

// ---- one template in each of its places ----

void check_url(const std::string &text, const TemplateValues &values, const std::optional<Naive> &naive) {
    ProviderConfig config;
    config.kind = ProviderKind::http;
    config.url = std::string(kBase) + text;
    const auto request = render(config, values);
    if (!request)
        return;
    require(hc::core::check_url(request->url).empty() && request->url.starts_with(kBase));
    require(request->url.size() <= kMaxRenderedLineBytes);
    require(!naive || request->url == std::string(kBase) + naive->encoded);
}

void check_header(const std::string &text, const TemplateValues &values, const std::optional<Naive> &naive) {
    if (!allowed_header_value(text))
        return; // refused with the configuration
    ProviderConfig config;
    config.kind = ProviderKind::http;
    config.url = kBase;
    config.headers = {{"X-Text", text}};
    const auto request = render(config, values);
    if (!request)
        return;
    for (const auto &[name, value] : request->headers)
        require(allowed_header_value(value) && value.size() <= kMaxRenderedLineBytes);
    if (naive && !naive->one_placeholder)
        require(request->headers.size() == 1 && request->headers.front().second == naive->plain);
}

void check_json(const std::string &text, const TemplateValues &values, const std::optional<Naive> &naive) {
    ProviderConfig config;
    config.kind = ProviderKind::http;
    config.url = kBase;
    config.body = json{{"text", text}, {"list", {1, text}}}.dump();
    const auto request = render(config, values);
    if (!request)
        return;
    require(is_valid_json(request->body));
    if (!naive || naive->one_placeholder)
        return; // which takes the type of its value, or goes
    const json body = json::parse(request->body);
    require(body["text"] == naive->plain && body["list"][1] == naive->plain);
}

void check_form(const std::string &text, const TemplateValues &values, const std::optional<Naive> &naive) {
    ProviderConfig config;
    config.kind = ProviderKind::http;
    config.url = kBase;
    config.form_encoding = true;
    config.body = json{{"a&b", text}, {"n", 7}}.dump();
    const auto request = render(config, values);
    if (!request)
        return;
    const auto pairs = parse_form_bytes(request->body);
    require(pairs && pairs->size() <= 2 && pairs->back() == std::pair<std::string, std::string>("n", "7"));
    if (naive && !naive->one_placeholder)
        require(pairs->front() == std::pair<std::string, std::string>("a&b", naive->plain));
}

// A body of any shape.
void check_body(std::string_view body, const TemplateValues &values) {
    ProviderConfig config;
    config.kind = ProviderKind::http;
    config.url = kBase;
    config.body = body;
    if (config.body.empty())
        return;
    if (const auto request = render(config, values)) {
        require(is_valid_json(request->body));
        if (body.find("{{") == std::string_view::npos)
            require(json::parse(request->body) == json::parse(body));
    }
    config.form_encoding = true;
    if (const auto request = render(config, values))
        require(parse_form_bytes(request->body).has_value());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char *>(data), size);
    if (rest.find(kSecret) != std::string_view::npos)
        return 0; // then an error may rightly show it, as a name
    const std::string text = replace_invalid_utf8(next_part(rest));
    const std::string_view message = next_part(rest);
    const std::string_view body = next_part(rest);
    const TemplateValues values = values_of(message);
    const json document = is_valid_json(message) && json_nesting_depth(message) < 100 ? json::parse(message) : json();
    const std::optional<Naive> naive = naive_reading(text, document);
    check_url(text, values, naive);
    check_header(text, values, naive);
    check_json(text, values, naive);
    check_form(text, values, naive);
    check_body(body, values);
    return 0;
}
