// Tests of fair queueing: shares by weight, nobody behind another's backlog, virtual time that the clock does not move,
// restarts, and the estimate of what waits.
#include "core/fair_queue.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace hc::core::fair_queue {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kStart = from_unix_micros(1'700'000'000'000'000);
constexpr std::uint32_t kWeight = 10;

// A queue of one provider: places wait in their order, ties in that of arrival.
struct Line {
    Word served{0};
    std::map<int, Word> finish;
    std::multimap<Time, int> waiting_;

    Time put(int tenant, Time now, std::uint32_t weight = kWeight) {
        const Time at = place(served, finish[tenant], weight, now);
        waiting_.emplace(at, tenant);
        return at;
    }
    int take() {
        const auto first = waiting_.begin();
        const int tenant = first->second;
        serve(served, first->first);
        waiting_.erase(first);
        return tenant;
    }
    std::int64_t estimate(int tenant, std::uint32_t weight = kWeight) {
        return waiting(served, finish[tenant], weight);
    }
};

TEST(FairQueue, OneTenantIsServedInTheOrderOfArrival) {
    Line line;
    Time last{};
    for (int i = 0; i < 100; ++i) {
        const Time at = line.put(1, kStart + milliseconds(i));
        EXPECT_GT(at, last);
        EXPECT_LE(at, kStart);
        last = at;
    }
}

// Also while the backlog is older than any virtual time that was served: the clock alone moves nothing.
TEST(FairQueue, ALateComerStandsBehindTheNextOfABacklogOnly) {
    for (const auto later :
         {milliseconds(1), milliseconds(seconds(1)), milliseconds(hours(1)), milliseconds(hours(100))}) {
        Line line;
        for (int i = 0; i < 4000; ++i)
            line.put(1, kStart);
        for (int i = 0; i < 5; ++i)
            EXPECT_EQ(line.take(), 1);
        for (int i = 0; i < 20; ++i) { // one at a time
            line.put(2, kStart + later + seconds(i));
            int others = 0;
            while (line.take() != 2)
                ++others;
            EXPECT_LE(others, 2) << later.count() << " ms later";
        }
    }
}

TEST(FairQueue, ALateComerIsNotBehindABacklogOfWhichNothingWasServed) {
    Line line;
    for (int i = 0; i < 1000; ++i)
        line.put(1, kStart);
    line.put(2, kStart + hours(2));
    int others = 0;
    while (line.take() != 2)
        ++others;
    EXPECT_LE(others, 1);
}

TEST(FairQueue, BackloggedTenantsShareByWeight) {
    Line line;
    const std::map<int, std::uint32_t> weights{{1, 10}, {2, 30}, {3, 60}};
    for (const auto &[tenant, weight] : weights)
        for (int i = 0; i < 1000; ++i)
            line.put(tenant, kStart + seconds(tenant), weight);
    std::map<int, int> served;
    for (int i = 0; i < 1000; ++i)
        ++served[line.take()];
    for (const auto &[tenant, weight] : weights)
        EXPECT_NEAR(served[tenant], static_cast<int>(weight) * 10, 15) << tenant;
}

TEST(FairQueue, WeightsOutOfRangeAreTheNearest) {
    for (const auto &[weight, same] : {std::pair<std::uint32_t, std::uint32_t>{0, 1}, {100'000, kMaxWeight}}) {
        Word served{0};
        Word finish{0};
        Word other{0};
        const Time first = place(served, finish, weight, kStart);
        EXPECT_EQ(first, place(served, other, same, kStart));
        EXPECT_EQ(place(served, finish, weight, kStart), place(served, other, same, kStart));
        EXPECT_GT(finish, to_unix_micros(first));
    }
}

TEST(FairQueue, NoCreditIsSavedUpWhileATenantIsAway) {
    Line line;
    line.put(2, kStart);
    line.take();
    for (int i = 0; i < 1000; ++i)
        line.put(1, kStart);
    for (int i = 0; i < 500; ++i)
        line.take();
    for (int i = 0; i < 100; ++i)
        line.put(2, kStart + seconds(10));
    int second = 0;
    for (int i = 0; i < 100; ++i)
        second += line.take() == 2 ? 1 : 0;
    EXPECT_NEAR(second, 50, 2);
}

TEST(FairQueue, PlacesAreNeverInTheFuture) {
    Word served{0};
    Word finish{0};
    place(served, finish, 1, kStart);
    serve(served, kStart); // faster than the clock for a day
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(place(served, finish, 1, kStart), kStart);
    EXPECT_EQ(place(served, finish, 1, kStart - hours(1)), kStart - hours(1)) << "a clock that went back";
}

// After a restart of the server the words are zero, and what waits has places of the time before.
TEST(FairQueue, ARestartGoesOnWhereTheBacklogStands) {
    Line before;
    for (int i = 0; i < 1000; ++i)
        before.put(1, kStart - hours(240));
    Line line;
    line.waiting_ = before.waiting_;
    line.put(3, kStart); // before anything is served again
    EXPECT_EQ(line.take(), 1);
    line.put(2, kStart);
    int others = 0;
    while (line.take() != 2)
        ++others;
    EXPECT_LE(others, 1);
}

TEST(FairQueue, TheEstimateIsWhatWaits) {
    Line line;
    EXPECT_EQ(line.estimate(1), 0);
    for (int i = 0; i < 50; ++i)
        line.put(1, kStart);
    for (int i = 0; i < 30; ++i)
        line.put(2, kStart);
    EXPECT_NEAR(static_cast<double>(line.estimate(1)), 50, 1);
    EXPECT_EQ(line.estimate(3), 0);
    while (!line.waiting_.empty())
        line.take();
    EXPECT_EQ(line.estimate(1), 0);
    EXPECT_EQ(line.estimate(2), 0);
}

TEST(FairQueue, SettlingCorrectsTheEstimate) {
    for (const std::uint32_t weight : {1U, 7U, 10U, 1000U}) {
        Line line;
        for (int i = 0; i < 500; ++i)
            line.put(1, kStart, weight);
        line.waiting_.clear(); // rolled back
        EXPECT_GE(line.estimate(1, weight), 499);
        for (const std::int64_t counted : {0, 1, 17}) {
            settle(line.served, line.finish[1], weight, counted);
            EXPECT_EQ(line.estimate(1, weight), counted);
        }
        settle(line.served, line.finish[1], weight, 0);
        line.put(1, kStart, weight);
        EXPECT_LE(line.estimate(1, weight), 1);
    }
}

// Whatever comes and goes: nobody who always has something waiting is more than a few sends ahead of another.
TEST(FairQueue, SharesHoldWhileOthersComeAndGo) {
    std::mt19937 random(7);
    Line line;
    std::map<int, int> queued;
    const auto put = [&](int tenant, Time now) {
        line.put(tenant, now);
        ++queued[tenant];
    };
    std::map<int, int> served;
    Time now = kStart;
    for (int step = 0; step < 20'000; ++step) {
        now += milliseconds(random() % 50);
        for (const int tenant : {1, 2}) // always a backlog, of different depth
            while (queued[tenant] < (tenant == 1 ? 500 : 3))
                put(tenant, now);
        if (random() % 3 == 0)
            put(3 + static_cast<int>(random() % 5), now);
        const int tenant = line.take();
        --queued[tenant];
        ++served[tenant];
    }
    EXPECT_NEAR(served[1], served[2], 5);
}

} // namespace
} // namespace hc::core::fair_queue
