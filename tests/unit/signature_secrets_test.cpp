// Secrets of signature schemes as people store them.
#include "core/signature_secrets.hpp"

#include <gtest/gtest.h>

namespace {

using hc::core::split_secrets;
using Keys = std::vector<std::string>;

TEST(SignatureSecrets, KeysAreSeparatedByWhiteSpace) {
    EXPECT_EQ(split_secrets("twilio", "one"), Keys{"one"});
    EXPECT_EQ(split_secrets("twilio", "  new\told\r\nolder \n"), (Keys{"new", "old", "older"}));
    EXPECT_EQ(split_secrets("standard_webhooks", "whsec_a= whsec_b="), (Keys{"whsec_a=", "whsec_b="}));
    EXPECT_EQ(split_secrets("twilio", "a,b;c"), Keys{"a,b;c"});
    EXPECT_EQ(split_secrets("twilio", ""), Keys{});
    EXPECT_EQ(split_secrets("twilio", " \n"), Keys{});
}

TEST(SignatureSecrets, OfBasicEachLineIsOne) {
    for (const char *scheme : {"basic", "sinch_sms", "bandwidth"}) {
        EXPECT_EQ(split_secrets(scheme, "user:pass word"), Keys{"user:pass word"}) << scheme;
        EXPECT_EQ(split_secrets(scheme, "user:pass word\n"), Keys{"user:pass word"}) << scheme;
        EXPECT_EQ(split_secrets(scheme, "\r\nuser: new \r\nuser:old"), (Keys{"user: new ", "user:old"})) << scheme;
        EXPECT_EQ(split_secrets(scheme, "\n"), Keys{}) << scheme;
    }
}

constexpr const char *kPem = "-----BEGIN PUBLIC KEY-----\nAAAA\nBBBB==\n-----END PUBLIC KEY-----";
constexpr const char *kOther = "-----BEGIN PUBLIC KEY-----\r\nCCCC\r\n-----END PUBLIC KEY-----";
constexpr const char *kCertificate = "-----BEGIN CERTIFICATE-----\nDDDD\n-----END CERTIFICATE-----";

TEST(SignatureSecrets, PemBlocksStandOneAfterTheOther) {
    const std::string pem(kPem), other(kOther);
    EXPECT_EQ(split_secrets("sendgrid", pem), Keys{pem});
    EXPECT_EQ(split_secrets("sendgrid", pem + "\n"), Keys{pem});
    EXPECT_EQ(split_secrets("sendgrid", pem + "\n" + other + "\n"), (Keys{pem, other}));
    EXPECT_EQ(split_secrets("telnyx", other + pem), (Keys{other, pem}));
    EXPECT_EQ(split_secrets("telnyx", "\n\n" + pem + " AAAA=\t" + other), (Keys{pem, "AAAA=", other}));
    EXPECT_EQ(split_secrets("sendgrid", "AAAA BBBB"), (Keys{"AAAA", "BBBB"}));
}

TEST(SignatureSecrets, ABlockThatDoesNotEndIsTheRest) {
    for (const char *open : {"-----BEGIN PUBLIC KEY-----\nAAAA BBBB", "-----BEGIN X", "-----BEGIN X-----\n-----END X"})
        EXPECT_EQ(split_secrets("sendgrid", open), Keys{open});
}

TEST(SignatureSecrets, OfSnsEachCertificateHasItsTopic) {
    const std::string cert(kCertificate), pem(kPem);
    for (const char *scheme : {"aws_sns", "aws_sms"}) {
        EXPECT_EQ(split_secrets(scheme, "arn:aws:sns:a:1:t\n" + cert + "\n"), Keys{"arn:aws:sns:a:1:t\n" + cert});
        EXPECT_EQ(split_secrets(scheme, "arn:a " + cert + pem + "\narn:b\n" + cert),
                  (Keys{"arn:a\n" + cert, "arn:a\n" + pem, "arn:b\n" + cert}));
        EXPECT_EQ(split_secrets(scheme, cert), Keys{"\n" + cert}) << "which is no secret of the scheme";
        EXPECT_EQ(split_secrets(scheme, "arn:a"), Keys{});
    }
}

TEST(SignatureSecrets, TheHintNamesEverySchemeOnce) {
    const std::string hint = hc::core::signature_schemes_hint();
    EXPECT_TRUE(hint.starts_with("Schemes: ")) << hint;
    EXPECT_TRUE(hint.ends_with("; connector names are taken too.")) << hint;
    EXPECT_EQ(hint.find(", ,"), std::string::npos);
    for (const char *scheme : {"standard_webhooks", "twilio", "sendgrid", "whatsapp"})
        EXPECT_NE(hint.find(scheme), std::string::npos) << scheme;
}

} // namespace
