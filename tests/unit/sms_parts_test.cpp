// Tests of the count of SMS parts: both tables, the edges of parts, what is not UTF-8.
#include "core/sms_parts.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace hc::core {

bool operator==(const SmsParts &a, const SmsParts &b) {
    return a.encoding == b.encoding && a.units == b.units && a.parts == b.parts;
}

void PrintTo(const SmsParts &parts, std::ostream *out) {
    *out << to_string(parts.encoding) << " " << parts.units << " units " << parts.parts << " parts";
}

namespace {

constexpr const char *kEuro = "\xe2\x82\xac";
constexpr const char *kEmoji = "\xf0\x9f\x98\x80";
constexpr const char *kCyrillic = "\xd0\x96";

std::string times(std::size_t n, const std::string &text) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i)
        out += text;
    return out;
}

SmsParts gsm7(std::uint64_t units, std::uint64_t parts) { return {SmsEncoding::gsm7, units, parts}; }
SmsParts ucs2(std::uint64_t units, std::uint64_t parts) { return {SmsEncoding::ucs2, units, parts}; }

TEST(SmsParts, TheDefaultAlphabetTakesOneSeptet) {
    const std::u32string alphabet = U"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
                                    U"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    EXPECT_EQ(alphabet.size(), 127U);
    for (const char32_t c : alphabet)
        EXPECT_EQ(gsm7_septets(c), 1U) << std::hex << static_cast<std::uint32_t>(c);
}

TEST(SmsParts, TheExtensionTableTakesTwo) {
    for (const char32_t c : std::u32string(U"\f^{}\\[~]|€"))
        EXPECT_EQ(gsm7_septets(c), 2U) << std::hex << static_cast<std::uint32_t>(c);
}

TEST(SmsParts, NothingElseIsInTheTables) {
    unsigned ones = 0;
    unsigned twos = 0;
    for (char32_t c = 0; c <= 0x10ffff; ++c) {
        const unsigned septets = gsm7_septets(c);
        ones += septets == 1;
        twos += septets == 2;
    }
    EXPECT_EQ(ones, 127U);
    EXPECT_EQ(twos, 10U);
    // Near misses: a small c with cedilla, the escape, NUL (whose code is that of @), a back quote, a tab.
    for (const char32_t c : {U'ç', char32_t{0x1b}, char32_t{0}, U'`', U'\t', U'á', U'Α', char32_t{0xffffffff}})
        EXPECT_EQ(gsm7_septets(c), 0U) << std::hex << static_cast<std::uint32_t>(c);
}

TEST(SmsParts, EmptyAndShortTexts) {
    EXPECT_EQ(count_sms_parts(""), gsm7(0, 1));
    EXPECT_EQ(count_sms_parts("Your code is 123456"), gsm7(19, 1));
    EXPECT_EQ(count_sms_parts(kEuro), gsm7(2, 1));
    EXPECT_EQ(count_sms_parts(kCyrillic), ucs2(1, 1));
    EXPECT_EQ(count_sms_parts(kEmoji), ucs2(2, 1));
    EXPECT_EQ(count_sms_parts(std::string_view("\0", 1)), ucs2(1, 1));
    EXPECT_EQ(count_sms_parts("\xce\x94\xce\xa9"), gsm7(2, 1)); // Greek capitals of the table
    EXPECT_EQ(count_sms_parts("\xce\x91"), ucs2(1, 1));         // and one that is only like a Latin one
}

TEST(SmsParts, OneCharacterDecidesForTheWholeText) {
    EXPECT_EQ(count_sms_parts(times(69, "a") + kCyrillic), ucs2(70, 1));
    EXPECT_EQ(count_sms_parts(times(70, "a") + kCyrillic), ucs2(71, 2));
    // In UCS-2 the characters of the extension table are one unit.
    EXPECT_EQ(count_sms_parts(times(69, kEuro) + kCyrillic), ucs2(70, 1));
}

TEST(SmsParts, EdgesOfGsm7) {
    EXPECT_EQ(count_sms_parts(times(160, "a")), gsm7(160, 1));
    EXPECT_EQ(count_sms_parts(times(161, "a")), gsm7(161, 2));
    for (std::uint64_t n = 2; n <= 12; ++n) {
        EXPECT_EQ(count_sms_parts(times(153 * n, "a")), gsm7(153 * n, n));
        EXPECT_EQ(count_sms_parts(times(153 * n + 1, "a")), gsm7(153 * n + 1, n + 1));
    }
    EXPECT_EQ(count_sms_parts(times(160, "\xc3\xa9")), gsm7(160, 1)); // two bytes, one septet
}

TEST(SmsParts, EdgesOfUcs2) {
    EXPECT_EQ(count_sms_parts(times(70, kCyrillic)), ucs2(70, 1));
    EXPECT_EQ(count_sms_parts(times(71, kCyrillic)), ucs2(71, 2));
    for (std::uint64_t n = 2; n <= 12; ++n) {
        EXPECT_EQ(count_sms_parts(times(67 * n, kCyrillic)), ucs2(67 * n, n));
        EXPECT_EQ(count_sms_parts(times(67 * n + 1, kCyrillic)), ucs2(67 * n + 1, n + 1));
    }
}

TEST(SmsParts, AnEscapeIsNotSplit) {
    EXPECT_EQ(count_sms_parts(times(80, kEuro)), gsm7(160, 1));
    EXPECT_EQ(count_sms_parts(times(158, "a") + kEuro), gsm7(160, 1));
    EXPECT_EQ(count_sms_parts(times(159, "a") + kEuro), gsm7(161, 2));
    // The two septets fill the first part to its end, or do not fit and begin the second.
    EXPECT_EQ(count_sms_parts(times(151, "a") + kEuro + times(153, "a")), gsm7(306, 2));
    EXPECT_EQ(count_sms_parts(times(152, "a") + kEuro + times(151, "a")), gsm7(305, 2));
    EXPECT_EQ(count_sms_parts(times(152, "a") + kEuro + times(152, "a")), gsm7(306, 3));
    // Seventy-six of them to a part: one septet of each stays empty.
    EXPECT_EQ(count_sms_parts(times(152, kEuro)), gsm7(304, 2));
    EXPECT_EQ(count_sms_parts(times(153, kEuro)), gsm7(306, 3));
    EXPECT_EQ(count_sms_parts(times(228, kEuro)), gsm7(456, 3));
    EXPECT_EQ(count_sms_parts(times(229, kEuro)), gsm7(458, 4));
}

TEST(SmsParts, ASurrogatePairIsNotSplit) {
    EXPECT_EQ(count_sms_parts(times(35, kEmoji)), ucs2(70, 1));
    EXPECT_EQ(count_sms_parts(times(36, kEmoji)), ucs2(72, 2));
    EXPECT_EQ(count_sms_parts(times(65, kCyrillic) + kEmoji + times(67, kCyrillic)), ucs2(134, 2));
    EXPECT_EQ(count_sms_parts(times(66, kCyrillic) + kEmoji + times(65, kCyrillic)), ucs2(133, 2));
    EXPECT_EQ(count_sms_parts(times(66, kCyrillic) + kEmoji + times(66, kCyrillic)), ucs2(134, 3));
    // Thirty-three of them to a part.
    EXPECT_EQ(count_sms_parts(times(66, kEmoji)), ucs2(132, 2));
    EXPECT_EQ(count_sms_parts(times(67, kEmoji)), ucs2(134, 3));
}

TEST(SmsParts, CharactersOfEveryLength) {
    EXPECT_EQ(count_sms_parts("\xed\x9f\xbf"), ucs2(1, 1));     // before the surrogates
    EXPECT_EQ(count_sms_parts("\xef\xbf\xbf"), ucs2(1, 1));     // U+FFFF
    EXPECT_EQ(count_sms_parts("\xf0\x90\x80\x80"), ucs2(2, 1)); // U+10000
    EXPECT_EQ(count_sms_parts("\xf4\x8f\xbf\xbf"), ucs2(2, 1)); // U+10FFFF
    // A family is several characters to the network, and may be split between them.
    EXPECT_EQ(count_sms_parts("\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9"), ucs2(5, 1));
}

TEST(SmsParts, WhatIsNotUtf8CountsAsReplaced) {
    EXPECT_EQ(count_sms_parts("\xff"), ucs2(1, 1));
    EXPECT_EQ(count_sms_parts("a\xe2\x82"), ucs2(2, 1));
    EXPECT_EQ(count_sms_parts("\xed\xa0\x80"), ucs2(3, 1)); // a surrogate in UTF-8
    EXPECT_EQ(count_sms_parts("\xc0\x80"), ucs2(2, 1));
    EXPECT_EQ(count_sms_parts(times(71, "\x80")), ucs2(71, 2));
}

TEST(SmsParts, Words) {
    EXPECT_EQ(to_string(SmsEncoding::gsm7), "gsm7");
    EXPECT_EQ(to_string(SmsEncoding::ucs2), "ucs2");
}

// Splits as a sender would, character by character, and counts.
std::uint64_t split(const std::vector<unsigned> &units, std::uint64_t part_size) {
    std::uint64_t parts = 0;
    for (std::size_t i = 0; i < units.size(); ++parts) {
        for (std::uint64_t used = 0; i < units.size() && used + units[i] <= part_size; ++i)
            used += units[i];
    }
    return parts;
}

TEST(SmsParts, AgreesWithSplitting) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 300; ++round) {
        const bool wide = random() % 2 == 0;
        std::string text = wide ? kCyrillic : "";
        std::vector<unsigned> units(wide ? 1 : 0, 1);
        std::uint64_t total = wide ? 1 : 0;
        for (std::size_t n = random() % 700; n > 0; --n) {
            const bool two = random() % 3 == 0;
            text += two ? (wide ? kEmoji : kEuro) : "a";
            units.push_back(two ? 2 : 1);
            total += units.back();
        }
        const std::uint64_t parts =
            total <= (wide ? kUcs2Single : kGsm7Single) ? 1 : split(units, wide ? kUcs2Part : kGsm7Part);
        EXPECT_EQ(count_sms_parts(text), (SmsParts{wide ? SmsEncoding::ucs2 : SmsEncoding::gsm7, total, parts}));
    }
}

} // namespace
} // namespace hc::core
