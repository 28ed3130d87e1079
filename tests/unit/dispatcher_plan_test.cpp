// How many dispatchers there are, and when one has more to do than it can.
#include "core/dispatcher_plan.hpp"

#include <gtest/gtest.h>

using namespace hc::core;
using namespace std::chrono_literals;

namespace {

constexpr DispatcherProcess kStays{false, false}, kEnds{false, true}, kHelps{true, false}, kRests{true, true};

struct Case {
    std::vector<DispatcherProcess> processes;
    int always, most;
    bool wants_help;
    int start;
    bool start_helper;
    std::vector<std::size_t> stop;
};

} // namespace

TEST(DispatcherPlan, Table) {
    const Case cases[] = {
        {{}, 0, 4, true, 0, false, {}},
        {{}, 1, 1, false, 1, false, {}},
        {{}, 3, 1, false, 3, false, {}},
        {{kStays}, 1, 1, true, 0, false, {}},
        {{kStays}, 1, 2, false, 0, false, {}},
        {{kStays}, 1, 2, true, 0, true, {}},
        {{kStays, kHelps}, 1, 2, true, 0, false, {}},
        {{kStays, kHelps}, 1, 3, true, 0, true, {}},
        {{kStays, kRests}, 1, 2, true, 0, false, {}}, // it may have requests under way
        {{kHelps}, 1, 2, false, 1, false, {}},        // a helper is none that stays
        {{kStays, kHelps}, 0, 2, true, 0, false, {0, 1}},
        {{kStays, kStays, kStays}, 1, 2, false, 0, false, {1, 2}},
        {{kStays, kEnds, kStays}, 1, 1, false, 0, false, {2}},
        {{kEnds}, 1, 1, false, 0, false, {}}, // when it is gone
        {{kStays, kHelps, kHelps}, 1, 2, true, 0, false, {2}},
        {{kStays, kHelps}, 2, 2, true, 1, false, {1}}, // the settings have changed
        {{kStays, kRests}, 1, 1, false, 0, false, {}},
    };
    for (const Case &c : cases) {
        const DispatcherPlan plan = plan_dispatchers(c.processes, c.always, c.most, c.wants_help);
        const auto nth = &c - cases;
        EXPECT_EQ(plan.start, c.start) << nth;
        EXPECT_EQ(plan.start_helper, c.start_helper) << nth;
        EXPECT_EQ(plan.stop, c.stop) << nth;
    }
}

TEST(DispatcherPlan, NeverMoreThanAllowed) {
    for (int always = 0; always <= 4; ++always)
        for (int most = 0; most <= 5; ++most) {
            std::vector<DispatcherProcess> processes;
            for (int round = 0; round < 10; ++round) {
                const DispatcherPlan plan = plan_dispatchers(processes, always, most, true);
                EXPECT_TRUE(plan.stop.empty());
                processes.insert(processes.end(), static_cast<std::size_t>(plan.start), kStays);
                if (plan.start_helper)
                    processes.push_back(kHelps);
            }
            EXPECT_EQ(static_cast<int>(processes.size()), always == 0 ? 0 : std::max(always, most));
        }
}

TEST(Saturation, ASteadyBacklogWithoutRest) {
    const Saturation::Clock::time_point now{1h};
    Saturation saturation(100ms, now);
    EXPECT_FALSE(saturation.look(true, now));
    int asked = 0;
    for (int i = 1; i <= 350; ++i)
        asked += saturation.look(true, now + i * 1ms) ? 1 : 0;
    EXPECT_EQ(asked, 3);
}

TEST(Saturation, NotWhenTheQueueEmptiesNowAndThen) {
    const Saturation::Clock::time_point now{1h};
    Saturation saturation(100ms, now);
    for (int i = 0; i <= 1000; ++i)
        EXPECT_FALSE(saturation.look(i % 90 != 0, now + i * 1ms));
}

TEST(Saturation, NotWhenItRests) {
    const Saturation::Clock::time_point now{1h};
    Saturation saturation(100ms, now);
    for (int i = 1; i <= 1000; ++i) {
        saturation.rested(i <= 500 ? 200us : 100us); // a fifth of the time, then a tenth
        const bool asks = saturation.look(true, now + i * 1ms);
        EXPECT_EQ(asks, i > 500 && i % 100 == 0) << i;
    }
}

TEST(HeldByOthers, OnlyWhatAClaimThatTookNothingHasLeft) {
    const Time now{1h};
    struct {
        std::size_t claimed;
        std::optional<Time> next_due;
        bool held;
    } const cases[] = {{0, {}, false},       {0, now - 1us, true}, {0, now, true},  {0, now + 1us, false},
                       {1, now - 1s, false}, {25, now, false},     {25, {}, false}, {25, now + 1s, false}};
    for (const auto &c : cases)
        EXPECT_EQ(held_by_others(c.claimed, c.next_due, now), c.held) << c.claimed;
}
