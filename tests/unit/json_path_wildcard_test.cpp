// Wildcards in JSON paths, and walks over members and elements.
#include "core/json_path.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hc::core;
using Texts = std::vector<std::string>;

std::optional<JsonPath> wild(std::string_view text) { return parse_json_path(text, JsonWildcards::taken); }

Texts find_all(std::string_view json, std::string_view path, std::size_t limit = 100) {
    const auto parsed = wild(path);
    if (!parsed)
        return {"bad path"};
    Texts texts;
    for (const std::string_view value : find_all_json(json, *parsed, limit))
        texts.emplace_back(value);
    return texts;
}

std::string find_first(std::string_view json, std::string_view path, std::size_t skip = 0) {
    const auto found = find_json(json, wild(path).value(), skip);
    return found ? std::string(*found) : "none";
}

TEST(JsonPathWildcard, IsReadOnlyWhereItIsTaken) {
    const auto path = wild("$[*].a[*]['b'][2]");
    ASSERT_TRUE(path);
    ASSERT_EQ(path->segments.size(), 5U);
    EXPECT_TRUE(path->segments[0].every && path->segments[2].every);
    EXPECT_FALSE(path->segments[1].every || path->segments[3].every || path->segments[4].every);
    EXPECT_EQ(path->segments[1].member, "a");
    EXPECT_EQ(path->segments[4].index, 2);
    EXPECT_EQ(to_string(*path), "$[*].a[*].b[2]");
    EXPECT_EQ(wild(to_string(*path)), path);
    for (const char *text : {"$[*]", "$.a[*]", "$.a[*].b"})
        EXPECT_FALSE(parse_json_path(text)) << text;
    for (const char *text : {"$*", "$.*", "$[* ]", "$[ *]", "$[**]", "$[*", "$[*]x", "[*]", "$.a*", "$[*].", "$..[*]"})
        EXPECT_FALSE(wild(text)) << text;
    EXPECT_EQ(wild("$['*']")->segments[0].member, "*") << "a quoted star is a name";
    EXPECT_FALSE(wild("$['*']")->segments[0].every);
    EXPECT_EQ(to_string(*wild("$['*']")), "$['*']");
}

TEST(JsonPathWildcard, CountsAsASegment) {
    std::string many = "$";
    for (std::size_t i = 0; i < kMaxJsonPathSegments; ++i)
        many += "[*]";
    EXPECT_TRUE(wild(many));
    EXPECT_FALSE(wild(many + "[*]"));
}

TEST(JsonPathWildcard, FindsEveryElementInOrder) {
    const char *json = R"({"a": [{"b": 1}, {"c": 9}, {"b": [2, 3]}, 4, null, [5], {"b": null}], "d": {"b": 6}})";
    EXPECT_EQ(find_all(json, "$.a[*].b"), (Texts{"1", "[2, 3]", "null"}));
    EXPECT_EQ(find_all(json, "$.a[*].b[*]"), (Texts{"2", "3"}));
    EXPECT_EQ(find_all(json, "$.a[*][0]"), Texts{"5"});
    EXPECT_EQ(find_all(json, "$.a[*]").size(), 7U);
    EXPECT_EQ(find_all(json, "$.d[*]"), Texts{}) << "members of an object are no elements";
    EXPECT_EQ(find_all(json, "$.x[*]"), Texts{});
    EXPECT_EQ(find_all("[]", "$[*]"), Texts{});
    EXPECT_EQ(find_all(" [ 1 ,\n\"x,]\" , {} ] ", "$[*]"), (Texts{"1", "\"x,]\"", "{}"}));
    EXPECT_EQ(find_all("[[1, 2], [], [3]]", "$[*][*]"), (Texts{"1", "2", "3"}));
    EXPECT_EQ(find_all(R"({"a": 1})", "$.a"), Texts{"1"}) << "without a wildcard";
    EXPECT_EQ(find_all("7", "$"), Texts{"7"});
}

TEST(JsonPathWildcard, FindsAtMostTheLimit) {
    EXPECT_EQ(find_all("[1, 2, 3]", "$[*]", 2), (Texts{"1", "2"}));
    EXPECT_EQ(find_all("[[1, 2], [3, 4], [5]]", "$[*][*]", 3), (Texts{"1", "2", "3"}));
    EXPECT_EQ(find_all("[[1, 2], [3]]", "$[*][*]", 2), (Texts{"1", "2"}));
    EXPECT_EQ(find_all("[1]", "$[*]", 0), Texts{});
    EXPECT_EQ(find_all("[{}, {}, {\"a\": 1}]", "$[*].a", 1), Texts{"1"}) << "what is not found does not count";
}

TEST(JsonPathWildcard, TheFirstOneIsWhereTheRestExists) {
    const char *json = R"({"e": [{}, {"code": []}, {"code": [5]}, {"code": [6]}]})";
    EXPECT_EQ(find_first(json, "$.e[*].code[0]"), "5");
    EXPECT_EQ(find_first(json, "$.e[*].code"), "[]");
    EXPECT_EQ(find_first(json, "$.e[*].none"), "none");
    EXPECT_EQ(find_first(json, "$.e[*]"), "{}");
}

TEST(JsonPathWildcard, SkippedSegmentsAreTakenAsWalked) {
    EXPECT_EQ(find_first(R"({"b": 1})", "$.a.b", 1), "1");
    EXPECT_EQ(find_first(R"([{"b": 1}])", "$.a[*].b", 1), "1");
    EXPECT_EQ(find_first("5", "$.a", 1), "5");
    EXPECT_EQ(find_first(" 5 ", "$.a", 1), "5");
    EXPECT_EQ(find_first(R"({"a": 2})", "$.a.b", 1), "none");
}

TEST(JsonPathWildcard, NestedWildcardsOnMalformedTextAreSafe) {
    for (const char *json :
         {"", "[", "[[", "[1", "[1,", "[,1]", "[1 2]", "[}", "[[[[[", "[\"", "[\"\\", "[{\"a\":[", "]", "{\"a\":[1}"}) {
        find_all(json, "$[*][*].a[*]");
        find_all(json, "$.a[*]");
        json_members(json);
        json_elements(json);
    }
}

TEST(JsonPathWildcard, MembersInOrderWithTheirNames) {
    const auto members = json_members(" {\"a\" : 1, \"b\\u00e9\\n\": [ 2 ] ,\"a\":{\"x\":\"}\"}, \"\":null}");
    ASSERT_EQ(members.size(), 4U);
    EXPECT_EQ(members[0], (std::pair<std::string, std::string_view>("a", "1")));
    EXPECT_EQ(members[1], (std::pair<std::string, std::string_view>("b\xc3\xa9\n", "[ 2 ]")));
    EXPECT_EQ(members[2], (std::pair<std::string, std::string_view>("a", "{\"x\":\"}\"}"))) << "duplicates are kept";
    EXPECT_EQ(members[3], (std::pair<std::string, std::string_view>("", "null")));
    for (const char *other : {"", "{}", " { } ", "[]", "[1]", "1", "\"{}\"", "null", "true"})
        EXPECT_TRUE(json_members(other).empty()) << other;
}

TEST(JsonPathWildcard, ElementsInOrder) {
    const auto elements = json_elements(" [1, \"a,b]\" ,[ ], {\"x\": [1]} , null ]");
    EXPECT_EQ(Texts(elements.begin(), elements.end()), (Texts{"1", "\"a,b]\"", "[ ]", "{\"x\": [1]}", "null"}));
    for (const char *other : {"", "[]", " [ ] ", "{}", "{\"a\": [1]}", "1", "\"[1]\"", "null"})
        EXPECT_TRUE(json_elements(other).empty()) << other;
}

TEST(JsonPathWildcard, DeepNestingCostsNoStack) {
    const std::size_t depth = 200'000;
    const std::string deep = std::string(depth, '[') + std::string(depth, ']');
    EXPECT_EQ(json_elements(deep).size(), 1U);
    EXPECT_EQ(find_all(deep, "$[*][*]").size(), 1U);
    EXPECT_EQ(json_members("{\"a\": " + deep + "}").size(), 1U);
}

} // namespace
