// Which executors are started and ended: one for each role with work, helpers, and turns when there are too many roles.
#include "core/executor_plan.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace hc::core {
namespace {

using namespace std::chrono_literals;

using Roles = std::vector<std::int32_t>;
using Indexes = std::vector<std::size_t>;

const Time kNow = from_unix_micros(1767225600000000);

WaitingRole waits(std::int32_t role, Duration served_ago = 1h, bool may = true) {
    return {role, kNow - served_ago, may};
}
ExecutorProcess busy(std::int32_t role, Duration since = 0s) { return {role, false, false, false, kNow - since}; }
ExecutorProcess idle(std::int32_t role, Duration since = 0s) { return {role, false, true, false, kNow - since}; }
ExecutorProcess ending(std::int32_t role) { return {role, true, false, false, kNow}; }
ExecutorProcess helpless(std::int32_t role, Duration since = 0s) { return {role, false, false, true, kNow - since}; }

ExecutorPlan plan(const std::vector<WaitingRole> &waiting, const std::vector<ExecutorProcess> &processes,
                  std::int32_t per_role = 1, std::int32_t total = 4) {
    return plan_executors(waiting, processes, {per_role, total, 2s}, kNow);
}

TEST(ExecutorPlanTest, OneForEachRoleThatHasNone) {
    const ExecutorPlan p = plan({waits(1), waits(2), waits(3)}, {busy(2)});
    EXPECT_EQ(p.start, (Roles{1, 3}));
    EXPECT_TRUE(p.stop.empty());
    EXPECT_TRUE(plan({}, {}).start.empty());
}

TEST(ExecutorPlanTest, ARoleWithAnExecutorWaitsForNobody) {
    const ExecutorPlan p = plan({waits(1)}, {busy(1)});
    EXPECT_TRUE(p.start.empty());
    EXPECT_FALSE(p.waiting);
}

TEST(ExecutorPlanTest, AnEndingOneDoesNotCountForItsRole) {
    EXPECT_EQ(plan({waits(1)}, {ending(1)}).start, Roles{1});
    EXPECT_TRUE(plan({waits(1)}, {ending(1)}, 1, 1).start.empty()) << "but for the number of processes";
    EXPECT_TRUE(plan({waits(1)}, {ending(1)}, 1, 1).stop.empty());
}

TEST(ExecutorPlanTest, HelpersOnlyWhenAskedForAndAllowed) {
    EXPECT_TRUE(plan({waits(1)}, {busy(1)}, 3).start.empty());
    EXPECT_EQ(plan({waits(1)}, {helpless(1)}, 3).start, Roles{1});
    EXPECT_TRUE(plan({waits(1)}, {helpless(1)}, 1).start.empty());
    EXPECT_TRUE(plan({waits(1)}, {helpless(1), busy(1), busy(1)}, 3).start.empty());
    EXPECT_TRUE(plan({}, {helpless(1)}, 3).start.empty()) << "nothing waits any more";
}

TEST(ExecutorPlanTest, WhoHasNobodyComesBeforeHelpers) {
    EXPECT_EQ(plan({waits(1), waits(2)}, {helpless(1)}, 2, 2).start, Roles{2});
    EXPECT_EQ(plan({waits(1), waits(2)}, {helpless(1)}, 2, 3).start, (Roles{2, 1}));
}

TEST(ExecutorPlanTest, ARoleInBackOffIsNotStartedAndTakesNobodysPlace) {
    const ExecutorPlan p = plan({waits(1, 1h, false)}, {idle(2), idle(3)}, 1, 2);
    EXPECT_TRUE(p.start.empty());
    EXPECT_TRUE(p.stop.empty());
    EXPECT_TRUE(p.waiting);
}

TEST(ExecutorPlanTest, ServedLongestAgoComesFirst) {
    EXPECT_EQ(plan({waits(1, 1s), waits(2, 3s), waits(3, 2s)}, {}, 1, 2).start, (Roles{2, 3}));
}

TEST(ExecutorPlanTest, IdleOnesMakeWayFirst) {
    const ExecutorPlan p = plan({waits(9)}, {busy(1, 1h), idle(2, 1s), idle(3, 5s)}, 1, 3);
    EXPECT_TRUE(p.start.empty());
    EXPECT_EQ(p.stop, Indexes{2});
}

TEST(ExecutorPlanTest, ThenHelpersThenWhoHadItsTurn) {
    EXPECT_EQ(plan({waits(9)}, {busy(1, 1h), busy(2, 1ms), busy(2, 2ms)}, 2, 3).stop, Indexes{2});
    EXPECT_EQ(plan({waits(9)}, {busy(1, 3s), busy(2, 4s), busy(3, 1s)}, 1, 3).stop, Indexes{1});
    EXPECT_TRUE(plan({waits(9)}, {busy(1, 1s), busy(2, 1999ms)}, 1, 2).stop.empty()) << "nobody had its turn";
}

TEST(ExecutorPlanTest, RoomIsMadeOnce) {
    EXPECT_TRUE(plan({waits(9)}, {ending(1), busy(2, 1h)}, 1, 2).stop.empty());
    EXPECT_EQ(plan({waits(8), waits(9)}, {ending(1), busy(2, 1h), busy(3, 2h)}, 1, 3).stop, Indexes{2});
}

TEST(ExecutorPlanTest, LoweredLimitsEndTheSurplus) {
    EXPECT_EQ(plan({}, {busy(1), busy(1), busy(2)}, 1).stop.size(), 1U);
    EXPECT_EQ(plan({}, {busy(1), busy(2), busy(3)}, 1, 1).stop.size(), 2U);
    EXPECT_EQ(plan({}, {busy(1), busy(2)}, 1, 0).stop.size(), 2U);
    EXPECT_TRUE(plan({}, {ending(1), busy(1)}, 1, 1).stop.empty());
}

TEST(ExecutorPlanTest, NoneAtAllWhenNoneAreAllowed) {
    const ExecutorPlan p = plan({waits(1)}, {}, 1, 0);
    EXPECT_TRUE(p.start.empty());
    EXPECT_TRUE(p.waiting);
}

// Whatever there is: the limits hold, nobody is ended twice or while he ends, each start is wanted.
TEST(ExecutorPlanTest, LimitsHoldForAnySituation) {
    std::mt19937 random(7);
    for (int round = 0; round < 20000; ++round) {
        const auto pick = [&random](int most) { return static_cast<int>(random() % static_cast<unsigned>(most + 1)); };
        std::vector<ExecutorProcess> processes;
        for (int i = pick(6); i > 0; --i) {
            processes.push_back({1 + pick(3), pick(3) == 0, pick(1) == 0, pick(2) == 0, kNow - pick(5) * 1s});
        }
        std::vector<WaitingRole> waiting;
        for (std::int32_t role = 1; role <= 6; ++role) {
            if (pick(1) == 0) {
                waiting.push_back(waits(role, pick(5) * 1s, pick(3) != 0));
            }
        }
        const std::int32_t per_role = 1 + pick(2), total = pick(6);
        const ExecutorPlan p = plan(waiting, processes, per_role, total);
        std::map<std::int32_t, std::int32_t> running;
        for (std::size_t i = 0; i < processes.size(); ++i) {
            const auto times = std::count(p.stop.begin(), p.stop.end(), i);
            ASSERT_LE(times, processes[i].ending ? 0 : 1);
            running[processes[i].role] += !processes[i].ending && times == 0 ? 1 : 0;
        }
        ASSERT_LE(static_cast<int>(p.start.size()), std::max<int>(0, total - static_cast<int>(processes.size())));
        for (const std::int32_t role : p.start) {
            ASSERT_LE(++running[role], per_role);
            const auto it = std::find_if(waiting.begin(), waiting.end(), [&](const auto &w) { return w.role == role; });
            ASSERT_TRUE(it != waiting.end() && it->may);
        }
        for (const auto &[role, count] : running) {
            ASSERT_LE(count, per_role);
        }
    }
}

// More roles than processes, all with endless work: each gets about its share of the time.
TEST(ExecutorPlanTest, RolesTakeTurns) {
    constexpr std::int32_t kRoles = 7;
    std::map<std::int32_t, Time> served;
    std::map<std::int32_t, int> ticks;
    std::vector<ExecutorProcess> processes;
    Time now = kNow;
    int starts = 0;
    for (int tick = 0; tick < 4000; ++tick, now += 100ms) {
        std::vector<WaitingRole> waiting;
        for (std::int32_t role = 1; role <= kRoles; ++role) {
            waiting.push_back({role, served[role], true});
        }
        std::erase_if(processes, [](const ExecutorProcess &p) { return p.ending; });
        const ExecutorPlan p = plan_executors(waiting, processes, {1, 2, 2s}, now);
        for (const std::size_t i : p.stop) {
            processes[i].ending = true;
        }
        for (const std::int32_t role : p.start) {
            processes.push_back({role, false, false, false, now});
            served[role] = now + ++starts * 1us; // one after the other
        }
        for (const ExecutorProcess &process : processes) {
            ++ticks[process.role];
        }
    }
    for (std::int32_t role = 1; role <= kRoles; ++role) {
        EXPECT_NEAR(ticks[role], 4000 * 2 / kRoles, 60) << role;
    }
}

} // namespace
} // namespace hc::core
