// Addresses: where a message has them, and the form in which they are compared.
#include "core/recipient.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace hc::core {
namespace {

struct Form {
    const char *channel, *given, *compared;
};
constexpr std::array kForms{
    Form{"email", " Ann.Smith@Example.COM\t", "ann.smith@example.com"},
    Form{"email", "Ann Smith <Ann@Example.com>", "ann@example.com"},
    Form{"email", "mailto:ann@example.com", "ann@example.com"},
    Form{"email", "<mailto:ann@example.com>", "ann@example.com"},
    Form{"email", "\xc3\x84nn@example.com", "\xc3\x84nn@example.com"}, // letters beyond ASCII stay
    Form{"webmail_2", "A@B", "a@b"},
    Form{"sms", "+1 (555) 010-0.0", "+155501000"},
    Form{"sms", "0049 171 1234", "+491711234"},
    Form{"sms", "49171-1234", "+491711234"}, // as many receipts have it
    Form{"sms", "+491711234", "+491711234"},
    Form{"sms", "0171 1234", "01711234"}, // a national number is no other one
    Form{"sms", "tel:+1-555-0100", "+15550100"},
    Form{"sms-de", "SMS:15550100", "+15550100"},
    Form{"whatsapp", "whatsapp:+15550100", "+15550100"},
    Form{"voice", "0", "0"},
    Form{"sms", "00", "00"},
    Form{"sms", "+", "+"},
    Form{"sms", "+1+2", "+1+2"},
    Form{"sms", "Ann (home)", "Ann (home)"}, // no number: as it is
    Form{"sms", "user-1", "user-1"},
    Form{"sms", "\xd9\xa1\xd9\xa2", "\xd9\xa1\xd9\xa2"}, // digits of other scripts are none here
    Form{"push", " Token.AB-12 ", "Token.AB-12"},
    Form{"push", "0049", "0049"},
    Form{"push", "", ""},
    Form{"email", "  ", ""},
    Form{"email", "<>", ""},
    Form{"sms", "\n", ""},
};

TEST(Recipient, TheFormInWhichAddressesAreCompared) {
    for (const Form &form : kForms)
        EXPECT_EQ(normal_address(form.channel, form.given), form.compared) << form.channel << " " << form.given;
}

// What is stored is found again by what is stored.
TEST(Recipient, TheFormOfAFormIsItself) {
    for (const Form &form : kForms)
        EXPECT_EQ(normal_address(form.channel, form.compared), form.compared) << form.channel << " " << form.given;
}

TEST(Recipient, TheFormOfAFormIsItselfWhateverTheText) {
    std::mt19937 random(7);
    constexpr std::string_view kLetters = "+0019 .-()<>@:aZ/\tx\xc3\xa4mailto:tel:sms:whatsapp:";
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        for (std::size_t n = random() % 12; n > 0; --n)
            text.push_back(kLetters[random() % kLetters.size()]);
        if (random() % 3 == 0)
            text.insert(0, std::array{"tel:", "mailto:", "whatsapp:"}[random() % 3]);
        for (const char *channel : {"email", "sms", "push"}) {
            const std::string once = normal_address(channel, text);
            EXPECT_EQ(normal_address(channel, once), once) << channel << " '" << text << "'";
        }
    }
}

struct Found {
    const char *message;
    AddressState state;
    const char *address;
};

TEST(Recipient, WhereTheMessageHasIt) {
    for (const Found &f :
         {Found{R"({"to": "+1 555 0100"})", AddressState::known, "+15550100"},
          Found{R"({"to": 15550100})", AddressState::known, "+15550100"},
          Found{R"({"to": "a\u0040b"})", AddressState::known, "a@b"}, Found{R"({"to": ""})", AddressState::absent, ""},
          Found{R"({"to": "  "})", AddressState::absent, ""},
          Found{R"({"to": {"sms": "+1555", "email": "a@b"}})", AddressState::known, "+1555"},
          Found{R"({"to": {"sms": 1555}})", AddressState::known, "+1555"},
          Found{R"({"to": {"email": "a@b"}})", AddressState::absent, ""},
          Found{R"({"to": {"sms": null}})", AddressState::absent, ""},
          Found{R"({"to": {"sms": false}})", AddressState::absent, ""},
          Found{R"({"to": {"sms": ""}})", AddressState::absent, ""},
          Found{R"({"to": {"sms": ["+1555", "+1556"]}})", AddressState::unknown, ""},
          Found{R"({"to": {"sms": {"number": "+1555"}}})", AddressState::unknown, ""},
          Found{R"({"to": {}})", AddressState::absent, ""}, Found{R"({"to": ["+1555"]})", AddressState::unknown, ""},
          Found{R"({"to": null})", AddressState::unknown, ""}, Found{R"({"to": true})", AddressState::unknown, ""},
          Found{R"({"text": "hello"})", AddressState::unknown, ""}, Found{"{}", AddressState::unknown, ""}}) {
        EXPECT_EQ(find_recipient(f.message, "sms", {}), (Recipient{f.state, f.address})) << f.message;
    }
}

TEST(Recipient, WhereTheRuleSaysItIs) {
    const auto path = parse_json_path("$.user.phones[0]");
    for (const Found &f : {Found{R"({"user": {"phones": ["+1555"]}, "to": "x"})", AddressState::known, "+1555"},
                           Found{R"({"user": {"phones": []}, "to": "+1555"})", AddressState::absent, ""},
                           Found{R"({"to": "+1555"})", AddressState::absent, ""},
                           Found{R"({"user": {"phones": [null]}})", AddressState::absent, ""},
                           Found{R"({"user": {"phones": [true]}})", AddressState::absent, ""},
                           Found{R"({"user": {"phones": [{}]}})", AddressState::unknown, ""}}) {
        EXPECT_EQ(find_recipient(f.message, "sms", path), (Recipient{f.state, f.address})) << f.message;
    }
}

TEST(Recipient, PastTheCapItIsNotKnown) {
    const auto of = [](std::size_t size) {
        return find_recipient(R"({"to": ")" + std::string(size, 'x') + R"(  "})", "push", {}).state;
    };
    EXPECT_EQ(of(kMaxAddressBytes), AddressState::known);
    EXPECT_EQ(of(kMaxAddressBytes + 1), AddressState::unknown);
}

TEST(Recipient, HashesTellEveryPartApart) {
    const WorkflowId hash = recipient_hash("t", "sms", "news", "+1");
    EXPECT_EQ(recipient_hash("t", "sms", "news", "+1"), hash);
    EXPECT_NE(recipient_hash(std::nullopt, "sms", "news", "+1"), hash);
    EXPECT_NE(recipient_hash("*", "sms", "news", "+1"), hash);
    EXPECT_NE(recipient_hash("t", "push", "news", "+1"), hash);
    EXPECT_NE(recipient_hash("t", "sms", "", "+1"), hash);
    EXPECT_NE(recipient_hash("t", "sms", "news", "+2"), hash);
    EXPECT_NE(recipient_hash("ts", "ms", "news", "+1"), hash) << "no part flows into the next";
    // as an operator can make it: encode(substr(sha256('t' || x'1f' || 'sms' ..)), 'hex')
    EXPECT_EQ(to_string(recipient_hash(std::nullopt, "sms", "", "+15550100")), "ff18dfe2-c4b6-9e3c-bd4a-b305deb20fe5");
}

} // namespace
} // namespace hc::core
