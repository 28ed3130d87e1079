// Provider configurations: parsing and validation; any process.
#include "core/provider_config.hpp"

#include "core/address.hpp"
#include "core/error.hpp"
#include "core/json_path.hpp"
#include "core/provider_reader.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxHeaders = 32;
constexpr std::size_t kMaxHeaderNameBytes = 128;
constexpr std::size_t kMaxHeaderValueBytes = 4096;
constexpr std::size_t kMaxStatuses = 64;
constexpr std::size_t kMaxAllowedValues = 256;
constexpr std::size_t kMaxClasses = 128;
constexpr std::size_t kMaxTenantBytes = 255;
constexpr std::int64_t kMaxPosition = 1000;
constexpr std::int64_t kMaxWeight = 10'000;
constexpr std::int64_t kMaxConcurrency = 10'000;
constexpr std::int64_t kMaxResponseBytes = 1024 * 1024;
constexpr Duration kMaxTimeout = std::chrono::minutes(5);
constexpr Duration kMaxConnectTimeout = std::chrono::minutes(1);
constexpr Duration kMinSignatureWindow = std::chrono::seconds(1);
constexpr Duration kMaxSignatureWindow = std::chrono::hours(1);

constexpr JsonDocumentRules kDocument{kProviderConfigMessage, kMaxProviderConfigBytes, kMaxProviderConfigDepth};

constexpr std::array<JsonWord<ProviderKind>, 2> kKinds{
    {{"http", ProviderKind::http}, {"sandbox", ProviderKind::sandbox}}};
constexpr std::array<JsonWord<bool>, 2> kEncodings{{{"json", false}, {"form", true}}};
constexpr std::array<std::string_view, 4> kMethods{"POST", "PUT", "PATCH", "GET"};

constexpr std::array<std::string_view, 17> kHttpKeys{
    "kind",        "channel",   "position",        "weight",
    "rate",        "breaker",   "request",         "idempotency_header",
    "response",    "timeout",   "connect_timeout", "max_response_bytes",
    "concurrency", "connector", "receipts",        "cost",
    "text"};
constexpr std::array<std::string_view, 12> kSandboxKeys{"kind",      "channel",  "position",    "weight",
                                                        "rate",      "breaker",  "concurrency", "script",
                                                        "connector", "receipts", "cost",        "text"};
constexpr std::array<std::string_view, 11> kReceiptKeys{"secret",
                                                        "signature",
                                                        "url",
                                                        "window",
                                                        "part_mode",
                                                        "connector_err_map",
                                                        "connector_status_map",
                                                        "connector_id_base",
                                                        "connector_time_zone",
                                                        "opt_out_category",
                                                        "tenant"};
constexpr std::array<std::string_view, 5> kRequestKeys{"method", "url", "headers", "encoding", "body"};
constexpr std::array<std::string_view, 3> kResponseKeys{"ok", "message_id", "classes"};
constexpr std::array<std::string_view, 3> kOkKeys{"status", "path", "in"};
constexpr std::array<std::string_view, 6> kClassKeys{"status", "path", "in", "class", "kind", "reason"};
constexpr std::array<std::string_view, 2> kSourceKeys{"path", "header"};

using Headers = std::vector<std::pair<std::string, std::string>>;

void check_header_name(const JsonNode &node, std::string_view name) {
    if (name.size() > kMaxHeaderNameBytes || !allowed_header_name(name))
        node.fail(
            "is not an allowed header name",
            "Header names are tokens other than Host, Content-Length, Transfer-Encoding, Connection and webhook-*.");
}

bool has_header(const Headers &headers, std::string_view lower_name) {
    return std::any_of(headers.begin(), headers.end(),
                       [&](const auto &header) { return lower_case(header.first) == lower_name; });
}

std::string read_json_path(const JsonNode &node) {
    std::string text = node.text(kMaxJsonPathBytes);
    if (!parse_json_path(text))
        node.fail("is not a JSON path", "Write a path such as \"$.a.b[0]\" or \"$['a b']\".");
    return text;
}

void read_status(const JsonNode &node, ResponsePredicate &when) {
    for (const JsonNode &item : node.items(kMaxStatuses))
        when.status.push_back(static_cast<std::int32_t>(item.integer(100, 599)));
}

void read_allowed_values(const JsonNode &node, ResponsePredicate &when) {
    for (const JsonNode &item : node.items(kMaxAllowedValues)) {
        if (item.value().is_structured())
            item.fail_type("a string, a number, a boolean or null", "Only scalar values can be compared.");
        when.in.push_back(item.value().dump());
    }
}

ResponsePredicate read_predicate(const JsonObject &object) {
    ResponsePredicate when;
    if (auto n = object.find("status"))
        read_status(*n, when);
    if (auto n = object.find("path"))
        when.json_path = read_json_path(*n);
    if (auto n = object.find("in")) {
        if (when.json_path.empty())
            n->fail("needs \"path\" beside it", "The values are compared with the value at that path of the answer.");
        read_allowed_values(*n, when);
    }
    return when;
}

ResponseClass read_class(const JsonNode &node) {
    const JsonObject object(node, kClassKeys);
    ResponseClass result;
    result.when = read_predicate(object);
    if (result.when.status.empty() && result.when.json_path.empty())
        node.fail("must have \"status\" or \"path\"", "A class without them would take every answer.");
    result.verdict = object.require("class").word(kSendVerdictWords);
    result.kind = default_kind(result.verdict);
    if (auto n = object.find("kind"))
        result.kind = n->word(kFailureKindWords);
    if (auto n = object.find("reason"))
        result.reason = n->text(kMaxReasonBytes);
    return result;
}

ValueSource read_source(const JsonNode &node) {
    const JsonObject object(node, kSourceKeys);
    const auto path = object.find("path");
    const auto header = object.find("header");
    if (path.has_value() == header.has_value())
        node.fail("must have either \"path\" or \"header\"", "Allowed keys are path, header.");
    ValueSource source;
    if (path)
        source.json_path = read_json_path(*path);
    else
        source.header = lower_case(header->text(kMaxHeaderNameBytes));
    return source;
}

void read_response(const JsonNode &node, ProviderConfig &config) {
    const JsonObject object(node, kResponseKeys);
    if (auto n = object.find("ok"))
        config.ok = read_predicate(JsonObject(*n, kOkKeys));
    if (auto n = object.find("message_id"))
        config.message_id = read_source(*n);
    if (auto n = object.find("classes")) {
        for (const JsonNode &item : n->items(kMaxClasses))
            config.classes.push_back(read_class(item));
    }
}

void read_request(const JsonNode &node, ProviderConfig &config) {
    const JsonObject object(node, kRequestKeys);
    if (auto n = object.find("method"))
        config.method = n->word(kMethods);
    config.url = object.require("url").text(kMaxUrlBytes);
    if (auto n = object.find("headers"))
        config.headers = read_headers(*n);
    if (auto n = object.find("encoding"))
        config.form_encoding = n->word(kEncodings);
    if (auto n = object.find("body")) {
        if (config.method == "GET")
            n->fail("is not allowed with the method GET", "Put the values into the URL, or use POST.");
        config.body = n->value().dump();
    }
}

void read_http(const JsonObject &object, ProviderConfig &config) {
    read_request(object.require("request"), config);
    if (auto n = object.find("idempotency_header")) {
        config.idempotency_header = n->text(kMaxHeaderNameBytes);
        check_header_name(*n, config.idempotency_header);
        if (has_header(config.headers, lower_case(config.idempotency_header)))
            n->fail("is also among the headers of the request", "Write the header in one place.");
    }
    if (auto n = object.find("response")) {
        config.has_response = true;
        read_response(*n, config);
    }
    if (auto n = object.find("timeout"))
        config.timeout = n->duration(kMinConfigDuration, kMaxTimeout);
    if (auto n = object.find("connect_timeout"))
        config.connect_timeout = n->duration(kMinConfigDuration, kMaxConnectTimeout);
    if (auto n = object.find("max_response_bytes"))
        config.max_response_bytes = static_cast<std::uint32_t>(n->integer(0, kMaxResponseBytes));
}

void read_receipts(const JsonObject &provider, ReceiptSettings &settings) {
    if (auto n = provider.find("connector"))
        settings.connector = n->name();
    const auto receipts = provider.find("receipts");
    if (!receipts)
        return;
    const JsonObject object(*receipts, kReceiptKeys);
    if (auto n = object.find("secret"))
        settings.secret_name = n->text(kMaxSecretNameBytes);
    if (auto n = object.find("signature"))
        settings.signature = n->name();
    if (auto n = object.find("url"))
        settings.url = n->text(kMaxUrlBytes);
    if (auto n = object.find("window"))
        settings.window = n->duration(kMinSignatureWindow, kMaxSignatureWindow);
    if (auto n = object.find("part_mode"))
        settings.part_mode = n->word(kPartModeWords);
    if (auto n = object.find("opt_out_category"))
        settings.opt_out_category = n->name();
    if (auto n = object.find("tenant"))
        settings.tenant = n->text(kMaxTenantBytes);
    read_receipt_options(object, settings.options);
}

// The kind decides which keys are allowed, so it is read before the keys are checked.
ProviderKind read_kind(const JsonNode &root) {
    if (!root.value().is_object())
        root.fail_type("an object", fmt::format("Allowed keys are {}.", join_words(kHttpKeys)));
    const auto kind = root.value().find("kind");
    if (kind == root.value().end())
        root.child(root.value(), "kind").fail("is missing", "Allowed values are http, sandbox.");
    return root.child(*kind, "kind").word(kKinds);
}

} // namespace

std::vector<std::pair<std::string, std::string>> read_headers(const JsonNode &node) {
    if (!node.value().is_object())
        node.fail_type("an object", "Write header names and their values.");
    if (node.value().size() > kMaxHeaders)
        node.fail_limit(fmt::format("has {} headers", node.value().size()),
                        fmt::format("At most {} headers are allowed.", kMaxHeaders));
    Headers headers;
    std::vector<std::string> seen;
    for (const auto &[name, value] : node.value().items()) {
        const JsonNode header = node.child(value, name);
        check_header_name(header, name);
        seen.push_back(lower_case(name));
        if (std::count(seen.begin(), seen.end(), seen.back()) > 1)
            header.fail("appears twice", "Header names are the same in any case.");
        if (!value.is_string())
            header.fail_type("a string", "Write the value of the header as a string.");
        // An empty value is a header like any other, so text() does not fit here.
        std::string text = value.get<std::string>();
        if (text.size() > kMaxHeaderValueBytes)
            header.fail_limit("is too long", fmt::format("At most {} bytes are allowed.", kMaxHeaderValueBytes));
        if (!allowed_header_value(text))
            header.fail("must not contain control characters", "Write the value in one line.");
        headers.emplace_back(name, std::move(text));
    }
    return headers;
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (char &c : lower) {
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

ProviderConfig parse_provider_config(std::string_view json) {
    const nlohmann::json document = parse_json_document(json, kDocument);
    const JsonNode root(document, "$", kDocument.message);
    ProviderConfig config;
    config.kind = read_kind(root);
    const bool http = config.kind == ProviderKind::http;
    const JsonObject object(root, http ? std::span<const std::string_view>(kHttpKeys) : kSandboxKeys);
    config.channel = object.require("channel").name();
    if (auto n = object.find("position"))
        config.position = static_cast<std::int32_t>(n->integer(1, kMaxPosition));
    if (auto n = object.find("weight"))
        config.weight = static_cast<std::uint32_t>(n->integer(1, kMaxWeight));
    if (auto n = object.find("concurrency"))
        config.concurrency = static_cast<std::uint32_t>(n->integer(1, kMaxConcurrency));
    read_provider_limits(object, config.limits);
    read_receipts(object, config.receipts);
    read_cost(object, config.cost);
    if (http) {
        read_http(object, config);
        const CompiledRequest check(config); // its templates must parse now, not at the first attempt
    } else if (auto n = object.find("script")) {
        config.script = read_sandbox_script(*n);
    } else {
        config.script.push_back(sandbox_step(config, {}, 1));
    }
    return config;
}

} // namespace hc::core
