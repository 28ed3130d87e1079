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

TEST(SignatureSecrets, WhereWhiteSpaceBelongsToTheKeyThereIsOne) {
    for (const char *scheme : {"basic", "sinch_sms", "bandwidth", "aws_sns", "aws_sms"})
        EXPECT_EQ(split_secrets(scheme, "user:pass word\n"), Keys{"user:pass word\n"}) << scheme;
    const std::string pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    EXPECT_EQ(split_secrets("sendgrid", pem), Keys{pem});
    EXPECT_EQ(split_secrets("sendgrid", "AAAA BBBB"), (Keys{"AAAA", "BBBB"}));
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
