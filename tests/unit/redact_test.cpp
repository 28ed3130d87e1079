// redact(): what it masks, what it leaves, and that it is a projection.
#include "core/redact.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {
namespace {

constexpr std::string_view kUuid = "0190a8c2-7b1e-7abc-8def-0123456789ab";

struct Row {
    std::string_view in, out;
};

void expect_rows(const std::vector<Row> &rows) {
    for (const Row &row : rows) {
        EXPECT_EQ(redact(row.in), row.out) << row.in;
        EXPECT_EQ(redact(row.out), row.out) << "again: " << row.in;
    }
}

TEST(Redact, PhoneNumbers) {
    expect_rows({
        {"+4915112345678", "***5678"},
        {"+49 151 1234 5678", "***5678"},
        {"0049-151-12345678", "***5678"},
        {"(555) 123-4567", "***4567"},
        {"+1 (555) 123-4567", "***4567"},
        {"555.123.4567", "***4567"},
        {"06.12.34.56.78", "***5678"},
        {"12.34.56.78", "***78"}, // pairs: a number, not an address
        {"1234567", "***67"},
        {"12345678", "***78"},
        {"123456789", "***789"},
        {"123456", "123456"},                                         // a code
        {"between 0.001 and 1000000.", "between 0.001 and 1000000."}, // a limit
        {"+1000000", "***00"},
        {"must be between 0 and 9223372036854775807.", "must be between 0 and 9223372036854775807."},
        {"It has 8388609 bytes, the limit is 8388608.", "It has 8388609 bytes, the limit is 8388608."},
        {"between you and 4915112345678", "between you and ***5678"},
        {"to +4915112345678: not reachable", "to ***5678: not reachable"},
        {"to +4915112345678 not reachable", "to ***5678 not reachable"},
        {"numbers 4915112345678,4915187654321", "numbers ***5678,***4321"},
        {"a\n4915112345678\nb", "a\n***5678\nb"},
        {"SM4915112345678x", "SM***x"},
        {"[+4915112345678]", "[***5678]"},
        {"tel:+4915112345678", "tel:***5678"},
        {"5 1st of 7 tries", "5 1st of 7 tries"},
    });
}

TEST(Redact, Addresses) {
    expect_rows({
        {"john.doe@example.com", "***@example.com"},
        {"to=<john+tag@example.com>", "to=<***@example.com>"},
        {"a@b", "***@b"},
        {"550 5.1.1 <john@example.com>: user unknown", "550 5.1.1 <***@example.com>: user unknown"},
        {"\"john doe\"@example.com", "***@example.com"},
        {"jos\xC3\xA9@example.com", "***@example.com"},
        {"x@y.example and z@y.example", "***@y.example and ***@y.example"},
        {"4915112345678@sms.example", "***@sms.example"},
        {"sip:4915112345678@example.com", "sip:***@example.com"},
        {"at @ noon", "at @ noon"},
        {"$.items[?(@.id)]", "$.items[?(@.id)]"},
        {"{\"email\":\"john@example.com\"}", "{\"email\":\"***@example.com\"}"},
    });
}

TEST(Redact, Tokens) {
    expect_rows({
        {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r", "***"},
        {"bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1", "***"},
        {"740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad", "***"},
        {"sk_live_4eC39HqLyjWDarjtT1zdp7dc", "***"},
        {"key (sk_live_4eC39HqLyjWDarjtT1zdp7dc).", "key (***)."},
        {"AC0123456789abcdef0123456789abcdef", "***"},
        {"whsec_C2FtcGxlIHNlY3JldCBmb3IgdGVzdHMh", "***"},
        {"AbCdEfGhIjKlMnOpQrStUvWxYz", "***"},
        {"AB12-CD34-EF56-GH78-IJ90-KL12", "***"},
        {"idle_in_transaction_session_timeout", "idle_in_transaction_session_timeout"},
        {"DESTINATION_PHONE_NUMBER_OPTED_OUT", "DESTINATION_PHONE_NUMBER_OPTED_OUT"},
        {"InvalidPhoneNumberFormatException", "InvalidPhoneNumberFormatException"},
        {"org.example.messages.InvalidRecipient", "org.example.messages.InvalidRecipient"},
        {"hermes.allow_private_addresses=on", "hermes.allow_private_addresses=on"},
        {"order_confirmation_for_new_customers_v2", "order_confirmation_for_new_customers_v2"},
        {"5 1abcdefghijklmnopqrstuvwxyz2345", "5 ***"},
        {"12345678 1abcdefghijklmnopqrstuvwxyz2345", "***78 ***"},
    });
}

TEST(Redact, Credentials) {
    expect_rows({
        {"Authorization: Bearer abc123", "Authorization: ***"},
        {"authorization: Basic dXNlcjpwYXNz\nnext", "authorization: ***\nnext"},
        {"got Bearer hunter2x, refused", "got Bearer ***, refused"},
        {"Basic dXNlcjpwYXNz", "Basic ***"},
        {"basic authentication failed", "basic authentication failed"},
        {"password=hunter2", "password=***"},
        {"{\"api_key\": \"k1\", \"x\": 1}", "{\"api_key\": \"***\", \"x\": 1}"},
        {"access_token=abc&x=1", "access_token=***&x=1"},
        {"client_secret: s3cr3t, code 7", "client_secret: ***, code 7"},
        {"$.receipts.secret: must be a string", "$.receipts.secret: must be a string"},
        {"token \"x\" is invalid", "token \"x\" is invalid"},
        {"Bearer 0190a8c2-7b1e-7abc-8def-0123456789ab", "Bearer ***"},
    });
}

TEST(Redact, Urls) {
    expect_rows({
        {"https://api.example.com/v1/messages?to=4915112345678&key=abc", "https://api.example.com/v1/messages?***"},
        {"https://user:pass@api.example.com/x", "https://***@api.example.com/x"},
        {"https://api.example.com/x#frag", "https://api.example.com/x#***"},
        {"(http://127.0.0.1:8080/webhook)", "(http://127.0.0.1:8080/webhook)"},
        {"http://10.120.130.140:80/a", "http://10.120.130.140:80/a"},
        {"https://api.telegram.org/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/send",
         "https://api.telegram.org/***/send"},
        {"https://api.example.com/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json",
         "https://api.example.com/Accounts/***/Messages.json"},
        {"https://api.example.com/to/+4915112345678", "https://api.example.com/to/***"},
        {"GET /send?to=123&text=hello refused", "GET /send?*** refused"},
        {"why? because", "why? because"},
        {"url=https://a.example/b?c=d", "url=https://a.example/b?***"},
        {"mailto://john@example.com", "mailto://***@example.com"},
    });
}

TEST(Redact, WhatStays) {
    const std::string uuid(kUuid);
    for (const std::string &text :
         {uuid, uuid + "-1", uuid + "-999", "attempt " + uuid + "-12 of cascade", uuid + "-r1-e2",
          "sandbox-" + uuid + "-1", std::string("all deliveries failed since 2026-01-02T03:04:05.123456Z"),
          std::string("2026-01-02"), std::string("2026-01-02 03:04:05.123456+00"),
          std::string("address 192.168.100.200 refused"), std::string("invalid address block \"192.168.100.0/24\""),
          std::string("It has 12345678 bytes, the limit is 8 MB."),
          std::string("Process 1234567 waits for ShareLock on transaction 987654321; blocked by process 7654321."),
          std::string("http_503"), std::string("receipt timeout"), std::string("absent_subscriber (30003)"),
          std::string("could not connect in time"), std::string("claimed too often without an answer"), std::string()})
        EXPECT_EQ(redact(text), text);
    EXPECT_EQ(redact(uuid + "-4915112345678"), uuid + "-***5678") << "no number of an attempt";
    EXPECT_EQ(redact("x" + uuid).find(uuid), std::string::npos) << "no id, a longer word";
    EXPECT_EQ(redact("port 443 2026-01-02T03:04:05Z"), "port 443 2026-01-02T03:04:05Z");
}

// ---- properties ----

std::string random_of(std::mt19937_64 &random, std::string_view alphabet, std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i)
        text += alphabet[random() % alphabet.size()];
    return text;
}

std::string random_text(std::mt19937_64 &random) {
    static constexpr std::array<std::string_view, 32> kPieces{"+49",
                                                              "151",
                                                              "12345",
                                                              " ",
                                                              "-",
                                                              ".",
                                                              "(",
                                                              ")",
                                                              "@",
                                                              "example.com",
                                                              "https://",
                                                              "?",
                                                              "key=",
                                                              "Bearer ",
                                                              ": ",
                                                              "\"",
                                                              "/",
                                                              "a",
                                                              "Zq9",
                                                              "0190a8c2-7b1e-7abc-8def-0123456789ab",
                                                              "-12",
                                                              "2026-01-02T03:04:05Z",
                                                              "10.1.2.3",
                                                              "password",
                                                              "\n",
                                                              "***",
                                                              "\xC3\xA9",
                                                              "transaction ",
                                                              " bytes",
                                                              "#",
                                                              "0123456789abcdef0123456789abcdef",
                                                              ","};
    std::string text;
    for (std::size_t n = random() % 14; n > 0; --n)
        text += kPieces[random() % kPieces.size()];
    return text;
}

TEST(Redact, IsAProjection) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 200'000; ++i) {
        const std::string text = random_text(random);
        const std::string once = redact(text);
        ASSERT_EQ(redact(once), once) << text;
    }
}

TEST(Redact, PlantedThingsAreGone) {
    constexpr std::string_view kDigits = "0123456789";
    constexpr std::string_view kAlnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    constexpr std::array<std::string_view, 8> kBefore{"", "to ", "error: ", "(", "\"", "x=", "<", "no route,"};
    constexpr std::array<std::string_view, 8> kAfter{"", " failed", ": unknown", ")", "\"", ",", ">", "\n"};
    std::mt19937_64 random(2);
    for (int i = 0; i < 50'000; ++i) {
        const std::string_view before = kBefore[random() % kBefore.size()];
        const std::string_view after = kAfter[random() % kAfter.size()];
        const auto gone = [&](const std::string &planted, std::string_view what) {
            const std::string text = std::string(before) + std::string(what) + std::string(after);
            ASSERT_EQ(redact(text).find(planted), std::string::npos) << text;
        };
        const std::string phone = "49" + random_of(random, kDigits, 6 + random() % 8);
        gone(phone, (random() % 2 == 0 ? "+" : "") + phone);
        gone(phone, phone + "@sms.example.com");
        const std::string token = random_of(random, kAlnum, 32 + random() % 100);
        gone(token, token);
        gone(token, "https://example.com/" + token + "/send");
        gone(token, "https://example.com/send?token=" + token);
        const std::string local = random_of(random, kAlnum, 3 + random() % 10);
        gone(local + "@", local + "@example.com");
    }
}

TEST(Redact, LongTextsTakeLinearTime) {
    for (const std::string_view piece :
         {"1 ", ".", "@a", "a:", "\"@x", "1 byte ", "x=", "?a=", "https://", "49151-", "/"}) {
        std::string text;
        while (text.size() < 400'000)
            text += piece;
        EXPECT_LE(redact(text).size(), 4 * text.size()) << piece; // a square of this length would not end
    }
}

TEST(PlainCode, WordsStayTextsGo) {
    for (const std::string_view code :
         {"30003", "http_503", "EC-4.2", "DESTINATION_PHONE_NUMBER_OPTED_OUT", "0x1F", ""})
        EXPECT_EQ(plain_code(code), code);
    EXPECT_EQ(plain_code("21211: The 'To' number is not valid"), "21211");
    EXPECT_EQ(plain_code("30003 unreachable"), "30003");
    EXPECT_EQ(plain_code("Message 'hello' was refused"), "");
    EXPECT_EQ(plain_code("+4915112345678 is no number"), "") << "too long for a code";
    EXPECT_EQ(plain_code("user@example.com"), "");
    EXPECT_EQ(plain_code(std::string(65, 'a')), "");
    EXPECT_EQ(plain_code("\xC3\xA9"), "");
}

} // namespace
} // namespace hc::core
