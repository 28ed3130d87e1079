// Options of start_cascade.
#include "core/start_options.hpp"

#include "core/error.hpp"
#include "core/history.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

constexpr Time kNow = from_unix_micros(1'795'246'837'000'000); // 2026-11-21T07:40:37Z

TEST(StartOptions, ReturnIsTheDefault) {
    EXPECT_FALSE(parse_start_options("{}", kNow).error_on_conflict);
    EXPECT_FALSE(parse_start_options("{ }", kNow).error_on_conflict);
    EXPECT_FALSE(parse_start_options(R"({"on_conflict": "return"})", kNow).error_on_conflict);
    EXPECT_TRUE(parse_start_options(R"({"on_conflict": "error"})", kNow).error_on_conflict);
}

TEST(StartOptions, SendAtIsATimeWithAZone) {
    EXPECT_FALSE(parse_start_options("{ }", kNow).send_at);
    EXPECT_EQ(parse_start_options(R"({"send_at": "2026-11-21T09:40:37+02:00"})", kNow).send_at, kNow);
    const Time past = kNow - std::chrono::hours(24 * 365 * 5);
    EXPECT_EQ(parse_start_options(R"({"send_at": ")" + format_iso8601(past) + R"("})", kNow).send_at, past);
}

TEST(StartOptions, RefusesUnknownKeysWordsAndTypes) {
    for (const char *json : {R"({"on_conflict": "ignore"})", R"({"on_conflict": true})", R"({"onconflict": "error"})",
                             "[]", "1", R"({"send_at": "tomorrow"})", R"({"send_at": "2026-11-22T08:00:00"})",
                             R"({"send_at": 5})", R"({"send_at": "2027-11-23T08:00:00Z"})"}) {
        try {
            parse_start_options(json, kNow);
            FAIL() << json;
        } catch (const Error &e) {
            EXPECT_STREQ(e.sqlstate(), sqlstate::invalid_parameter) << json;
            EXPECT_EQ(e.detail().substr(0, 1), "$") << json;
        }
    }
}

} // namespace
} // namespace hc::core
