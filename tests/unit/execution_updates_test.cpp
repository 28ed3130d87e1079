// Updates in the replay of workflow functions: taken in order by waits, validated once, completed or not, and replayed.
#include "execution_driver.hpp"

using namespace hc::core;
using namespace hc::core::replay_test;

namespace {

std::vector<Type> types_of(const Driver &driver) {
    std::vector<Type> types;
    for (const ExecutionEvent &event : driver.history())
        types.push_back(event.type);
    return types;
}

} // namespace

TEST(ExecutionUpdates, TakenInTheOrderOfTheirAdmission) {
    Driver driver([](Driver &d) {
        std::string log;
        for (int i = 0; i < 3; ++i) {
            const std::string update = d.wait_update();
            log += "[" + update + "]";
            d.complete_update(update.substr(0, update.find(' ')));
        }
        return log;
    });
    driver.update("u1", "add", "1"); // before the first turn
    driver.update("u2", "drop", "2");
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(types_of(driver),
              (std::vector<Type>{Type::workflow_execution_started, Type::marker_recorded, Type::update_accepted,
                                 Type::update_completed, Type::marker_recorded, Type::update_accepted,
                                 Type::update_completed, Type::marker_recorded}));
    EXPECT_EQ(driver.turn(), "waiting"); // nothing new: nothing is recorded
    EXPECT_EQ(driver.history().size(), 8U);
    driver.update("u3", "add", "3");
    EXPECT_EQ(driver.turn(), "[u1 add 1][u2 drop 2][u3 add 3]");
}

TEST(ExecutionUpdates, AWaitForANameLeavesTheOthers) {
    Driver driver([](Driver &d) {
        return in_order({d.wait_update("pay"), ",", d.wait_update(), ",", d.wait_update("add")});
    });
    driver.update("u1", "add");
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.admitted.size(), 1U);
    driver.update("u2", "pay");
    driver.update("u3", "add");
    EXPECT_EQ(driver.turn(), "u2 pay {},u1 add {},u3 add {}");
}

TEST(ExecutionUpdates, ARejectionLeavesNoEventAndIsNotReplayed) {
    int validated = 0;
    Driver driver([](Driver &d) { return d.wait_update() + d.step("after"); });
    driver.validator = [&validated](const Driver::Update &update) { return ++validated > 0 && update.args != "bad"; };
    EXPECT_EQ(driver.turn(), "waiting");
    const std::vector<ExecutionEvent> before = driver.history();
    driver.update("u1", "add", "bad");
    driver.update("u2", "add", "bad");
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.history(), before);
    EXPECT_EQ(driver.rejected, (std::vector<std::string>{"u1", "u2"}));
    driver.update("u3", "add", "good");
    EXPECT_EQ(driver.turn(), "u3 add good\"done after\"");
    EXPECT_EQ(validated, 3);
    EXPECT_EQ(driver.turn(), "u3 add good\"done after\"");
    EXPECT_EQ(validated, 3);
}

TEST(ExecutionUpdates, TheTimeoutOfAWait) {
    Driver driver([](Driver &d) { return in_order({"[", d.wait_update("", 5), "][", d.wait_update("", 5), "]"}); });
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.timers().size(), 1U);
    driver.pass_time(10);
    driver.update("u1", "add"); // the time is over: for the next wait
    EXPECT_EQ(driver.turn(), "[][u1 add {}]");
    EXPECT_TRUE(driver.timers().empty());
}

TEST(ExecutionUpdates, CancelComesBeforeAnUpdateOfTheSameTurn) {
    Driver driver([](Driver &d) -> std::string {
        try {
            return d.wait_update();
        } catch (const Canceled &) {
            return "clean-up: " + d.wait_update();
        }
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "waiting");
    driver.update("u1", "add");
    EXPECT_EQ(driver.turn(), "clean-up: u1 add {}");
    Driver together([](Driver &d) { return d.wait_update(); });
    EXPECT_EQ(together.turn(), "waiting");
    together.cancel();
    together.update("u1", "add");
    EXPECT_EQ(together.turn(), "canceled");
    EXPECT_EQ(together.admitted.size(), 1U);
}

TEST(ExecutionUpdates, OnlyWhatWasTakenIsOpen) {
    Driver driver([](Driver &d) {
        EXPECT_FALSE(d.replay().has_open_update("u1"));
        d.wait_update();
        EXPECT_TRUE(d.replay().has_open_update("u1"));
        d.step("between");
        EXPECT_TRUE(d.replay().has_open_update("u1"));
        d.complete_update("u1");
        EXPECT_FALSE(d.replay().has_open_update("u1"));
        return d.wait_signal("end");
    });
    driver.update("u1", "add");
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.effects, (Effects{"between"}));
    driver.signal("end", "x");
    EXPECT_EQ(driver.turn(), "x");
}

TEST(ExecutionUpdates, AnotherCommandIsFoundOut) {
    Driver driver([](Driver &d) { return d.wait_update("add"); });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.change([](Driver &d) { return d.wait_update("pay"); });
    EXPECT_EQ(driver.turn(), "nondeterminism: command 1 is wait_update \"pay\", the history has wait_update \"add\"");
    driver.change([](Driver &d) { return d.sleep(1); });
    EXPECT_EQ(driver.turn(), "nondeterminism: command 1 is sleep, the history has wait_update \"add\"");
    driver.change([](Driver &d) { return d.side_effect("1"); });
    EXPECT_EQ(driver.turn(), "nondeterminism: command 1 is side_effect, the history has wait_update \"add\"");
    driver.change([](Driver &d) {
        const std::string update = d.wait_update("add");
        d.complete_update("u1", "1");
        return d.wait_update("add");
    });
    driver.update("u1", "add");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.change([](Driver &d) {
        d.wait_update("add");
        return d.wait_update("add");
    });
    EXPECT_EQ(driver.turn(), "nondeterminism: command 2 is wait_update \"add\", the history has complete_update");
}

TEST(ExecutionUpdates, HistoriesThatCannotBeAreRefused) {
    const ExecutionEvent started{.type = Type::workflow_execution_started};
    EXPECT_THROW(Replay(WorkflowId{}, {started, {.type = Type::update_accepted, .command = 1}}), hc::Error);
    EXPECT_THROW(Replay(WorkflowId{}, {started, {.type = Type::update_completed, .command = 2}}), hc::Error);
}

TEST(ExecutionUpdates, Words) {
    EXPECT_EQ(execution_attributes_json(
                  {.type = Type::update_accepted, .command = 1, .name = "add", .payload = "{\"n\": 1}", .text = "u"}),
              "{\"command\": 1, \"update\": \"add\", \"args\": {\"n\": 1}, \"update_id\": \"u\"}");
    EXPECT_EQ(execution_attributes_json(
                  {.type = Type::update_completed, .command = 2, .payload = "{\"result\": 1}", .text = "u"}),
              "{\"command\": 2, \"outcome\": {\"result\": 1}, \"update_id\": \"u\"}");
}

// Whatever is sent, rejected, signaled, canceled and waited for when: the body comes to the same end however often it
// is replayed, each update is taken once, in order, and no rejected one ever.
TEST(ExecutionUpdates, AnyCourseReplaysToItself) {
    const Driver::Body body = [](Driver &d) -> std::string {
        std::string log;
        try {
            for (int i = 0; i < 6; ++i) {
                const std::string update = i % 3 == 2 ? d.wait_update("b", 4) : d.wait_update("", 3);
                log += "[" + update + "]";
                if (update.empty()) {
                    log += d.wait_signal("x", 1);
                    continue;
                }
                d.step("of " + update.substr(0, update.find(' ')));
                if (i % 2 == 0)
                    d.complete_update(update.substr(0, update.find(' ')));
            }
        } catch (const Canceled &) {
            log += d.step("undo") + d.wait_update("a", 2);
        }
        return log;
    };
    std::uint32_t seed = 11;
    const auto chance = [&seed](std::uint32_t of) { return (seed = seed * 1'664'525 + 1'013'904'223) / 65'536 % of; };
    std::size_t taken = 0, rejected = 0;
    for (int round = 0; round < 500; ++round) {
        Driver driver(body);
        driver.validator = [](const Driver::Update &update) { return update.args != "bad"; };
        int sent = 0;
        std::string end = driver.turn();
        for (int i = 0; end == "waiting"; ++i) {
            ASSERT_LT(i, 200);
            for (std::uint32_t n = chance(3); n != 0; --n)
                driver.update("u" + std::to_string(100 + sent++), chance(2) == 0 ? "a" : "b",
                              chance(4) == 0 ? "bad" : "{}");
            if (chance(5) == 0)
                driver.signal("x", "s");
            if (chance(30) == 0)
                driver.cancel();
            driver.pass_time(static_cast<int>(chance(3)));
            end = driver.turn();
        }
        std::vector<std::string> ids;
        for (const ExecutionEvent &event : driver.history())
            if (event.type == Type::update_accepted) {
                ids.push_back(event.text);
                ASSERT_EQ(std::count(driver.rejected.begin(), driver.rejected.end(), event.text), 0);
            }
        taken += ids.size();
        rejected += driver.rejected.size();
        std::sort(ids.begin(), ids.end());
        ASSERT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
        const std::vector<ExecutionEvent> events = driver.history();
        driver.validator = [](const Driver::Update &) -> bool { throw std::logic_error("validated in a replay"); };
        ASSERT_EQ(driver.turn(), end); // all of it again, from the stored form
        ASSERT_EQ(driver.history(), events);
    }
    EXPECT_GT(taken, 1000U);
    EXPECT_GT(rejected, 200U);
}
