// Tests of form decoding: escapes, cleaning, limits.
#include "core/form.hpp"

#include <gtest/gtest.h>

#include <random>

namespace hc::core {
namespace {

using namespace std::string_literals;

const std::string kBad = "\xef\xbf\xbd";

FormPairs pairs(std::string_view text) { return parse_form(text).value(); }

// The decoded value of the single pair "k=<text>".
std::string value(std::string_view text) {
    const FormPairs parsed = pairs("k=" + std::string(text));
    EXPECT_EQ(parsed.size(), 1U) << text;
    return parsed.at(0).second;
}

TEST(Form, PairsInTheOrderSent) {
    EXPECT_EQ(pairs("b=2&a=1&b=0"), (FormPairs{{"b", "2"}, {"a", "1"}, {"b", "0"}}));
    EXPECT_EQ(pairs("MessageSid=SM1&MessageStatus=delivered"),
              (FormPairs{{"MessageSid", "SM1"}, {"MessageStatus", "delivered"}}));
}

TEST(Form, NothingToRead) {
    for (const std::string_view text : {"", "?", "&", "&&&", "?&"})
        EXPECT_TRUE(pairs(text).empty()) << text;
}

TEST(Form, OneLeadingQuestionMarkIsSkipped) {
    EXPECT_EQ(pairs("?a=1"), (FormPairs{{"a", "1"}}));
    EXPECT_EQ(pairs("??a=1"), (FormPairs{{"?a", "1"}}));
    EXPECT_EQ(pairs("a=1?"), (FormPairs{{"a", "1?"}}));
}

TEST(Form, EmptyNamesValuesAndPairs) {
    EXPECT_EQ(pairs("a&b=&=c&=&&d=e="), (FormPairs{{"a", ""}, {"b", ""}, {"", "c"}, {"", ""}, {"d", "e="}}));
    EXPECT_EQ(pairs("a=b=c"), (FormPairs{{"a", "b=c"}}));
    EXPECT_EQ(pairs("a;b=1"), (FormPairs{{"a;b", "1"}}));
}

TEST(Form, EscapesAndBlanks) {
    EXPECT_EQ(value("a+b"), "a b");
    EXPECT_EQ(value("a%20b%2Bc%2bd"), "a b+c+d");
    EXPECT_EQ(value("%26%3D%25"), "&=%");
    EXPECT_EQ(pairs("%61+%62=%31"), (FormPairs{{"a b", "1"}}));
    EXPECT_EQ(value("%E2%82%AC"), "\xe2\x82\xac");
    EXPECT_EQ(value("%2541"), "%41"); // decoded once
}

TEST(Form, InvalidEscapesStay) {
    for (const std::string_view text : {"%", "%%", "%4", "%zz", "%4z", "%z4", "100%", "%-1", "% 1"})
        EXPECT_EQ(value(text), text);
    EXPECT_EQ(value("%%41"), "%A");
    EXPECT_EQ(value("%4%41"), "%4A");
    EXPECT_EQ(value("%+1"), "% 1");
    EXPECT_EQ(pairs("a=%4&1=b"), (FormPairs{{"a", "%4"}, {"1", "b"}})); // an escape does not reach over a pair
}

TEST(Form, NulIsLeftOut) {
    EXPECT_EQ(value("a%00b"), "ab");
    EXPECT_EQ(pairs("a%00=%00"), (FormPairs{{"a", ""}}));
    EXPECT_EQ(pairs("k=a\0b"s), (FormPairs{{"k", "ab"}}));
    EXPECT_EQ(value("%C0%80"), kBad + kBad); // the overlong NUL is not one
}

TEST(Form, InvalidUtf8IsReplacedByMaximalParts) {
    EXPECT_EQ(value("%FF"), kBad);
    EXPECT_EQ(value("a%80b"), "a" + kBad + "b");
    EXPECT_EQ(value("%E2%82"), kBad);        // cut off
    EXPECT_EQ(value("%E2%82A"), kBad + "A"); // the letter is not swallowed
    EXPECT_EQ(value("%F0%9F%98"), kBad);     //
    EXPECT_EQ(value("%C3%28"), kBad + "(");  //
    EXPECT_EQ(value("%C1%81"), kBad + kBad); // overlong
    EXPECT_EQ(value("%E0%80%80"), kBad + kBad + kBad);
    EXPECT_EQ(value("%ED%A0%80"), kBad + kBad + kBad);           // a surrogate
    EXPECT_EQ(value("%F4%90%80%80"), kBad + kBad + kBad + kBad); // above U+10FFFF
    EXPECT_EQ(value("%F0%8F%BF%BF"), kBad + kBad + kBad + kBad);
    // The example of the Unicode standard, table 3-8.
    EXPECT_EQ(value("a%F1%80%80%E1%80%C2b%80c%80%BFd"),
              "a" + kBad + kBad + kBad + "b" + kBad + "c" + kBad + kBad + "d");
    EXPECT_EQ(pairs("%FF=1"), (FormPairs{{kBad, "1"}}));
}

TEST(Form, ValidUtf8StaysAtEveryEdge) {
    for (const std::string_view text :
         {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xec\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80",
          "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf3\xbf\xbf\xbf", "\xf4\x8f\xbf\xbf"})
        EXPECT_EQ(value(text), text);
}

TEST(Form, BytesAreLeftAloneForSignatures) {
    EXPECT_EQ(parse_form_bytes("?a%00=%FF%ED%A0%80+x"), (FormPairs{{"a\0"s, "\xff\xed\xa0\x80 x"}}));
}

TEST(Form, AtMostOneThousandPairs) {
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += "a=1&";
    EXPECT_EQ(pairs(text).size(), kMaxFormPairs);
    EXPECT_EQ(pairs(text + "&&&").size(), kMaxFormPairs);
    EXPECT_FALSE(parse_form(text + "b"));
    EXPECT_FALSE(parse_form_bytes(text + "b"));
}

std::string encode(const std::string &text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        out.append(1, '%').append(1, kDigits[byte >> 4U]).append(1, kDigits[byte & 15U]);
    }
    return out;
}

TEST(Form, WhatIsEncodedIsReadBack) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 200; ++round) {
        FormPairs given;
        std::string text;
        for (std::size_t n = random() % 8; n > 0; --n) {
            std::string name(random() % 6, '\0');
            std::string content(random() % 20, '\0');
            for (char &c : name)
                c = static_cast<char>(random());
            for (char &c : content)
                c = static_cast<char>(random());
            text.append(encode(name)).append("=").append(encode(content)).append("&");
            given.emplace_back(name, content);
        }
        EXPECT_EQ(parse_form_bytes(text), given);
        for (const auto &[name, content] : pairs(text))
            EXPECT_EQ(replace_invalid_utf8(content), content) << name;
    }
}

} // namespace
} // namespace hc::core
