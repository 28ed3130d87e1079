// Tests of Standard Webhooks signing: published vectors, rotation, window, malformed input.
#include "core/webhook.hpp"

#include "core/crypto.hpp"
#include "core/error.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace hc::core {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// The example of the specification's own libraries.
constexpr std::string_view kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::int64_t kTimestamp = 1614265330;
constexpr std::string_view kTimestampText = "1614265330";
constexpr std::string_view kBody = R"({"test": 2432232314})";
constexpr std::string_view kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
constexpr Time kSent = from_unix_micros(kTimestamp * 1'000'000);

std::string key() { return parse_webhook_secret(kSecret).value(); }
std::string other_key() { return std::string(24, 'o'); }

WebhookCheck check(const std::vector<std::string> &keys, std::string_view header, Time now = kSent) {
    return verify_webhook(keys, kId, kTimestampText, kBody, header, now);
}

std::string secret_of(std::size_t bytes) { return "whsec_" + base64_encode(std::string(bytes, 'k')); }

TEST(Webhook, FirstPublishedVector) {
    EXPECT_EQ(sign_webhook(key(), kId, kTimestamp, kBody), kSignature);
    EXPECT_EQ(check({key()}, kSignature), WebhookCheck::ok);
}

TEST(Webhook, SecondPublishedVector) {
    // Its key has 18 bytes, fewer than the specification asks of a secret: it signs, but is not taken as a secret.
    const std::string short_key = base64_decode("plJ3nmyCDGBKInavdOK15jsl").value();
    EXPECT_EQ(
        sign_webhook(short_key, "msg_loFOjxBNrRLzqYUf", 1731705121, R"({"event_type":"ping","data":{"success":true}})"),
        "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
    EXPECT_FALSE(parse_webhook_secret("whsec_plJ3nmyCDGBKInavdOK15jsl"));
}

TEST(Webhook, SecretsOf24To64Bytes) {
    EXPECT_EQ(parse_webhook_secret(kSecret)->size(), 24U);
    EXPECT_FALSE(parse_webhook_secret(secret_of(23)));
    EXPECT_EQ(parse_webhook_secret(secret_of(24)), std::string(24, 'k'));
    EXPECT_EQ(parse_webhook_secret(secret_of(25)), std::string(25, 'k'));
    EXPECT_EQ(parse_webhook_secret(secret_of(64)), std::string(64, 'k'));
    EXPECT_FALSE(parse_webhook_secret(secret_of(65)));
    for (const std::string_view secret :
         {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
          "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", " whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_"})
        EXPECT_FALSE(parse_webhook_secret(secret)) << secret;
}

TEST(Webhook, RotationSignsWithEveryKeyNewestFirst) {
    const std::vector<std::string> keys = {other_key(), key()};
    const std::string header = webhook_signature_header(keys, kId, kTimestamp, kBody);
    EXPECT_EQ(header, sign_webhook(other_key(), kId, kTimestamp, kBody) + " " + std::string(kSignature));
    // A receiver that knows either key alone takes it, and so does one that knows both.
    EXPECT_EQ(check({key()}, header), WebhookCheck::ok);
    EXPECT_EQ(check({other_key()}, header), WebhookCheck::ok);
    EXPECT_EQ(check(keys, kSignature), WebhookCheck::ok);
    EXPECT_EQ(check({std::string(24, 'x')}, header), WebhookCheck::no_match);
    EXPECT_EQ(webhook_signature_header({}, kId, kTimestamp, kBody), "");
    EXPECT_EQ(webhook_signature_header(std::vector{key()}, kId, kTimestamp, kBody), kSignature);
}

TEST(Webhook, WindowReachesBothWays) {
    const std::vector<std::string> keys = {key()};
    EXPECT_EQ(check(keys, kSignature, kSent + minutes(5)), WebhookCheck::ok);
    EXPECT_EQ(check(keys, kSignature, kSent - minutes(5)), WebhookCheck::ok);
    EXPECT_EQ(check(keys, kSignature, kSent + minutes(5) + Duration{1}), WebhookCheck::bad_timestamp);
    EXPECT_EQ(check(keys, kSignature, kSent - minutes(5) - Duration{1}), WebhookCheck::bad_timestamp);
    EXPECT_EQ(check(keys, kSignature, kNever), WebhookCheck::bad_timestamp);
    EXPECT_EQ(check(keys, kSignature, Time::min()), WebhookCheck::bad_timestamp);
    const auto with_window = [&](Time now, Duration window) {
        return verify_webhook(keys, kId, kTimestampText, kBody, kSignature, now, window);
    };
    EXPECT_EQ(with_window(kSent, Duration::zero()), WebhookCheck::ok);
    EXPECT_EQ(with_window(kSent + seconds(1), Duration::zero()), WebhookCheck::bad_timestamp);
    EXPECT_EQ(with_window(kSent + seconds(9), seconds(10)), WebhookCheck::ok);
    EXPECT_EQ(with_window(kSent, Duration{-1}), WebhookCheck::bad_timestamp);
    EXPECT_EQ(with_window(Time::min(), Duration::max()), WebhookCheck::bad_timestamp);
}

TEST(Webhook, MalformedTimestamps) {
    for (const std::string_view text :
         {"", " 1614265330", "1614265330 ", "+1614265330", "-1614265330", "1614265330.0", "0x6037a0b2", "1614265330s",
          "2021-02-25", "9223372036855", "99999999999999999999", "abc",
          "288230377765977074"}) // in microseconds it would wrap to the right time
        EXPECT_EQ(verify_webhook(std::vector{key()}, kId, text, kBody, kSignature, kSent), WebhookCheck::bad_timestamp)
            << text;
}

TEST(Webhook, SignatureIsOverTheTimestampAsSent) {
    EXPECT_EQ(verify_webhook(std::vector{key()}, kId, "01614265330", kBody, kSignature, kSent), WebhookCheck::no_match);
}

TEST(Webhook, MalformedHeaders) {
    const std::string good(kSignature);
    const std::string value = good.substr(3);
    for (const std::string &header :
         {std::string(), std::string(" "), value, "v1" + value, "v1 " + value, "v2," + value, "v1a," + value,
          "V1," + value, std::string("v1,"), std::string("v1"), std::string(","), good + ",", good + "=",
          good.substr(0, 46), good + "\t", "," + good, "v1,v1," + value, std::string("v1,AAAA")})
        EXPECT_EQ(check({key()}, header), WebhookCheck::no_match) << '"' << header << '"';
}

TEST(Webhook, OtherVersionsAndStrayBlanksAreSkipped) {
    const std::string good(kSignature);
    for (const std::string &header : {"v1a,abc " + good, good + " v1a,abc", "v2,x junk " + good + " v1,AAAA",
                                      "  " + good + "  ", good + " " + good})
        EXPECT_EQ(check({key()}, header), WebhookCheck::ok) << header;
}

TEST(Webhook, EveryPartIsSigned) {
    const std::vector<std::string> keys = {key()};
    EXPECT_EQ(verify_webhook(keys, "msg_other", kTimestampText, kBody, kSignature, kSent), WebhookCheck::no_match);
    EXPECT_EQ(verify_webhook(keys, kId, "1614265331", kBody, kSignature, kSent), WebhookCheck::no_match);
    EXPECT_EQ(verify_webhook(keys, kId, kTimestampText, R"({"test":2432232314})", kSignature, kSent),
              WebhookCheck::no_match);
    EXPECT_EQ(verify_webhook({}, kId, kTimestampText, kBody, kSignature, kSent), WebhookCheck::no_match);
    EXPECT_EQ(check({""}, kSignature), WebhookCheck::no_match);
}

TEST(Webhook, AnIdWithAPeriodIsNeitherSignedNorAccepted) {
    try {
        (void)sign_webhook(key(), "msg.1", kTimestamp, kBody);
        FAIL() << "no error";
    } catch (const Error &error) {
        EXPECT_STREQ(error.sqlstate(), sqlstate::invalid_parameter);
        EXPECT_EQ(error.message(), "webhook id must not contain a period");
    }
    // The same signed bytes, cut elsewhere: "msg" + "1.1614265330" against "msg.1" + "1614265330".
    const Sha256 digest = hmac_sha256(key(), "msg.1.1614265330.body");
    const std::string signature = "v1," + base64_encode({reinterpret_cast<const char *>(digest.data()), digest.size()});
    EXPECT_EQ(verify_webhook(std::vector{key()}, "msg.1", kTimestampText, "body", signature, kSent),
              WebhookCheck::no_match);
}

TEST(Webhook, WhatIsSignedVerifiesAndAnyChangedByteDoesNot) {
    std::mt19937_64 random(8);
    for (int i = 0; i < 500; ++i) {
        std::string body;
        for (std::size_t n = 1 + random() % 60; n > 0; --n)
            body += static_cast<char>(random());
        const std::vector<std::string> keys = {std::to_string(random()) + "-key-of-more-than-24-bytes"};
        const std::string id = "id-" + std::to_string(random());
        std::string header = webhook_signature_header(keys, id, kTimestamp, body);
        EXPECT_EQ(verify_webhook(keys, id, kTimestampText, body, header, kSent), WebhookCheck::ok);
        body[random() % body.size()] ^= static_cast<char>(1U << random() % 8);
        EXPECT_EQ(verify_webhook(keys, id, kTimestampText, body, header, kSent), WebhookCheck::no_match);
    }
}

} // namespace
} // namespace hc::core
