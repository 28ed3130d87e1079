// Provider configurations: what is accepted, what is refused and in which words.
#include "core/error.hpp"
#include "core/provider_config.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hc::core;
using namespace std::chrono_literals;

struct Refusal {
    std::string sqlstate, message, detail, hint;
};

template <class Parse>
Refusal refusal_of(Parse parse) {
    try {
        parse();
    } catch (const hc::Error &e) {
        return {e.sqlstate(), e.message(), e.detail(), e.hint()};
    }
    return {"none", "accepted", "", ""};
}

Refusal refusal(const std::string &json) {
    return refusal_of([&] { parse_provider_config(json); });
}

std::string detail(const std::string &json) {
    const Refusal r = refusal(json);
    EXPECT_EQ(r.sqlstate, "22023") << json;
    EXPECT_EQ(r.message, "invalid provider configuration") << json;
    EXPECT_FALSE(r.hint.empty()) << json;
    return r.detail;
}

// A good configuration with more members at the top, in the request, in the response.
std::string http(const std::string &top, const std::string &request = "", const std::string &response = "") {
    return R"({"kind": "http", "channel": "sms", "request": {"url": "https://api.example.com/m")" +
           (request.empty() ? "" : ", " + request) + "}" + (top.empty() ? "" : ", " + top) +
           (response.empty() ? "" : ", \"response\": {" + response + "}") + "}";
}

TEST(ProviderConfigTest, DefaultsOfTheSmallestConfiguration) {
    const ProviderConfig config = parse_provider_config(http(""));
    EXPECT_EQ(config.kind, ProviderKind::http);
    EXPECT_EQ(config.channel, "sms");
    EXPECT_EQ(config.position, 1);
    EXPECT_EQ(config.method, "POST");
    EXPECT_EQ(config.url, "https://api.example.com/m");
    EXPECT_TRUE(config.headers.empty());
    EXPECT_FALSE(config.form_encoding);
    EXPECT_TRUE(config.body.empty());
    EXPECT_TRUE(config.idempotency_header.empty());
    EXPECT_TRUE(config.ok.status.empty());
    EXPECT_TRUE(config.classes.empty());
    EXPECT_EQ(config.timeout, 10s);
    EXPECT_EQ(config.connect_timeout, 3s);
    EXPECT_EQ(config.max_response_bytes, 65536U);
    EXPECT_EQ(config.concurrency, 64U);
    EXPECT_TRUE(config.script.empty());
}

TEST(ProviderConfigTest, EveryMember) {
    const ProviderConfig config = parse_provider_config(R"({
        "kind": "http", "channel": "sms", "position": 2,
        "request": {"method": "PUT", "url": "https://api.example.com/{{cascade.id}}",
                    "headers": {"Authorization": "Bearer {{secret.t}}", "X-Empty": ""},
                    "encoding": "form", "body": {"to": "{{message.to}}"}},
        "idempotency_header": "Idempotency-Key",
        "response": {"ok": {"status": [200, 202], "path": "$.status", "in": ["queued", 0, true, null]},
                     "message_id": {"path": "$.messages[0].id"},
                     "classes": [{"status": [429], "class": "retry_same"},
                                 {"path": "$.code", "in": [21610], "class": "next_channel", "kind": "policy",
                                  "reason": "stop"},
                                 {"status": [402], "class": "next_provider"},
                                 {"status": [410], "class": "next_channel"},
                                 {"status": [500], "class": "ambiguous"},
                                 {"status": [409], "class": "accepted"}]},
        "timeout": "2s", "connect_timeout": 1, "max_response_bytes": 1024, "concurrency": 8})");
    EXPECT_EQ(config.position, 2);
    EXPECT_EQ(config.method, "PUT");
    EXPECT_TRUE(config.form_encoding);
    EXPECT_EQ(config.body, R"({"to":"{{message.to}}"})");
    EXPECT_EQ(config.headers, (std::vector<std::pair<std::string, std::string>>{
                                  {"Authorization", "Bearer {{secret.t}}"}, {"X-Empty", ""}}));
    EXPECT_EQ(config.idempotency_header, "Idempotency-Key");
    EXPECT_EQ(config.ok.status, (std::vector<std::int32_t>{200, 202}));
    EXPECT_EQ(config.ok.json_path, "$.status");
    EXPECT_EQ(config.ok.in, (std::vector<std::string>{"\"queued\"", "0", "true", "null"}));
    EXPECT_EQ(config.message_id.json_path, "$.messages[0].id");
    ASSERT_EQ(config.classes.size(), 6U);
    EXPECT_EQ(config.classes[0].verdict, SendVerdict::retry_same);
    EXPECT_EQ(config.classes[0].kind, FailureKind::soft);
    EXPECT_EQ(config.classes[1].verdict, SendVerdict::next_channel);
    EXPECT_EQ(config.classes[1].kind, FailureKind::policy);
    EXPECT_EQ(config.classes[1].reason, "stop");
    EXPECT_EQ(config.classes[2].kind, FailureKind::config);
    EXPECT_EQ(config.classes[3].kind, FailureKind::hard);
    EXPECT_EQ(config.classes[4].kind, FailureKind::soft);
    EXPECT_EQ(config.classes[5].kind, FailureKind::none);
    EXPECT_EQ(config.timeout, 2s);
    EXPECT_EQ(config.connect_timeout, 1s);
    EXPECT_EQ(config.max_response_bytes, 1024U);
    EXPECT_EQ(config.concurrency, 8U);
}

TEST(ProviderConfigTest, MessageIdFromAHeaderIsLookedUpInLowerCase) {
    EXPECT_EQ(parse_provider_config(http("", "", R"("message_id": {"header": "X-Message-Id"})")).message_id.header,
              "x-message-id");
}

TEST(ProviderConfigTest, KindComesFirst) {
    EXPECT_EQ(detail("{}"), "$.kind: is missing.");
    EXPECT_EQ(detail(R"({"kind": "smpp"})"), "$.kind: is not an allowed value.");
    EXPECT_EQ(refusal(R"({"kind": "smpp"})").hint, "Allowed values are http, sandbox.");
    EXPECT_EQ(detail(R"({"kind": 1})"), "$.kind: must be a string, not a number.");
    EXPECT_EQ(detail("[]"), "$: must be an object, not an array.");
    EXPECT_EQ(detail(R"({"kind": "http"})"), "$.channel: is missing.");
    EXPECT_EQ(detail(R"({"kind": "http", "channel": "sms"})"), "$.request: is missing.");
    EXPECT_EQ(detail(R"({"kind": "http", "channel": "sms", "request": {}})"), "$.request.url: is missing.");
    EXPECT_EQ(detail(R"({"kind": "http", "channel": "SMS", "request": {}})"), "$.channel: is not a valid name.");
}

TEST(ProviderConfigTest, UnknownKeysEverywhere) {
    EXPECT_EQ(detail(http(R"("script": [])")), "$.script: unknown key.");
    EXPECT_EQ(detail(http("", R"("uri": "x")")), "$.request.uri: unknown key.");
    EXPECT_EQ(refusal(http("", R"("uri": "x")")).hint, "Allowed keys are method, url, headers, encoding, body.");
    EXPECT_EQ(detail(http("", "", R"("okay": {})")), "$.response.okay: unknown key.");
    EXPECT_EQ(detail(http("", "", R"("ok": {"class": "accepted"})")), "$.response.ok.class: unknown key.");
    EXPECT_EQ(detail(http("", "", R"("message_id": {"regex": "x"})")), "$.response.message_id.regex: unknown key.");
    EXPECT_EQ(detail(http("", "", R"("classes": [{"code": 1}])")), "$.response.classes[0].code: unknown key.");
    EXPECT_EQ(detail(R"({"kind": "sandbox", "channel": "sms", "request": {}})"), "$.request: unknown key.");
    EXPECT_EQ(
        refusal(R"({"kind": "sandbox", "channel": "sms", "request": {}})").hint,
        "Allowed keys are kind, channel, position, weight, rate, breaker, concurrency, script, connector, receipts, "
        "cost, text.");
}

TEST(ProviderConfigTest, NumbersAndTimeouts) {
    EXPECT_EQ(detail(http(R"("position": 0)")), "$.position: must be between 1 and 1000.");
    EXPECT_EQ(detail(http(R"("concurrency": 0)")), "$.concurrency: must be between 1 and 10000.");
    EXPECT_EQ(detail(http(R"("concurrency": 10001)")), "$.concurrency: must be between 1 and 10000.");
    EXPECT_EQ(detail(http(R"("max_response_bytes": -1)")), "$.max_response_bytes: must be between 0 and 1048576.");
    EXPECT_EQ(detail(http(R"("max_response_bytes": 2000000)")), "$.max_response_bytes: must be between 0 and 1048576.");
    EXPECT_EQ(detail(http(R"("timeout": 0)")), "$.timeout: must be positive.");
    EXPECT_EQ(detail(http(R"("timeout": "-1s")")), "$.timeout: must be positive.");
    EXPECT_EQ(detail(http(R"("timeout": "6m")")), "$.timeout: must be at most 5m.");
    EXPECT_EQ(detail(http(R"("connect_timeout": "61s")")), "$.connect_timeout: must be at most 1m.");
    EXPECT_EQ(detail(http(R"("timeout": "x")")), "$.timeout: is not a valid duration.");
}

TEST(ProviderConfigTest, Methods) {
    for (const std::string method : {"POST", "PUT", "PATCH", "GET"})
        EXPECT_EQ(parse_provider_config(http("", "\"method\": \"" + method + "\"")).method, method);
    EXPECT_EQ(detail(http("", R"("method": "post")")), "$.request.method: is not an allowed value.");
    EXPECT_EQ(refusal(http("", R"("method": "DELETE")")).hint, "Allowed values are POST, PUT, PATCH, GET.");
    EXPECT_EQ(detail(http("", R"("method": "GET", "body": {})")),
              "$.request.body: is not allowed with the method GET.");
}

TEST(ProviderConfigTest, Headers) {
    EXPECT_EQ(detail(http("", R"("headers": [])")), "$.request.headers: must be an object, not an array.");
    EXPECT_EQ(detail(http("", R"("headers": {"Host": "x"})")),
              "$.request.headers.Host: is not an allowed header name.");
    EXPECT_EQ(detail(http("", R"("headers": {"webhook-id": "x"})")),
              "$.request.headers.webhook-id: is not an allowed header name.");
    EXPECT_EQ(detail(http("", R"("headers": {"a b": "x"})")),
              "$.request.headers['a b']: is not an allowed header name.");
    EXPECT_EQ(detail(http("", R"("headers": {"a\r\nb": "x"})")),
              "$.request.headers['a??b']: is not an allowed header name.");
    EXPECT_EQ(detail(http("", R"("headers": {"A": 1})")), "$.request.headers.A: must be a string, not a number.");
    EXPECT_EQ(detail(http("", R"("headers": {"A": "x\r\nB: y"})")),
              "$.request.headers.A: must not contain control characters.");
    EXPECT_EQ(detail(http("", R"("headers": {"X-A": "1", "x-a": "2"})")), "$.request.headers.x-a: appears twice.");
    EXPECT_EQ(refusal(http("", R"("headers": {"A": ")" + std::string(5000, 'x') + "\"}")).sqlstate, "54000");
    std::string many;
    for (int i = 0; i < 33; ++i)
        many += (i ? ", \"H" : "\"H") + std::to_string(i) + "\": \"x\"";
    EXPECT_EQ(refusal(http("", "\"headers\": {" + many + "}")).sqlstate, "54000");
}

TEST(ProviderConfigTest, IdempotencyHeader) {
    EXPECT_EQ(detail(http(R"("idempotency_header": "Host")")), "$.idempotency_header: is not an allowed header name.");
    EXPECT_EQ(detail(http(R"("idempotency_header": "")")), "$.idempotency_header: must not be empty.");
    EXPECT_EQ(detail(http(R"("idempotency_header": "Idempotency-Key")", R"("headers": {"idempotency-key": "x"})")),
              "$.idempotency_header: is also among the headers of the request.");
}

TEST(ProviderConfigTest, Urls) {
    const auto url = [](const std::string &text) {
        return R"({"kind": "http", "channel": "sms", "request": {"url": ")" + text + "\"}}";
    };
    EXPECT_NO_THROW(parse_provider_config(url("http://localhost:8080/a?to={{message.to}}&r={{attempt.id}}")));
    EXPECT_NO_THROW(parse_provider_config(url("https://api.example.com?to={{message.to}}")));
    for (const std::string text :
         {"ftp://example.com/", "api.example.com", "https://", "https://u:p@example.com/", "https://a b/"})
        EXPECT_EQ(detail(url(text)).rfind("$.request.url: must ", 0), 0U) << text;
    for (const std::string text :
         {"https://{{message.host}}/", "https://api{{message.a}}.example.com/x", "{{secret.url}}",
          "https://example.com:{{message.port}}/", "{{message.scheme}}://example.com/"})
        EXPECT_EQ(detail(url(text)), "$.request.url: placeholders are allowed in the path and the query only.") << text;
    EXPECT_EQ(detail(url("https://example.com/a/../b")), "$.request.url: has a \".\" or \"..\" segment.");
    EXPECT_EQ(detail(url("")), "$.request.url: must not be empty.");
    EXPECT_EQ(refusal(url("https://example.com/" + std::string(3000, 'a'))).sqlstate, "54000");
}

TEST(ProviderConfigTest, PlaceholdersAreCheckedNow) {
    const auto body = [](const std::string &text) { return http("", R"("body": {"a": [{"b": ")" + text + "\"}]}"); };
    for (const std::string good :
         {"{{message.to}}", "{{ message.to }}", "{{message.a.b[0]}}", "{{message['a b']?}}", "{{message[0]}}",
          "{{secret.t}}", "{{attempt.id}}", "{{attempt.number}}", "{{cascade.id}}", "{{cascade.key?}}",
          "{{cascade.tenant?}}", "{{step.number}}", "{{step.channel}}", "{{provider.name}}", "}} {x} literal",
          "a {{step.number}}{{attempt.number}} b"})
        EXPECT_EQ(refusal(body(good)).message, "accepted") << good;
    for (const std::string bad :
         {"{{}}", "{{?}}", "{{message}}", "{{message.}}", "{{message.a b}}", "{{secret.}}", "{{secret.a b}}",
          "{{attempt.ids}}", "{{Message.to}}", "{{{message.to}}}", "{{message..to}}"}) {
        const std::string d = detail(body(bad));
        EXPECT_EQ(d.rfind("$.request.body.a[0].b: unknown placeholder {{", 0), 0U) << bad << d;
    }
    EXPECT_EQ(detail(body("{{message.to")), "$.request.body.a[0].b: a placeholder is not closed.");
    EXPECT_NE(refusal(body("{{x}}")).hint.find("{{message.<path>}}"), std::string::npos);
    EXPECT_EQ(detail(http("", R"("headers": {"X": "{{nope}}"})")),
              "$.request.headers.X: unknown placeholder {{nope}}.");
    EXPECT_EQ(detail(http("", R"("body": {"{{message.a}}": 1})")),
              "$.request.body['{{message.a}}']: placeholders are not allowed in names.");
}

TEST(ProviderConfigTest, FormBodiesAreFlatObjects) {
    const auto form = [](const std::string &body) { return http("", R"("encoding": "form", "body": )" + body); };
    EXPECT_NO_THROW(parse_provider_config(form(R"({"a": "x", "b": 1, "c": true, "d": "{{message.to}}"})")));
    EXPECT_NO_THROW(parse_provider_config(form("{}")));
    EXPECT_EQ(detail(form("[]")), "$.request.body: must be an object, not an array.");
    EXPECT_EQ(detail(form(R"("x")")), "$.request.body: must be an object, not a string.");
    EXPECT_EQ(detail(form(R"({"a": {}})")),
              "$.request.body.a: must be a string, a number or a boolean, not an object.");
    EXPECT_EQ(detail(form(R"({"a": null})")), "$.request.body.a: must be a string, a number or a boolean, not null.");
    EXPECT_EQ(detail(http("", R"("encoding": "xml")")), "$.request.encoding: is not an allowed value.");
}

TEST(ProviderConfigTest, Responses) {
    const auto response = [](const std::string &members) { return http("", "", members); };
    EXPECT_EQ(detail(response(R"("ok": {"status": []})")), "$.response.ok.status: must not be empty.");
    EXPECT_EQ(detail(response(R"("ok": {"status": [99]})")), "$.response.ok.status[0]: must be between 100 and 599.");
    EXPECT_EQ(detail(response(R"("ok": {"status": 200})")), "$.response.ok.status: must be an array, not a number.");
    EXPECT_EQ(detail(response(R"("ok": {"path": "status"})")), "$.response.ok.path: is not a JSON path.");
    EXPECT_EQ(detail(response(R"("ok": {"in": ["x"]})")), "$.response.ok.in: needs \"path\" beside it.");
    EXPECT_EQ(detail(response(R"("ok": {"path": "$.a", "in": [[]]})")),
              "$.response.ok.in[0]: must be a string, a number, a boolean or null, not an array.");
    EXPECT_EQ(detail(response(R"("message_id": {})")),
              "$.response.message_id: must have either \"path\" or \"header\".");
    EXPECT_EQ(detail(response(R"("message_id": {"path": "$.a", "header": "b"})")),
              "$.response.message_id: must have either \"path\" or \"header\".");
    EXPECT_EQ(detail(response(R"("classes": [{"class": "accepted"}])")),
              "$.response.classes[0]: must have \"status\" or \"path\".");
    EXPECT_EQ(detail(response(R"("classes": [{"status": [400]}])")), "$.response.classes[0].class: is missing.");
    EXPECT_EQ(refusal(response(R"("classes": [{"status": [400], "class": "retry"}])")).hint,
              "Allowed values are accepted, retry_same, ambiguous, next_provider, next_channel.");
    EXPECT_EQ(refusal(response(R"("classes": [{"status": [400], "class": "ambiguous", "kind": "none"}])")).hint,
              "Allowed values are soft, hard, policy, config.");
}

TEST(ProviderConfigTest, LimitsOfTheDocument) {
    const std::string good = http("");
    EXPECT_NO_THROW(parse_provider_config(good + std::string(kMaxProviderConfigBytes - good.size(), ' ')));
    EXPECT_EQ(refusal(good + std::string(kMaxProviderConfigBytes - good.size() + 1, ' ')).sqlstate, "54000");
    const auto deep = [](std::size_t n) { return http("", "\"body\": " + std::string(n, '[') + std::string(n, ']')); };
    EXPECT_EQ(refusal(deep(kMaxProviderConfigDepth - 2)).sqlstate, "none");
    EXPECT_EQ(refusal(deep(kMaxProviderConfigDepth - 1)).sqlstate, "54000");
    EXPECT_EQ(refusal(deep(30'000)).detail, "$: the document is nested too deeply.");
    EXPECT_EQ(detail("{"), "$: not valid JSON at byte 2.");
    EXPECT_EQ(detail(http("", R"("body": ["a\u0000"])")), "$.request.body[0]: must not contain the character U+0000.");
}

TEST(ProviderConfigTest, ErrorsDoNotQuoteValues) {
    for (const std::string &json :
         {http("", R"("headers": {"A": "hunter2\n"})"), http("", R"("headers": {"A": "hunter2 {{x}}"})"),
          http("", R"("method": "hunter2")"), http(R"("timeout": "hunter2")"), http("", R"("body": "hunter2 {{")"),
          std::string("{\"hunter2")}) {
        const Refusal r = refusal(json);
        EXPECT_EQ(r.sqlstate, "22023") << json;
        EXPECT_EQ((r.message + r.detail + r.hint).find("hunter2"), std::string::npos) << r.detail;
    }
}

TEST(ProviderConfigTest, SandboxScript) {
    const ProviderConfig config =
        parse_provider_config(R"({"kind": "sandbox", "channel": "sms", "concurrency": 2, "script": [
        {"answer": "retry_same", "retry_after": "2s", "code": 429, "reason": "busy"},
        {"answer": "next_channel", "kind": "policy"},
        {"receipts": [{"status": "sent"}, {"status": "weird", "after": "1h", "reason": "r"}]},
        {"answer": "accepted", "receipts": []}]})");
    EXPECT_EQ(config.kind, ProviderKind::sandbox);
    EXPECT_EQ(config.concurrency, 2U);
    ASSERT_EQ(config.script.size(), 4U);
    EXPECT_EQ(config.script[0].answer.verdict, SendVerdict::retry_same);
    EXPECT_EQ(config.script[0].answer.retry_after, 2s);
    EXPECT_EQ(config.script[0].answer.code, 429);
    EXPECT_EQ(config.script[0].answer.reason, "busy");
    EXPECT_EQ(config.script[0].answer.kind, FailureKind::soft);
    EXPECT_TRUE(config.script[0].receipts.empty());
    EXPECT_EQ(config.script[1].answer.kind, FailureKind::policy);
    EXPECT_EQ(config.script[2].answer.verdict, SendVerdict::accepted);
    ASSERT_EQ(config.script[2].receipts.size(), 2U);
    EXPECT_EQ(config.script[2].receipts[0].status, "sent");
    EXPECT_EQ(config.script[2].receipts[0].after, 0s);
    EXPECT_EQ(config.script[2].receipts[1].status, "weird");
    EXPECT_EQ(config.script[2].receipts[1].after, 1h);
    EXPECT_EQ(config.script[2].receipts[1].reason, "r");
    EXPECT_TRUE(config.script[3].receipts.empty());
}

TEST(ProviderConfigTest, SandboxDefaultScript) {
    const ProviderConfig config = parse_provider_config(R"({"kind": "sandbox", "channel": "push"})");
    ASSERT_EQ(config.script.size(), 1U);
    EXPECT_EQ(config.script[0].answer.verdict, SendVerdict::accepted);
    ASSERT_EQ(config.script[0].receipts.size(), 1U);
    EXPECT_EQ(config.script[0].receipts[0].status, "delivered");
    EXPECT_EQ(config.script[0].receipts[0].after, 0s);
}

TEST(ProviderConfigTest, SandboxRefusals) {
    const auto script = [](const std::string &text) {
        return R"({"kind": "sandbox", "channel": "sms", "script": )" + text + "}";
    };
    EXPECT_EQ(detail(script("[]")), "$.script: must not be empty.");
    EXPECT_EQ(detail(script("{}")), "$.script: must be an array, not an object.");
    EXPECT_EQ(detail(script(R"([{"answer": "ok"}])")), "$.script[0].answer: is not an allowed value.");
    EXPECT_EQ(detail(script(R"([{"receipts": [{}]}])")), "$.script[0].receipts[0].status: is missing.");
    EXPECT_EQ(detail(script(R"([{"receipts": [{"status": "sent", "after": -1}]}])")),
              "$.script[0].receipts[0].after: must not be negative.");
    EXPECT_EQ(detail(script(R"([{"receipts": 1}])")), "$.script[0].receipts: must be an array, not a number.");
    EXPECT_EQ(detail(script(R"([{"code": 600}])")), "$.script[0].code: must be between 0 and 599.");
    EXPECT_EQ(detail(script(R"([{"retry_after": "2d"}])")), "$.script[0].retry_after: must be at most 1d.");
}

} // namespace
