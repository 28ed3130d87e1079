// The short cut through flat JSON objects: what it accepts it reads as the parser does, and it leaves alone what is
// odd.
#include "core/flat_json.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <optional>
#include <random>
#include <string>

namespace hc::core {
namespace {

using Values = std::array<nlohmann::json, 3>;
constexpr std::array<std::string_view, 3> kNames{"a", "bc", ""};

std::optional<Values> flat(std::string_view text) {
    Values values;
    return read_flat_json(text, kNames, values) ? std::optional(values) : std::nullopt;
}

std::optional<Values> parsed(const std::string &text) {
    const nlohmann::json document = nlohmann::json::parse(text, nullptr, false);
    if (!document.is_object())
        return std::nullopt;
    Values values;
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (const auto it = document.find(kNames[i]); it != document.end())
            values[i] = *it;
    }
    return values;
}

bool same(const Values &x, const Values &y) {
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (x[i].type() != y[i].type() || x[i] != y[i]) // types: 1 == 1U
            return false;
    }
    return true;
}

TEST(FlatJson, ReadsWhatTheParserReads) {
    for (const std::string text :
         {R"({})", " \t\r\n{ \n} ", R"({"a": "x"})", R"({"a":"","bc":" ~","":"e"})", R"({"a": 0, "bc": -7})",
          R"({"a": 999999999999999999, "bc": -999999999999999999})", R"({"a": true, "bc": false, "": null})",
          R"({"other": "x", "a": 10})", R"({"a": 1, "a": "last"})", R"({"a": 1, "a": null})",
          "{\"a\":\t1\n,\r\"bc\" :2 }", "{\"a\": \"\x7f\"}", R"({"a": "{[]},:'/"})", R"({"A": 1, "ab": 2, "b": 3})"}) {
        const auto read = flat(text);
        ASSERT_TRUE(read) << text;
        EXPECT_TRUE(same(*read, parsed(text).value())) << text;
    }
}

TEST(FlatJson, LeavesTheRest) {
    for (const std::string text :
         // well-formed, but not plain
         {R"({"a": []})", R"({"x": {}})", R"({"a": "\n"})", R"({"\u0061": 1})", R"({"a": 1.5})", R"({"a": 1e3})",
          R"({"a": -0})", R"({"a": 1000000000000000000})", "{\"a\": \"\u00e4\"}", "\xef\xbb\xbf{}", R"([])", R"("a")",
          "1",
          // ill-formed
          "", " ", "{", "}", R"({"a"})", R"({"a":})", R"({"a": 1,})", R"({,})", R"({"a": 1 "bc": 2})", R"({"a" 1})",
          R"({a: 1})", R"({"a": 1}})", R"({"a": 1} x)", R"({"a": 01})", R"({"a": 00})", R"({"a": -})", R"({"a": - 1})",
          R"({"a": +1})", R"({"a": 1x})", R"({"a": tru})", R"({"a": truee})", R"({"a": nul})", R"({"a": True})",
          R"({"a": 'x'})", R"({"a": "x)", R"({"a": "x"y})", "{\"a\": \"x\t\"}", "{\"a\": \"x\n", "{\"a\": \"\xff\"}",
          R"({"a": 1)", R"({"a": 1,)", R"({"a": )", R"({"a)", R"({1: 2})", R"(/**/{})"})
        EXPECT_FALSE(flat(text)) << text;
    using namespace std::string_view_literals;
    EXPECT_FALSE(flat("{\"a\": \"\0\"}"sv));
    EXPECT_FALSE(flat("{}\0"sv));
    EXPECT_FALSE(flat("{\0}"sv));
}

// Documents made of the pieces of JSON, most of them whole, some with a byte changed.
class Documents {
public:
    std::string next() {
        std::string text = space() + "{";
        for (std::size_t n = random_() % 4; n > 0; --n)
            text += member() + (n > 1 ? "," : "");
        text += "}" + space();
        if (random_() % 3 == 0)
            text[random_() % text.size()] = one_of({" ", "\t", "\"", "\\", ",", ":", "{", "}", "[", "0", "-", "."})[0];
        else if (random_() % 4 == 0)
            text.erase(random_() % text.size(), 1);
        return text;
    }

private:
    std::string one_of(const std::vector<std::string> &choices) { return choices[random_() % choices.size()]; }
    std::string space() { return one_of({"", "", " ", "\n\t"}); }
    std::string member() {
        return space() + one_of({"\"a\"", "\"bc\"", "\"\"", "\"other\""}) + space() + ":" + space() + value() + space();
    }
    std::string value() {
        if (random_() % 12 == 0)
            return one_of({"[]", "{\"a\":1}", "1.0", "-0", "1E2", "\"\\\"\"", "\"\u20ac\"", "9223372036854775808"});
        const std::string number = std::to_string(random_() >> (random_() % 64));
        return one_of({"\"\"", "\"text\"", "\"a b\"", "true", "false", "null", "0", number, "-" + number});
    }

    std::mt19937_64 random_{4};
};

TEST(FlatJson, NeverDiffersFromTheParser) {
    Documents documents;
    int accepted = 0;
    int left = 0;
    for (int i = 0; i < 20'000; ++i) {
        const std::string text = documents.next();
        const auto read = flat(text);
        ++(read ? accepted : left);
        if (!read)
            continue;
        const auto expected = parsed(text);
        ASSERT_TRUE(expected && same(*read, *expected)) << text;
    }
    EXPECT_GT(accepted, 5'000);
    EXPECT_GT(left, 5'000);
}

} // namespace
} // namespace hc::core
