// Activities and cancels of handles in the replay of workflow functions.
#include "execution_driver.hpp"

namespace hc::core {
namespace {

using namespace replay_test;

TEST(ExecutionActivities, GiveTheirResultWhenTheyAreAwaited) {
    Driver driver([](Driver &d) {
        const std::uint32_t one = d.start_activity("a"), two = d.start_activity("b");
        return in_order({d.await(two), d.step("s"), d.await(one)});
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_activity(1, Type::activity_completed, "\"one\"");
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_TRUE(driver.effects.empty());
    driver.end_activity(2, Type::activity_completed, "\"two\"");
    EXPECT_EQ(driver.turn(), "\"two\"\"done s\"\"one\"");
    EXPECT_FALSE(driver.replay().has_open_activities());
}

TEST(ExecutionActivities, FailInEachWay) {
    for (const Type type : {Type::activity_failed, Type::activity_timed_out, Type::activity_canceled}) {
        Driver driver([](Driver &d) { return d.await(d.start_activity("a")); });
        EXPECT_EQ(driver.turn(), "waiting");
        EXPECT_TRUE(driver.replay().has_open_activities());
        driver.end_activity(1, type, "why");
        EXPECT_EQ(driver.turn(), "failed: why");
    }
}

TEST(ExecutionActivities, EndOnce) {
    Driver driver([](Driver &d) {
        const std::uint32_t handle = d.start_activity("a");
        d.wait_signal("go");
        return d.await(handle);
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_activity(1, Type::activity_completed, "1");
    driver.end_activity(1, Type::activity_failed, "2");
    driver.signal("go", "");
    EXPECT_EQ(driver.turn(), "1");
}

TEST(ExecutionActivities, ADifferentOneIsFound) {
    Driver driver([](Driver &d) { return d.await(d.start_activity("a")); });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.change([](Driver &d) { return d.await(d.start_activity("b")); });
    EXPECT_EQ(driver.turn(), "nondeterminism: command 1 is activity \"b\", the history has activity \"a\"");
    driver.change([](Driver &d) { return d.step("a"); });
    EXPECT_EQ(driver.turn(), "nondeterminism: command 1 is step \"a\", the history has activity \"a\"");
}

TEST(ExecutionActivities, AreWaitedForInACancelIfTheyWant) {
    const auto body = [](const char *cancellation) {
        return [cancellation](Driver &d) { return d.await(d.start_activity("a", cancellation)); };
    };
    for (const char *cancellation : {"", "abandon"}) {
        Driver driver(body(cancellation));
        EXPECT_EQ(driver.turn(), "waiting");
        driver.cancel();
        EXPECT_EQ(driver.turn(), "canceled") << cancellation;
    }
    Driver driver(body("wait"));
    EXPECT_EQ(driver.turn(), "waiting");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_activity(1, Type::activity_completed, "after all");
    EXPECT_EQ(driver.turn(), "after all");
}

TEST(ExecutionActivities, AHandleIsCanceled) {
    Driver driver([](Driver &d) {
        const std::uint32_t timer = d.start_timer(100), activity = d.start_activity("a");
        d.cancel_handle(timer);
        d.cancel_handle(activity);
        std::string first;
        try {
            d.await(timer);
        } catch (const Failed &failed) {
            first = failed.failure;
        }
        return first + d.await(activity);
    });
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_TRUE(driver.timers().empty()); // nothing is to fire
    EXPECT_TRUE(driver.replay().is_open(2));
    driver.end_activity(2, Type::activity_completed, "done");
    EXPECT_EQ(driver.turn(), R"({"sqlstate": "WF020", "message": "timer was canceled"}done)");
}

TEST(ExecutionActivities, WhatIsOverIsNotCanceled) {
    Driver driver([](Driver &d) {
        const std::uint32_t timer = d.start_timer(1);
        d.wait_signal("go");
        d.cancel_handle(timer);
        return "timer" + d.await(timer);
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(5);
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("go", "");
    EXPECT_EQ(driver.turn(), "timer");
}

TEST(ExecutionActivities, AHandleOfNothing) {
    Driver driver([](Driver &d) {
        d.step("s");
        d.cancel_handle(1);
        return std::string();
    });
    EXPECT_EQ(driver.turn(), "nondeterminism: 1 is not the handle of anything that was started");
}

TEST(ExecutionActivities, AnEndWithoutABeginIsCorrupt) {
    for (const Type type : {Type::activity_completed, Type::timer_canceled}) {
        try {
            Replay({}, {{.type = Type::workflow_execution_started},
                        {.type = type,
                         .command = 1,
                         .kind = type == Type::timer_canceled ? CommandKind::cancel : CommandKind::none,
                         .payload = "7"}});
            ADD_FAILURE();
        } catch (const hc::Error &e) {
            EXPECT_STREQ(e.sqlstate(), "WF004");
        }
    }
}

} // namespace
} // namespace hc::core
