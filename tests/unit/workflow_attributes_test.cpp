// Search attributes and memo: declared types, what a change may hold, what an execution has after its history.
#include "core/workflow_attributes.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

using Type = ExecutionEventType;

const AttributeTypes kTypes{{"Note", AttributeType::text},        {"City", AttributeType::keyword},
                            {"Age", AttributeType::integer},      {"Score", AttributeType::floating},
                            {"Vip", AttributeType::boolean},      {"DueAt", AttributeType::datetime},
                            {"Tags", AttributeType::keyword_list}};

std::string check(const std::string &json) {
    try {
        return checked_attributes(json, kTypes, "$");
    } catch (const Error &e) {
        return std::string(e.sqlstate()) + " " + e.detail();
    }
}

std::string split(const std::string &json) {
    try {
        std::string out;
        for (const auto &[name, value] : split_json_object(json))
            out += name + "=" + value + ";";
        return out;
    } catch (const Error &e) {
        return e.sqlstate();
    }
}

TEST(WorkflowAttributes, TypesHaveWords) {
    for (const char *word : {"text", "keyword", "int", "double", "bool", "datetime", "keyword_list"})
        EXPECT_EQ(to_string(parse_attribute_type(word)), word);
    for (const char *word : {"", "Text", "integer", "keywordlist"})
        EXPECT_THROW(parse_attribute_type(word), Error) << word;
}

TEST(WorkflowAttributes, Names) {
    for (const char *name : {"a", "City", "a_1", "CustomKeywordField"})
        EXPECT_NO_THROW(check_attribute_name(name)) << name;
    for (const char *name : {"", "1a", "_a", "a-b", "a b", "ä", "WorkflowId", "StartTime", "ExecutionDuration"})
        EXPECT_THROW(check_attribute_name(name), Error) << name;
    EXPECT_NO_THROW(check_attribute_name(std::string(63, 'a')));
    EXPECT_THROW(check_attribute_name(std::string(64, 'a')), Error);
}

TEST(WorkflowAttributes, ObjectsAreSplitAsTheyStand) {
    EXPECT_EQ(split("{}"), "");
    EXPECT_EQ(split(" { \"b\" : [1, {\"x\": \"}\"}] , \"a\\u0041\":12345678901234567890.10 } "),
              "aA=12345678901234567890.10;b=[1, {\"x\": \"}\"}];");
    EXPECT_EQ(split(R"({"a": "\\", "b": "\"}"})"), R"(a="\\";b="\"}";)");
    EXPECT_EQ(split(R"({"a": 1, "a": 2})"), "a=2;");
    for (const char *bad : {"", "[]", "1", "null", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1}x", "{a:1}",
                            "{\"a\":1,}", "{\"a\":\"", "{\"a\":\"\\", "{\"a\":[}", "{\"a\":1]}"})
        EXPECT_EQ(split(bad), "22023") << bad;
    const std::string object = R"({"a": [1, 2], "b\"": {"c": null}})";
    EXPECT_EQ(join_json_object(split_json_object(object)), object);
}

TEST(WorkflowAttributes, ValuesFitTheirTypes) {
    EXPECT_EQ(
        check(
            R"({"Note": "a b", "City": "", "Age": -9223372036854775808, "Score": 1.50, "Vip": true, "Tags": ["a", "b"]})"),
        R"({"Age": -9223372036854775808, "City": "", "Note": "a b", "Score": 1.50, "Tags": ["a", "b"], "Vip": true})");
    EXPECT_EQ(check(R"({"DueAt": "2026-01-31T12:00:00+02:00"})"), R"({"DueAt": "2026-01-31T10:00:00.000000Z"})");
    EXPECT_EQ(check(R"({"City": null, "Age": [], "Tags": [ ]})"), R"({"Age": null, "City": null, "Tags": null})");
    EXPECT_EQ(check("[]").substr(0, 8), "22023 $:");
    const std::pair<const char *, const char *> wrong[] = {{R"({"Nope": 1})", "Nope"},
                                                           {R"({"Nope": null})", "Nope"},
                                                           {R"({"city": "x"})", "city"},
                                                           {R"({"Note": 1})", "Note"},
                                                           {R"({"City": ["x"]})", "City"},
                                                           {R"({"Age": 1.5})", "Age"},
                                                           {R"({"Age": "1"})", "Age"},
                                                           {R"({"Age": 9223372036854775808})", "Age"},
                                                           {R"({"Age": 1e3})", "Age"},
                                                           {R"({"Score": "1"})", "Score"},
                                                           {R"({"Vip": 1})", "Vip"},
                                                           {R"({"Vip": "true"})", "Vip"},
                                                           {R"({"DueAt": "2026-01-31"})", "DueAt"},
                                                           {R"({"DueAt": 5})", "DueAt"},
                                                           {R"({"DueAt": "0000-01-01T00:00:00+14:00"})", "DueAt"},
                                                           {R"({"Tags": "a"})", "Tags"},
                                                           {R"({"Tags": [1]})", "Tags"}};
    for (const auto &[json, name] : wrong)
        EXPECT_EQ(check(json).substr(0, 10 + std::string(name).size()), std::string("22023 $: ") + name + " ") << json;
    EXPECT_EQ(check("{\"Score\": 1" + std::string(400, '0') + "}").substr(0, 5), "22023");
    EXPECT_EQ(check("{\"City\": \"" + std::string(kMaxAttributeBytes - 2, 'x') + "\"}").front(), '{');
    EXPECT_EQ(check("{\"City\": \"" + std::string(kMaxAttributeBytes - 1, 'x') + "\"}").substr(0, 5), "54000");
}

TEST(WorkflowAttributes, TheHistorySaysWhatAnExecutionHas) {
    const std::vector<ExecutionEvent> events{
        {.type = Type::workflow_execution_started, .name = "t"},
        {.type = Type::search_attributes_upserted, .payload = R"({"City": "Bonn", "Age": 1})"},
        {.type = Type::memo_modified, .payload = R"({"a": [], "b": 12345678901234567890.5})"},
        {.type = Type::search_attributes_upserted, .command = 1, .payload = R"({"City": null, "Vip": true})"},
        {.type = Type::memo_modified, .command = 2, .payload = R"({"b": null, "c": {"d": null}})"}};
    const ExecutionAttributes after = attributes_after(events);
    EXPECT_EQ(join_json_object(after.search), R"({"Age": 1, "Vip": true})");
    EXPECT_EQ(join_json_object(after.memo), R"({"a": [], "c": {"d": null}})");
    // and the next execution begins with it
    EXPECT_EQ(attributes_after(attribute_events(after, Time{})), after);
    EXPECT_TRUE(attribute_events({}, Time{}).empty());
}

TEST(WorkflowAttributes, OptionsOfAStart) {
    const auto take = [](std::string options) {
        try {
            const ExecutionAttributes taken = take_start_attributes(options, kTypes, 1000);
            return join_json_object(taken.search) + join_json_object(taken.memo) + options;
        } catch (const Error &e) {
            return std::string(e.sqlstate()) + " " + e.detail();
        }
    };
    EXPECT_EQ(take("{}"), "{}{}{}");
    EXPECT_EQ(take(R"({"request_id": "memo"})"), R"({}{}{"request_id": "memo"})");
    EXPECT_EQ(take(R"({"memo": {"x": {"y": 1}}, "request_id": "r", "search_attributes": {"Age": 3, "City": null}})"),
              R"({"Age": 3}{"x": {"y": 1}}{"request_id": "r"})");
    EXPECT_EQ(take(R"({"search_attributes": {"Age": "x"}})").substr(0, 34), "22023 $.search_attributes: Age mus");
    EXPECT_EQ(take(R"({"memo": 1})").substr(0, 13), "22023 $.memo:");
    EXPECT_EQ(take(R"(["memo"])"), R"({}{}["memo"])"); // the reader of the options says what is wrong
    EXPECT_EQ(take("{\"memo\": {\"x\": \"" + std::string(1000, 'x') + "\"}}").substr(0, 5), "54000");
}

TEST(WorkflowAttributes, OptionsOfAStartThatIsRecorded) {
    EXPECT_EQ(without_start_attributes("{}"), "{}");
    EXPECT_EQ(without_start_attributes(R"({"memo": 1, "search_attributes": {"Nope": 1}, "run_timeout": "1h"})"),
              R"({"run_timeout": "1h"})");
    EXPECT_EQ(without_start_attributes(R"(["memo"])"), R"(["memo"])");
}

TEST(WorkflowAttributes, Limits) {
    ExecutionAttributes attributes;
    for (std::size_t i = 0; i < kMaxAttributes; ++i)
        attributes.search["A" + std::to_string(i)] = "1";
    EXPECT_NO_THROW(check_attribute_limits(attributes, 10));
    attributes.search["B"] = "1";
    EXPECT_THROW(check_attribute_limits(attributes, 10), Error);
    attributes.search.clear();
    for (int i = 0; i < 20; ++i)
        attributes.search["A" + std::to_string(10 + i)] = std::string(2045, '1');
    EXPECT_NO_THROW(check_attribute_limits(attributes, 10)); // 40 KiB to the byte
    attributes.search["A10"] += "1";
    EXPECT_THROW(check_attribute_limits(attributes, 10), Error);
}

} // namespace
} // namespace hc::core
