// Provider configuration: how to send one attempt and how to read the answer, as data.
//
//   { "kind": "http", "channel": "sms", "position": 1,
//     "request": { "method": "POST", "url": "https://api.example.com/messages",
//                  "headers": {"Authorization": "Bearer {{secret.sms_token}}"},
//                  "encoding": "json",                               json (default) | form
//                  "body": {"to": "{{message.to}}", "text": "{{message.text}}", "ref": "{{attempt.id}}"} },
//     "idempotency_header": "Idempotency-Key",                       optional: the attempt reference is sent in it
//     "response": { "ok": {"status": [200, 201, 202], "path": "$.status", "in": ["queued"]},
//                                                                  default, and without "status": any 2xx
//                   "message_id": {"path": "$.id"} | {"header": "X-Message-Id"},
//                   "classes": [ {"status": [429], "class": "retry_same"},
//                                {"path": "$.code", "in": [21610], "class": "next_channel", "kind": "policy"} ] },
//     "timeout": "10s", "connect_timeout": "3s", "max_response_bytes": 65536, "concurrency": 64,
//     "weight": 100, "rate": {..}, "breaker": {..} | false,           see ProviderLimits; weight: among those of a
//                                                                      position
//     "cost": {"per_part": 0.075}, "text": "$.text",                  see CostSettings
//     "connector": "twilio", "receipts": {..} }                       see ReceiptSettings
//   Sandbox providers take the last three lines too.
//   Required: kind, channel, request.url. Methods: POST (default), PUT, PATCH, GET (no body). A class without "kind"
//   takes soft for retry_same and ambiguous, config for next_provider, hard for next_channel.
//
//   { "kind": "sandbox", "channel": "sms", "position": 1, "concurrency": 64,
//     "script": [ {"answer": "accepted", "receipts": [{"status": "delivered", "after": "10ms"}]} ] }
//   The n-th attempt of a cascade at this provider takes script entry n (the last one repeats). answer: a SendVerdict
//   word (default accepted); optional kind, reason, retry_after, code. message.sandbox.<channel> (same array) overrides
//   the script.
//   Default script: [{"answer": "accepted", "receipts": [{"status": "delivered", "after": "0s"}]}].
//
// Placeholders: {{message.<path>}}, {{secret.<name>}}, {{attempt.id}}, {{attempt.number}},
// {{cascade.id}}, {{cascade.key}}, {{cascade.tenant}}, {{step.number}}, {{step.channel}}, {{provider.name}},
// {{step.timeout_seconds}} (for the receipt) and, where the rule has a validity, {{cascade.validity_seconds}} (what is
// left of it, at least 1), {{cascade.expires_at}} (ISO 8601) and {{cascade.expires_unix}} (seconds). A string that is
// one placeholder takes the value's JSON type; "?" before the braces close makes it optional
// ({{message.title?}}: an object member or header without a value is left out, elsewhere it is empty). A JSON null and
// an empty key or tenant are no value. Arrays and objects of the message can only be whole values of a JSON body. In
// the URL placeholders stand in the path and the query only, percent-encoded, and cannot make a "." or ".." segment. In
// a form body (an object of strings, numbers and booleans) names and values are percent-encoded.
#pragma once

#include "core/cascade.hpp"
#include "core/cost.hpp"
#include "core/provider_limits.hpp"
#include "core/receipt_parser.hpp"
#include "core/time.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxProviderConfigBytes = 64 * 1024;
inline constexpr std::size_t kMaxProviderConfigDepth = 32;
inline constexpr std::size_t kMaxRenderedLineBytes = 8 * 1024; // a URL or a header value after substitution
inline constexpr std::size_t kMaxProviderMessageIdBytes = 512; // a longer id in an answer is no id
inline constexpr Duration kMaxRetryAfter = std::chrono::days(1);

enum class ProviderKind : std::uint8_t { http, sandbox };

struct SandboxReceipt {
    std::string status; // a receipt state word; anything else is parked
    Duration after{};
    std::string reason;
};
struct SandboxStep {
    SendAnswer answer; // attempt is filled in when used
    std::vector<SandboxReceipt> receipts;
};

// Where a value stands in an answer.
struct ValueSource {
    std::string json_path; // "$.a.b[0]" ; empty: use header
    std::string header;
};

struct ResponsePredicate {
    std::vector<std::int32_t> status; // empty: any
    std::string json_path;            // empty: body not looked at
    std::vector<std::string> in;      // JSON texts of allowed values; empty: any value present
};

struct ResponseClass {
    ResponsePredicate when;
    SendVerdict verdict{};
    FailureKind kind = FailureKind::none;
    std::string reason;
};

struct ProviderConfig {
    ProviderKind kind{};
    std::string channel;
    std::int32_t position = 1;  // order among the providers of its channel
    std::uint32_t weight = 100; // share among those of one position
    std::string method = "POST";
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers;
    bool form_encoding = false;
    std::string body; // JSON text of the body template; empty: no body
    std::string idempotency_header;
    ResponsePredicate ok; // empty status: any 2xx
    ValueSource message_id;
    std::vector<ResponseClass> classes;
    Duration timeout = std::chrono::seconds(10);
    Duration connect_timeout = std::chrono::seconds(3);
    std::uint32_t max_response_bytes = 64 * 1024;
    std::uint32_t concurrency = 64;
    std::vector<SandboxStep> script;
    ProviderLimits limits;
    bool has_response = false; // "response" was given: it, not the connector, reads the answers
    ReceiptSettings receipts;
    CostSettings cost;
};

// Throws hc::Error like parse_rule. Unknown keys are errors.
ProviderConfig parse_provider_config(std::string_view json);

// What placeholders may name.
struct TemplateValues {
    std::string_view message_json;
    std::string cascade_id, cascade_key, tenant;
    std::uint32_t attempt = 0;
    std::uint32_t step = 0; // 0-based; shown 1-based
    std::string channel, provider_name;
    Duration step_timeout{};       // for the receipt
    std::optional<Time> expires{}; // end of the cascade's validity
    Time now{};
    std::function<std::optional<std::string>(std::string_view)> secret; // by name
};

struct RenderedRequest {
    std::string method, url;
    std::vector<std::pair<std::string, std::string>> headers; // Content-Type included
    std::string body;
};

// The request of a provider with its templates parsed: made once for a configuration, rendered for each attempt. Cheap
// to copy. Does not refer to the configuration it was made from.
class CompiledRequest {
public:
    // Throws hc::Error 22023 when a template is malformed. A sandbox configuration renders an empty request.
    explicit CompiledRequest(const ProviderConfig &config);

    // Throws hc::Error 22023 naming the placeholder (never its value) when one has no value or makes a bad header or
    // URL.
    RenderedRequest render(const TemplateValues &values) const;

    // Secrets the templates name, each once: what values.secret may be asked for.
    const std::vector<std::string> &secret_names() const;

private:
    struct Impl;
    std::shared_ptr<const Impl> impl_;
};

// CompiledRequest(config).render(values)
RenderedRequest render_request(const ProviderConfig &config, const TemplateValues &values);

// An answer as the HTTP client saw it.
enum class TransportResult : std::uint8_t {
    answered,  // status line and complete (or capped) body received
    not_sent,  // DNS, connect or TLS failed: no byte of the request left
    blocked,   // the address is refused by policy
    no_answer, // the request left, wholly or in part; no complete answer came
};
struct HttpAnswer {
    TransportResult transport = TransportResult::answered;
    std::int32_t status = 0;
    std::vector<std::pair<std::string, std::string>> headers; // names in lower case
    std::string body;
    std::string error; // short words of the transport
};

// Without an answer: not sent -> retry_same; no answer -> ambiguous; blocked -> next_provider (config). With one: the
// configured classes first, then `ok`, then the defaults: 429, 503 -> retry_same; 408, other 5xx and 1xx -> ambiguous;
// 401, 403 -> next_provider (config); other 4xx (hard) and 3xx (config) -> next_channel; a 2xx that is not `ok` ->
// ambiguous, because it may have been taken. Retry-After is read into retry_after unless accepted, the message id when
// accepted or ambiguous. Reasons are stable words: not_sent, no_answer, address_blocked, unexpected_answer,
// http_<status>; a class may name its own.
SendAnswer classify_answer(const ProviderConfig &config, const HttpAnswer &answer, Time now);

// The same where the provider's connector, not a "response" of its configuration, knows the answers: what it does not
// know, and answers that may hide a taken message (5xx), are taken as above. Soft refusals -> retry_same, hard and
// policy -> next_channel, config -> next_provider; several accepted parts give several ids.
SendAnswer classify_answer(const ProviderConfig &config, const Connector &connector, const HttpAnswer &answer,
                           Time now);

// The script entry for the n-th (1-based) attempt at this provider; `message_json` may override. Throws hc::Error like
// parse_provider_config when the override is malformed; a message without one costs no parsing.
SandboxStep sandbox_step(const ProviderConfig &config, std::string_view message_json, std::uint32_t nth);

// Retry-After: seconds, or an IMF-fixdate relative to now, capped at kMaxRetryAfter; nullopt when unreadable or past.
std::optional<Duration> parse_retry_after(std::string_view value, Time now);

} // namespace hc::core
