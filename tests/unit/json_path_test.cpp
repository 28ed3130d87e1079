// JSON paths: parsing, writing back, look-up in text.
#include "core/json_path.hpp"

#include <gtest/gtest.h>

namespace {

using hc::core::append_json_member;
using hc::core::find_json;
using hc::core::is_valid_json;
using hc::core::json_scalar_text;
using hc::core::JsonPath;
using hc::core::parse_json_path;
using hc::core::to_string;

std::optional<std::string> find(std::string_view json, std::string_view path) {
    const auto parsed = parse_json_path(path);
    if (!parsed)
        return "bad path";
    const auto found = find_json(json, *parsed);
    return found ? std::optional<std::string>(*found) : std::nullopt;
}

TEST(JsonPathTest, ParsesMembersElementsAndQuotedMembers) {
    const auto path = parse_json_path("$.a.b-1[0]['a b'][12]");
    ASSERT_TRUE(path);
    const JsonPath expected{{{.member = "a"},
                             {.member = "b-1"},
                             {.member = {}, .index = 0},
                             {.member = "a b"},
                             {.member = {}, .index = 12}}};
    EXPECT_EQ(*path, expected);
    EXPECT_EQ(parse_json_path("$"), JsonPath{});
    EXPECT_EQ(parse_json_path("$['']"), (JsonPath{{{.member = ""}}}));
    EXPECT_EQ(parse_json_path(R"($['it\'s \\'])"), (JsonPath{{{.member = R"(it's \)"}}}));
    EXPECT_EQ(parse_json_path("$.größe"), (JsonPath{{{.member = "größe"}}}));
}

TEST(JsonPathTest, RefusesMalformedPaths) {
    for (const char *text :
         {"",           "a",      ".a",  "$a",     "$.",   "$..a", "$.a.",  "$.a b",     "$[",     "$[]",
          "$[-1]",      "$[+1]",  "$[1", "$[1.5]", "$[a]", "$['a", "$['a'", "$['a\\x']", "$['a\\", "$[99999999999]",
          "$[1000001]", "$.a[*]", "$ .a"})
        EXPECT_FALSE(parse_json_path(text)) << text;
}

TEST(JsonPathTest, RefusesPathsOverTheLimits) {
    std::string many = "$";
    for (std::size_t i = 0; i < hc::core::kMaxJsonPathSegments; ++i)
        many += ".a";
    EXPECT_TRUE(parse_json_path(many));
    EXPECT_FALSE(parse_json_path(many + ".a"));
    EXPECT_TRUE(parse_json_path("$." + std::string(hc::core::kMaxJsonPathBytes - 2, 'a')));
    EXPECT_FALSE(parse_json_path("$." + std::string(hc::core::kMaxJsonPathBytes - 1, 'a')));
}

TEST(JsonPathTest, WritesWhatItReadsBack) {
    for (const char *text : {"$", "$.a.b[0]", "$['a b']", R"($['it\'s'][3].x)", "$['']", R"($['\\'])"}) {
        const auto path = parse_json_path(text);
        ASSERT_TRUE(path) << text;
        EXPECT_EQ(to_string(*path), text);
    }
    std::string path = "$";
    append_json_member(path, "plain");
    append_json_member(path, "two words");
    EXPECT_EQ(path, "$.plain['two words']");
}

TEST(JsonPathTest, FindsValuesAsText) {
    const char *json =
        R"({"a": {"b": [10, {"c": "x,]}"}, -1.50e2 ]}, "t": true, "n": null, "s" : "q\"}" , "e": [], "o": {}})";
    EXPECT_EQ(find(json, "$.a.b[0]"), "10");
    EXPECT_EQ(find(json, "$.a.b[1].c"), "\"x,]}\"");
    EXPECT_EQ(find(json, "$.a.b[2]"), "-1.50e2");
    EXPECT_EQ(find(json, "$.t"), "true");
    EXPECT_EQ(find(json, "$.n"), "null");
    EXPECT_EQ(find(json, "$.s"), "\"q\\\"}\"");
    EXPECT_EQ(find(json, "$.e"), "[]");
    EXPECT_EQ(find(json, "$.o"), "{}");
    EXPECT_EQ(find(" [1]\n", "$"), "[1]");
}

TEST(JsonPathTest, FindsNothingWhereThereIsNothing) {
    const char *json = R"({"a": {"b": [10]}, "s": "text", "e": []})";
    for (const char *path : {"$.x", "$.a.x", "$.a.b[1]", "$.a[0]", "$.a.b.c", "$.s.a", "$.s[0]", "$.e[0]", "$[0]"})
        EXPECT_EQ(find(json, path), std::nullopt) << path;
    EXPECT_EQ(find("", "$"), std::nullopt);
    EXPECT_EQ(find("   ", "$.a"), std::nullopt);
}

TEST(JsonPathTest, LastOfDuplicateMembersWins) {
    EXPECT_EQ(find(R"({"a": 1, "a": 2})", "$.a"), "2");
    EXPECT_EQ(find(R"({"a": {"b": 1}, "a": {"c": 2}})", "$.a.b"), std::nullopt);
}

TEST(JsonPathTest, MatchesEscapedMemberNames) {
    EXPECT_EQ(find(R"({"\u0061\"": 1})", R"($['a"'])"), "1");
    EXPECT_EQ(find(R"({"a\\": 1})", R"($['a\\'])"), "1");
}

TEST(JsonPathTest, DeepNestingCostsNoStack) {
    const std::size_t depth = 200'000;
    const std::string json = R"({"deep": )" + std::string(depth, '[') + std::string(depth, ']') + R"(, "a": 1})";
    EXPECT_TRUE(is_valid_json(json));
    EXPECT_EQ(find(json, "$.a"), "1");
    EXPECT_EQ(find(json, "$.deep")->size(), 2 * depth);
}

TEST(JsonPathTest, ReadsMalformedTextSafely) {
    for (const char *json :
         {"{",      "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\" 1}", "[",   "[1", "[1,", "\"", "\"\\",
          "{\"a\\", "}",      "]",       ",",        ":",         "{,}", "[[", "{]",  "[}", "{\"a\":}"}) {
        find(json, "$.a");
        find(json, "$[0]");
        find(json, "$[1].a[0]");
        EXPECT_FALSE(is_valid_json(json)) << json;
    }
}

TEST(JsonPathTest, ScalarText) {
    EXPECT_EQ(json_scalar_text("\"plain\""), "plain");
    EXPECT_EQ(json_scalar_text(R"("a\nb\u00e9\ud83d\ude00")"), "a\nb\xc3\xa9\xf0\x9f\x98\x80");
    EXPECT_EQ(json_scalar_text("\"\""), "");
    EXPECT_EQ(json_scalar_text("19.90"), "19.90");
    EXPECT_EQ(json_scalar_text("123456789012345678901234567890"), "123456789012345678901234567890");
    EXPECT_EQ(json_scalar_text("false"), "false");
    for (const char *json : {"", "null", "{}", "[]", "\"", "\"\\", "\"\\x\""})
        EXPECT_EQ(json_scalar_text(json), std::nullopt) << json;
}

TEST(JsonPathTest, Validity) {
    for (const char *json : {"1", "null", "\"x\"", "{}", " [1, 2] ", "true"})
        EXPECT_TRUE(is_valid_json(json)) << json;
    for (const char *json : {"", "{} {}", "NaN", "1e999", "'a'", "{a:1}", "[1,]", "\"\xff\"", "\"\\ud800\"", "// x\n1"})
        EXPECT_FALSE(is_valid_json(json)) << json;
    EXPECT_FALSE(is_valid_json(std::string_view("1\0", 2)));
}

} // namespace
