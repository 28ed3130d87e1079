// The replay of workflow functions: several things at once, children, and the form of their histories.
#include "execution_driver.hpp"

using namespace hc::core;
using namespace hc::core::replay_test;

TEST(ExecutionReplay, SeveralThingsAtOnce) {
    Driver driver([](Driver &d) {
        const std::uint32_t a = d.start_child("a"), b = d.start_child("b"), timer = d.start_timer(10);
        const std::uint32_t first = d.await_any({a, b, timer});
        const std::uint32_t other = first == a ? b : a;
        const std::string one = d.await(first);
        return in_order({std::to_string(first), one, d.await(other)});
    });
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.timers(), (std::vector<PendingTimer>{{3, at(11)}}));
    driver.end_child(2, "\"b\"");
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_child(1, "\"a\"");
    driver.pass_time(20);
    EXPECT_EQ(driver.turn(), "2\"b\"\"a\"");
}

TEST(ExecutionReplay, TheFirstStaysTheFirst) {
    const auto body = [](Driver &d) {
        const std::uint32_t timer = d.start_timer(10), child = d.start_child("a");
        const std::uint32_t first = d.await_any({timer, child});
        d.sleep(1000);
        return std::to_string(first);
    };
    Driver driver(body);
    EXPECT_EQ(driver.turn(), "waiting");
    driver.pass_time(10);
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_child(2, "1");
    driver.pass_time(1000);
    EXPECT_EQ(driver.turn(), "1");
}

TEST(ExecutionReplay, AFailedChildFailsItsAwait) {
    Driver driver([](Driver &d) { return d.await(d.start_child("a")); });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.end_child(1, "{}", true);
    driver.end_child(1, "late"); // only the first end counts
    EXPECT_EQ(driver.turn(), "failed: {}");
}

TEST(ExecutionReplay, ACanceledAwaitLeavesWhatItAwaited) {
    Driver driver([](Driver &d) -> std::string {
        const std::uint32_t child = d.start_child("a");
        try {
            return d.await(child);
        } catch (const Canceled &) {
            return "then " + d.await(child);
        }
    });
    EXPECT_EQ(driver.turn(), "waiting");
    driver.cancel();
    EXPECT_EQ(driver.turn(), "waiting");
    EXPECT_EQ(driver.replay().open_children().size(), 1U);
    driver.end_child(1, "1");
    EXPECT_EQ(driver.turn(), "then 1");
    EXPECT_TRUE(driver.replay().open_children().empty());
}

TEST(ExecutionReplay, HandlesThatWereNotGivenAreRefused) {
    for (const std::uint32_t handle : {0U, 2U, 99U}) {
        Driver driver([handle](Driver &d) {
            d.start_timer(1);
            return d.await(handle);
        });
        EXPECT_TRUE(driver.turn().starts_with("nondeterminism: ")) << handle;
    }
    Driver step([](Driver &d) {
        d.step("a");
        return d.await(1); // of a step
    });
    EXPECT_TRUE(step.turn().starts_with("nondeterminism: "));
}

TEST(ExecutionReplay, SignalsNobodyHasTaken) {
    Driver driver([](Driver &d) {
        d.wait_signal("x");
        d.wait_signal("go");
        std::string left;
        for (const ExecutionEvent *event : d.replay().untaken_signals())
            left += event->name + event->payload;
        return left;
    });
    driver.signal("x", "1");
    driver.signal("y", "2");
    driver.signal("x", "3");
    driver.signal("y", "4");
    driver.signal("go", "");
    EXPECT_EQ(driver.turn(), "y2x3y4");
}

TEST(ExecutionEvents, RoundTripAndWords) {
    std::vector<ExecutionEvent> events;
    for (int type = 1; type <= static_cast<int>(kLastExecutionEventType); ++type) {
        ExecutionEvent event{.type = static_cast<Type>(type), .time = at(type)};
        EXPECT_FALSE(to_string(event.type).empty());
        events.push_back(event);
        events.push_back({.type = event.type,
                          .time = at(type),
                          .command = 70'000,
                          .kind = CommandKind::wait_signal,
                          .due = at(-5),
                          .hash = 1ULL << 63U,
                          .name = "n\"",
                          .payload = "{\"a\": 12345678901234567890.5}",
                          .text = "t"});
    }
    const std::string bytes = encode_execution(events, std::nullopt);
    EXPECT_EQ(decode_execution(bytes), events);
    const std::span<const ExecutionEvent> all(events);
    EXPECT_EQ(encode_execution(all.first(3), std::nullopt) + encode_execution(all.subspan(3), events[2].time), bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        try {
            decode_execution(std::string_view(bytes).substr(0, size));
        } catch (const hc::Error &e) {
            EXPECT_STREQ(e.sqlstate(), "WF004");
        }
    }
    EXPECT_EQ(execution_attributes_json(events[15]), "{\"command\": 70000, \"kind\": \"wait_signal\", \"name\": "
                                                     "\"n\\\"\", \"due\": \"2023-11-14T22:13:15.000000Z\", "
                                                     "\"result\": {\"a\": 12345678901234567890.5}, \"reason\": \"t\"}");
    EXPECT_EQ(status_after(Type::workflow_execution_terminated), ExecutionStatus::terminated);
    EXPECT_EQ(status_after(Type::workflow_execution_continued_as_new), ExecutionStatus::continued);
    EXPECT_EQ(status_after(Type::child_failed), ExecutionStatus::running);
    EXPECT_EQ(execution_attributes_json({.type = Type::child_started, .command = 1, .payload = "abandon"}),
              "{\"command\": 1, \"parent_close_policy\": \"abandon\"}");
    EXPECT_EQ(to_string(ExecutionStatus::timed_out), "TimedOut");
}
