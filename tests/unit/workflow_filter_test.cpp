// The filter of hermes.list_workflows: grammar, types, positions of errors.
#include "core/workflow_filter.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

const AttributeTypes kTypes{{"Note", AttributeType::text},        {"City", AttributeType::keyword},
                            {"Age", AttributeType::integer},      {"Score", AttributeType::floating},
                            {"Vip", AttributeType::boolean},      {"DueAt", AttributeType::datetime},
                            {"Tags", AttributeType::keyword_list}};

// The filter in one form, or SQLSTATE and detail.
std::string parse(const std::string &text) {
    try {
        return to_string(parse_workflow_filter(text, kTypes));
    } catch (const Error &e) {
        return std::string(e.sqlstate()) + " " + e.detail();
    }
}

void expect_error(const std::string &text, std::size_t position) {
    const std::string found = parse(text);
    const std::string start = "22023 Position " + std::to_string(position) + ":";
    EXPECT_EQ(found.substr(0, start.size()), start) << text << " -> " << found;
}

TEST(WorkflowFilter, NothingIsEverything) {
    EXPECT_EQ(parse_workflow_filter("", kTypes).kind, WorkflowFilter::Kind::everything);
    EXPECT_EQ(parse_workflow_filter(" \n\t ", kTypes).kind, WorkflowFilter::Kind::everything);
}

TEST(WorkflowFilter, Conditions) {
    const std::pair<const char *, const char *> table[] = {
        {"City = 'Bonn'", "`City` = 'Bonn'"},
        {"City=\"Bonn\"", "`City` = 'Bonn'"},
        {"`City` != 'it''s \"x\"'", "`City` != 'it''s \"x\"'"},
        {"City <> 'a'", "`City` != 'a'"},
        {"City < 'a'", "`City` < 'a'"},
        {"City<='a'", "`City` <= 'a'"},
        {"City > 'a'", "`City` > 'a'"},
        {"City>='a'", "`City` >= 'a'"},
        {"City in ('a','b' , \"c\")", "`City` IN ('a', 'b', 'c')"},
        {"City Not In ('a')", "`City` NOT IN ('a')"},
        {"City between 'a' and 'b'", "`City` BETWEEN 'a' AND 'b'"},
        {"City NOT BETWEEN 'a' AND 'b'", "`City` NOT BETWEEN 'a' AND 'b'"},
        {"City STARTS_WITH 'B'", "`City` STARTS_WITH 'B'"},
        {"City NOT STARTS_WITH 'B'", "`City` NOT STARTS_WITH 'B'"},
        {"City IS NULL", "`City` IS NULL"},
        {"City is not null", "`City` IS NOT NULL"},
        {"Note = 'some words'", "`Note` = 'some words'"},
        {"Age = -7", "`Age` = -7"},
        {"Age BETWEEN 1 AND +2", "`Age` BETWEEN 1 AND 2"},
        {"Score >= 1.5e3", "`Score` >= 1.5e3"},
        {"Vip = TRUE", "`Vip` = true"},
        {"Vip != 'false'", "`Vip` != false"},
        {"Tags IN ('a', 'b')", "`Tags` IN ('a', 'b')"},
        {"DueAt > '2026-01-31T12:00:00+02:00'", "`DueAt` > '2026-01-31T10:00:00.000000Z'"},
        {"DueAt > '2026-01-31'", "`DueAt` > '2026-01-31T00:00:00.000000Z'"},
        {"StartTime > 1769860800000000000", "`StartTime` > '2026-01-31T12:00:00.000000Z'"},
        {"CloseTime IS NULL", "`CloseTime` IS NULL"},
        {"ExecutionDuration > '1h'", "`ExecutionDuration` > '3600000000us'"},
        {"ExecutionDuration > '00:00:01'", "`ExecutionDuration` > '1000000us'"},
        {"ExecutionDuration > 5000", "`ExecutionDuration` > '5us'"},
        {"ExecutionStatus = 'Running'", "`ExecutionStatus` = 'Running'"},
        {"ExecutionStatus = 7", "`ExecutionStatus` = 'TimedOut'"},
        {"ExecutionStatus IN ('Failed', 5)", "`ExecutionStatus` IN ('Failed', 'Terminated')"},
        {"WorkflowType STARTS_WITH 'pay'", "`WorkflowType` STARTS_WITH 'pay'"},
        {"WorkflowVersion > 2", "`WorkflowVersion` > 2"},
        {"RunId = '0190B1F0-0000-7000-8000-000000000000'", "`RunId` = '0190b1f0-0000-7000-8000-000000000000'"},
        {"Tenant = 'acme'", "`Tenant` = 'acme'"},
    };
    for (const auto &[text, expected] : table) {
        EXPECT_EQ(parse(text), expected) << text;
        EXPECT_EQ(parse(expected), expected) << "read back";
    }
}

TEST(WorkflowFilter, AndBindsTighterThanOr) {
    EXPECT_EQ(parse("Age = 1 OR Age = 2 AND Vip = true"), "(`Age` = 1 OR (`Age` = 2 AND `Vip` = true))");
    EXPECT_EQ(parse("(Age = 1 or Age = 2) and Vip = true"), "((`Age` = 1 OR `Age` = 2) AND `Vip` = true)");
    EXPECT_EQ(parse("((Age = 1))"), "`Age` = 1");
    EXPECT_EQ(parse("Age BETWEEN 1 AND 2 AND Vip = true"), "(`Age` BETWEEN 1 AND 2 AND `Vip` = true)");
}

TEST(WorkflowFilter, NotIsCarriedIntoTheConditions) {
    EXPECT_EQ(parse("NOT (Age = 1 AND (City IN ('a') OR Vip = true))"),
              "(`Age` != 1 OR (`City` NOT IN ('a') AND `Vip` != true))");
    EXPECT_EQ(parse("NOT NOT Age = 1"), "`Age` = 1");
    const std::pair<const char *, const char *> contraries[] = {{"Age < 1", "`Age` >= 1"},
                                                                {"Age <= 1", "`Age` > 1"},
                                                                {"Age > 1", "`Age` <= 1"},
                                                                {"Age >= 1", "`Age` < 1"},
                                                                {"Age != 1", "`Age` = 1"},
                                                                {"City NOT IN ('a')", "`City` IN ('a')"},
                                                                {"Age NOT BETWEEN 1 AND 2", "`Age` BETWEEN 1 AND 2"},
                                                                {"Age BETWEEN 1 AND 2", "`Age` NOT BETWEEN 1 AND 2"},
                                                                {"City STARTS_WITH 'a'", "`City` NOT STARTS_WITH 'a'"},
                                                                {"City NOT STARTS_WITH 'a'", "`City` STARTS_WITH 'a'"},
                                                                {"City IS NULL", "`City` IS NOT NULL"},
                                                                {"City IS NOT NULL", "`City` IS NULL"}};
    for (const auto &[text, expected] : contraries)
        EXPECT_EQ(parse(std::string("NOT ") + text), expected);
}

TEST(WorkflowFilter, ErrorsNameTheirPosition) {
    expect_error("Nope = 1", 1);
    expect_error("city = 'a'", 1);
    expect_error("City", 5);
    expect_error("City LIKE 'a'", 6);
    expect_error("City = Bonn", 8);
    expect_error("City = ", 8);
    expect_error("City = 'a", 8);
    expect_error("City = 'a' City = 'b'", 12);
    expect_error("City = 'ä' ORDER BY x", 12); // characters, not bytes
    expect_error("(City = 'a'", 12);
    expect_error("City = 'a')", 11);
    expect_error("City IN ()", 10);
    expect_error("City IN ('a' 'b')", 14);
    expect_error("City BETWEEN 'a' 'b'", 18);
    expect_error("City IS 'a'", 9);
    expect_error("= 1", 1);
    expect_error("AND City = 'a'", 1);
    expect_error("Age = 1.5", 7);
    expect_error("Age = 01", 7);
    expect_error("Age = 1x", 7);
    expect_error("Age = '1'", 7);
    expect_error("Score = 1e999", 9);
    expect_error("Vip = 1", 7);
    expect_error("DueAt = 'tomorrow'", 9);
    expect_error("DueAt = '9999-12-31T23:59:59-01:00'", 9);
    expect_error("ExecutionStatus = 'running'", 19);
    expect_error("ExecutionStatus = 9", 19);
    expect_error("ExecutionDuration > 'long'", 21);
    expect_error("RunId = 'x'", 9);
    expect_error("City = 'a'; DROP TABLE x", 11);
}

TEST(WorkflowFilter, AFieldHasTheConditionsOfItsType) {
    for (const char *text : {"Note < 'a'", "Note IN ('a')", "Note STARTS_WITH 'a'", "Vip > true", "Vip IN (true)",
                             "Tags < 'a'", "Tags BETWEEN 'a' AND 'b'", "Tags STARTS_WITH 'a'", "Age STARTS_WITH 1",
                             "DueAt STARTS_WITH '2026'", "ExecutionStatus > 'Failed'", "ExecutionId STARTS_WITH '0'"})
        EXPECT_NE(parse(text).find("cannot be used with"), std::string::npos) << text << " -> " << parse(text);
}

TEST(WorkflowFilter, Limits) {
    std::string deep = "Age = 1";
    for (std::size_t i = 0; i < kMaxFilterDepth; ++i)
        deep = "(" + deep + ")";
    EXPECT_EQ(parse(deep), "`Age` = 1");
    EXPECT_EQ(parse("(" + deep + ")").substr(0, 5), "54000");
    std::string many = "Age IN (1";
    for (std::size_t i = 1; i < kMaxFilterValues; ++i)
        many += ", 1";
    EXPECT_EQ(parse(many + ")").front(), '`');
    EXPECT_EQ(parse(many + ", 1)").substr(0, 5), "54000");
    EXPECT_EQ(parse(std::string(kMaxFilterBytes + 1, ' ')).substr(0, 5), "54000");
}

TEST(WorkflowFilter, WhatEqualAttributesContain) {
    const auto containment = [](const std::string &text) {
        const FilterCondition condition = parse_workflow_filter(text, kTypes).condition;
        return containment_of(condition, condition.values.front());
    };
    EXPECT_EQ(containment("City = 'a\"b'"), R"({"City": "a\"b"})");
    EXPECT_EQ(containment("Age = 5"), R"({"Age": 5})");
    EXPECT_EQ(containment("Vip = true"), R"({"Vip": true})");
    EXPECT_EQ(containment("Tags = 'a'"), R"({"Tags": ["a"]})");
    EXPECT_EQ(containment("DueAt = '2026-01-31'"), R"({"DueAt": "2026-01-31T00:00:00.000000Z"})");
}

} // namespace
} // namespace hc::core
