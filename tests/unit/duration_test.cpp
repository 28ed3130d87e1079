// Tests of the duration texts. The tables restate the behaviour of Temporal's duration parsers.
#include "core/duration.hpp"

#include <gtest/gtest.h>

#include <random>

namespace hc::core {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kLongest{INT64_MAX / 1000};

struct Case {
    std::string_view text;
    std::optional<Duration> expected;
};

template <std::size_t N, typename Parse>
void check(const Case (&cases)[N], Parse parse) {
    for (const Case &c : cases) {
        const std::optional<Duration> got = parse(c.text);
        ASSERT_EQ(got.has_value(), c.expected.has_value()) << '"' << c.text << '"';
        if (got) {
            EXPECT_EQ(got->count(), c.expected->count()) << '"' << c.text << '"';
        }
    }
}

TEST(Duration, ReadsUnits) {
    constexpr Case kCases[] = {
        {"1h", seconds(3600)},
        {"3m30s", seconds(210)},
        {"1d", seconds(86400)},
        {"3d", seconds(259200)},
        {"5d6h15m", seconds(454500)},
        {"5.25d15m", seconds(454500)},
        {".5d", seconds(43200)},
        {"-10d12.25h", seconds(-908100)},
        {"3m2h1d", seconds(93780)},
        {"8m7h6d5d4h3m", seconds(990660)},
        {"123s", seconds(123)},
        {"123m", seconds(7380)},
        {"123h", seconds(442800)},
        {"123d", seconds(10627200)},
        {"250ms", milliseconds(250)},
        {"7us", microseconds(7)},
        {"1ms1m", milliseconds(60001)},
        {"1.5s", milliseconds(1500)},
        {"1.s", seconds(1)},
        {"0s", seconds(0)},
        {"-0s", seconds(0)},
        {"007s", seconds(7)},
    };
    check(kCases, [](std::string_view text) { return parse_duration(text); });
}

TEST(Duration, RefusesWhatIsNone) {
    constexpr Case kCases[] = {
        {"7", {}},
        {"0", {}},
        {"", {}},
        {"-", {}},
        {"--1s", {}},
        {"+1s", {}},
        {"s", {}},
        {".s", {}},
        {".", {}},
        {"123q", {}},
        {"1t", {}},
        {"1S", {}},
        {"1H", {}},
        {" 1s", {}},
        {"1s ", {}},
        {"1 s", {}},
        {"1s2", {}},
        {"2,5s", {}},
        {"1.5.5s", {}},
        {"1ns", {}},
        {"1h-30m", {}},
        {"1e3s", {}},
        {"PT1H", {}},
        {"1min", {}},
        {"1week", {}},
        {"1hm", {}},
        {"0x1s", {}},
        {"\xc2\xb5s", {}},
        {"1\xc2\xb5s", {}},
        {std::string_view("1s\0", 3), {}},
        {std::string_view("1\0s", 3), {}},
        {"infs", {}},
        {"nand", {}},
    };
    check(kCases, [](std::string_view text) { return parse_duration(text); });
}

TEST(Duration, BareNumbersOfSeconds) {
    constexpr Case kCases[] = {
        {"3m30s", seconds(210)},
        {"7", seconds(7)},
        {"7.5", milliseconds(7500)},
        {"-7", seconds(-7)},
        {"0", seconds(0)},
        {"", {}},
        {"1h7", {}},
        {"7 ", {}},
        {".", {}},
        {"-", {}},
        {"7q", {}},
        {"9223372036855", {}},
        {"9223372036", seconds(9223372036)},
    };
    check(kCases, [](std::string_view text) { return parse_duration(text, BareNumber::seconds); });
}

TEST(Duration, BareNumbersOfDays) {
    constexpr Case kCases[] = {
        {"3m30s", seconds(210)},        {"7", seconds(604800)},
        {"7.5", seconds(648000)},       {".75", seconds(64800)},
        {"2.75", seconds(237600)},      {"", {}},
        {"106751", hours(24 * 106751)}, {"106752", {}},
    };
    check(kCases, [](std::string_view text) { return parse_duration(text, BareNumber::days); });
}

TEST(Duration, ClockForm) {
    constexpr Case kCases[] = {
        {"1:00:00", seconds(3600)},
        {"123:05:10", seconds(443110)},
        {"00:05:10", seconds(310)},
        {"01:02:03", seconds(3723)},
        {"00:00:00", seconds(0)},
        {"0:59:59", seconds(3599)},
        {"2562047:47:16", seconds(9223372036)},
        {"-12:05:10", {}},
        {"12:61:10", {}},
        {"12:05:61", {}},
        {"01:60:03", {}},
        {"01:03:60", {}},
        {"", {}},
        {":05:10", {}},
        {"1:5:10", {}},
        {"1:05:1", {}},
        {"1:05", {}},
        {"1:05:10:00", {}},
        {"1:05:10 ", {}},
        {"a:05:10", {}},
        {"1:0a:10", {}},
        {"1:05:1a", {}},
        {"1.05:10", {}},
        {"12345678", {}},
        {"1:05.10", {}},
        {"2562047:47:17", {}},
        {"99999999999999999999:00:00", {}},
    };
    check(kCases, parse_clock_duration);
}

TEST(Duration, LimitIs292Years) {
    constexpr Case kCases[] = {
        {"10000000h", {}},
        {"9223372036854775us", kLongest},
        {"-9223372036854775us", -kLongest},
        {"9223372036854776us", {}},
        {"9223372036s854ms775us", kLongest},
        {"9223372036s854ms776us", {}},
        {"106751d23h47m16.854775s", kLongest},
        {"106752d", {}},
        {"99999999999999999999999999999999999d", {}},
        {"9223372036854775us1us", {}},
        {"18446744073709551617s", {}}, // 2^64 + 1: would wrap to 1
        {"213503983d", {}},            // in microseconds a little above 2^64: would wrap to minutes
    };
    check(kCases, [](std::string_view text) { return parse_duration(text); });
}

TEST(Duration, FormatWritesLargestUnitsFirst) {
    struct {
        Duration value;
        std::string_view text;
    } const cases[] = {
        {seconds(0), "0s"},
        {seconds(30), "30s"},
        {minutes(90), "1h30m"},
        {milliseconds(250), "250ms"},
        {milliseconds(1500), "1s500ms"},
        {milliseconds(-1500), "-1s500ms"},
        {hours(24), "1d"},
        {hours(36) + microseconds(1), "1d12h1us"},
        {microseconds(999), "999us"},
        {kLongest, "106751d23h47m16s854ms775us"},
        {Duration::min(), "-106751991d4h54s775ms808us"},
    };
    for (const auto &c : cases)
        EXPECT_EQ(format_duration(c.value), c.text);
}

TEST(Duration, FormatIsReadBack) {
    std::mt19937_64 random(7);
    for (int i = 0; i < 20000; ++i) {
        // Every magnitude alike, and round values too.
        const auto shift = random() % 53;
        auto micros = static_cast<std::int64_t>(random() >> 11 >> shift);
        if (random() % 3 == 0)
            micros -= micros % 1'000'000;
        const Duration value{random() % 2 == 0 ? micros : -micros};
        const std::string text = format_duration(value);
        const std::optional<Duration> back = parse_duration(text);
        ASSERT_TRUE(back) << text;
        EXPECT_EQ(*back, value) << text;
    }
    EXPECT_EQ(parse_duration(format_duration(kLongest)), kLongest);
    EXPECT_EQ(parse_duration(format_duration(-kLongest)), -kLongest);
}

TEST(Duration, FractionsAreExact) {
    EXPECT_EQ(parse_duration("0.000001s"), microseconds(1));
    EXPECT_EQ(parse_duration("0.0000019s"), microseconds(1));
    EXPECT_EQ(parse_duration("-0.0000019s"), microseconds(-1));
    EXPECT_EQ(parse_duration("0.3333333333333333333333333333333333d"), microseconds(28'799'999'999));
    EXPECT_EQ(parse_duration("0.1d"), seconds(8640));
    EXPECT_EQ(parse_duration("0." + std::string(5000, '9') + "s"), microseconds(999'999));
    EXPECT_EQ(parse_duration(std::string(5000, '0') + "1s"), seconds(1));
}

TEST(Duration, AnyBytesAreSafe) {
    std::mt19937_64 random(11);
    constexpr std::string_view kAlphabet = "0123456789..--dhmsu:e ";
    for (int i = 0; i < 50000; ++i) {
        std::string text;
        for (std::size_t n = random() % 12; n > 0; --n)
            text += kAlphabet[random() % kAlphabet.size()];
        if (const std::optional<Duration> value = parse_duration(text, BareNumber::seconds)) {
            EXPECT_LE(*value, kLongest) << text;
            EXPECT_GE(*value, -kLongest) << text;
        }
        if (const std::optional<Duration> value = parse_clock_duration(text)) {
            EXPECT_GE(*value, Duration::zero()) << text;
        }
    }
}

} // namespace
} // namespace hc::core
