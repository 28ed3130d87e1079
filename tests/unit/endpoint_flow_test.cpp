// How fast one endpoint is served: window, pauses, rate, and room for others.
#include "core/endpoint_flow.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

using namespace std::chrono_literals;

constexpr std::int32_t kPlenty = 1000;

class EndpointFlowTest : public ::testing::Test {
protected:
    int start_all(std::int32_t free = kPlenty) {
        int started = 0;
        while (flow_.start(now_, free))
            ++started;
        return started;
    }
    void end(FlowEnd how, std::optional<Duration> retry_after = std::nullopt) {
        flow_.end(began_, now_, how, retry_after);
    }
    void fail_one() { // started now, failed a millisecond later
        began_ = now_;
        ASSERT_TRUE(flow_.start(now_, kPlenty));
        now_ += 1ms;
        end(FlowEnd::failed);
    }

    EndpointFlow flow_;
    Time now_ = from_unix_micros(1767225600000000);
    Time began_ = now_;
};

TEST_F(EndpointFlowTest, WindowGrowsWithSuccessUpToTheConcurrency) {
    EXPECT_EQ(start_all(), EndpointFlow::kFirstWindow);
    for (int i = 0; i < 200; ++i) {
        end(FlowEnd::delivered);
        start_all();
    }
    EXPECT_EQ(flow_.load(), 64);
    flow_.set_limits(5, std::nullopt, 1);
    EXPECT_EQ(flow_.window(), 5);
    EXPECT_FALSE(flow_.start(now_, kPlenty)); // what is under way goes on
}

TEST_F(EndpointFlowTest, ConcurrencyIsSharedByProcesses) {
    flow_.set_limits(8, std::nullopt, 4);
    EXPECT_EQ(start_all(), 2);
    EndpointFlow one;
    one.set_limits(2, std::nullopt, 4);
    EXPECT_EQ(one.window(), 1);
}

TEST_F(EndpointFlowTest, NobodyTakesMoreThanItLeaves) {
    int load = 0;
    constexpr int kSlots = 20;
    while (flow_.start(now_, kSlots - load))
        ++load;
    EXPECT_EQ(load, kSlots / 2);
    EndpointFlow other;
    int others = 0;
    while (other.start(now_, kSlots - load - others))
        ++others;
    EXPECT_EQ(others, 5);
}

TEST_F(EndpointFlowTest, FailuresTogetherCountOnce) {
    EXPECT_EQ(start_all(), 16);
    now_ += 1s;
    for (int i = 0; i < 16; ++i)
        end(FlowEnd::failed);
    EXPECT_EQ(flow_.window(), 8);
    EXPECT_EQ(flow_.open_at(now_), now_); // one failure is no reason to pause
}

TEST_F(EndpointFlowTest, RepeatedFailuresPauseUpToHalfAMinute) {
    fail_one();
    Duration last{};
    for (int i = 0; i < 20; ++i) {
        fail_one();
        const Duration pause = flow_.open_at(now_) - now_;
        EXPECT_EQ(pause, i == 0 ? Duration(100ms) : std::min<Duration>(last * 2, 30s)) << i;
        EXPECT_FALSE(flow_.start(now_, kPlenty));
        last = pause;
        now_ += pause;
    }
    EXPECT_EQ(last, 30s);
    EXPECT_EQ(flow_.window(), 1);
    EXPECT_EQ(start_all(), 1);
    end(FlowEnd::delivered); // open again
    EXPECT_EQ(flow_.window(), 2);
    fail_one();
    EXPECT_EQ(flow_.open_at(now_), now_);
}

TEST_F(EndpointFlowTest, NothingIsAtHandDuringALongPause) {
    EXPECT_EQ(flow_.at_hand(now_), EndpointFlow::kReserve * EndpointFlow::kFirstWindow);
    ASSERT_TRUE(flow_.start(now_, kPlenty));
    end(FlowEnd::throttled, 7s);
    EXPECT_EQ(flow_.at_hand(now_), 0);
    EXPECT_EQ(flow_.open_at(now_), now_ + 7s);
    EXPECT_FALSE(flow_.forgettable(now_));
    now_ += 7s;
    EXPECT_TRUE(flow_.start(now_, kPlenty));
}

TEST_F(EndpointFlowTest, ThrottlingWithoutATimePausesLongerEachTime) {
    for (const Duration pause : {1s, 2s, 4s}) {
        began_ = now_;
        ASSERT_TRUE(flow_.start(now_, kPlenty));
        now_ += 1ms;
        end(FlowEnd::throttled);
        EXPECT_EQ(flow_.open_at(now_), now_ + pause);
        now_ += pause;
    }
}

TEST_F(EndpointFlowTest, APauseThatAnotherProcessFoundOut) {
    flow_.pause(now_ + 5s);
    EXPECT_EQ(start_all(), 0);
    EXPECT_EQ(flow_.open_at(now_), now_ + 5s);
    flow_.pause(now_ - 5s); // an earlier end does not shorten it
    EXPECT_EQ(flow_.open_at(now_), now_ + 5s);
}

TEST_F(EndpointFlowTest, AnAskedPauseIsAnHourAtMost) {
    ASSERT_TRUE(flow_.start(now_, kPlenty));
    end(FlowEnd::throttled, 24h);
    EXPECT_EQ(flow_.open_at(now_), now_ + 1h);
}

TEST_F(EndpointFlowTest, Rate) {
    flow_.set_limits(64, WebhookRate{.per_second = 10, .burst = 3}, 1);
    EXPECT_EQ(start_all(), 3);
    EXPECT_EQ(flow_.open_at(now_), now_ + 100ms);
    EXPECT_EQ(flow_.at_hand(now_), 10); // a second's worth
    now_ += 250ms;
    EXPECT_EQ(start_all(), 2);
    EXPECT_FALSE(flow_.forgettable(now_));
    for (int i = 0; i < 5; ++i)
        end(FlowEnd::delivered);
    EXPECT_FALSE(flow_.forgettable(now_)); // the tokens spent are remembered
    EXPECT_TRUE(flow_.forgettable(now_ + 1s));
}

TEST_F(EndpointFlowTest, ANewOneKnowsNothing) {
    EXPECT_TRUE(flow_.forgettable(now_));
    ASSERT_TRUE(flow_.start(now_, kPlenty));
    EXPECT_FALSE(flow_.forgettable(now_));
    end(FlowEnd::delivered);
    EXPECT_TRUE(flow_.forgettable(now_));
    fail_one();
    EXPECT_FALSE(flow_.forgettable(now_ + 24h));
}

} // namespace
} // namespace hc::core
