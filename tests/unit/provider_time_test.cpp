// Times as providers write them: every format, and what is no time.
#include "core/history.hpp"
#include "core/receipt_parser.hpp"

#include <gtest/gtest.h>

#include <random>

namespace {

using namespace hc::core;
using enum TimeFormat;

// In ISO 8601, or "none".
std::string shown(std::string_view text, TimeFormat format) {
    const std::optional<Time> time = parse_provider_time(text, format);
    return time ? format_iso8601(*time) : "none";
}

constexpr const char *kTime = "2026-01-02T03:04:05.000000Z";

TEST(ProviderTime, Iso8601WithItsLiberties) {
    for (const char *text :
         {"2026-01-02T03:04:05Z",      "2026-01-02t03:04:05z",          "2026-01-02 03:04:05",
          "2026-01-02T03:04:05",       "2026-01-02 03:04:05 UTC",       "2026-01-02 03:04:05 GMT",
          "2026-01-02T03:04:05.000",   "2026-01-02T03:04:05+00:00",     "2026-01-02T03:04:05-00:00",
          "2026-01-02T03:04:05+0000",  "2026-01-02T03:04:05+00",        "2026-01-02T05:04:05+02:00",
          "2026-01-02T05:04:05+0200",  "2026-01-02 05:04:05+02",        "2026-01-01T21:34:05-0530",
          "2026-01-02 05:04:05 +0200", "2026-01-02 03:04:05 +00:00",    "2026-01-02T03:04:05 +00",
          "2026-01-02T05:04:05 02:00", "2026-01-02T03:04:05.000 00:00", "2026-01-01T21:34:05.000000-05:30",
          "2026-01-02T03:04:05.0Z"})
        EXPECT_EQ(shown(text, iso), kTime) << text;
    EXPECT_EQ(shown("2026-01-02T03:04:05.123456789Z", iso), "2026-01-02T03:04:05.123456Z") << "finer is cut off";
    EXPECT_EQ(shown("2026-01-02T03:04:05,5+0100", iso), "2026-01-02T02:04:05.500000Z");
    EXPECT_EQ(shown("2026-01-02 03:04:05.5", iso), "2026-01-02T03:04:05.500000Z");
    EXPECT_EQ(shown("2024-02-29T23:59:60Z", iso), "2024-03-01T00:00:00.000000Z") << "a leap second";
    EXPECT_EQ(shown("1969-12-31T23:59:59.999999Z", iso), "1969-12-31T23:59:59.999999Z");
}

// Two hours east of Greenwich in the summer half of 2026, one in the other.
std::int32_t berlin(Time t) {
    const auto first = parse_iso8601("2026-03-29T01:00:00Z");
    const auto last = parse_iso8601("2026-10-25T01:00:00Z");
    return t >= first && t < last ? 7200 : 3600;
}

std::string shown_there(std::string_view text, TimeFormat format) {
    const std::optional<Time> time = parse_provider_time(text, format, berlin);
    return time ? format_iso8601(*time) : "none";
}

TEST(ProviderTime, WhatNamesNoZoneIsInTheOneOfTheAccount) {
    EXPECT_EQ(shown_there("2601021200", yymmddhhmm), "2026-01-02T11:00:00.000000Z");
    EXPECT_EQ(shown_there("260702120005", yymmddhhmm), "2026-07-02T10:00:05.000000Z");
    EXPECT_EQ(shown_there("20260702000000", yyyymmddhhmmss), "2026-07-01T22:00:00.000000Z");
    EXPECT_EQ(shown_there("2026-01-02T12:00:00", iso), "2026-01-02T11:00:00.000000Z");
    EXPECT_EQ(shown_there("2026-07-02 12:00:00.25", iso), "2026-07-02T10:00:00.250000Z");
    // in the hour that comes twice the first reading counts, in the one that is left out the change itself
    EXPECT_EQ(shown_there("2610250230", yymmddhhmm), "2026-10-25T00:30:00.000000Z");
    EXPECT_EQ(shown_there("2603290230", yymmddhhmm), "2026-03-29T01:00:00.000000Z");
    EXPECT_EQ(shown_there("2602300230", yymmddhhmm), "none");
    EXPECT_EQ(shown_there("00010101003000", yyyymmddhhmmss), "none") << "a year that is not written";
}

TEST(ProviderTime, WhatNamesItsZoneIsNotMoved) {
    for (const char *text : {"2026-01-02T03:04:05Z", "2026-01-02t03:04:05z", "2026-01-02 03:04:05 UTC",
                             "2026-01-02 03:04:05 GMT", "2026-01-02T03:04:05-00:00", "2026-01-02T05:04:05+0200",
                             "2026-01-02T03:04:05+00", "2026-01-02T05:04:05 02:00"})
        EXPECT_EQ(shown_there(text, iso), kTime) << text;
    EXPECT_EQ(shown_there("1767323045", epoch), kTime);
}

TEST(ProviderTime, WhatIsNoIso8601) {
    for (const char *text : {"",
                             "Z",
                             "now",
                             "2026-01-02",
                             "2026-01-02T03:04",
                             "2026-01-02T03:04:05ZZ",
                             "2026-01-02T03:04:05 Z",
                             "2026-02-29T00:00:00Z",
                             "2026-13-01T00:00:00Z",
                             "2026-00-01T00:00:00Z",
                             "2026-01-32T00:00:00Z",
                             "2026-01-02T24:00:00Z",
                             "2026-01-02T03:60:00Z",
                             "2026-01-02T03:04:61Z",
                             "26-01-02T03:04:05Z",
                             "2026/01/02 03:04:05",
                             "02-01-2026 03:04:05",
                             "2026-01-02T03:04:05.Z",
                             "2026-01-02T03:04:05+",
                             "2026-01-02T03:04:05+1",
                             "2026-01-02T03:04:05+24:00",
                             "2026-01-02T03:04:05+00:60",
                             "2026-01-02T03:04:05 PST",
                             "2026-01-02 03:04:05  +0000",
                             "2026-01-02 03:04",
                             "2026-01-02T03:04:05 0200",
                             "2026-01-02T03:04:05 24:00",
                             "2026-01-02 +0000",
                             "2026-01-02  +0000",
                             "-026-01-02T03:04:05Z",
                             "+026-01-02T03:04:05Z",
                             "1767323045",
                             " 2026-01-02T03:04:05Z",
                             "2026-01-02T03:04:05Z ",
                             "2026-01-02T03:04:05+0100Z",
                             "UTC",
                             " UTC",
                             "Fri, 02 Jan 2026 03:04:05 GMT",
                             "0000-00-00 00:00:00",
                             "2026-01-02T03:04:05.000000000000000000Z"})
        EXPECT_EQ(shown(text, iso), text[0] != '\0' && std::string_view(text).ends_with("000000Z") ? kTime : "none")
            << text;
    using namespace std::string_view_literals;
    EXPECT_EQ(shown("2026-01-02T03:04:05\0Z"sv, iso), "none");
    EXPECT_EQ(shown("2026-01-02T03:04:05." + std::string(40, '0') + "Z", iso), "none") << "too long to be one";
}

TEST(ProviderTime, EpochInSecondsOrMilliseconds) {
    EXPECT_EQ(shown("1767323045", epoch), kTime);
    EXPECT_EQ(shown("1767323045000", epoch), kTime);
    EXPECT_EQ(shown("1767323045.0", epoch), kTime);
    EXPECT_EQ(shown("1767323045.5", epoch), "2026-01-02T03:04:05.500000Z");
    EXPECT_EQ(shown("1767323045678", epoch), "2026-01-02T03:04:05.678000Z");
    EXPECT_EQ(shown("1767323045678.25", epoch), "2026-01-02T03:04:05.678250Z");
    EXPECT_EQ(shown("0", epoch), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(shown("99999999999", epoch), "5138-11-16T09:46:39.000000Z") << "seconds up to here";
    EXPECT_EQ(shown("100000000000", epoch), "1973-03-03T09:46:40.000000Z") << "milliseconds from here";
    EXPECT_EQ(shown("4102444799999", epoch), "2099-12-31T23:59:59.999000Z");
    EXPECT_NE(shown("99999999999999", epoch), "none") << "the last millisecond that is taken";
}

TEST(ProviderTime, WhatIsNoEpoch) {
    for (const char *text : {"",
                             " ",
                             "-1",
                             "-0.5",
                             "+1767323045",
                             "1767323045Z",
                             "1767323045 ",
                             " 1767323045",
                             "0x69573b65",
                             "1767323045.5.5",
                             "1,767",
                             "nan",
                             "inf",
                             "-inf",
                             "infinity",
                             "1e400",
                             "100000000000000",
                             "1767323045678901",
                             "99999999999999999999999999999999999",
                             "2026-01-02T03:04:05Z",
                             "true",
                             "."})
        EXPECT_EQ(shown(text, epoch), "none") << text;
}

TEST(ProviderTime, FractionsOfAnEpochKeepTheirMilliseconds) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 20'000; ++i) {
        const std::int64_t millis = static_cast<std::int64_t>(random() % 4'000'000'000'000);
        char text[32];
        std::snprintf(text, sizeof text, "%ld.%03ld", static_cast<long>(millis / 1000),
                      static_cast<long>(millis % 1000));
        const auto time = parse_provider_time(text, epoch);
        ASSERT_TRUE(time) << text;
        EXPECT_EQ(to_unix_micros(*time), millis * 1000) << text;
    }
}

TEST(ProviderTime, DigitsOnly) {
    EXPECT_EQ(shown("2601020304", yymmddhhmm), "2026-01-02T03:04:00.000000Z");
    EXPECT_EQ(shown("260102030405", yymmddhhmm), kTime);
    EXPECT_EQ(shown("9912312359", yymmddhhmm), "2099-12-31T23:59:00.000000Z");
    EXPECT_EQ(shown("0002290000", yymmddhhmm), "2000-02-29T00:00:00.000000Z");
    EXPECT_EQ(shown("20260102030405", yyyymmddhhmmss), kTime);
    EXPECT_EQ(shown("20240229235960", yyyymmddhhmmss), "2024-03-01T00:00:00.000000Z");
}

TEST(ProviderTime, WhatIsNoDateOfDigits) {
    for (const char *text : {"", "260102030", "26010203040", "2601020304056", "20260102030405", "2613020304",
                             "2600020304", "2601320304", "2602290304", "2601022404", "2601020360", "260102030461",
                             "26-1020304", "26010203 4", " 601020304", "+601020304", "260102030x", "2601020304Z"})
        EXPECT_EQ(shown(text, yymmddhhmm), "none") << text;
    for (const char *text : {"", "2601020304", "260102030405", "2026010203040", "202601020304050", "20261302030405",
                             "20260230030405", "20260102240405", "20260102036005", "20260102030461", "2026010203040x"})
        EXPECT_EQ(shown(text, yyyymmddhhmmss), "none") << text;
}

// What is read can be written as ISO 8601 and read again: it goes through the payload of a receipt.
TEST(ProviderTime, EveryTimeCanBeWritten) {
    for (const char *text : {"9999-12-31T23:59:59-01:00", "9999-12-31T23:59:60Z", "0000-01-01T00:00:00+01:00",
                             "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}) {
        const auto time = parse_provider_time(text, iso);
        EXPECT_TRUE(!time || parse_iso8601(format_iso8601(*time)) == time) << text;
    }
    EXPECT_EQ(shown("9999-12-31T23:59:59Z", iso), "9999-12-31T23:59:59.000000Z");
    EXPECT_EQ(shown("0001-01-01T00:00:00Z", iso), "0001-01-01T00:00:00.000000Z");
    const auto last = parse_provider_time("99991231235960", yyyymmddhhmmss);
    EXPECT_TRUE(!last || parse_iso8601(format_iso8601(*last)) == last);
    const auto first = parse_provider_time("00000101000000", yyyymmddhhmmss);
    EXPECT_TRUE(!first || parse_iso8601(format_iso8601(*first)) == first);
}

} // namespace
