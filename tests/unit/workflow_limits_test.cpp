// What an execution uses up of what is limited: what it has seen of that, the same at each pass, and when to warn.
#include "execution_driver.hpp"

#include <array>

using namespace hc::core;
using namespace hc::core::replay_test;

namespace {

constexpr std::size_t kMaxPayload = 256 * 1024;

std::string subjects(const ExecutionUse &use) {
    std::string list;
    for (const NearLimit &limit : near_limits(use, kMaxPayload))
        list += std::string(limit.subject) + (limit.is_reached ? "! " : " ");
    return list;
}

} // namespace

TEST(WorkflowLimits, WhenTheNextExecutionIsSuggested) {
    EXPECT_FALSE((ExecutionUse{
        .events = kSuggestAfterEvents - 1, .bytes = kSuggestAfterBytes - 1, .updates = kSuggestAfterUpdates - 1}
                      .suggests_next()));
    EXPECT_TRUE((ExecutionUse{.events = kSuggestAfterEvents}.suggests_next()));
    EXPECT_TRUE((ExecutionUse{.bytes = kSuggestAfterBytes}.suggests_next()));
    EXPECT_TRUE((ExecutionUse{.updates = kSuggestAfterUpdates}.suggests_next()));
    EXPECT_TRUE((ExecutionUse{.events = kMaxExecutionEvents}.is_full()));
    EXPECT_FALSE((ExecutionUse{.events = kMaxExecutionEvents - 1, .bytes = kMaxExecutionBytes - 1}.is_full()));
    static_assert(kSuggestAfterEvents < kMaxExecutionEvents / 5 && kSuggestAfterBytes < kMaxExecutionBytes / 5);
}

TEST(WorkflowLimits, WarningsComeBeforeEachLimit) {
    EXPECT_EQ(subjects({.events = kMaxExecutionEvents / 5 - 1,
                        .bytes = kMaxExecutionBytes / 5 - 1,
                        .activities = kMaxOpenActivities / 2 - 1,
                        .children = kMaxOpenChildren / 2 - 1,
                        .updates = kMaxUpdates / 2 - 1,
                        .largest = kMaxPayload / 2 - 1}),
              "");
    EXPECT_EQ(subjects({.events = kMaxExecutionEvents / 5}), "history ");
    EXPECT_EQ(subjects({.bytes = kMaxExecutionBytes / 5}), "history ");
    EXPECT_EQ(subjects({.events = 1, .bytes = kMaxExecutionBytes}), "history! ");
    EXPECT_EQ(subjects({.activities = kMaxOpenActivities / 2}), "activities ");
    EXPECT_EQ(subjects({.children = kMaxOpenChildren / 2}), "children ");
    EXPECT_EQ(subjects({.updates = kMaxUpdates / 2}), "updates ");
    EXPECT_EQ(subjects({.largest = kMaxPayload / 2}), "payload ");
    EXPECT_EQ(subjects({.activities = kMaxOpenActivities,
                        .children = kMaxOpenChildren,
                        .updates = kMaxUpdates,
                        .largest = kMaxPayload}),
              "activities! children! updates! payload! ");
    EXPECT_EQ(near_limits({.events = 10'002}, kMaxPayload).front().words, "10002 of 50000 events, 0 of 50 MiB");
}

TEST(WorkflowLimits, WhatIsOpenIsCounted) {
    Replay replay({}, {{.type = Type::workflow_execution_started, .time = at(0), .name = "test"},
                       {.type = Type::activity_scheduled, .time = at(0), .command = 1, .name = "a"},
                       {.type = Type::child_started, .time = at(0), .command = 2, .name = "b"},
                       {.type = Type::timer_started, .time = at(0), .command = 3, .kind = CommandKind::timer},
                       {.type = Type::update_accepted, .time = at(0), .name = "u", .payload = "{}", .text = "1"}});
    EXPECT_EQ(replay.use(), replay.stored_use());
    EXPECT_EQ((std::array{replay.use().events, replay.use().activities, replay.use().children, replay.use().updates,
                          replay.use().largest}),
              (std::array<std::size_t, 5>{5, 1, 1, 1, 2}));
    replay.add({.type = Type::activity_completed, .time = at(1), .command = 1, .payload = "12345"});
    replay.add({.type = Type::activity_timed_out, .time = at(1), .command = 1}); // what ended it first counts
    replay.add({.type = Type::child_start_failed, .time = at(1), .command = 2});
    replay.add({.type = Type::timer_fired, .time = at(1), .command = 3});
    EXPECT_EQ((std::array{replay.use().activities, replay.use().children, replay.use().largest}),
              (std::array<std::size_t, 3>{0, 0, 5}));
    EXPECT_EQ(replay.stored_use().activities, 1U);
}

TEST(WorkflowLimits, WhatIsSeenIsTheSameInEachPass) {
    const std::vector<ExecutionEvent> events{
        {.type = Type::workflow_execution_started, .time = at(0), .name = "test"},
        {.type = Type::step_completed, .time = at(1), .command = 1, .hash = 1, .name = "a", .payload = "12345"},
        {.type = Type::signal_received, .time = at(2), .name = "later", .payload = "{}"},
        {.type = Type::step_completed, .time = at(2), .command = 2, .hash = 1, .name = "b"},
        {.type = Type::signal_received, .time = at(2), .name = "later", .payload = "{}"}};
    const auto pass = [](Replay &replay) {
        std::vector<ExecutionUse> seen{replay.seen()};
        for (const char *name : {"a", "b"}) {
            EXPECT_EQ(replay.call({CommandKind::step, name, 1}).kind, Kind::result);
            seen.push_back(replay.seen());
        }
        return seen;
    };
    // when it ran there was no more than it has seen; a replay finds what came later, too
    Replay first({}, {events.begin(), events.begin() + 4}), second({}, events);
    const std::vector<ExecutionUse> seen = pass(first);
    EXPECT_EQ(seen[0].events, 1U);
    EXPECT_EQ(seen[1].events, 2U);
    EXPECT_EQ(seen[2].events, 4U);
    EXPECT_EQ(seen[1].bytes - seen[0].bytes, bytes_of(events[1]));
    EXPECT_EQ(pass(second), seen);
    second.restart();
    EXPECT_EQ(pass(second), seen);
    EXPECT_EQ(second.use().events, 5U);
    EXPECT_GT(second.use().bytes, seen[2].bytes);
}
