// Sizes of histories: what a function has seen of its own, the same at each pass, and what is large.
#include "execution_driver.hpp"

using namespace hc::core;
using namespace hc::core::replay_test;

TEST(WorkflowLimits, Thresholds) {
    EXPECT_FALSE((HistorySize{kSuggestAfterEvents - 1, kSuggestAfterBytes - 1}.suggests_next()));
    EXPECT_TRUE((HistorySize{kSuggestAfterEvents, 0}.suggests_next()));
    EXPECT_TRUE((HistorySize{1, kSuggestAfterBytes}.suggests_next()));
    EXPECT_FALSE((HistorySize{kManyExecutionEvents - 1, kManyExecutionBytes - 1}.is_large()));
    EXPECT_TRUE((HistorySize{kManyExecutionEvents, 0}.is_large()));
    EXPECT_TRUE((HistorySize{0, kManyExecutionBytes}.is_large()));
    EXPECT_TRUE((HistorySize{kMaxExecutionEvents, 0}.is_full()));
    EXPECT_FALSE((HistorySize{kMaxExecutionEvents - 1, kMaxExecutionBytes - 1}.is_full()));
    static_assert(kSuggestAfterEvents < kManyExecutionEvents && kSuggestAfterBytes < kManyExecutionBytes);
}

TEST(WorkflowLimits, WhatIsSeenIsTheSameInEachPass) {
    const std::vector<ExecutionEvent> events{
        {.type = Type::workflow_execution_started, .time = at(0), .name = "test"},
        {.type = Type::step_completed, .time = at(1), .command = 1, .hash = 1, .name = "a", .payload = "12345"},
        {.type = Type::signal_received, .time = at(2), .name = "later", .payload = "{}"},
        {.type = Type::step_completed, .time = at(2), .command = 2, .hash = 1, .name = "b"},
        {.type = Type::signal_received, .time = at(2), .name = "later", .payload = "{}"}};
    const auto pass = [](Replay &replay) {
        std::vector<HistorySize> seen{replay.seen()};
        for (const char *name : {"a", "b"}) {
            EXPECT_EQ(replay.call({CommandKind::step, name, 1}).kind, Kind::result);
            seen.push_back(replay.seen());
        }
        return seen;
    };
    // when it ran there was no more than it has seen; a replay finds what came later, too
    Replay first({}, {events.begin(), events.begin() + 4}), second({}, events);
    const std::vector<HistorySize> seen = pass(first);
    EXPECT_EQ(seen[0].events, 1U);
    EXPECT_EQ(seen[1].events, 2U);
    EXPECT_EQ(seen[2].events, 4U);
    EXPECT_EQ(seen[1].bytes - seen[0].bytes, bytes_of(events[1]));
    EXPECT_EQ(pass(second), seen);
    second.restart();
    EXPECT_EQ(pass(second), seen);
    EXPECT_EQ(second.size().events, 5U);
    EXPECT_GT(second.size().bytes, seen[2].bytes);
}
