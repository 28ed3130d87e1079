// Send windows: opening and allowed time over midnight, week ends and changes to and from daylight saving time.
#include "core/send_window.hpp"

#include "core/error.hpp"
#include "core/history.hpp"
#include "core/rule.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace hc::core {
namespace {

using namespace std::chrono_literals;

Time at(std::string_view text) { return parse_iso8601(text).value(); }

// Europe/Berlin in 2026: one hour ahead, two from 29 March 01:00 UTC to 25 October 01:00 UTC.
std::int32_t berlin_offset(Time t) {
    return t >= at("2026-03-29T01:00:00Z") && t < at("2026-10-25T01:00:00Z") ? 7200 : 3600;
}
const ZoneOffset kBerlin = berlin_offset;

SendWindow window(int from, int to, std::uint8_t days = 0x7F) {
    return {.from = static_cast<std::uint16_t>(from), .to = static_cast<std::uint16_t>(to), .days = days};
}

TEST(SendWindow, OpensInTheTimeOfItsZone) {
    const SendWindow day = window(8 * 60, 20 * 60);
    EXPECT_EQ(next_open(day, {}, at("2026-06-10T07:59:59Z")), at("2026-06-10T08:00:00Z"));
    EXPECT_EQ(next_open(day, {}, at("2026-06-10T08:00:00Z")), at("2026-06-10T08:00:00Z"));
    EXPECT_EQ(next_open(day, {}, at("2026-06-10T19:59:59.999999Z")), at("2026-06-10T19:59:59.999999Z"));
    EXPECT_EQ(next_open(day, {}, at("2026-06-10T20:00:00Z")), at("2026-06-11T08:00:00Z")) << "its end is outside";
    EXPECT_EQ(next_open(day, kBerlin, at("2026-06-10T05:00:00Z")), at("2026-06-10T06:00:00Z"));
    EXPECT_EQ(next_open(day, kBerlin, at("2026-01-10T06:30:00Z")), at("2026-01-10T07:00:00Z"));
}

TEST(SendWindow, GoesOverMidnight) {
    const SendWindow night = window(22 * 60, 6 * 60);
    EXPECT_TRUE(is_open(night, {}, at("2026-06-10T23:00:00Z")));
    EXPECT_TRUE(is_open(night, {}, at("2026-06-10T05:59:00Z")));
    EXPECT_EQ(next_open(night, {}, at("2026-06-10T06:00:00Z")), at("2026-06-10T22:00:00Z"));
    const SendWindow friday_night = window(22 * 60, 6 * 60, 1U << 4);
    EXPECT_TRUE(is_open(friday_night, {}, at("2026-06-13T05:00:00Z"))) << "Saturday morning is Friday's night";
    EXPECT_FALSE(is_open(friday_night, {}, at("2026-06-12T05:00:00Z")));
}

TEST(SendWindow, WholeDaysJoin) {
    const SendWindow working_days = window(0, 24 * 60, 0b11111);
    EXPECT_EQ(next_open(working_days, {}, at("2026-06-13T00:00:00Z")), at("2026-06-15T00:00:00Z")) << "Saturday";
    EXPECT_EQ(add_open_time(working_days, {}, at("2026-06-12T12:00:00Z"), 24h), at("2026-06-15T12:00:00Z"));
    EXPECT_EQ(add_open_time(window(0, 24 * 60), {}, at("2026-06-12T12:00:00Z"), 100h),
              at("2026-06-12T12:00:00Z") + 100h);
}

TEST(SendWindow, CountsAllowedTimeOnly) {
    const SendWindow day = window(8 * 60, 20 * 60);
    EXPECT_EQ(add_open_time(day, {}, at("2026-06-10T19:00:00Z"), 4h), at("2026-06-11T11:00:00Z"));
    EXPECT_EQ(add_open_time(day, {}, at("2026-06-10T19:00:00Z"), 1h), at("2026-06-10T20:00:00Z"));
    EXPECT_EQ(add_open_time(day, {}, at("2026-06-10T23:00:00Z"), 1min), at("2026-06-11T08:01:00Z"));
    EXPECT_EQ(add_open_time(day, {}, at("2026-06-10T10:00:00Z"), 36h), at("2026-06-13T10:00:00Z"));
}

TEST(SendWindow, SpringsForward) { // 02:00 to 03:00 does not exist on 29 March
    EXPECT_EQ(next_open(window(150, 1200), kBerlin, at("2026-03-29T00:30:00Z")), at("2026-03-29T01:00:00Z"))
        << "02:30 is left out: right after the hour";
    EXPECT_EQ(next_open(window(180, 1200), kBerlin, at("2026-03-29T00:30:00Z")), at("2026-03-29T01:00:00Z"));
    const SendWindow day = window(60, 240); // 01:00 to 04:00: two hours long that day
    EXPECT_EQ(add_open_time(day, kBerlin, at("2026-03-29T00:00:00Z"), 2h), at("2026-03-29T02:00:00Z"));
    EXPECT_EQ(add_open_time(day, kBerlin, at("2026-03-29T00:00:00Z"), 2h + 1s), at("2026-03-29T23:00:01Z"));
    const SendWindow lost = window(130, 170); // wholly within the hour left out
    EXPECT_EQ(next_open(lost, kBerlin, at("2026-03-29T00:00:00Z")), at("2026-03-30T00:10:00Z"));
}

TEST(SendWindow, FallsBack) { // 02:00 to 03:00 comes twice on 25 October
    const SendWindow from_half_past_two = window(150, 1200);
    EXPECT_EQ(next_open(from_half_past_two, kBerlin, at("2026-10-25T00:00:00Z")), at("2026-10-25T00:30:00Z"))
        << "the first";
    const SendWindow until_half_past_two = window(60, 150);
    EXPECT_FALSE(is_open(until_half_past_two, kBerlin, at("2026-10-25T01:10:00Z"))) << "02:10 for the second time";
    const SendWindow day = window(60, 240); // 01:00 to 04:00: four hours long that day
    EXPECT_EQ(add_open_time(day, kBerlin, at("2026-10-24T23:00:00Z"), 4h), at("2026-10-25T03:00:00Z"));
}

// What next_open and add_open_time promise, for any window and time near the changes.
TEST(SendWindow, PropertiesHold) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 3000; ++round) {
        SendWindow w = window(static_cast<int>(random() % 1440), static_cast<int>(1 + random() % 1440),
                              static_cast<std::uint8_t>(1 + random() % 127));
        if (w.from == w.to)
            ++w.to;
        const Time base = random() % 2 == 0 ? at("2026-03-27T00:00:00Z") : at("2026-10-23T00:00:00Z");
        const Time t = base + std::chrono::seconds(random() % (4 * 86'400));
        const Time open = next_open(w, kBerlin, t);
        ASSERT_GE(open, t);
        ASSERT_LE(open - t, 15 * 24h);
        ASSERT_TRUE(is_open(w, kBerlin, open));
        if (open > t) {
            ASSERT_FALSE(is_open(w, kBerlin, open - 1us));
            ASSERT_FALSE(is_open(w, kBerlin, t + (open - t) / 2));
        }
        const Duration a = std::chrono::seconds(random() % 3000), b = std::chrono::seconds(random() % 3000);
        ASSERT_EQ(add_open_time(w, kBerlin, t, a + b), add_open_time(w, kBerlin, add_open_time(w, kBerlin, t, a), b));
        ASSERT_GE(add_open_time(w, kBerlin, t, a), t + a);
    }
}

TEST(SendWindow, IsReadWithClearErrors) {
    const auto rule = [](const std::string &text) {
        return R"({"steps": [{"channel": "sms", "window": )" + text + "}]}";
    };
    const SendWindow read =
        *parse_rule(rule(R"({"from": "08:30", "to": "24:00", "days": ["sat", "sun"], "outside": "skip"})"))
             .steps[0]
             .window;
    EXPECT_EQ(read, (SendWindow{.from = 510, .to = 1440, .days = 0b1100000, .outside = OutsideWindow::skip}));
    EXPECT_EQ(*parse_rule(rule("{}")).steps[0].window, SendWindow{});
    EXPECT_FALSE(parse_rule(rule("false")).steps[0].window);
    for (const char *bad :
         {R"({"from": "8:30"})", R"({"from": "24:00"})", R"({"to": "24:01"})", R"({"from": "08:60"})", R"({"from": 8})",
          R"({"from": "08:00", "to": "08:00"})", R"({"to": "00:00"})", R"({"days": []})", R"({"days": ["mon", "mon"]})",
          R"({"days": ["monday"]})", R"({"outside": "drop"})", R"({"until": "08:00"})", "true", "\"08:00\"",
          R"({"from": "ab:cd"})"}) {
        try {
            parse_rule(rule(bad));
            FAIL() << bad;
        } catch (const Error &e) {
            EXPECT_STREQ(e.sqlstate(), sqlstate::invalid_parameter) << bad;
            EXPECT_TRUE(e.detail().starts_with("$.steps[0].window")) << bad << ": " << e.detail();
        }
    }
}

} // namespace
} // namespace hc::core
