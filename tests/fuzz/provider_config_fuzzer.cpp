// Fuzzes what reads text of operators, tenants and providers: configurations, messages, answers, endpoint options,
// Retry-After. The input is up to three parts divided by 0xff bytes: configuration, message, body of an answer.
// Only hc::Error may be thrown, no error may hold the secret, and what is rendered is well-formed.
#include "core/address.hpp"
#include "core/endpoint_config.hpp"
#include "core/error.hpp"
#include "core/json_path.hpp"
#include "core/provider_config.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>

namespace {

using namespace hc::core;

constexpr std::string_view kSecret = "hunter2-5ec7e7";
constexpr Time kNow = from_unix_micros(1'700'000'000'000'000);

void require(bool condition) {
    if (!condition)
        std::abort();
}

std::string_view next_part(std::string_view &rest) {
    const std::size_t end = rest.find('\xff');
    const std::string_view part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return part;
}

template <class Call>
void only_our_errors(Call call) {
    try {
        call();
    } catch (const hc::Error &e) {
        require(e.detail().starts_with('$') && !e.hint().empty());
        require((e.message() + e.detail() + e.hint()).find(kSecret) == std::string::npos);
    }
}

void check_request(const ProviderConfig &config, const RenderedRequest &request) {
    require(check_url(request.url).empty());
    for (const auto &[name, value] : request.headers)
        require(allowed_header_name(name) && allowed_header_value(value));
    if (config.form_encoding)
        require(request.body.find_first_of(" \r\n\"{}") == std::string::npos);
    else
        require(config.body.empty() || is_valid_json(request.body));
}

void render(const ProviderConfig &config, std::string_view message) {
    TemplateValues values;
    values.message_json = message;
    values.cascade_id = "0190163d-8694-739b-aea5-966c26f8ad91";
    values.attempt = 1;
    values.channel = config.channel;
    values.provider_name = "p";
    values.secret = [](std::string_view) { return std::optional<std::string>(kSecret); };
    const CompiledRequest compiled(config);
    only_our_errors([&] {
        const RenderedRequest request = compiled.render(values);
        if (config.kind == ProviderKind::http)
            check_request(config, request);
    });
}

void classify(const ProviderConfig &config, std::string_view body) {
    for (const std::int32_t status : {200, 400, 429, 500}) {
        const HttpAnswer answer{.transport = TransportResult::answered,
                                .status = status,
                                .headers = {{"retry-after", std::string(body)}, {"x-id", std::string(body)}},
                                .body = std::string(body),
                                .error = {}};
        const SendAnswer result = classify_answer(config, answer, kNow);
        require(result.provider_message_id.size() <= kMaxProviderMessageIdBytes);
        require(result.provider_message_id.find('\0') == std::string::npos);
        require(!result.retry_after ||
                (*result.retry_after >= Duration::zero() && *result.retry_after <= kMaxRetryAfter));
        classify_webhook_answer(answer, kNow);
    }
}

const nlohmann::json *descend(const nlohmann::json &value, const JsonPathSegment &segment) {
    const auto index = static_cast<std::size_t>(segment.index);
    if (segment.index >= 0)
        return value.is_array() && index < value.size() ? &value[index] : nullptr;
    const auto it = value.find(segment.member);
    return it == value.end() ? nullptr : &*it;
}

// Every path that parses is written back to itself, and the look-up agrees with a real parser.
void check_path(std::string_view text, std::string_view json) {
    const auto path = parse_json_path(text);
    if (!path)
        return;
    require(parse_json_path(to_string(*path)) == path || to_string(*path).size() > kMaxJsonPathBytes);
    const auto found = find_json(json, *path);
    if (!is_valid_json(json))
        return;
    const nlohmann::json document = nlohmann::json::parse(json.begin(), json.end());
    const nlohmann::json *expected = &document;
    for (const JsonPathSegment &segment : path->segments)
        expected = expected == nullptr ? nullptr : descend(*expected, segment);
    require(found.has_value() == (expected != nullptr));
    require(!found || nlohmann::json::parse(found->begin(), found->end()) == *expected);
}

// A configuration written by a real JSON writer means the same.
void check_rewrite(std::string_view text, const ProviderConfig &config) {
    const std::string written = nlohmann::json::parse(text.begin(), text.end()).dump();
    if (written.size() > kMaxProviderConfigBytes)
        return;
    const ProviderConfig again = parse_provider_config(written);
    require(again.url == config.url && again.body == config.body && again.headers == config.headers);
    require(again.classes.size() == config.classes.size() && again.script.size() == config.script.size());
    require(again.timeout == config.timeout && again.channel == config.channel);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char *>(data), size);
    if (rest.find(kSecret) != std::string_view::npos)
        return 0; // then an error may rightly show it, as a key
    const std::string_view config_text = next_part(rest);
    const std::string_view message = next_part(rest);
    const std::string_view body = next_part(rest);
    only_our_errors([&] { parse_endpoint_options(config_text); });
    check_path(message, config_text);
    only_our_errors([&] {
        const ProviderConfig config = parse_provider_config(config_text);
        check_rewrite(config_text, config);
        render(config, message);
        classify(config, body);
        only_our_errors([&] { sandbox_step(config, message, 2); });
    });
    return 0;
}
