// The replay of workflow functions: steps, waits, cancellation, versions, other bodies.
#include "execution_driver.hpp"

using namespace hc::core;
using namespace hc::core::replay_test;

TEST(ExecutionReplay, StepsAreDoneOnceInOrder) {
    int calls = 0;
    Driver driver([&](Driver &d) {
        ++calls;
        return in_order({d.step("a"), d.step("b"), d.step("c")});
    });
    EXPECT_EQ(driver.turn(), "\"done a\"\"done b\"\"done c\"");
    EXPECT_EQ(driver.effects, (Effects{"a", "b", "c"}));
    EXPECT_EQ(calls, 4);
}

TEST(ExecutionReplay, AStepBetweenSleepsIsNotRepeated) {
    Driver driver([](Driver &d) {
        d.step("a");
        d.sleep(60);
        d.step("b");
        d.sleep(60);
        return d.step("c");
    });
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.timers(), (std::vector<PendingTimer>{{2, at(61)}}));
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(60);
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.effects, (Effects{"a", "b"}));
    driver.pass_time(60);
    EXPECT_EQ(driver.turn(), "\"done c\"");
    EXPECT_EQ(driver.effects, (Effects{"a", "b", "c"}));
    EXPECT_TRUE(driver.timers().empty());
}

TEST(ExecutionReplay, AFailedStepFailsInTheBodyWhichMayGoOn) {
    Driver driver([](Driver &d) -> std::string {
        try {
            d.step("bad");
        } catch (const Failed &) {
            return d.step("other");
        }
        return "no";
    });
    EXPECT_EQ(driver.turn(), "\"done other\"");
    EXPECT_EQ(driver.history()[1].type, Type::step_failed);
}

TEST(ExecutionReplay, SignalsAreTakenInOrderByName) {
    Driver driver([](Driver &d) { return in_order({d.wait_signal("x"), d.wait_signal("y"), d.wait_signal("x")}); });
    driver.signal("x", "1");
    driver.signal("x", "2"); // before anybody waits for it
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("z", "0");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("y", "3");
    EXPECT_EQ(driver.turn(), "132");
}

TEST(ExecutionReplay, ASignalWithAKnownRequestIdIsOne) {
    Driver driver([](Driver &d) { return in_order({d.wait_signal("x"), d.wait_signal("x")}); });
    driver.signal("x", "1", "r1");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("x", "9", "r1");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("x", "2", "r2");
    EXPECT_EQ(driver.turn(), "12");
}

TEST(ExecutionReplay, WhatCameFirstEndsAWaitEverAfter) {
    const auto body = [](Driver &d) {
        const std::string got = d.wait_signal("x", 10);
        d.sleep(100);
        return "got " + got;
    };
    Driver late(body);
    EXPECT_EQ(late.turn(), "waiting");
    late.pass_time(10);
    EXPECT_EQ(late.turn(), "waiting"); // its timer fired
    late.signal("x", "1");
    EXPECT_EQ(late.turn(), "waiting");
    late.pass_time(100);
    EXPECT_EQ(late.turn(), "got ");

    Driver early(body);
    early.signal("x", "1");
    EXPECT_EQ(early.turn(), "waiting");
    EXPECT_EQ(early.timers(), (std::vector<PendingTimer>{{2, at(101)}})); // no timer of the wait that is over
    early.pass_time(100);
    EXPECT_EQ(early.turn(), "got 1");
}

TEST(ExecutionReplay, TheSignalMissedByATimeoutIsForTheNextWait) {
    Driver driver([](Driver &d) { return in_order({d.wait_signal("x", 10), ",", d.wait_signal("x", 1000)}); });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(10);
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("x", "1");
    EXPECT_EQ(driver.turn(), ",1");
}

TEST(ExecutionReplay, CancelIsDeliveredOnceAndCleanUpRuns) {
    Driver driver([](Driver &d) -> std::string {
        try {
            d.step("work");
            d.sleep(1000);
        } catch (const Canceled &) {
            d.step("undo");
            d.sleep(5);
            d.step("tell");
            throw;
        }
        return "done";
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.timers().size(), 1U); // that of the clean-up
    driver.cancel();
    driver.pass_time(5);
    EXPECT_EQ(driver.turn(), "canceled");
    EXPECT_EQ(driver.effects, (Effects{"work", "undo", "tell"}));
}

TEST(ExecutionReplay, CancelBeforeTheFirstCommandLetsNothingBegin) {
    Driver driver([](Driver &d) -> std::string {
        d.side_effect("7");
        try {
            d.step("work");
        } catch (const Canceled &) {
            return d.step("instead");
        }
        return "done";
    });
    driver.cancel();
    EXPECT_EQ(driver.turn(), "\"done instead\"");
    EXPECT_EQ(driver.effects, (Effects{"instead"}));
}

TEST(ExecutionReplay, WhatWasOverBeforeTheCancelIsNotCanceled) {
    Driver driver([](Driver &d) -> std::string {
        const std::string got = d.wait_signal("x");
        try {
            d.sleep(5);
        } catch (const Canceled &) {
            return got + " then canceled";
        }
        return got;
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.signal("x", "1");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "1 then canceled");
}

TEST(ExecutionReplay, SideEffectsAndRandomsStay) {
    int n = 0;
    Driver driver([&](Driver &d) {
        const std::string value = d.side_effect(std::to_string(++n));
        const std::uint64_t first = d.replay().random(), second = d.replay().random();
        EXPECT_NE(first, second);
        static const std::uint64_t kept = first;
        EXPECT_EQ(first, kept);
        d.sleep(1);
        return value;
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(5);
    EXPECT_EQ(driver.turn(), "1");
    EXPECT_GT(n, 1);
}

TEST(ExecutionReplay, NowIsTheTimeOfTheNewestEventSeen) {
    std::vector<Time> seen;
    Driver driver([&](Driver &d) {
        seen.push_back(d.replay().now());
        d.sleep(10);
        seen.push_back(d.replay().now());
        return std::string("end");
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(30);
    EXPECT_EQ(driver.turn(), "end");
    EXPECT_EQ(seen, (std::vector<Time>{at(0), at(0), at(32)}));
}

TEST(ExecutionReplay, AnotherBodyIsFoundOut) {
    const Driver::Body first = [](Driver &d) {
        d.step("a", 1);
        d.wait_signal("x");
        return std::string("end");
    };
    const auto after = [&](const Driver::Body &second) {
        Driver driver(first);
        EXPECT_EQ(driver.turn(), "waiting");
        driver.change(second);
        return driver.turn();
    };
    EXPECT_EQ(after(first), "waiting");
    EXPECT_EQ(after([](Driver &d) { return d.step("b", 1); }),
              "nondeterminism: command 1 is step \"b\", the history has step \"a\"");
    EXPECT_EQ(after([](Driver &d) { return d.step("a", 2); }),
              "nondeterminism: command 1, step \"a\", has other arguments than in the history");
    EXPECT_EQ(after([](Driver &d) { return d.sleep(1); }),
              "nondeterminism: command 1 is sleep, the history has step \"a\"");
    EXPECT_EQ(after([](Driver &d) { return d.step("a", 1); }),
              "nondeterminism: the body has come to its end, the history goes on with command 2, wait_signal \"x\"");
    EXPECT_EQ(after([](Driver &) { return std::string("end"); }),
              "nondeterminism: the body has come to its end, the history goes on with command 1, step \"a\"");
}

TEST(ExecutionReplay, VersionsOfAChange) {
    const Driver::Body old_body = [](Driver &d) {
        d.wait_signal("x");
        return std::string("old");
    };
    const Driver::Body changed = [](Driver &d) {
        const int version = d.version("c", -1, 2);
        d.wait_signal("x");
        return std::to_string(version) + "," + std::to_string(d.version("c", -1, 5));
    };
    Driver before(old_body); // started before the change
    EXPECT_EQ(before.turn(), "waiting");
    before.change(changed);
    EXPECT_EQ(before.turn(), "waiting");
    before.change([](Driver &d) {
        d.version("c", 1, 2);
        return d.wait_signal("x");
    });
    EXPECT_EQ(before.turn(),
              "nondeterminism: change \"c\" is not in the history, and version -1 is no longer supported");

    Driver after(changed);
    EXPECT_EQ(after.turn(), "waiting");
    after.change([](Driver &d) {
        d.version("c", 3, 4);
        return d.wait_signal("x");
    });
    EXPECT_EQ(after.turn(), "nondeterminism: change \"c\" has version 2 in the history, the body supports 3 to 4");
    after.change(changed);
    after.signal("x", "");
    EXPECT_EQ(after.turn(), "2,2");
}

TEST(ExecutionReplay, HistoriesThatCannotBeAreRefused) {
    const ExecutionEvent started{.type = Type::workflow_execution_started};
    const auto replay = [&](std::vector<ExecutionEvent> more) {
        more.insert(more.begin(), started);
        return Replay(WorkflowId{}, more).events().size();
    };
    EXPECT_EQ(replay({{.type = Type::timer_started, .command = 1}, {.type = Type::timer_fired, .command = 1}}), 3U);
    EXPECT_THROW(replay({{.type = Type::timer_started, .command = 2}}), hc::Error);
    EXPECT_THROW(replay({{.type = Type::timer_fired, .command = 1}}), hc::Error);
    EXPECT_THROW(replay({{.type = Type::step_completed, .command = 0}}), hc::Error);
}

// Whatever is signaled, canceled and waited for when: the same body comes to the same end however often it is replayed,
// and does each effect once.
TEST(ExecutionReplay, AnyCourseReplaysToItself) {
    const Driver::Body body = [](Driver &d) -> std::string {
        std::string log;
        try {
            for (int i = 0; i < 4; ++i) {
                d.step("step" + std::to_string(i));
                log += "[" + d.wait_signal(i % 2 == 0 ? "x" : "y", 3) + "]";
                d.sleep(i);
            }
        } catch (const Canceled &) {
            log += d.step("undo");
        }
        return log;
    };
    std::uint32_t seed = 7;
    const auto chance = [&seed](std::uint32_t of) { return (seed = seed * 1'664'525 + 1'013'904'223) / 65'536 % of; };
    int canceled = 0;
    for (int round = 0; round < 500; ++round) {
        Driver driver(body);
        std::string end = driver.turn();
        for (int i = 0; end == "waiting"; ++i) {
            ASSERT_LT(i, 200);
            if (chance(3) == 0)
                driver.signal(chance(2) == 0 ? "x" : "y", std::to_string(i));
            if (chance(25) == 0)
                driver.cancel();
            driver.pass_time(static_cast<int>(chance(3)));
            end = driver.turn();
        }
        canceled += driver.effects.back() == "undo" ? 1 : 0;
        Effects once = driver.effects;
        std::sort(once.begin(), once.end());
        ASSERT_EQ(std::adjacent_find(once.begin(), once.end()), once.end());
        const std::size_t events = driver.history().size();
        ASSERT_EQ(driver.turn(), end); // all of it again, from the stored form
        ASSERT_EQ(driver.history().size(), events);
    }
    EXPECT_GT(canceled, 50);
    EXPECT_LT(canceled, 450);
}
