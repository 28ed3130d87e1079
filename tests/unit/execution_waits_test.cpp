// The replay of workflow functions: conditions, pauses, what is shielded from a cancel, what a history says was taken.
#include "execution_driver.hpp"

using namespace hc::core;
using namespace hc::core::replay_test;

namespace {

// As WorkflowBody::wait_until does it; "true", "" (the timeout) or suspended.
std::string wait_until(Driver &d, bool holds, std::optional<int> seconds = {}, std::uint64_t hash = 7) {
    const Command command{CommandKind::wait_until, "", hash};
    Replay &replay = d.replay();
    const Time now = replay.events().back().time;
    CallAnswer answer = replay.call(command);
    const auto look = [&](std::uint32_t number) {
        if (holds)
            replay.add({.type = Type::condition_met, .time = now, .command = number, .payload = "true"});
    };
    if (answer.kind == Kind::fresh) {
        ExecutionEvent event{.type = Type::condition_awaited, .time = now, .hash = hash};
        if (seconds)
            event.due = now + std::chrono::seconds(*seconds);
        replay.record(event);
        look(replay.command() + 1);
        answer = replay.call(command);
    } else if (answer.kind == Kind::pending) {
        look(replay.command());
        answer = replay.call_again(command);
    }
    if (answer.kind == Kind::canceled)
        throw Canceled{};
    if (answer.kind == Kind::pending)
        throw Suspended{};
    return std::string(answer.payload);
}

std::vector<Type> types(const Driver &driver) {
    std::vector<Type> all;
    for (const ExecutionEvent &event : driver.history())
        all.push_back(event.type);
    return all;
}

} // namespace

TEST(ExecutionWaits, AConditionThatHoldsIsNotWaitedFor) {
    Driver driver([](Driver &d) {
        const std::string first = wait_until(d, true);
        return first + d.step("a");
    });
    EXPECT_EQ(driver.turn(), "true\"done a\"");
    EXPECT_EQ(types(driver), (std::vector{Type::workflow_execution_started, Type::condition_awaited,
                                          Type::condition_met, Type::step_completed}));
}

TEST(ExecutionWaits, AConditionIsLookedAtInEachPassUntilItHolds) {
    bool holds = false;
    int looks = 0;
    Driver driver([&](Driver &d) {
        ++looks;
        const std::string met = wait_until(d, holds);
        holds = false; // a replay does not look at it any more
        return in_order({met, d.step("a"), wait_until(d, false, 60)});
    });
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.replay().pending_condition(), 1U);
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(looks, 2);
    EXPECT_EQ(driver.history().size(), 2U); // looks leave no trace
    holds = true;
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.replay().pending_condition(), 3U);
    EXPECT_EQ(driver.effects, (Effects{"a"}));
    driver.pass_time(60);
    EXPECT_EQ(driver.turn(), "true\"done a\"");
    EXPECT_FALSE(driver.replay().pending_condition());
    EXPECT_TRUE(driver.replay().has_conditions());
}

TEST(ExecutionWaits, TheTimeoutOfAConditionIsFinal) {
    bool holds = false;
    Driver driver([&](Driver &d) { return "<" + wait_until(d, holds, 10) + ">"; });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(10);
    holds = true; // too late: the timer has fired
    EXPECT_EQ(driver.turn(), "<>");
}

TEST(ExecutionWaits, ACancelIsDeliveredInAWaitForACondition) {
    Driver driver([&](Driver &d) -> std::string {
        try {
            wait_until(d, false, 10);
        } catch (const Canceled &) {
            return d.step("clean up");
        }
        return "no";
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "\"done clean up\"");
    EXPECT_FALSE(driver.replay().pending_condition());
    EXPECT_TRUE(driver.timers().empty());
}

TEST(ExecutionWaits, AnotherConditionIsNoticed) {
    std::uint64_t hash = 7;
    Driver driver([&](Driver &d) { return wait_until(d, false, {}, hash); });
    EXPECT_EQ(driver.turn(), "waiting");
    hash = 8;
    EXPECT_EQ(driver.turn(), "nondeterminism: command 1, wait_until, has other arguments than in the history");
}

TEST(ExecutionWaits, PausesAreKnownAndDoNotDisturbTheReplay) {
    Replay replay({}, {{.type = Type::workflow_execution_started, .time = at(0), .name = "test"}});
    EXPECT_FALSE(replay.is_paused());
    replay.add({.type = Type::workflow_execution_paused, .time = at(1)});
    EXPECT_TRUE(replay.is_paused());
    EXPECT_EQ(replay.call({CommandKind::step, "a", 1}).kind, Kind::fresh);
    replay.add({.type = Type::workflow_execution_unpaused, .time = at(2)});
    EXPECT_FALSE(replay.is_paused());
    EXPECT_FALSE(Replay({}, replay.events()).is_paused());
}

TEST(ExecutionWaits, ACancelWaitsBehindTheShield) {
    Driver driver([](Driver &d) -> std::string {
        d.replay().shield(true);
        d.step("undo b");
        d.step("undo a");
        d.replay().shield(false);
        try {
            d.step("never");
        } catch (const Canceled &) {
            return "canceled after";
        }
        return "no";
    });
    driver.cancel();
    EXPECT_EQ(driver.turn(), "canceled after");
    EXPECT_EQ(driver.effects, (Effects{"undo b", "undo a"}));
}

TEST(ExecutionWaits, AnUndeliveredCancelIsKnown) {
    Driver driver([](Driver &d) { return d.side_effect("1"); });
    driver.cancel();
    EXPECT_EQ(driver.turn(), "1"); // nothing in it could wait
    EXPECT_EQ(driver.replay().undelivered_cancel(), "asked");
    driver.change([](Driver &d) -> std::string {
        d.side_effect("1");
        try {
            d.sleep(1);
        } catch (const Canceled &) {
        }
        return "2";
    });
    EXPECT_EQ(driver.turn(), "2");
    EXPECT_FALSE(driver.replay().undelivered_cancel());
}

TEST(ExecutionWaits, AHistoryTellsWhichSignalsWereTaken) {
    Driver driver([](Driver &d) {
        d.wait_signal("x");
        d.wait_signal("y", 5);
        d.step("a");
        return in_order({d.wait_signal("x"), d.wait_signal("z")});
    });
    for (const char *payload : {"1", "2", "3"})
        driver.signal("x", payload);
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(5);
    EXPECT_EQ(driver.turn(), "waiting"); // for z
    driver.signal("y", "late");
    EXPECT_EQ(driver.turn(), "waiting");
    const auto untaken = [](const Replay &replay) {
        std::string all;
        for (const ExecutionEvent *event : replay.untaken_signals())
            all += event->name + event->payload + " ";
        return all;
    };
    EXPECT_EQ(untaken(driver.replay()), "x3 ylate ");
    Replay again({}, driver.history());
    EXPECT_EQ(untaken(again), "x1 x2 x3 ylate "); // of a pass that has not begun
    again.follow_history();
    EXPECT_EQ(untaken(again), "x3 ylate ");
}
