// What becomes of the starts of a schedule: the overlap policies over their table, catch-up, pauses, limits, retries.
#include "core/schedule_options.hpp"
#include "core/schedule_policy.hpp"

#include "core/error.hpp"
#include "unit/schedule_zones.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace hc::core {
namespace {

using namespace std::chrono_literals;
using enum Overlap;

const Time kNow = at("2026-01-01T12:00:00Z");

// s: started, w: waits, -: skipped, m: missed; then c: the running one is canceled, t: terminated.
std::string decide(const std::vector<PendingStart> &starts, const ScheduleSituation &situation) {
    const StartDecision decision = decide_starts(starts, situation, kNow);
    std::string text;
    for (const StartFate fate : decision.fates)
        text += "ws-m"[static_cast<int>(fate)];
    return text + (decision.cancel_running ? "c" : "") + (decision.terminate_running ? "t" : "");
}

std::vector<PendingStart> pending(std::size_t count) {
    std::vector<PendingStart> starts;
    for (std::size_t i = 0; i < count; ++i) {
        const Time t = kNow - std::chrono::minutes(count - i);
        starts.push_back({.nominal = t, .actual = t, .overlap = {}, .retry_at = {}});
    }
    return starts;
}

TEST(SchedulePolicy, OverlapOfThreeStarts) {
    struct Row {
        Overlap overlap;
        const char *idle, *running;
    };
    const std::vector<Row> rows{
        {skip, "s--", "---"},          {buffer_one, "sw-", "w--"},       {buffer_all, "sww", "www"},
        {cancel_other, "--s", "--wc"}, {terminate_other, "--s", "--wt"}, {allow_all, "sss", "sss"}};
    for (const Row &row : rows) {
        EXPECT_EQ(decide(pending(3), {.overlap = row.overlap, .remaining = {}}), row.idle) << to_string(row.overlap);
        EXPECT_EQ(decide(pending(3), {.overlap = row.overlap, .remaining = {}, .running = true}), row.running)
            << to_string(row.overlap);
        EXPECT_EQ(decide(pending(1), {.overlap = row.overlap, .remaining = {}}), "s");
        EXPECT_EQ(decide({}, {.overlap = row.overlap, .remaining = {}}), "");
    }
}

TEST(SchedulePolicy, AStartHasItsOwnPolicyOrThatOfTheMoment) {
    auto starts = pending(3);
    starts[1].overlap = allow_all;
    EXPECT_EQ(decide(starts, {.remaining = {}}), "ss-");
    EXPECT_EQ(decide(starts, {.remaining = {}, .running = true}), "-s-");
    starts[2].overlap = buffer_one;
    EXPECT_EQ(decide(starts, {.remaining = {}, .running = true}), "-sw");
    starts[0].overlap = buffer_all;
    EXPECT_EQ(decide(starts, {.remaining = {}, .running = true}), "ws-") << "something waits already";
    starts[1].overlap = terminate_other;
    EXPECT_EQ(decide(starts, {.remaining = {}, .running = true}), "ww-t");
    EXPECT_EQ(decide(starts, {.remaining = {}}), "-sw");
}

TEST(SchedulePolicy, PausedTakesNothingButWhatIsAskedFor) {
    auto starts = pending(3);
    EXPECT_EQ(decide(starts, {.overlap = allow_all, .paused = true, .remaining = {}}), "---");
    EXPECT_EQ(decide(starts, {.overlap = buffer_all, .paused = true, .remaining = {}, .running = true}), "---");
    starts[1].manual = true;
    EXPECT_EQ(decide(starts, {.paused = true, .remaining = {}}), "-s-");
    EXPECT_EQ(decide(starts, {.overlap = buffer_all, .paused = true, .remaining = {}, .running = true}), "-w-");
}

TEST(SchedulePolicy, ActionsThatRemain) {
    auto starts = pending(3);
    EXPECT_EQ(decide(starts, {.overlap = allow_all, .remaining = 2}), "ss-");
    EXPECT_EQ(decide(starts, {.overlap = allow_all, .remaining = 0}), "---");
    EXPECT_EQ(decide(starts, {.overlap = buffer_all, .remaining = 1, .running = true}), "www")
        << "counted when they start";
    EXPECT_EQ(decide(starts, {.overlap = terminate_other, .remaining = 1}), "--s") << "the replaced ones took none";
    starts[0].manual = starts[1].manual = true;
    EXPECT_EQ(decide(starts, {.overlap = allow_all, .remaining = 1}), "sss") << "manual ones are not counted";
    EXPECT_TRUE(takes_actions({.remaining = {}}));
    EXPECT_FALSE(takes_actions({.remaining = 0}));
    EXPECT_FALSE(takes_actions({.paused = true, .remaining = {}}));
}

TEST(SchedulePolicy, ARetryWaitsAndCountsAsTheOneToStart) {
    auto starts = pending(3);
    starts[0].retry_at = kNow + 5s;
    EXPECT_EQ(decide(starts, {.remaining = {}}), "w--");
    EXPECT_EQ(decide_starts(starts, {.remaining = {}}, kNow).look_at, kNow + 5s);
    EXPECT_EQ(decide(starts, {.overlap = buffer_one, .remaining = {}}), "ww-");
    EXPECT_EQ(decide(starts, {.overlap = cancel_other, .remaining = {}}), "--s") << "it is replaced";
    EXPECT_EQ(decide(starts, {.overlap = allow_all, .remaining = {}}), "wss");
    starts[0].retry_at = kNow;
    EXPECT_EQ(decide(starts, {.remaining = {}}), "s--");
    EXPECT_EQ(start_retry_delay(1), 1s);
    EXPECT_EQ(start_retry_delay(2), 2s);
    EXPECT_EQ(start_retry_delay(6), 32s);
    EXPECT_EQ(start_retry_delay(7), 60s);
    EXPECT_EQ(start_retry_delay(30'000), 60s);
}

TEST(SchedulePolicy, WhatIsTooLateIsMissed) {
    auto starts = pending(3);
    EXPECT_EQ(decide(starts, {.catchup_window = 2min, .remaining = {}}), "ms-");
    EXPECT_EQ(decide(starts, {.overlap = buffer_all, .catchup_window = 10s, .remaining = {}, .running = true}), "mmm");
    starts[2].actual = kNow + 1s; // its jitter
    EXPECT_EQ(decide(starts, {.overlap = allow_all, .remaining = {}}), "ssw");
    EXPECT_EQ(decide_starts(starts, {.remaining = {}}, kNow).look_at, kNow + 1s);
}

// Whatever waits, at most one that may not overlap is started, and none beside a running one.
TEST(SchedulePolicy, NeverStartsTwoThatMayNotOverlap) {
    std::mt19937 random(3);
    const auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
    int started = 0;
    for (int round = 0; round < 5000; ++round) {
        auto starts = pending(static_cast<std::size_t>(below(8)));
        for (PendingStart &start : starts) {
            start.manual = below(3) == 0;
            if (below(2) == 0)
                start.overlap = static_cast<Overlap>(below(6));
            if (below(5) == 0)
                start.retry_at = kNow + std::chrono::seconds(below(3) - 1);
        }
        ScheduleSituation situation{.overlap = static_cast<Overlap>(below(6)), .remaining = {}};
        situation.paused = below(4) == 0;
        situation.running = below(2) == 0;
        if (below(3) == 0)
            situation.remaining = below(3);
        const StartDecision decision = decide_starts(starts, situation, kNow);
        int exclusive = 0, counted = 0;
        for (std::size_t i = 0; i < starts.size(); ++i) {
            if (decision.fates[i] != StartFate::start)
                continue;
            ++started;
            exclusive += starts[i].overlap.value_or(situation.overlap) != allow_all ? 1 : 0;
            counted += starts[i].manual ? 0 : 1;
            EXPECT_LE(starts[i].retry_at, kNow);
            EXPECT_TRUE(starts[i].manual || !situation.paused);
        }
        EXPECT_LE(exclusive, situation.running ? 0 : 1);
        EXPECT_LE(counted, situation.remaining.value_or(8));
        EXPECT_TRUE(situation.running || (!decision.cancel_running && !decision.terminate_running));
    }
    EXPECT_GT(started, 1000);
}

// ---- times that have come ----

const ScheduleSpec kMinutely = parse_schedule_spec(R"({"intervals": {"every": "1m"}})");

DueTimes due(const ScheduleSituation &situation, Time cursor, std::size_t room = 1000, std::size_t limit = 1000,
             const ScheduleSpec &spec = kMinutely) {
    return collect_due(spec, {}, "seed", cursor, situation, kNow, room, limit);
}

TEST(ScheduleDue, WhatHasComeSinceTheCursor) {
    const DueTimes found = due({.remaining = {}}, kNow - 3min);
    ASSERT_EQ(found.starts.size(), 3U);
    EXPECT_EQ(found.starts.front(), (Occurrence{kNow - 2min, kNow - 2min}));
    EXPECT_EQ(found.cursor, kNow);
    EXPECT_EQ(found.next, kNow + 1min);
    EXPECT_EQ(due({.remaining = {}}, kNow).starts.size(), 0U);
}

TEST(ScheduleDue, CatchUpWindowAndRoom) {
    const DueTimes found = due({.catchup_window = 10min, .remaining = {}}, kNow - 100min, 5);
    EXPECT_EQ(found.missed, 89);
    EXPECT_EQ(found.starts.size(), 5U);
    EXPECT_EQ(found.starts.front().nominal, kNow - 10min);
    EXPECT_EQ(found.dropped, 6);
}

TEST(ScheduleDue, ALongWayIsGoneInPortions) {
    DueTimes found = due({.catchup_window = 10s, .remaining = {}}, kNow - 100min, 1000, 30);
    EXPECT_EQ(found.missed, 30);
    EXPECT_EQ(found.cursor, kNow - 70min);
    EXPECT_EQ(found.next, kNow) << "at once";
    std::int64_t missed = found.missed;
    while (found.next == kNow) {
        found = due({.catchup_window = 10s, .remaining = {}}, found.cursor, 1000, 30);
        missed += found.missed;
    }
    EXPECT_EQ(missed, 99);
    EXPECT_EQ(found.next, kNow + 1min);
}

TEST(ScheduleDue, PausedOrUsedUpPassesOver) {
    for (const ScheduleSituation &situation :
         {ScheduleSituation{.paused = true, .remaining = {}}, ScheduleSituation{.remaining = 0}}) {
        const DueTimes found = due(situation, kNow - 100min);
        EXPECT_TRUE(found.starts.empty());
        EXPECT_EQ(found.missed + found.dropped, 0);
        EXPECT_EQ(found.cursor, kNow);
        EXPECT_FALSE(found.next);
    }
}

TEST(ScheduleDue, JitterPutsOff) {
    const ScheduleSpec spec = parse_schedule_spec(R"({"intervals": {"every": "1m"}, "jitter": "1m"})");
    const DueTimes found = due({.remaining = {}}, kNow - 5min, 1000, 1000, spec);
    ASSERT_TRUE(found.next);
    EXPECT_GT(*found.next, kNow);
    for (const Occurrence &o : found.starts)
        EXPECT_LE(o.actual, kNow);
    EXPECT_EQ(found.cursor, found.starts.back().nominal);
}

TEST(ScheduleDue, NothingComesAnyMore) {
    const ScheduleSpec spec = parse_schedule_spec(R"({"cron": "@daily", "end_at": "2026-01-01T00:00:00Z"})");
    const DueTimes found = due({.remaining = {}}, kNow - 24h, 10, 10, spec);
    EXPECT_EQ(found.starts.size(), 1U);
    EXPECT_FALSE(found.next);
}

// ---- documents ----

std::string refusal(auto parse, std::string_view json) {
    try {
        (void)parse(json);
    } catch (const Error &e) {
        return e.detail();
    }
    return "accepted";
}

TEST(ScheduleAction, IsReadAndRefused) {
    const ScheduleAction workflow = parse_schedule_action(
        R"({"start_workflow": {"type": "report", "input": [1], "workflow_id": "w", "options": {"run_timeout": "1h"}}})");
    EXPECT_EQ(workflow.kind, ActionKind::workflow);
    EXPECT_EQ(workflow.target, "report");
    EXPECT_EQ(workflow.name, "w");
    EXPECT_EQ(workflow.options_json, R"({"run_timeout":"1h"})");
    const ScheduleAction cascade = parse_schedule_action(
        R"({"start_cascade": {"rule": "r", "message": {"to": "x"}, "options": {"priority": "otp"}}})");
    EXPECT_EQ(cascade.kind, ActionKind::cascade);
    EXPECT_EQ(cascade.name, "");
    const std::vector<std::pair<const char *, const char *>> rows{
        {R"({})", "$: must have one action"},
        {R"({"start_workflow": {"type": "a"}, "start_cascade": {"rule": "r", "message": {}}})",
         "$: must have one action"},
        {R"({"start_workflow": {}})", "$.start_workflow.type: is missing"},
        {R"({"start_workflow": {"type": "a", "options": {"conflict_policy": "fail"}}})",
         "$.start_workflow.options.conflict_policy: unknown key"},
        {R"({"start_workflow": {"type": "a", "workflow_id": ""}})", "$.start_workflow.workflow_id: must not be empty"},
        {R"({"start_cascade": {"rule": "r"}})", "$.start_cascade.message: is missing"},
        {R"({"start_cascade": {"rule": "r", "message": 1}})", "$.start_cascade.message: must be an object"},
        {R"({"start_cascade": {"rule": "r", "message": {}, "options": {"send_at": "x"}}})",
         "$.start_cascade.options.send_at: unknown key"},
        {R"({"run_sql": {}})", "$.run_sql: unknown key"},
    };
    for (const auto &[json, detail] : rows)
        EXPECT_TRUE(refusal(parse_schedule_action, json).starts_with(detail))
            << json << ": " << refusal(parse_schedule_action, json);
}

TEST(ScheduleOptions, AreReadAndRefused) {
    const ScheduleOptions none = parse_schedule_options("{}");
    EXPECT_FALSE(none.overlap || none.catchup_window || none.pause_on_failure || none.limits_actions || none.paused ||
                 none.note);
    const ScheduleOptions all = parse_schedule_options(
        R"({"overlap": "buffer_all", "catchup_window": "10s", "pause_on_failure": true, "remaining_actions": 3, "paused": true, "note": "n"})");
    EXPECT_EQ(all.overlap, buffer_all);
    EXPECT_EQ(all.catchup_window, 10s);
    EXPECT_EQ(all.remaining_actions, 3);
    EXPECT_TRUE(all.limits_actions && all.paused.value() && all.pause_on_failure.value());
    EXPECT_TRUE(parse_schedule_options(R"({"remaining_actions": null})").limits_actions);
    for (const char *json : {R"({"overlap": "none"})", R"({"catchup_window": "9s"})", R"({"remaining_actions": -1})",
                             R"({"x": 1})", R"({"paused": 1})"})
        EXPECT_TRUE(refusal(parse_schedule_options, json).starts_with("$.")) << json;
    for (int i = 0; i < 6; ++i)
        EXPECT_EQ(parse_overlap(to_string(static_cast<Overlap>(i))), static_cast<Overlap>(i));
    EXPECT_THROW((void)parse_overlap("nothing"), Error);
    EXPECT_EQ(name_of_start("daily", at("2026-12-01T09:00:00Z")), "daily-2026-12-01T09:00:00Z");
}

} // namespace
} // namespace hc::core
