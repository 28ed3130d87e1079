// Requests rendered from provider configurations: types, encodings, guards, and silence about values.
#include "core/error.hpp"
#include "core/provider_config.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hc::core;

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr const char *kMessage =
    R"({"to": "+4915112345678", "text": "Grüße \"A\"\n& B", "price": 19.90, "count": 3, "flag": true, "none": null,
        "list": [1, "b"], "object": {"k": "v"}, "a b": "spaced", "big": 123456789012345678901234567890,
        "path": "a/b?c#d e",
        "dots": "..", "dot": ".", "crlf": "x\r\nInjected: yes", "empty": "", "nested": {"deep": [{"x": "y"}]}})";

TemplateValues values_for(std::string_view message = kMessage) {
    TemplateValues values;
    values.message_json = message;
    values.cascade_id = "0190163d-8694-739b-aea5-966c26f8ad91";
    values.cascade_key = "order \"7\"";
    values.tenant = "acme";
    values.attempt = 2;
    values.step = 1;
    values.channel = "sms";
    values.provider_name = "main";
    values.secret = [](std::string_view name) -> std::optional<std::string> {
        if (name == "token")
            return "s3cr3t&\"";
        if (name == "evil")
            return "s3cr3t\r\nX: y";
        return std::nullopt;
    };
    return values;
}

ProviderConfig config_with(const std::string &request) {
    return parse_provider_config(R"({"kind": "http", "channel": "sms", "request": {)" + request + "}}");
}

ProviderConfig json_body(const std::string &body) {
    return config_with(R"("url": "https://api.example.com/m", "body": )" + body);
}

ProviderConfig form_body(const std::string &body) {
    return config_with(R"("url": "https://api.example.com/m", "encoding": "form", "body": )" + body);
}

std::string body_of(const std::string &body, const TemplateValues &values = values_for()) {
    return render_request(json_body(body), values).body;
}

std::string url_of(const std::string &url, const TemplateValues &values = values_for()) {
    return render_request(config_with("\"url\": \"" + url + "\""), values).url;
}

// The detail of the refusal, which must be of the expected kind and silent about values.
std::string refused(const ProviderConfig &config, const TemplateValues &values = values_for()) {
    try {
        render_request(config, values);
    } catch (const hc::Error &e) {
        EXPECT_STREQ(e.sqlstate(), "22023");
        EXPECT_EQ(e.message(), "cannot build the provider request");
        EXPECT_FALSE(e.hint().empty()) << e.detail();
        EXPECT_EQ((e.message() + e.detail() + e.hint()).find("s3cr3t"), std::string::npos) << e.detail();
        EXPECT_EQ(e.detail().find("Injected"), std::string::npos) << e.detail();
        return e.detail();
    }
    return "accepted";
}

TEST(RequestTemplateTest, TheExampleOfTheManual) {
    const ProviderConfig config = parse_provider_config(R"({
        "kind": "http", "channel": "sms",
        "request": {"url": "https://api.example.com/messages", "headers": {"Authorization": "Bearer {{secret.token}}"},
                    "body": {"to": "{{message.to}}", "text": "{{message.text}}", "ref": "{{attempt.id}}"}},
        "idempotency_header": "Idempotency-Key"})");
    const RenderedRequest request = render_request(config, values_for());
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.url, "https://api.example.com/messages");
    const Headers expected{{"Authorization", "Bearer s3cr3t&\""},
                           {"Idempotency-Key", "0190163d-8694-739b-aea5-966c26f8ad91-2"},
                           {"Content-Type", "application/json"}};
    EXPECT_EQ(request.headers, expected);
    EXPECT_EQ(request.body,
              R"({"ref":"0190163d-8694-739b-aea5-966c26f8ad91-2","text":"Grüße \"A\"\n& B","to":"+4915112345678"})");
}

TEST(RequestTemplateTest, AWholePlaceholderTakesTheTypeOfItsValue) {
    EXPECT_EQ(
        body_of(
            R"(["{{message.price}}", "{{message.count}}", "{{message.flag}}", "{{message.list}}", "{{message.object}}",
                          "{{message.big}}", "{{message.empty}}", "{{message['a b']}}", 
                          "{{message.nested.deep[0].x}}"])"),
        R"([19.90,3,true,[1, "b"],{"k": "v"},123456789012345678901234567890,"","spaced","y"])");
    EXPECT_EQ(
        body_of(R"(["{{attempt.number}}", "{{step.number}}", "{{step.channel}}", "{{provider.name}}", "{{cascade.id}}",
                          "{{cascade.key}}", "{{cascade.tenant}}", "{{secret.token}}"])"),
        R"([2,2,"sms","main","0190163d-8694-739b-aea5-966c26f8ad91","order \"7\"","acme","s3cr3t&\""])");
    EXPECT_EQ(body_of(R"("{{message.list}}")"), R"([1, "b"])");
}

TEST(RequestTemplateTest, PlaceholdersInsideTextBecomeText) {
    EXPECT_EQ(
        body_of(
            R"({"t": "n={{message.count}} p={{message.price}} f={{message.flag}} {{message.text}}|{{message.none?}}"})"),
        R"({"t":"n=3 p=19.90 f=true Grüße \"A\"\n& B|"})");
    EXPECT_EQ(body_of(R"([" {{message.count}}"])"), R"([" 3"])");
}

TEST(RequestTemplateTest, LiteralsStayAsTheyAre) {
    EXPECT_EQ(body_of(R"({"a": [1, null, true, 1.5, "x }} y", {}], "b": {"c": []}})"),
              R"({"a":[1,null,true,1.5,"x }} y",{}],"b":{"c":[]}})");
    EXPECT_EQ(body_of("\"\""), "\"\"");
    EXPECT_EQ(body_of("null"), "null");
}

TEST(RequestTemplateTest, ValuesAreNotTemplates) {
    EXPECT_EQ(body_of(R"({"t": "{{message.t}}", "u": "x{{message.t}}"})", values_for(R"({"t": "{{secret.token}}"})")),
              R"({"t":"{{secret.token}}","u":"x{{secret.token}}"})");
}

TEST(RequestTemplateTest, OptionalPlaceholders) {
    EXPECT_EQ(
        body_of(R"({"a": "{{message.nope?}}", "b": 1, "c": "{{message.none?}}", "d": {"e": "{{secret.nope?}}"}})"),
        R"({"b":1,"d":{}})");
    EXPECT_EQ(body_of(R"({"a": 1, "b": "{{message.nope?}}"})"), R"({"a":1})");
    EXPECT_EQ(body_of(R"(["{{message.nope?}}", "x{{message.nope?}}"])"), R"(["","x"])");
    EXPECT_EQ(body_of(R"("{{message.nope?}}")"), "\"\"");
    EXPECT_EQ(body_of(R"({"a": "{{message.count?}}"})"), R"({"a":3})");
    EXPECT_EQ(url_of("https://e.com/?a={{message.nope?}}&b=1"), "https://e.com/?a=&b=1");
}

TEST(RequestTemplateTest, RequiredPlaceholdersWithoutAValue) {
    EXPECT_EQ(refused(json_body(R"({"a": [{"b": "{{message.nope}}"}]})")),
              "$.request.body.a[0].b: the placeholder {{message.nope}} has no value.");
    EXPECT_EQ(refused(json_body(R"({"a": "{{message.none}}"})")),
              "$.request.body.a: the placeholder {{message.none}} has no value.");
    EXPECT_EQ(refused(json_body(R"({"a": "x {{secret.nope}}"})")),
              "$.request.body.a: the placeholder {{secret.nope}} has no value.");
    TemplateValues values = values_for();
    values.cascade_key.clear();
    values.tenant.clear();
    EXPECT_EQ(refused(json_body(R"("{{cascade.key}}")"), values),
              "$.request.body: the placeholder {{cascade.key}} has no value.");
    EXPECT_EQ(body_of(R"({"t": "{{cascade.tenant?}}"})", values), "{}");
    values.secret = nullptr;
    EXPECT_EQ(refused(json_body(R"("{{secret.token}}")"), values),
              "$.request.body: the placeholder {{secret.token}} has no value.");
}

TEST(RequestTemplateTest, ArraysAndObjectsAreNoText) {
    const char *expected = "the value of {{message.list}} is not a string, number or boolean.";
    EXPECT_EQ(refused(json_body(R"(["x{{message.list}}"])")), std::string("$.request.body[0]: ") + expected);
    EXPECT_EQ(refused(form_body(R"({"a": "{{message.list}}"})")), std::string("$.request.body.a: ") + expected);
    EXPECT_EQ(refused(config_with(R"("url": "https://e.com/{{message.list}}")")),
              std::string("$.request.url: ") + expected);
    EXPECT_EQ(refused(config_with(R"("url": "https://e.com/", "headers": {"X": "{{message.list?}}"})")),
              std::string("$.request.headers.X: ") + expected);
}

TEST(RequestTemplateTest, FormEncoding) {
    const RenderedRequest request = render_request(
        form_body(R"({"To": "{{message.to}}", "Body": "{{message.text}}", "n": 5, "b": false, "a b": "x~-._*+",
                                     "out": "{{message.nope?}}", "in": "p{{message.nope?}}",
                                     "price": "{{message.price}}"})"),
        values_for());
    EXPECT_EQ(
        request.body,
        "Body=Gr%C3%BC%C3%9Fe%20%22A%22%0A%26%20B&To=%2B4915112345678&a%20b=x~-._%2A%2B&b=false&in=p&n=5&price=19.90");
    EXPECT_EQ(request.headers, (Headers{{"Content-Type", "application/x-www-form-urlencoded"}}));
    EXPECT_EQ(render_request(form_body(R"({"a": "{{message.nope?}}", "b": "1"})"), values_for()).body, "b=1");
    EXPECT_EQ(render_request(form_body("{}"), values_for()).body, "");
}

TEST(RequestTemplateTest, ContentTypeOfTheConfigurationWins) {
    const RenderedRequest request = render_request(
        config_with(R"("url": "https://e.com/", "headers": {"content-type": "application/vnd.api+json"}, "body": {})"),
        values_for());
    EXPECT_EQ(request.headers, (Headers{{"content-type", "application/vnd.api+json"}}));
}

TEST(RequestTemplateTest, WithoutABodyThereIsNoContentType) {
    const RenderedRequest request =
        render_request(config_with(R"("method": "GET", "url": "https://e.com/?to={{message.to}}")"), values_for());
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.url, "https://e.com/?to=%2B4915112345678");
    EXPECT_TRUE(request.headers.empty());
    EXPECT_TRUE(request.body.empty());
}

TEST(RequestTemplateTest, UrlPlaceholdersArePercentEncoded) {
    EXPECT_EQ(url_of("https://e.com/m/{{message.path}}/x?q={{message.text}}&s={{secret.token}}"),
              "https://e.com/m/a%2Fb%3Fc%23d%20e/x?q=Gr%C3%BC%C3%9Fe%20%22A%22%0A%26%20B&s=s3cr3t%26%22");
    EXPECT_EQ(url_of("https://e.com/{{message.crlf}}"), "https://e.com/x%0D%0AInjected%3A%20yes");
}

TEST(RequestTemplateTest, UrlValuesCannotClimbThePath) {
    const auto url = [](const std::string &text) { return config_with("\"url\": \"" + text + "\""); };
    EXPECT_EQ(refused(url("https://e.com/v1/{{message.dots}}/admin")),
              "$.request.url: not an allowed URL with {{message.dots}}.");
    EXPECT_EQ(refused(url("https://e.com/v1/{{message.dot}}{{message.dot}}")),
              "$.request.url: not an allowed URL with {{message.dot}}, {{message.dot}}.");
    EXPECT_EQ(refused(url("https://e.com/v1/{{message.dots}}?a=1")),
              "$.request.url: not an allowed URL with {{message.dots}}.");
    EXPECT_EQ(url_of("https://e.com/v1/x{{message.dots}}?a=/../{{message.dots}}"), "https://e.com/v1/x..?a=/../..");
    EXPECT_EQ(url_of("https://e.com?a={{message.dots}}/.."), "https://e.com?a=../..");
}

TEST(RequestTemplateTest, HeaderValuesAreGuarded) {
    const auto header = [](const std::string &text) {
        return config_with(R"("url": "https://e.com/", "headers": {"X-A": ")" + text + "\"}");
    };
    EXPECT_EQ(refused(header("a {{message.crlf}}")),
              "$.request.headers.X-A: the value of {{message.crlf}} has control characters.");
    EXPECT_EQ(refused(header("{{secret.evil}}")),
              "$.request.headers.X-A: the value of {{secret.evil}} has control characters.");
    EXPECT_EQ(refused(header("{{message.n}}"), values_for(R"({"n": "a\u0000b"})")),
              "$.request.headers.X-A: the value of {{message.n}} has control characters.");
    EXPECT_EQ(render_request(header("{{message.count}}/{{cascade.tenant}}"), values_for()).headers,
              (Headers{{"X-A", "3/acme"}}));
    EXPECT_EQ(render_request(header("{{message.nope?}}"), values_for()).headers, Headers{});
    EXPECT_EQ(render_request(header("a{{message.nope?}}"), values_for()).headers, (Headers{{"X-A", "a"}}));
}

TEST(RequestTemplateTest, LongLinesAreRefused) {
    const std::string message = R"({"x": ")" + std::string(kMaxRenderedLineBytes, 'x') + "\"}";
    EXPECT_EQ(refused(config_with(R"("url": "https://e.com/{{message.x}}")"), values_for(message)),
              "$.request.url: longer than 8192 bytes with {{message.x}}.");
    EXPECT_EQ(
        refused(config_with(R"("url": "https://e.com/", "headers": {"X": "a{{message.x}}"})"), values_for(message)),
        "$.request.headers.X: longer than 8192 bytes with {{message.x}}.");
    EXPECT_EQ(body_of(R"({"x": "{{message.x}}"})", values_for(message)).size(), kMaxRenderedLineBytes + 8);
}

TEST(RequestTemplateTest, TheMessageMustBeJson) {
    for (const char *message : {"", "{", "{\"a\": 1} x"})
        EXPECT_EQ(refused(json_body(R"("{{message.a}}")"), values_for(message)), "$: the message is not valid JSON.")
            << message;
    EXPECT_EQ(body_of(R"("{{attempt.number}}")", values_for("")), "2");
    EXPECT_EQ(refused(json_body(R"("{{message.a}}")"), values_for("[1]")),
              "$.request.body: the placeholder {{message.a}} has no value.");
    EXPECT_EQ(body_of(R"("{{message[0]}}")", values_for("[1]")), "1");
}

TEST(RequestTemplateTest, SecretsThatAreNotUtf8StayValidJson) {
    TemplateValues values = values_for();
    values.secret = [](std::string_view) { return std::optional<std::string>("a\xff"); };
    EXPECT_EQ(body_of(R"(["{{secret.x}}"])", values), "[\"a\xef\xbf\xbd\"]");
}

TEST(RequestTemplateTest, CompiledOnceRenderedOften) {
    auto config = std::make_unique<ProviderConfig>(
        config_with(R"("url": "https://e.com/{{secret.a}}", "headers": {"H": "{{secret.b}}"},
                       "body": {"x": ["{{secret.c}}", {"y": "{{secret.a}} {{message.i}}"}]})"));
    const CompiledRequest compiled(*config);
    config.reset(); // the compiled form must not refer to it
    const CompiledRequest copy = compiled;
    EXPECT_EQ(compiled.secret_names(), (std::vector<std::string>{"a", "b", "c"}));
    TemplateValues values = values_for();
    values.secret = [](std::string_view name) { return std::optional<std::string>(name); };
    for (int i = 0; i < 3; ++i) {
        const std::string message = R"({"i": )" + std::to_string(i) + "}";
        values.message_json = message;
        const RenderedRequest request = copy.render(values);
        EXPECT_EQ(request.url, "https://e.com/a");
        EXPECT_EQ(request.body, R"({"x":["c",{"y":"a )" + std::to_string(i) + R"("}]})");
    }
}

TEST(RequestTemplateTest, SecretsOfFormsAreListedToo) {
    EXPECT_EQ(CompiledRequest(form_body(R"({"k": "{{secret.k}}"})")).secret_names(), (std::vector<std::string>{"k"}));
}

TEST(RequestTemplateTest, SandboxHasNoRequest) {
    const RenderedRequest request =
        render_request(parse_provider_config(R"({"kind": "sandbox", "channel": "sms"})"), values_for());
    EXPECT_TRUE(request.url.empty());
    EXPECT_TRUE(request.body.empty());
}

} // namespace
