// Search attributes and memo as commands of a replayed body.
#include "core/execution_replay.hpp"

#include "core/workflow_attributes.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

using Type = ExecutionEventType;
using Kind = CallAnswer::Kind;

Time at(int seconds) { return from_unix_micros(1'700'000'000'000'000LL + seconds * 1'000'000LL); }

std::vector<ExecutionEvent> begun_with_attributes() {
    std::vector<ExecutionEvent> events = attribute_events({{{"City", "\"Bonn\""}}, {{"note", "1"}}}, at(0));
    events.insert(events.begin(), {.type = Type::workflow_execution_started, .time = at(0), .name = "test"});
    return decode_execution(encode_execution(events, std::nullopt));
}

TEST(ExecutionAttributes, WhatAnExecutionBeginsWithIsNoCommand) {
    Replay replay(WorkflowId{}, begun_with_attributes());
    EXPECT_EQ(replay.call({CommandKind::step, "first", 1}).kind, Kind::fresh);
    EXPECT_NO_THROW(replay.check_end());
    EXPECT_EQ(join_json_object(attributes_after(replay.events()).search), R"({"City": "Bonn"})");
}

TEST(ExecutionAttributes, AChangeIsACommandThatIsOverAtOnce) {
    Replay replay(WorkflowId{}, begun_with_attributes());
    const Command set{CommandKind::set_attributes, "", 7};
    const Command memo{CommandKind::set_memo, "", 8};
    ASSERT_EQ(replay.call(set).kind, Kind::fresh);
    replay.record({.type = Type::search_attributes_upserted, .time = at(1), .hash = 7, .payload = R"({"City": null})"});
    EXPECT_EQ(replay.call(set).kind, Kind::result);
    ASSERT_EQ(replay.call(memo).kind, Kind::fresh);
    replay.record({.type = Type::memo_modified, .time = at(1), .hash = 8, .payload = R"({"note": 2})"});
    EXPECT_EQ(replay.call(memo).kind, Kind::result);
    EXPECT_EQ(replay.command(), 2U);
    EXPECT_TRUE(attributes_after(replay.events()).search.empty());

    Replay again(WorkflowId{}, decode_execution(encode_execution(replay.events(), std::nullopt)));
    EXPECT_EQ(again.call(set).kind, Kind::result);
    EXPECT_EQ(again.call(memo).kind, Kind::result);
    EXPECT_NO_THROW(again.check_end());
    EXPECT_TRUE(again.added().empty());
}

TEST(ExecutionAttributes, AnotherChangeThanTheHistorysIsFound) {
    std::vector<ExecutionEvent> events = begun_with_attributes();
    events.push_back(
        {.type = Type::search_attributes_upserted, .time = at(1), .command = 1, .hash = 7, .payload = "{}"});
    const auto told = [&](const Command &command) {
        Replay replay(WorkflowId{}, events);
        try {
            replay.call(command);
            return std::string("nothing");
        } catch (const Nondeterminism &e) {
            return std::string(e.what());
        }
    };
    EXPECT_EQ(told({CommandKind::set_attributes, "", 7}), "nothing");
    EXPECT_EQ(told({CommandKind::set_attributes, "", 8}),
              "command 1, set_attributes, has other arguments than in the history");
    EXPECT_EQ(told({CommandKind::set_memo, "", 7}), "command 1 is set_memo, the history has set_attributes");
}

// A cancel request is for what waits: a change goes on as if there was none.
TEST(ExecutionAttributes, ACancelIsNotDeliveredToAChange) {
    std::vector<ExecutionEvent> events = begun_with_attributes();
    events.push_back({.type = Type::cancel_requested, .time = at(1)});
    Replay replay(WorkflowId{}, events);
    EXPECT_EQ(replay.call({CommandKind::set_attributes, "", 7}).kind, Kind::fresh);
    EXPECT_EQ(replay.call({CommandKind::sleep, "", 0}).kind, Kind::canceled);
}

TEST(ExecutionAttributes, EventsShowThem) {
    const ExecutionEvent set{
        .type = Type::search_attributes_upserted, .command = 3, .hash = 7, .payload = R"({"City": "Bonn"})"};
    EXPECT_EQ(execution_attributes_json(set), R"({"command": 3, "search_attributes": {"City": "Bonn"}})");
    const ExecutionEvent memo{.type = Type::memo_modified, .payload = R"({"n": 12345678901234567890.5})"};
    EXPECT_EQ(execution_attributes_json(memo), R"({"memo": {"n": 12345678901234567890.5}})");
}

} // namespace
} // namespace hc::core
