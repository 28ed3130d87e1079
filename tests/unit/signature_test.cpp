// Tests of callback signatures that hold for every scheme: what happens when anything is changed, missing or late.
#include "core/error.hpp"
#include "core/signature.hpp"
#include "core/signature_secrets.hpp"
#include "signature_fixture.hpp"

#include <cctype>
#include <set>

namespace hc::core {
namespace {

using namespace signature_test;

TEST(Signature, EverySchemeHasASampleThatVerifies) {
    std::set<std::string> seen;
    for (const Sample &sample : samples()) {
        EXPECT_EQ(sample.callback.check(), SignatureCheck::ok) << sample.callback.scheme;
        seen.insert(sample.callback.scheme);
    }
    for (const SignatureScheme &scheme : kSignatureSchemes)
        EXPECT_TRUE(seen.contains(std::string(scheme.name))) << scheme.name;
}

TEST(Signature, NamesOfHeadersInAnyCaseAndBlanksAroundValues) {
    for (const Sample &sample : samples()) {
        Callback callback = sample.callback;
        for (auto &[name, value] : callback.headers) {
            for (char &c : name)
                c = static_cast<char>(std::isupper(static_cast<unsigned char>(c)) != 0 ? std::tolower(c)
                                                                                       : std::toupper(c));
            value = "\t " + value + " ";
        }
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << callback.scheme;
    }
}

TEST(Signature, OtherSecretsDoNotMatchAndRotationDoes) {
    for (const Sample &sample : samples()) {
        Callback callback = sample.callback;
        const std::string right = callback.secrets[0];
        callback.secrets = {sample.other_secret};
        EXPECT_EQ(callback.check(), SignatureCheck::no_match) << callback.scheme;
        callback.secrets = {sample.other_secret, right};
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << callback.scheme;
        callback.secrets = {right, sample.other_secret};
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << callback.scheme;
        callback.secrets = {"", right};
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << callback.scheme;
    }
}

TEST(Signature, NoUsableSecret) {
    for (const Sample &sample : samples()) {
        Callback callback = sample.callback;
        for (const std::vector<std::string> &secrets :
             {std::vector<std::string>{}, {""}, {"", ""}, {std::string(kMaxSignatureSecret + 1, 'x')}}) {
            callback.secrets = secrets;
            EXPECT_EQ(callback.check(), SignatureCheck::bad_secret) << callback.scheme;
            callback.headers.clear();
            EXPECT_EQ(callback.check(), SignatureCheck::bad_secret) << callback.scheme;
        }
    }
}

// What an operator stores during a rotation: one text with both keys.
TEST(Signature, TwoPublicKeysInOneSecret) {
    const Key first = make_ec(), second = make_ec(), bird = make_ed25519(), plane = make_ed25519();
    const std::string two = pem_public(first) + pem_public(second);
    for (const Key *key : {&first, &second}) {
        Callback callback = sendgrid(*key);
        callback.secrets = split_secrets("sendgrid", two);
        EXPECT_EQ(callback.check(), SignatureCheck::ok);
        callback.secrets = split_secrets("sendgrid", pem_public(*key) + base64_encode(der_public(make_ec())));
        EXPECT_EQ(callback.check(), SignatureCheck::ok);
    }
    Callback third = sendgrid(make_ec());
    third.secrets = split_secrets("sendgrid", two);
    EXPECT_EQ(third.check(), SignatureCheck::no_match);
    for (const Key *key : {&bird, &plane}) {
        Callback callback = telnyx(*key);
        callback.secrets = split_secrets("telnyx", pem_public(bird) + "\n" + base64_encode(raw_public(plane)) + "\n");
        EXPECT_EQ(callback.check(), SignatureCheck::ok);
        callback.secrets = split_secrets("telnyx", pem_public(plane) + pem_public(bird));
        EXPECT_EQ(callback.check(), SignatureCheck::ok);
    }
}

TEST(Signature, AtMostEightSecretsAreTried) {
    Callback callback = whatsapp();
    callback.secrets.assign(kMaxSignatureSecrets - 1, "other");
    callback.secrets.emplace_back("secret");
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    callback.secrets.insert(callback.secrets.begin(), "one more");
    EXPECT_EQ(callback.check(), SignatureCheck::no_match);
}

TEST(Signature, MissingHeaders) {
    for (const Sample &sample : samples()) {
        for (const std::string &name : sample.needed) {
            Callback callback = sample.callback;
            callback.remove(name);
            EXPECT_EQ(callback.check(), SignatureCheck::missing) << callback.scheme << " " << name;
            for (const std::string &value :
                 {std::string(), std::string("  "), std::string(kMaxSignatureHeader + 1, 'A')}) {
                callback.set(name, value);
                EXPECT_EQ(callback.check(), SignatureCheck::missing) << callback.scheme << " " << name;
            }
        }
    }
}

TEST(Signature, NothingIsBelievedWithoutHeadersAndBody) {
    for (const Sample &sample : samples()) {
        Callback callback = sample.callback;
        callback.headers.clear();
        callback.body.clear();
        const SignatureCheck check = callback.check();
        EXPECT_TRUE(check == SignatureCheck::missing || check == SignatureCheck::malformed) << callback.scheme;
    }
}

TEST(Signature, AnyChangedByteOfTheBodyIsNoticed) {
    for (const Sample &sample : samples()) {
        for (std::size_t i = 0; i < sample.callback.body.size(); ++i) {
            Callback callback = sample.callback;
            callback.body[i] = static_cast<char>(callback.body[i] ^ 1);
            const bool same = !sample.signs_body;
            // Documents that hold the signature may stop being documents; unsigned members may change.
            if (sample.callback.scheme == "aws_sns")
                continue;
            EXPECT_EQ(callback.check() == SignatureCheck::ok, same) << callback.scheme << " byte " << i;
        }
    }
}

TEST(Signature, AnyChangedByteOfASignatureIsNoticed) {
    for (const Sample &sample : samples()) {
        for (std::size_t h = 0; h < sample.callback.headers.size(); ++h) {
            for (std::size_t i = 0; i < sample.callback.headers[h].second.size(); ++i) {
                Callback callback = sample.callback;
                char &c = callback.headers[h].second[i];
                c = c == 'x' ? 'y' : 'x';
                EXPECT_NE(callback.check(), SignatureCheck::ok)
                    << callback.scheme << " " << callback.headers[h].first << " byte " << i;
            }
        }
    }
}

TEST(Signature, CutHeadersAreNoticed) {
    for (const Sample &sample : samples()) {
        for (std::size_t h = 0; h < sample.callback.headers.size(); ++h) {
            Callback callback = sample.callback;
            while (!callback.headers[h].second.empty()) {
                callback.headers[h].second.pop_back();
                if (callback.headers[h].first == "x-sinch-webhook-signature-algorithm")
                    callback.headers[h].second = "x";
                EXPECT_NE(callback.check(), SignatureCheck::ok) << callback.scheme << " " << callback.headers[h].first;
                if (callback.headers[h].second == "x")
                    break;
            }
        }
    }
}

TEST(Signature, TheUrlIsSignedWhereTheSchemeSaysSo) {
    for (const Sample &sample : samples()) {
        Callback callback = sample.callback;
        callback.url = callback.url.empty() ? "https://example.com/other" : callback.url + "x";
        const bool v2 = callback.secrets[0].starts_with("v2:"); // signs the URL without its query
        EXPECT_EQ(callback.check(), sample.signs_url ? SignatureCheck::no_match : SignatureCheck::ok)
            << callback.scheme;
        callback.url = "https://example.com/elsewhere?a=1";
        EXPECT_EQ(callback.check(), sample.signs_url || v2 ? SignatureCheck::no_match : SignatureCheck::ok)
            << callback.scheme;
        callback.url.clear();
        EXPECT_EQ(callback.check(), sample.signs_url || v2 ? SignatureCheck::missing : SignatureCheck::ok)
            << callback.scheme;
    }
}

TEST(Signature, StaleIsTheRightSignatureTooFarFromNow) {
    for (const Sample &sample : samples()) {
        const SignatureCheck late = sample.has_time ? SignatureCheck::stale : SignatureCheck::ok;
        for (const Duration distance : {Duration(hours(1)), Duration(-hours(1))}) {
            Callback callback = sample.callback;
            callback.now = kNow + distance;
            EXPECT_EQ(callback.check(), late) << callback.scheme;
            callback.secrets = {sample.other_secret};
            EXPECT_EQ(callback.check(), SignatureCheck::no_match) << callback.scheme;
        }
        Callback callback = sample.callback;
        for (const Time now : {Time::min(), kNever}) {
            callback.now = now;
            EXPECT_EQ(callback.check(), late) << callback.scheme;
        }
    }
}

TEST(Signature, TheWindowReachesBothWays) {
    for (const Sample &sample : samples()) {
        if (!sample.has_time || sample.callback.scheme == "messagebird")
            continue;
        Callback callback = sample.callback;
        for (const int sign : {-1, 1}) {
            callback.window = minutes(5);
            callback.now = kNow + sign * minutes(5);
            EXPECT_EQ(callback.check(), SignatureCheck::ok) << callback.scheme;
            callback.now += Duration(sign);
            EXPECT_EQ(callback.check(), SignatureCheck::stale) << callback.scheme;
            callback.window = hours(1);
            EXPECT_EQ(callback.check(), SignatureCheck::ok) << callback.scheme;
        }
        callback.now = kNow;
        callback.window = Duration::zero();
        EXPECT_EQ(callback.check(), SignatureCheck::ok) << callback.scheme;
        callback.window = Duration{-1};
        EXPECT_EQ(callback.check(), SignatureCheck::stale) << callback.scheme;
    }
}

TEST(Signature, WhatIsTooLargeIsNotRead) {
    for (const Sample &sample : samples()) {
        Callback callback = sample.callback;
        callback.body.resize(kMaxSignedBody + 1, ' ');
        EXPECT_EQ(callback.check(), SignatureCheck::malformed) << callback.scheme;
        callback = sample.callback;
        callback.url = "https://example.com/" + std::string(kMaxSignedUrl, 'x');
        EXPECT_EQ(callback.check(), SignatureCheck::malformed) << callback.scheme;
    }
    Callback callback = whatsapp();
    callback.body.assign(kMaxSignedBody, 'b');
    callback.set("X-Hub-Signature-256", "sha256=" + hex(hmac(EVP_sha256(), "secret", callback.body)));
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
}

TEST(Signature, OfSeveralHeadersTheFirstCounts) {
    Callback callback = whatsapp();
    callback.headers.emplace_back("x-hub-signature-256", "sha256=00");
    EXPECT_EQ(callback.check(), SignatureCheck::ok);
    std::swap(callback.headers[0], callback.headers[1]);
    EXPECT_EQ(callback.check(), SignatureCheck::malformed);
}

// ---------------------------------------------------------------- names

TEST(Signature, SchemesAndAliases) {
    for (const char *name : {"standard_webhooks", "twilio", "sendgrid", "vonage_sms", "vonage_messages", "infobip",
                             "sinch_sms", "sinch_conversation", "messagebird", "plivo", "telnyx", "aws_sms", "aws_sns",
                             "whatsapp", "meta", "bandwidth", "basic", "bearer", "svix"})
        EXPECT_TRUE(known_signature_scheme(name)) << name;
    for (const char *name : {"", "none", "kannel", "jasmin", "TWILIO", "twilio ", "hmac"})
        EXPECT_FALSE(known_signature_scheme(name)) << name;
    for (const SignatureScheme &scheme : kSignatureSchemes)
        EXPECT_FALSE(scheme.description.empty()) << scheme.name;
    for (const SignatureAlias &alias : kSignatureAliases)
        EXPECT_TRUE(known_signature_scheme(alias.scheme)) << alias.name;
}

TEST(Signature, AliasesVerify) {
    const auto check = [](Callback callback, const char *alias) {
        callback.scheme = alias;
        return callback.check();
    };
    EXPECT_EQ(check(basic(), "sinch_sms"), SignatureCheck::ok);
    EXPECT_EQ(check(basic(), "bandwidth"), SignatureCheck::ok);
    EXPECT_EQ(check(whatsapp(), "meta"), SignatureCheck::ok);
    EXPECT_EQ(check(aws_sns(), "aws_sms"), SignatureCheck::ok);
    EXPECT_EQ(check(standard_webhooks(), "svix"), SignatureCheck::ok);
}

TEST(Signature, AnUnknownSchemeIsAnError) {
    Callback callback = whatsapp();
    callback.scheme = "none";
    try {
        (void)callback.check();
        FAIL() << "no error";
    } catch (const Error &error) {
        EXPECT_STREQ(error.sqlstate(), sqlstate::invalid_parameter);
        EXPECT_EQ(error.message(), "unknown signature scheme \"none\"");
        EXPECT_TRUE(error.hint().starts_with("The schemes are standard_webhooks, twilio, ")) << error.hint();
        EXPECT_TRUE(error.hint().ends_with("bearer, aws_sns.")) << error.hint();
    }
}

TEST(Signature, WordsOfTheResults) {
    EXPECT_EQ(to_string(SignatureCheck::ok), "ok");
    EXPECT_EQ(to_string(SignatureCheck::missing), "missing");
    EXPECT_EQ(to_string(SignatureCheck::malformed), "malformed");
    EXPECT_EQ(to_string(SignatureCheck::stale), "stale");
    EXPECT_EQ(to_string(SignatureCheck::no_match), "no_match");
    EXPECT_EQ(to_string(SignatureCheck::bad_secret), "bad_secret");
}

} // namespace
} // namespace hc::core
