// The verdict on a replay: each end of a body against each end of an execution, and what was left out before it.
#include "core/replay_verdict.hpp"
#include "execution_driver.hpp"

using namespace hc::core;
using namespace hc::core::replay_test;

namespace {

struct Case {
    Type end; // of the history; workflow_execution_started: it is open
    std::string payload;
    BodyOutcome outcome;
    std::string problem; // empty: it replays
};

const BodyOutcome kReturned{.end = BodyEnd::returned, .result = "1"};
const BodyOutcome kReturnedNull{.end = BodyEnd::returned};
const BodyOutcome kRaised{.end = BodyEnd::failed, .failure = {"P0001", "no", "", ""}};
const BodyOutcome kRecorded{.end = BodyEnd::failed, .failure = {"22012", "zero", "", ""}, .raised_by_verb = true};
const BodyOutcome kCanceled{.end = BodyEnd::failed, .failure = {"WF020", "cancel", "", ""}, .raised_by_verb = true};
const BodyOutcome kFault{.end = BodyEnd::failed, .failure = {"22012", "zero", "here", ""}};
const BodyOutcome kWaits{.end = BodyEnd::waits};
const BodyOutcome kAsks{.end = BodyEnd::asks, .asked = "sleep"};
const BodyOutcome kContinues{.end = BodyEnd::continues};
const BodyOutcome kTimedOut{.end = BodyEnd::timed_out};

const std::vector<Case> kCases = {
    // open, or ended from outside: anything but a fault
    {Type::workflow_execution_started, "", kReturned, ""},
    {Type::workflow_execution_started, "", kRaised, ""},
    {Type::workflow_execution_started, "", kRecorded, ""},
    {Type::workflow_execution_started, "", kCanceled, ""},
    {Type::workflow_execution_started, "", kWaits, ""},
    {Type::workflow_execution_started, "", kAsks, ""},
    {Type::workflow_execution_started, "", kContinues, ""},
    {Type::workflow_execution_started, "", kFault, "the function fails with 22012: zero (here)"},
    {Type::workflow_execution_started, "", kTimedOut, "the function runs into its task_timeout"},
    {Type::workflow_execution_terminated, "", kAsks, ""},
    {Type::workflow_execution_terminated, "", kReturned, ""},
    {Type::workflow_execution_terminated, "", kFault, "the function fails with 22012: zero (here)"},
    {Type::workflow_execution_timed_out, "", kWaits, ""},
    // completed
    {Type::workflow_execution_completed, "1", kReturned, ""},
    {Type::workflow_execution_completed, "", kReturnedNull, ""},
    {Type::workflow_execution_completed, "2", kReturned, "the result is 1, the history has 2"},
    {Type::workflow_execution_completed, "2", kReturnedNull, "the result is NULL, the history has 2"},
    {Type::workflow_execution_completed, "", kReturned, "the result is 1, the history has NULL"},
    {Type::workflow_execution_completed, "1", kRaised, "the execution is Completed, the function fails with P0001: no"},
    {Type::workflow_execution_completed, "1", kCanceled,
     "the execution is Completed, the function fails with WF020: cancel"},
    {Type::workflow_execution_completed, "1", kFault, "the function fails with 22012: zero (here)"},
    {Type::workflow_execution_completed, "1", kWaits, "the execution is Completed, the function waits"},
    {Type::workflow_execution_completed, "1", kAsks, "the execution is Completed, the function goes on with sleep"},
    {Type::workflow_execution_completed, "1", kContinues, "the execution is Completed, the function continues as new"},
    {Type::workflow_execution_completed, "1", kTimedOut, "the function runs into its task_timeout"},
    // failed
    {Type::workflow_execution_failed, failure_json({"P0001", "no", "other", ""}), kRaised, ""},
    {Type::workflow_execution_failed, failure_json({"22012", "zero", "", ""}), kRecorded, ""},
    {Type::workflow_execution_failed, failure_json({"P0001", "why", "", ""}), kRaised,
     "the failure is P0001: no, the history has P0001: why"},
    {Type::workflow_execution_failed, failure_json({"P0002", "no", "", ""}), kRaised,
     "the failure is P0001: no, the history has P0002: no"},
    {Type::workflow_execution_failed, failure_json({"WF020", "cancel", "", ""}), kCanceled,
     "the execution is Failed, the function fails with WF020: cancel"},
    {Type::workflow_execution_failed, failure_json({"P0001", "no", "", ""}), kReturned,
     "the execution is Failed, the function returns"},
    {Type::workflow_execution_failed, failure_json({"P0001", "no", "", ""}), kWaits,
     "the execution is Failed, the function waits"},
    // canceled
    {Type::workflow_execution_canceled, "", kCanceled, ""},
    {Type::workflow_execution_canceled, "", kRaised, "the execution is Canceled, the function fails with P0001: no"},
    {Type::workflow_execution_canceled, "", kReturned, "the execution is Canceled, the function returns"},
    // continued as new
    {Type::workflow_execution_continued_as_new, "", kContinues, ""},
    {Type::workflow_execution_continued_as_new, "", kReturned, "the execution is ContinuedAsNew, the function returns"},
    {Type::workflow_execution_continued_as_new, "", kAsks,
     "the execution is ContinuedAsNew, the function goes on with sleep"},
};

} // namespace

TEST(ReplayVerdict, EveryEndAgainstEveryEnd) {
    for (const Case &c : kCases) {
        std::vector<ExecutionEvent> events{{.type = Type::workflow_execution_started, .time = at(0), .name = "test"}};
        if (c.end != Type::workflow_execution_started)
            events.push_back({.type = c.end, .time = at(1), .payload = c.payload});
        Replay replay({}, events);
        replay.restart();
        const ReplayVerdict verdict = judge_replay(replay, c.outcome);
        EXPECT_EQ(verdict.problem, c.problem) << to_string(c.end);
        EXPECT_EQ(verdict.ok, c.problem.empty());
        const bool asks_too_much = !verdict.ok && c.outcome.end == BodyEnd::asks;
        if (asks_too_much) {
            EXPECT_EQ(verdict.command, 1U);
            EXPECT_EQ(verdict.event_id, 2U);
        }
    }
}

TEST(ReplayVerdict, WhatIsLeftOutOrOtherwiseHasAPlace) {
    Replay replay({}, {{.type = Type::workflow_execution_started, .time = at(0), .name = "test"},
                       {.type = Type::step_completed, .time = at(1), .command = 1, .hash = 1, .name = "a"},
                       {.type = Type::timer_started, .time = at(2), .command = 2, .due = at(60)}});
    replay.restart();
    ReplayVerdict verdict = judge_replay(replay, kReturned);
    EXPECT_EQ(verdict.problem, "the function returns, the history goes on with command 1, step \"a\"");
    EXPECT_EQ(verdict.command, 1U);
    EXPECT_EQ(verdict.event_id, 2U);
    replay.call({CommandKind::step, "a", 1});
    verdict = judge_replay(replay, kWaits);
    EXPECT_EQ(verdict.problem, "the function waits, the history goes on with command 2, sleep");
    EXPECT_EQ(verdict.event_id, 3U);
    BodyOutcome diverged{.end = BodyEnd::failed, .divergence = "command 2 is something else"};
    verdict = judge_replay(replay, diverged);
    EXPECT_EQ(verdict.problem, "command 2 is something else");
    EXPECT_EQ(verdict.command, 2U);
    replay.call({CommandKind::sleep, "", 0});
    EXPECT_TRUE(judge_replay(replay, kWaits).ok);
    EXPECT_TRUE(judge_replay(replay, kAsks).ok);
    EXPECT_EQ(judge_replay(replay, kFault).command, 3U);
}

TEST(ReplayVerdict, LongResultsAreCut) {
    Replay replay({}, {{.type = Type::workflow_execution_started, .time = at(0), .name = "test"},
                       {.type = Type::workflow_execution_completed, .time = at(1), .payload = "1"}});
    replay.restart();
    const ReplayVerdict verdict =
        judge_replay(replay, {.end = BodyEnd::returned, .result = '"' + std::string(1000, 'x') + '"'});
    EXPECT_LT(verdict.problem.size(), 300U);
}

// ---- what a closed history says of a change, and what random numbers an execution that was reset has ----

TEST(ReplayOfClosed, AChangeAfterTheLastCommandWasNotMade) {
    for (const auto &[end, expected] :
         {std::pair(Type::workflow_execution_completed, -1), std::pair(Type::workflow_execution_failed, -1),
          std::pair(Type::workflow_execution_canceled, -1), std::pair(Type::workflow_execution_continued_as_new, -1),
          std::pair(Type::workflow_execution_terminated, 3), std::pair(Type::workflow_execution_timed_out, 3)}) {
        Replay replay({}, {{.type = Type::workflow_execution_started, .time = at(0), .name = "test"},
                           {.type = end, .time = at(1)}});
        replay.restart();
        bool fresh = false;
        EXPECT_EQ(replay.version("change", -1, 3, fresh), expected);
        EXPECT_EQ(fresh, expected == 3);
    }
    Replay replay({}, {{.type = Type::workflow_execution_started, .time = at(0), .name = "test"},
                       {.type = Type::workflow_execution_completed, .time = at(1)}});
    replay.restart();
    bool fresh = false;
    EXPECT_THROW(replay.version("change", 1, 3, fresh), Nondeterminism);
}

TEST(ReplayOfReset, RandomNumbersBeforeThePointAreThoseOfTheOrigin) {
    const WorkflowId first{{1}}, second{{2}}, third{{3}};
    const ExecutionEvent started{.type = Type::workflow_execution_started, .time = at(0), .name = "test"};
    const auto step = [](std::uint32_t n) {
        return ExecutionEvent{.type = Type::step_completed, .time = at(1), .command = n, .hash = 1, .name = "a"};
    };
    const auto reset_from = [](const WorkflowId &id) {
        return ExecutionEvent{
            .type = Type::workflow_execution_options_updated, .time = at(2), .payload = "{}", .text = to_string(id)};
    };
    // draws two numbers before each command and two at the end
    const auto draw = [](const WorkflowId &id, const std::vector<ExecutionEvent> &events, int commands) {
        Replay replay(id, events);
        replay.restart();
        std::vector<std::uint64_t> drawn;
        for (int i = 0; i <= commands; ++i) {
            drawn.push_back(replay.random());
            drawn.push_back(replay.random());
            if (i < commands)
                replay.call({CommandKind::step, "a", 1});
        }
        return drawn;
    };
    const auto a = draw(first, {started, step(1), step(2), step(3)}, 3);
    const auto b = draw(second, {started, step(1), step(2), reset_from(first), step(3)}, 3);
    const auto c = draw(third, {started, step(1), step(2), reset_from(first), step(3), reset_from(second)}, 3);
    for (std::size_t i = 0; i < 4; ++i) { // before commands 1 and 2
        EXPECT_EQ(b[i], a[i]);
        EXPECT_EQ(c[i], a[i]);
    }
    for (std::size_t i = 4; i < 6; ++i) { // before command 3: the second execution's
        EXPECT_NE(b[i], a[i]);
        EXPECT_EQ(c[i], b[i]);
    }
    for (std::size_t i = 6; i < 8; ++i) {
        EXPECT_NE(b[i], a[i]);
        EXPECT_NE(c[i], b[i]);
    }
}
