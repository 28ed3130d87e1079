// Options of start_cascade.
#include "core/start_options.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

TEST(StartOptions, ReturnIsTheDefault) {
    EXPECT_FALSE(parse_start_options("{}").error_on_conflict);
    EXPECT_FALSE(parse_start_options("{ }").error_on_conflict);
    EXPECT_FALSE(parse_start_options(R"({"on_conflict": "return"})").error_on_conflict);
    EXPECT_TRUE(parse_start_options(R"({"on_conflict": "error"})").error_on_conflict);
}

TEST(StartOptions, RefusesUnknownKeysWordsAndTypes) {
    for (const char *json :
         {R"({"on_conflict": "ignore"})", R"({"on_conflict": true})", R"({"onconflict": "error"})", "[]", "1"}) {
        try {
            parse_start_options(json);
            FAIL() << json;
        } catch (const Error &e) {
            EXPECT_STREQ(e.sqlstate(), sqlstate::invalid_parameter) << json;
            EXPECT_EQ(e.detail().substr(0, 1), "$") << json;
        }
    }
}

} // namespace
} // namespace hc::core
