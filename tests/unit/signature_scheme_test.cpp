// Tests of the single schemes of callback signatures: published vectors, and what is particular to each.
#include "core/crypto.hpp"
#include "core/signature.hpp"
#include "signature_fixture.hpp"

namespace hc::core {
namespace {

using namespace signature_test;

// ---------------------------------------------------------------- Standard Webhooks

TEST(SignatureStandardWebhooks, PublishedVectors) {
    Callback callback{.scheme = "standard_webhooks",
                      .secrets = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
                      .headers = {{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                                  {"webhook-timestamp", "1614265330"},
                                  {"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}},
                      .body = R"({"test": 2432232314})",
                      .url = {},
                      .now = at(1614265330)};
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.secrets = {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}; // as the libraries take it, too
    EXPECT_EQ(callback.check(), SignatureCheck::ok);

    callback = {.scheme = "standard_webhooks", // the documentation of Svix; its key has 18 bytes
                .secrets = {"whsec_plJ3nmyCDGBKInavdOK15jsl"},
                .headers = {{"svix-id", "msg_loFOjxBNrRLzqYUf"},
                            {"svix-timestamp", "1731705121"},
                            {"svix-signature", "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="}},
                .body = R"({"event_type":"ping","data":{"success":true}})",
                .url = {},
                .now = at(1731705121)};
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignatureStandardWebhooks, HeadersOfOneFamilyOnly) {
    Callback callback = standard_webhooks();
    callback.headers[0].first = "svix-id";
    EXPECT_EQ(callback.check(), SignatureCheck::missing);
}

TEST(SignatureStandardWebhooks, SecretsThatAreNone) {
    Callback callback = standard_webhooks();
    for (const std::string &secret :
         {std::string("whsec_"), std::string("whsec_!"), "whsec_" + base64_encode(std::string(15, 'k')),
          "whsec_" + base64_encode(std::string(65, 'k')), std::string("whpk_"), "whpk_" + base64_encode("short"),
          "whsk_" + base64_encode(std::string(64, 'k')), std::string("secret")}) {
        callback.secrets = {secret};
        EXPECT_EQ(callback.check(), SignatureCheck::bad_secret) << secret;
    }
    callback.secrets = {"secret", "whsec_" + base64_encode(std::string(24, 'k'))};
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignatureStandardWebhooks, BothKindsOfKeysAndManyEntries) {
    const Key key = make_ed25519();
    const Callback signed_with_key = standard_webhooks_ed25519(key);
    Callback callback = standard_webhooks();
    const std::string symmetric = callback.headers[2].second;
    const std::string asymmetric = signed_with_key.headers[2].second;
    for (const std::string &header : {symmetric + " " + asymmetric, asymmetric + " " + symmetric,
                                      "v2,x v1,AAAA v1a,AAAA " + symmetric + " " + asymmetric}) {
        callback.set("webhook-signature", header);
        for (const std::string &secret : {signed_with_key.secrets[0], standard_webhooks().secrets[0]}) {
            callback.secrets = {secret};
            EXPECT_EQ(callback.check(), SignatureCheck::ok) << header;
        }
    }
    // A symmetric key does not verify an asymmetric entry, and the other way round.
    callback.set("webhook-signature", "v1," + asymmetric.substr(4));
    callback.secrets = signed_with_key.secrets;
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    std::string many = symmetric;
    for (int i = 0; i < 32; ++i)
        many += " v1a,AAAA";
    callback.set("webhook-signature", many);
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

TEST(SignatureStandardWebhooks, MalformedParts) {
    for (const char *timestamp : {"x", "-1", "+1700000000", "1700000000.0", "17000000000000000000000", "1.7e9"}) {
        Callback callback = standard_webhooks();
        callback.set("webhook-timestamp", timestamp);
        EXPECT_EQ(callback.check(), SignatureCheck::malformed) << timestamp;
    }
    Callback callback = standard_webhooks();
    callback.set("webhook-id", "msg.1");
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

// ---------------------------------------------------------------- Twilio

// The example of Twilio's documentation and of its libraries' tests.
Callback twilio_example(const std::string &url, const std::string &signature) {
    return {.scheme = "twilio",
            .secrets = {"12345"},
            .headers = {{"X-Twilio-Signature", signature}},
            .body = "CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309",
            .url = url};
}

TEST(SignatureTwilio, PublishedVectors) {
    const std::string rest = "/myapp.php?foo=1&bar=2";
    const auto check = [&](const std::string &host, const std::string &signature) {
        return twilio_example(host + rest, signature).check();
    };
    EXPECT_EQ(check("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), SignatureCheck::ok);
    // With the port removed, kept and added.
    EXPECT_EQ(check("https://mycompany.com:1234", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), SignatureCheck::ok);
    EXPECT_EQ(check("http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="), SignatureCheck::ok);
    EXPECT_EQ(check("https://mycompany.com", "kvajT1Ptam85bY51eRf/AJRuM3w="), SignatureCheck::ok);
    EXPECT_EQ(check("http://mycompany.com", "0ZXoZLH/DfblKGATFgpif+LLRf4="), SignatureCheck::ok);
    EXPECT_EQ(check("http://mycompany.com", "kvajT1Ptam85bY51eRf/AJRuM3w="), SignatureCheck::no_match);
    EXPECT_EQ(check("https://mycompany.net", "RSOYDt4T1cUTdK1PDd93/VVr8B8="), SignatureCheck::no_match);
}

TEST(SignatureTwilio, PublishedVectorOfRepeatedParameters) {
    Callback callback = twilio_example("https://mycompany.com/myapp.php?foo=1&bar=2", "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
    callback.body = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.body = "Digits=1234&Digits=5678&Digits=5678&SidAccount=AC123&Sid=CA123"; // the same pair twice counts once
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.body = "Sid=CA123&SidAccount=AC123&Digits=1234";
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
}

TEST(SignatureTwilio, PublishedVectorOfAJsonBody) {
    const std::string url = "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256="
                            "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    Callback callback = twilio_example(url, "a9nBmqA0ju/hNViExpshrM61xv4=");
    callback.body = R"({"property": "value", "boolean": true})";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.body = R"({"property": "value", "boolean": false})";
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback.body = "";
    EXPECT_EQ(callback.check(), SignatureCheck::ok); // no body at all: a URL that Twilio signed
}

TEST(SignatureTwilio, GetHasItsParametersInTheUrl) {
    Callback callback = twilio();
    callback.method = "GET";
    callback.url = "https://example.com/twilio?MessageSid=SM1&MessageStatus=delivered";
    callback.body.clear();
    callback.set("X-Twilio-Signature", base64_encode(hmac(EVP_sha1(), "token", callback.url)));
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.body = "MessageStatus=failed";
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
}

TEST(SignatureTwilio, PortsAreOnlyPorts) {
    for (const std::string &url : {std::string("https://user:12@example.com/x"), std::string("https://[2001:db8::1]/x"),
                                   std::string("HTTPS://a"), std::string("https://a:/x"), std::string("ftp://a:1/x"),
                                   std::string("a"), std::string("https://")}) {
        Callback callback = twilio();
        callback.body.clear();
        callback.url = url;
        callback.set("X-Twilio-Signature", base64_encode(hmac(EVP_sha1(), "token", url)));
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << url;
    }
    Callback callback = twilio();
    callback.body.clear();
    callback.url = "https://user:12@example.com:8443/x:1?y:2";
    callback.set("X-Twilio-Signature", base64_encode(hmac(EVP_sha1(), "token", "https://user:12@example.com/x:1?y:2")));
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignatureTwilio, BytesAreSignedNotCleanedText) {
    Callback callback = twilio();
    callback.body = "Body=%FF%00x";
    callback.set("X-Twilio-Signature",
                 base64_encode(hmac(EVP_sha1(), "token", callback.url + "Body\xff" + std::string(1, '\0') + "x")));
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.body = "Body=%FFx";
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
}

TEST(SignatureTwilio, Malformed) {
    Callback callback = twilio();
    callback.set("X-Twilio-Signature", "not base64");
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
    callback = twilio();
    callback.body.clear();
    for (int i = 0; i <= 1000; ++i)
        callback.body += "a&";
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

// ---------------------------------------------------------------- SendGrid

TEST(SignatureSendGrid, PublishedVector) {
    Callback callback{
        .scheme = "sendgrid",
        .secrets =
            {"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvF"
             "YPAZFceEu/1FwCM/QmGUhA=="},
        .headers =
            {{"X-Twilio-Email-Event-Webhook-Signature",
              "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="},
             {"X-Twilio-Email-Event-Webhook-Timestamp", "1588788367"}},
        .body = R"({"category":"example_payload","event":"test_event","message_id":"message_id"})",
        .url = {},
        .now = at(1588788367)};
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.set("X-Twilio-Email-Event-Webhook-Timestamp", "1588788368");
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback.set("X-Twilio-Email-Event-Webhook-Timestamp", "invalid timestamp");
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

TEST(SignatureSendGrid, KeysInPemAndKeysOfOtherKinds) {
    const Key key = make_ec();
    Callback callback = sendgrid(key);
    for (const std::string &secret : {pem_public(key), "\n" + pem_public(key) + "\n", pem_certificate(key),
                                      " " + base64_encode(der_public(key)) + "\n"}) {
        callback.secrets = {secret};
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << secret;
    }
    for (const std::string &secret :
         {base64_encode(der_public(make_ec("P-384"))), base64_encode(der_public(make_ed25519())),
          base64_encode(raw_public(make_ed25519())), base64_encode(der_public(rsa_key())), pem_public(rsa_key()),
          base64_encode(der_public(key) + "x"), base64_encode(der_public(key)).substr(4), std::string("key"),
          std::string("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
          std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
          std::string("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
                      "00000000000000000000000000000000\n\nAAAA\n-----END CERTIFICATE-----\n")}) {
        callback.secrets = {secret};
        EXPECT_EQ(callback.check(), SignatureCheck::bad_secret) << secret;
    }
}

// ---------------------------------------------------------------- Vonage SMS

Callback vonage_example(const std::string &query, const std::string &secret, std::int64_t time) {
    return {.scheme = "vonage_sms",
            .secrets = {secret},
            .headers = {},
            .body = {},
            .url = "https://example.com/vonage?" + query,
            .method = "GET",
            .now = at(time)};
}

TEST(SignatureVonageSms, PublishedVectorsOfEveryMethod) {
    const std::string query = "message-timestamp=2013-11-21+15%3A27%3A30&messageId=020000001B0FE827&msisdn=14843472194&"
                              "text=Test+again&timestamp=1385047698&to=13239877404&type=text&sig=";
    const std::pair<const char *, const char *> vectors[] = {
        {"md5hash", "d2e7b1dc968737c5998ad624e02f90b7"},
        {"md5", "DDEBD46008C2D4E93CCE578A332A52D5"},
        {"sha1", "27D0D05C2876C7CB1720DBCDBA4D492E1E55C09A"},
        {"sha256", "DDB8397C2B90AAC7F3882D306475C9A5058C92322EEF43C92B298B6E0FC0D330"},
        {"sha512",
         "E0D3C650F8C9D1A5C174D10DDDBFB003E561F59B265616208B0487C5D819481CD3C311D59CF6165ECD1139622D5BA3A256C0"
         "D763AC4A9AD9144B5A426B94FE82"},
    };
    const std::string secret = "my_secret_key_for_testing";
    for (const auto &[method, signature] : vectors) {
        EXPECT_EQ(vonage_example(query + signature, secret, 1385047698).check(), SignatureCheck::ok) << method;
        for (const auto &[other, unused] : vectors) {
            const Callback callback = vonage_example(query + signature, std::string(other) + ":" + secret, 1385047698);
            EXPECT_EQ(callback.check(), std::string(other) == method ? SignatureCheck::ok : SignatureCheck::no_match)
                << method << " " << other;
        }
    }
}

TEST(SignatureVonageSms, PublishedVectorWithReplacedCharacters) {
    const Callback callback =
        vonage_example("keyword=TEST&message-timestamp=2017-04-04+22%3A57%3A47&messageId=0B00000042AC53BD&"
                       "msisdn=14843472194&nonce=929d6744-bd28-42c8-b6cf-31d5b4f43732&sig="
                       "e06d9763e3fd0b9c31beb5fc2fcb011c&text=Test+with+%26+and+%3D&timestamp=1491346667&"
                       "to=12192259404&type=text",
                       "my_secret_key_for_testing", 1491346667);
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignatureVonageSms, FormQueryAndJsonAlike) {
    const std::string signature = hex(hmac(EVP_sha256(), "secret", vonage_base()));
    Callback callback = vonage_sms();
    callback.body.clear();
    callback.url = "https://example.com/v?" + vonage_form(signature);
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.method = "GET";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.url = "https://example.com/v?a=b"; // the query does not count when there is a body
    callback.method = "POST";
    callback.body = R"({"status":"delivered","timestamp":")" + std::to_string(kSeconds) +
                    R"(","text":"a&b=c","messageId":"A1","sig":")" + signature + R"("})";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.body = R"({"status":"delivered","timestamp":)" + std::to_string(kSeconds) +
                    R"(,"text":"a_b_c","messageId":"A1","sig":")" + signature + R"("})";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.method = "GET"; // a body that the provider did not send
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

TEST(SignatureVonageSms, Malformed) {
    const std::string signature = hex(hmac(EVP_sha256(), "secret", vonage_base()));
    const std::string time = std::to_string(kSeconds);
    const std::pair<std::string, SignatureCheck> bodies[] = {
        {"status=delivered&timestamp=" + time, SignatureCheck::missing},
        {"{\"status\":\"delivered\"}", SignatureCheck::missing},
        {vonage_form("xyz"), SignatureCheck::malformed},
        {vonage_form(""), SignatureCheck::no_match},
        {vonage_form(signature + "00"), SignatureCheck::no_match},
        {vonage_form(signature.substr(2)), SignatureCheck::no_match},
        {vonage_form(signature) + "&sig=" + signature, SignatureCheck::malformed},
        {vonage_form(signature) + "&timestamp=" + time, SignatureCheck::malformed},
        {"status=delivered&sig=" + signature, SignatureCheck::malformed}, // no timestamp
        {"status=delivered&timestamp=now&sig=" + signature, SignatureCheck::malformed},
        // One name that reads like two pairs.
        {"messageId%3DA1%26status=delivered&text=a_b_c&timestamp=" + time + "&sig=" + signature,
         SignatureCheck::malformed},
        {"{\"sig\":\"" + signature + "\",\"timestamp\":\"" + time + "\",\"x\":{}}", SignatureCheck::malformed},
        {"{\"sig\":\"" + signature + "\",\"timestamp\":\"" + time + "\",\"x\":1.5}", SignatureCheck::malformed},
        {"{\"sig\":\"" + signature + "\",\"timestamp\":\"" + time + "\",\"x\":null}", SignatureCheck::malformed},
        {"{\"sig\":\"" + signature + "\",\"sig\":\"" + signature + "\"}", SignatureCheck::malformed},
        {"{", SignatureCheck::malformed},
    };
    for (const auto &[body, expected] : bodies) {
        Callback callback = vonage_sms();
        callback.body = body;
        EXPECT_EQ(callback.check(), expected) << body;
    }
}

TEST(SignatureVonageSms, SecretsWithAMethod) {
    Callback callback = vonage_sms();
    callback.secrets = {"sha256:secret"};
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.secrets = {"sha256:"};
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback.secrets = {"md5hash:"};
    callback.body = vonage_form(hex(digest_of(EVP_md5(), vonage_base())));
    EXPECT_EQ(callback.check(), SignatureCheck::no_match); // no secret at all
    callback.secrets = {"sha3:secret"};                    // no method: a secret with a colon
    callback.body = vonage_form(hex(hmac(EVP_sha1(), "sha3:secret", vonage_base())));
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

// ---------------------------------------------------------------- JWT

TEST(SignatureVonageMessages, TheAlgorithmIsFixed) {
    for (const char *header :
         {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"HS384"})", R"({"alg":"RS256"})", R"({"alg":"hs256"})",
          R"({"alg":["HS256"]})", R"({"alg":null})", R"({})", R"([])", R"("HS256")", "", "{",
          R"({"alg":"HS256","crit":["exp"]})", R"({"alg":"none","alg":"HS256"})", R"({"alg":"HS256","alg":"none"})"}) {
        Callback callback = vonage_messages(jwt("secret", vonage_claims(), header));
        EXPECT_EQ(callback.check(), SignatureCheck::malformed) << header;
    }
    const std::string part = base64url(R"({"alg":"none"})") + "." + base64url(vonage_claims());
    EXPECT_EQ(vonage_messages(part + ".").check(), SignatureCheck::malformed);
    const std::string good = jwt("secret", vonage_claims());
    EXPECT_EQ(vonage_messages(good.substr(0, good.rfind('.') + 1)).check(), SignatureCheck::no_match);
}

TEST(SignatureVonageMessages, TokensThatAreNone) {
    const std::string good = jwt("secret", vonage_claims());
    for (const std::string &token :
         {std::string("x"), std::string("."), std::string(".."), std::string("..."), good + ".", "." + good, good + "=",
          "*" + good, good.substr(0, good.rfind('.')), good + "\n", std::string(good).replace(5, 1, "+")}) {
        const SignatureCheck check = vonage_messages(token).check();
        EXPECT_EQ(check, SignatureCheck::malformed) << token;
    }
}

TEST(SignatureVonageMessages, Claims) {
    const std::string hash = hex(digest_of(EVP_sha256(), kBody));
    const std::string time = std::to_string(kSeconds);
    const auto check = [&](const std::string &claims) { return vonage_messages(jwt("secret", claims)).check(); };
    const auto with = [&](const std::string &more) {
        return check(R"({"payload_hash":")" + hash + "\"," + more + "}");
    };
    EXPECT_EQ(with("\"iat\":" + time), SignatureCheck::ok);
    EXPECT_EQ(with("\"iat\":" + time + ".5"), SignatureCheck::ok);
    EXPECT_EQ(with("\"iat\":\"" + time + "\""), SignatureCheck::malformed);
    EXPECT_EQ(with("\"iat\":-1"), SignatureCheck::malformed);
    EXPECT_EQ(with("\"iat\":1e300"), SignatureCheck::malformed);
    EXPECT_EQ(with("\"iat\":null"), SignatureCheck::malformed);
    EXPECT_EQ(with("\"jti\":\"x\""), SignatureCheck::malformed);
    EXPECT_EQ(with("\"iat\":0"), SignatureCheck::stale);
    EXPECT_EQ(with("\"exp\":" + std::to_string(kSeconds - 61) + ",\"iat\":" + time), SignatureCheck::stale);
    EXPECT_EQ(with("\"exp\":" + std::to_string(kSeconds - 60) + ",\"iat\":" + time), SignatureCheck::ok);
    EXPECT_EQ(with("\"nbf\":" + std::to_string(kSeconds + 61) + ",\"iat\":" + time), SignatureCheck::stale);
    EXPECT_EQ(with("\"nbf\":" + std::to_string(kSeconds + 60) + ",\"iat\":" + time), SignatureCheck::ok);
    EXPECT_EQ(with("\"exp\":\"soon\",\"iat\":" + time), SignatureCheck::malformed);
    EXPECT_EQ(check("{\"iat\":" + time + "}"), SignatureCheck::malformed);
    EXPECT_EQ(check("{\"iat\":" + time + ",\"payload_hash\":1}"), SignatureCheck::no_match);
    EXPECT_EQ(check("{\"iat\":" + time + ",\"payload_hash\":\"\"}"), SignatureCheck::no_match);
    EXPECT_EQ(check("{\"iat\":" + time + ",\"payload_hash\":\"" + hash.substr(2) + "\"}"), SignatureCheck::no_match);
    EXPECT_EQ(check("[]"), SignatureCheck::malformed);
    EXPECT_EQ(check("{\"iat\":" + time + ",\"iat\":" + time + ",\"payload_hash\":\"" + hash + "\"}"),
              SignatureCheck::malformed);
    Callback callback = vonage_messages(jwt("secret", vonage_claims("")));
    callback.body.clear();
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignatureVonageMessages, OtherWaysToAuthenticateAreNone) {
    Callback callback = vonage_messages();
    const std::string token = callback.headers[0].second.substr(7);
    for (const std::string &value : {token, "Basic " + token, "Bearer" + token, "Bearer-" + token}) {
        callback.set("Authorization", value);
        EXPECT_EQ(callback.check(), SignatureCheck::missing) << value;
    }
    for (const std::string &value : {"bearer " + token, "BEARER   " + token}) {
        callback.set("Authorization", value);
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << value;
    }
}

// messagebird/go-rest-api signature_jwt/testdata/reference.json
constexpr const char *kBirdSecret = "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb";

SignatureCheck check_bird(const std::string &token, const std::string &url, const std::string &body = "") {
    return Callback{.scheme = "messagebird",
                    .secrets = {kBirdSecret},
                    .headers = {{"MessageBird-Signature-JWT", token}},
                    .body = body,
                    .url = url,
                    .now = at(1625479200)}
        .check();
}

TEST(SignatureMessageBird, PublishedVectors) {
    const std::string plain =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJqdGkiOiI1OWEyNDRkYy1lOWFkLTRlMjMtOT"
        "c3OC0zNzFmYWEyMzhmNzIiLCJ1cmxfaGFzaCI6IjBmMTE1ZGIwNjJiN2MwZGQwMzBiMTY4NzhjOTlkZWE1YzM1NGI0OWRjMzdiMzhlYjg4NDYx"
        "NzljNzc4M2U5ZDcifQ.6Fp0rVOsRr1fj9S2GidXAfkmPVofKr8_RTffC6G6r2E";
    EXPECT_EQ(check_bird(plain, "https://example.com/"), SignatureCheck::ok);
    EXPECT_EQ(check_bird(plain, "https://example.com/", "Hello, World!"), SignatureCheck::no_match); // added in transit
    EXPECT_EQ(check_bird(plain, "https://example.com/path"), SignatureCheck::no_match);
    const std::string payload =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJqdGkiOiI5M2U1NTAwNi1hMGU4LTQ1MjYtYT"
        "E5MC1mYTVmZjAwZWExMTYiLCJ1cmxfaGFzaCI6IjQxZjA1ZjBkZGQwYTIyYWIyMDlhYzQ2ZjQ3YzQ1NzJkOWNlZmEyNTdlZDc0YjI0MDA0YmFl"
        "NzUzZWNlNmMyNjAiLCJwYXlsb2FkX2hhc2giOiJkZmZkNjAyMWJiMmJkNWIwYWY2NzYyOTA4MDllYzNhNTMxOTFkZDgxYzdmNzBhNGIyODY4OG"
        "EzNjIxODI5ODZmIn0._H--TOuYFLpeEH39-rg5E3IHVkjHozBcaKVWPRC5m9I";
    EXPECT_EQ(check_bird(payload, "https://example.com/path?bar=1&foo=2", "Hello, World!"), SignatureCheck::ok);
    EXPECT_EQ(check_bird(payload, "https://example.com/path?foo=2&bar=1", "Hello, World!"), SignatureCheck::no_match);
    EXPECT_EQ(check_bird(payload, "https://example.com/path?bar=1&foo=2", ""), SignatureCheck::no_match); // removed
}

TEST(SignatureMessageBird, PublishedVectorsThatAreRefused) {
    const std::string early = // not valid before an hour later
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ4MjgwMCwiZXhwIjoxNjI1NDgyODYwLCJqdGkiOiJmOWY4YzM4Mi0yNDQ5LTQzMTEtYj"
        "cyYi0xZGY3MTY4NzkzMWUiLCJ1cmxfaGFzaCI6IjBmMTE1ZGIwNjJiN2MwZGQwMzBiMTY4NzhjOTlkZWE1YzM1NGI0OWRjMzdiMzhlYjg4NDYx"
        "NzljNzc4M2U5ZDcifQ.ZELgDFNGhjZH9CffQKcq3sytBe2I0KciLxpBhcfstHQ";
    EXPECT_EQ(check_bird(early, "https://example.com/"), SignatureCheck::stale);
    const std::string expired = // for an hour
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3NTYwMCwiZXhwIjoxNjI1NDc1NjYwLCJqdGkiOiI1ZjAyZjUyMi02MDMwLTQ2YzgtYj"
        "VhMy0wMTI0NjQ3OGQ4YmMiLCJ1cmxfaGFzaCI6IjBmMTE1ZGIwNjJiN2MwZGQwMzBiMTY4NzhjOTlkZWE1YzM1NGI0OWRjMzdiMzhlYjg4NDYx"
        "NzljNzc4M2U5ZDcifQ.45MSST3B_2PsjNUeiuW54_vUQgVw4rBXrdWrOUEz3lM";
    EXPECT_EQ(check_bird(expired, "https://example.com/"), SignatureCheck::stale);
    const std::string other_secret =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJqdGkiOiIyNDNjMjdhZS0yZjAyLTQ2YTAtOD"
        "g1Mi1jNjZmMzdlYTlmNDYiLCJ1cmxfaGFzaCI6IjBmMTE1ZGIwNjJiN2MwZGQwMzBiMTY4NzhjOTlkZWE1YzM1NGI0OWRjMzdiMzhlYjg4NDYx"
        "NzljNzc4M2U5ZDcifQ.JgSeYyOtlEKAXk8bz30iJI4tXgf4lxknoiezawuVhb4";
    EXPECT_EQ(check_bird(other_secret, "https://example.com/"), SignatureCheck::no_match);
    const std::string hs384 = // right, but the algorithm is fixed here
        "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9."
        "eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJqdGkiOiI1OWEyNDRkYy1lOWFkLTRlMjMtOT"
        "c3OC0zNzFmYWEyMzhmNzIiLCJ1cmxfaGFzaCI6IjBmMTE1ZGIwNjJiN2MwZGQwMzBiMTY4NzhjOTlkZWE1YzM1NGI0OWRjMzdiMzhlYjg4NDYx"
        "NzljNzc4M2U5ZDcifQ.KNMW-29X77lZeuPmThmHWc_RUAvTkaDkpxIZK6mqE08v8mWKiU9Edh4QXwAJO2nv";
    EXPECT_EQ(check_bird(hs384, "https://example.com/"), SignatureCheck::malformed);
}

TEST(SignatureMessageBird, Claims) {
    const auto check = [](const std::string &claims, Time now = kNow) {
        Callback callback = messagebird(jwt("key", claims));
        callback.now = now;
        return callback.check();
    };
    const std::string good = bird_claims(kBody);
    const auto replaced = [&](const std::string &from, const std::string &to) {
        std::string claims = good;
        return claims.replace(claims.find(from), from.size(), to);
    };
    EXPECT_EQ(check(good), SignatureCheck::ok);
    EXPECT_EQ(check(replaced("MessageBird", "Other")), SignatureCheck::no_match);
    EXPECT_EQ(check(replaced("\"iss\"", "\"xss\"")), SignatureCheck::malformed);
    EXPECT_EQ(check(replaced("\"nbf\"", "\"xbf\"")), SignatureCheck::malformed);
    EXPECT_EQ(check(replaced("\"exp\"", "\"xxp\"")), SignatureCheck::malformed);
    EXPECT_EQ(check(replaced("url_hash", "xrl_hash")), SignatureCheck::no_match);
    EXPECT_EQ(check(replaced("payload_hash", "xayload_hash")), SignatureCheck::no_match);
    EXPECT_EQ(check(bird_claims(kBody, ",\"iat\":" + std::to_string(kSeconds))), SignatureCheck::ok);
    EXPECT_EQ(check(bird_claims(kBody, ",\"iat\":" + std::to_string(kSeconds - 301))), SignatureCheck::stale);
    // A minute before and after what the token allows, and never more than the window.
    EXPECT_EQ(check(good, kNow - seconds(60)), SignatureCheck::ok);
    EXPECT_EQ(check(good, kNow - seconds(61)), SignatureCheck::stale);
    EXPECT_EQ(check(good, kNow + seconds(120)), SignatureCheck::ok);
    EXPECT_EQ(check(good, kNow + seconds(121)), SignatureCheck::stale);
    Callback callback = messagebird();
    callback.window = Duration::zero();
    callback.now = kNow + seconds(60);
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.now += Duration{1};
    EXPECT_EQ(callback.check(), SignatureCheck::stale);
}

TEST(SignatureMessageBird, StatusReportsAreGetRequestsWithoutABody) {
    Callback callback = messagebird(jwt("key", bird_claims("")));
    callback.method = "GET";
    callback.body.clear();
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.body = "x";
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
}

// ---------------------------------------------------------------- Sinch Conversation

TEST(SignatureSinch, PublishedVector) {
    const Callback callback{
        .scheme = "sinch_conversation",
        .secrets = {"foo_secret1234"},
        .headers = {{"x-sinch-webhook-signature-nonce", "01FJA8B4A7BM43YGWSG9GBV067"},
                    {"x-sinch-webhook-signature-timestamp", "1634579353"},
                    {"x-sinch-webhook-signature", "6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE="}},
        .body = R"({"app_id":"","accepted_time":"2021-10-18T17:49:13.813615Z",)"
                R"("project_id":"e2df3a34-a71b-4448-9db5-a8d2baad28e4","contact_create_notification":{"contact":{)"
                R"("id":"01FJA8B466Y0R2GNXD78MD9SM1","channel_identities":[{"channel":"SMS",)"
                R"("identity":"48123456789","app_id":""}],"display_name":"New Test Contact",)"
                R"("email":"new.contact@email.com","external_id":"","metadata":"","language":"EN_US"}},)"
                R"("message_metadata":""})",
        .url = {},
        .now = at(1634579353)};
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignatureSinch, Algorithms) {
    EXPECT_EQ(sinch(EVP_sha512(), "HmacSHA512").check(), SignatureCheck::ok);
    EXPECT_EQ(sinch(EVP_sha256(), "HmacSHA512").check(), SignatureCheck::no_match);
    for (const char *algorithm : {"none", "HmacSHA1", "HmacMD5", "hmacsha256", "SHA256"})
        EXPECT_EQ(sinch(EVP_sha1(), algorithm).check(), SignatureCheck::malformed) << algorithm;
}

TEST(SignatureSinch, TheNonceIsToldFromTheBody) {
    // "body.a" + "b" signs the same bytes as "body" + "a.b".
    Callback callback = sinch();
    callback.body = std::string(kBody) + ".a";
    callback.set("x-sinch-webhook-signature-nonce", "b");
    const std::string time = std::to_string(kSeconds);
    callback.set("x-sinch-webhook-signature",
                 base64_encode(hmac(EVP_sha256(), "secret", callback.body + ".b." + time)));
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.body = kBody;
    callback.set("x-sinch-webhook-signature-nonce", "a.b");
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

// ---------------------------------------------------------------- Plivo

// plivo-go and plivo-dotnet, tests of version 3.
Callback plivo_example(const std::string &method, const std::string &query, const std::string &signature) {
    const std::string parameters =
        "Direction=outbound&From=19792014278&ALegUUID=3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36&CallStatus=in-progress&"
        "BillRate=0.002&ParentAuthID=MANWVLYTK4ZWU1YTY4QA&"
        "To=sip%3APlivoSignature382029104058171078704104%40phone-qa.voice.plivodev.com&"
        "ALegRequestUUID=3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36&CallUUID=3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36&"
        "RequestUUID=3e82ae9d-2c78-4d85-b1a4-6eae7dbafb36&SIP-H-To=%3Csip%3APlivoSignature382029104058171078704104%40"
        "52.9.11.55%3Btransport%3Dudp%3E%3Btag%3D1&SessionStart=2020-04-08+11%3A34%3A33.238707&Event=StartApp";
    std::string url = "https://plivobin.non-prod.plivops.com/api/v1/validate_signature03.xml" + query;
    if (method == "GET")
        url += (query.empty() ? "?" : "&") + parameters;
    return {.scheme = "plivo",
            .secrets = {"Y2Q2ZDgxZmY5YWRiOTI5YmQ1Njg0MTAxZWIyOTc4"},
            .headers = {{"X-Plivo-Signature-V3", signature}, {"X-Plivo-Signature-V3-Nonce", "31627761595286130198"}},
            .body = method == "GET" ? "" : parameters,
            .url = url,
            .method = method};
}

TEST(SignaturePlivo, PublishedVectors) {
    EXPECT_EQ(plivo_example("POST", "/?a=b&c=d", "k7Pusd4OxCIjR5IfA9iedDNu/h/gbdYqdzG/MiYtd1c=").check(),
              SignatureCheck::ok);
    EXPECT_EQ(plivo_example("GET", "/?a=b&c=d", "UBq8jAtd32wR8EK9VgxbBn4n5rpI/l1H9iN4WfSEHFQ=").check(),
              SignatureCheck::ok);
    EXPECT_EQ(plivo_example("POST", "", "iAjE5QqI37mbkYe4w3jTMudqEzbDufdqi7sYwTu64e0=").check(), SignatureCheck::ok);
    EXPECT_EQ(plivo_example("GET", "", "i/MQsaQSAd6fiKhOh2qeeeLHZ9faldADSb3/7+Akfbc=").check(), SignatureCheck::ok);
    EXPECT_EQ(plivo_example("POST", "", "i/MQsaQSAd6fiKhOh2qeeeLHZ9faldADSb3/7+Akfbc=").check(),
              SignatureCheck::no_match);
}

TEST(SignaturePlivo, PublishedVectorOfVersion2) {
    Callback callback{.scheme = "plivo",
                      .secrets = {"v2:my_auth_token"},
                      .headers = {{"X-Plivo-Signature-V2", "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc="},
                                  {"X-Plivo-Signature-V2-Nonce", "12345"}},
                      .body = "MessageUUID=1",
                      .url = "https://answer.url"};
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.url = "https://answer.url?a=b";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.url = "https://answer.url:8000";
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
}

TEST(SignaturePlivo, Version2OnlyWhereItIsAllowedAndNotInsteadOfVersion3) {
    Callback callback = plivo_v2();
    callback.secrets = {"token"};
    EXPECT_EQ(callback.check(), SignatureCheck::missing);
    callback.secrets = {"token", "v2:other"};
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback.secrets = {"v2:"};
    EXPECT_EQ(callback.check(), SignatureCheck::bad_secret);
    callback = plivo_v2();
    callback.set("X-Plivo-Signature-V3", base64_encode("wrong"));
    callback.set("X-Plivo-Signature-V3-Nonce", "n1");
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback = plivo();
    callback.secrets = {"v2:token"};
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback = plivo_v2();
    callback.headers[0].first = "X-Plivo-Signature-Ma-V2";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignaturePlivo, SignaturesOfTheMainAccountAndLists) {
    Callback callback = plivo();
    const std::string good = callback.headers[0].second;
    const std::string other = base64_encode(std::string(32, 'x'));
    for (const std::string &list : {other + "," + good, good + "," + other, other + ", " + good, good + ","}) {
        callback.set("X-Plivo-Signature-V3", list);
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << list;
    }
    callback.set("X-Plivo-Signature-V3", other);
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback.set("X-Plivo-Signature-Ma-V3", good);
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.remove("X-Plivo-Signature-V3");
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.set("X-Plivo-Signature-V3", "?");
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
    std::string many = good;
    for (int i = 0; i < 20; ++i)
        many += "," + other;
    callback.set("X-Plivo-Signature-V3", many);
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

TEST(SignaturePlivo, EscapedQueriesAreSignedEitherWay) {
    Callback callback = plivo();
    callback.url = "https://example.com/plivo?b=x%20y&a=%2B1#rc=2";
    for (const char *query : {"a=+1&b=x y", "a=%2B1&b=x%20y"}) {
        callback.set("X-Plivo-Signature-V3", base64_encode(hmac(EVP_sha256(), "token",
                                                                "https://example.com/plivo?" + std::string(query) +
                                                                    ".MessageUUIDu1Statusdelivered.n1")));
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << query;
    }
}

TEST(SignaturePlivo, WithoutParameters) {
    Callback callback = plivo();
    callback.body.clear();
    callback.url = "https://example.com/plivo";
    callback.set("X-Plivo-Signature-V3", base64_encode(hmac(EVP_sha256(), "token", "https://example.com/plivo.n1")));
    for (const char *method : {"GET", "POST", ""}) {
        callback.method = method;
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << method;
    }
    // Nothing of a body would be signed in a GET request, and what is no form is a parameter of a POST request.
    callback.body = R"({"Status":"delivered"})";
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback.method = "get";
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

// ---------------------------------------------------------------- Telnyx, WhatsApp, Infobip

TEST(SignatureTelnyx, FormsOfTheKey) {
    const Key key = make_ed25519();
    Callback callback = telnyx(key);
    for (const std::string &secret : {base64_encode(der_public(key)), pem_public(key)}) {
        callback.secrets = {secret};
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << secret;
    }
    for (const std::string &secret : {std::string("key"), hex(raw_public(key)), base64_encode(der_public(make_ec())),
                                      base64_encode(raw_public(key).substr(1)), base64_encode(raw_public(key) + "x")}) {
        callback.secrets = {secret};
        EXPECT_EQ(callback.check(), SignatureCheck::bad_secret) << secret;
    }
}

TEST(SignatureTelnyx, MalformedParts) {
    const Key key = make_ed25519();
    Callback callback = telnyx(key);
    callback.set("telnyx-signature-ed25519", "****");
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
    callback.set("telnyx-signature-ed25519", base64_encode("short"));
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback = telnyx(key);
    callback.set("telnyx-timestamp", "2023-11-14");
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

TEST(SignatureWhatsApp, MalformedHeaders) {
    const std::string good = hex(hmac(EVP_sha256(), "secret", kBody));
    Callback callback = whatsapp();
    for (const std::string &value :
         {good, "sha1=" + good, "sha256:" + good, std::string("sha256="), "sha256=" + good.substr(2),
          "sha256=" + good.substr(1), "sha256=" + good + "00", "sha256=zz" + good.substr(2), "sha256= " + good}) {
        callback.set("X-Hub-Signature-256", value);
        EXPECT_EQ(callback.check(), SignatureCheck::malformed) << value;
    }
    callback.set("X-Hub-Signature-256", "SHA256=" + hex(hmac(EVP_sha256(), "secret", kBody), "0123456789ABCDEF"));
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignatureInfobip, HeadersAndEncodings) {
    for (const char *name : {"X-Signature", "X-Hub-Signature", "X-Hub-Signature-256", "X-Ib-Hmac-Signature"})
        EXPECT_EQ(infobip(name).check(), SignatureCheck::ok) << name;
    Callback callback = infobip("X-My-Header");
    EXPECT_EQ(callback.check(), SignatureCheck::missing);
    callback.header = "x-my-header";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.set("X-Signature", callback.headers[0].second);
    callback.remove("X-My-Header"); // only the one that was named
    EXPECT_EQ(callback.check(), SignatureCheck::missing);

    const std::string mac = hmac(EVP_sha256(), "secret", kBody);
    callback = infobip();
    for (const std::string &value : {"sha256=" + hex(mac), hex(mac, "0123456789ABCDEF"), base64_encode(mac)}) {
        callback.set("X-Ib-Hmac-Signature", value);
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << value;
    }
    for (const std::string &value : {hex(mac).substr(2), base64_encode(mac).substr(4), std::string("sha256="),
                                     base64_encode(hmac(EVP_sha1(), "secret", kBody))}) {
        callback.set("X-Ib-Hmac-Signature", value);
        EXPECT_EQ(callback.check(), SignatureCheck::malformed) << value;
    }
}

// ---------------------------------------------------------------- Authorization

TEST(SignatureBasic, Credentials) {
    Callback callback = basic();
    const auto check = [&](const std::string &value) {
        callback.set("Authorization", value);
        return callback.check();
    };
    EXPECT_EQ(check("basic   " + base64_encode("user:pass:word")), SignatureCheck::ok);
    EXPECT_EQ(check("Basic " + base64_encode("user:pass")), SignatureCheck::no_match);
    EXPECT_EQ(check("Basic " + base64_encode("user:pass:word ")), SignatureCheck::no_match);
    EXPECT_EQ(check("Basic " + base64_encode("User:pass:word")), SignatureCheck::no_match);
    EXPECT_EQ(check("Basic " + base64_encode("user")), SignatureCheck::malformed);
    EXPECT_EQ(check("Basic " + base64_encode("")), SignatureCheck::missing); // the blank is cut off
    EXPECT_EQ(check("Basic user:pass:word"), SignatureCheck::malformed);
    EXPECT_EQ(check("Bearer " + base64_encode("user:pass:word")), SignatureCheck::missing);
    callback = basic();
    callback.secrets = {"no colon"};
    EXPECT_EQ(callback.check(), SignatureCheck::bad_secret);
}

TEST(SignatureBearer, Credentials) {
    Callback callback = bearer();
    const auto check = [&](const std::string &value) {
        callback.set("Authorization", value);
        return callback.check();
    };
    EXPECT_EQ(check("bearer  token"), SignatureCheck::ok);
    EXPECT_EQ(check("Bearer tokens"), SignatureCheck::no_match);
    EXPECT_EQ(check("Bearer toke"), SignatureCheck::no_match);
    EXPECT_EQ(check("Bearer Token"), SignatureCheck::no_match);
    EXPECT_EQ(check("Bearer"), SignatureCheck::missing);
    EXPECT_EQ(check("token"), SignatureCheck::missing);
    EXPECT_EQ(check("Bearertoken"), SignatureCheck::missing);
}

// ---------------------------------------------------------------- Amazon SNS

TEST(SignatureAwsSns, BothVersions) {
    EXPECT_EQ(aws_sns("1").check(), SignatureCheck::ok);
    EXPECT_EQ(aws_sns("2").check(), SignatureCheck::ok);
    Callback callback = aws_sns("1");
    const std::string version = R"("SignatureVersion":"1")";
    for (const char *other : {R"("SignatureVersion":"3")", R"("SignatureVersion":1)", R"("Xignature":"1")"}) {
        callback = aws_sns("1");
        callback.body.replace(callback.body.find(version), version.size(), other);
        EXPECT_EQ(callback.check(), SignatureCheck::malformed) << other;
    }
    callback = aws_sns("1");
    callback.body.replace(callback.body.find(version), version.size(), R"("SignatureVersion":"2")");
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
}

TEST(SignatureAwsSns, EverySignedMemberCounts) {
    for (const char *value : {"m-1", "Sub", R"({\"a\":\"b\\n\"})", "2023-11-14T22:13:20.000Z", "receipts"}) {
        Callback callback = aws_sns();
        callback.body[callback.body.find(value) + 1] ^= 1;
        EXPECT_NE(callback.check(), SignatureCheck::ok) << value;
    }
    Callback callback = aws_sns();
    callback.body = sns_body(rsa_key(), "1", R"(,"UnsubscribeURL":"https://example.com")"); // not signed
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(SignatureAwsSns, NoMemberTwice) {
    Callback callback = aws_sns();
    callback.body = sns_body(rsa_key(), "1", R"(,"Message":"other")");
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
    callback.body = R"({"Message":"other",)" + aws_sns().body.substr(1);
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

TEST(SignatureAwsSns, TheTopicIsPartOfTheSecret) {
    // Anybody's topic is signed with the same certificate.
    Callback callback = aws_sns();
    callback.secrets = {"arn:aws:sns:us-east-1:123456789012:other\n" + pem_certificate(rsa_key())};
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    for (const std::string &secret :
         {pem_certificate(rsa_key()), std::string(kTopic), std::string(kTopic) + "\n", "x" + sns_secret(rsa_key()),
          std::string(kTopic) + pem_certificate(rsa_key()), std::string(kTopic) + "\nx\n" + pem_certificate(rsa_key()),
          std::string(kTopic) + "\n" + pem_public(make_ec())}) {
        callback.secrets = {secret};
        EXPECT_EQ(callback.check(), SignatureCheck::bad_secret) << secret;
    }
    for (const std::string &secret :
         {std::string(kTopic) + " " + pem_certificate(rsa_key()),
          std::string(kTopic) + "\r\n\r\n" + pem_public(rsa_key()), sns_secret(rsa_key()) + "\n"}) {
        callback.secrets = {secret};
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << secret;
    }
}

TEST(SignatureAwsSns, ShortKeysAreNoKeys) {
    const Key key = make_rsa(1024);
    Callback callback = aws_sns();
    callback.secrets = {sns_secret(key)};
    callback.body = sns_body(key, "2");
    EXPECT_EQ(callback.check(), SignatureCheck::bad_secret);
}

TEST(SignatureAwsSns, ConfirmationsHaveOtherMembers) {
    const std::string text = "Message\nYou have chosen\nMessageId\nm-2\nSubscribeURL\nhttps://sns.example/?a=b\n"
                             "Timestamp\n2023-11-14T22:13:20.000Z\nToken\nt\nTopicArn\n" +
                             std::string(kTopic) + "\nType\nSubscriptionConfirmation\n";
    Callback callback = aws_sns();
    callback.body = R"({"Type":"SubscriptionConfirmation","MessageId":"m-2","Token":"t","TopicArn":")" +
                    std::string(kTopic) +
                    R"(","Message":"You have chosen","SubscribeURL":"https://sns.example/?a=b",)"
                    R"("Timestamp":"2023-11-14T22:13:20.000Z","SignatureVersion":"2","Signature":")" +
                    base64_encode(sign(rsa_key(), EVP_sha256(), text)) + R"("})";
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    const std::string type = "SubscriptionConfirmation";
    callback.body.replace(callback.body.find(type), type.size(), "UnsubscribeConfirmation");
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
    callback.body.replace(callback.body.find("Unsubscribe"), 23, "Notification");
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
}

TEST(SignatureAwsSns, NoSubject) {
    const std::string text =
        "Message\nm\nMessageId\ni\nTimestamp\nt\nTopicArn\n" + std::string(kTopic) + "\nType\nNotification\n";
    const std::string signature = base64_encode(sign(rsa_key(), EVP_sha256(), text));
    for (const char *subject : {"", R"("Subject":null,)", R"("Subject":1,)", R"("Subject":"",)"}) {
        Callback callback = aws_sns();
        callback.body = std::string("{") + subject + R"("Message":"m","MessageId":"i","Timestamp":"t","TopicArn":")" +
                        kTopic + R"(","Type":"Notification","SignatureVersion":"2","Signature":")" + signature +
                        R"("})";
        const SignatureCheck expected =
            *subject == '\0' || std::string(subject).find("null") != std::string::npos ? SignatureCheck::ok
            : std::string(subject).find('1') != std::string::npos                      ? SignatureCheck::malformed
                                                                                       : SignatureCheck::no_match;
        EXPECT_EQ(callback.check(), expected) << subject;
    }
}

TEST(SignatureAwsSns, Malformed) {
    const std::pair<const char *, SignatureCheck> bodies[] = {
        {"", SignatureCheck::malformed},
        {"[]", SignatureCheck::malformed},
        {"{}", SignatureCheck::missing},
        {R"({"Signature":1})", SignatureCheck::missing},
        {R"({"Signature":"*"})", SignatureCheck::malformed},
        {R"({"Signature":"AAAA"})", SignatureCheck::malformed},
        {R"({"Signature":"AAAA","Type":"Other","SignatureVersion":"1"})", SignatureCheck::malformed},
        {R"({"Signature":"AAAA","Type":"Notification","SignatureVersion":"1"})", SignatureCheck::malformed},
        {R"({"messageId":"raw delivery"})", SignatureCheck::missing},
    };
    for (const auto &[body, expected] : bodies) {
        Callback callback = aws_sns();
        callback.body = body;
        EXPECT_EQ(callback.check(), expected) << body;
    }
}

} // namespace
} // namespace hc::core
