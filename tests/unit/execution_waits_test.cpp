// What an execution waits for, from its history.
#include "core/execution_waits.hpp"

#include <gtest/gtest.h>

using namespace hc::core;

namespace {

using Type = ExecutionEventType;

ExecutionEvent event(Type type, std::uint32_t command = 0, const std::string &name = "",
                     CommandKind kind = CommandKind::none, const std::string &payload = "") {
    return {.type = type, .time = Time{}, .command = command, .kind = kind, .name = name, .payload = payload};
}

std::vector<std::uint32_t> open_after(const std::vector<ExecutionEvent> &events) {
    std::vector<std::uint32_t> commands;
    for (const ExecutionEvent *wait : open_waits(events))
        commands.push_back(wait->command);
    return commands;
}

using Commands = std::vector<std::uint32_t>;
const ExecutionEvent kStarted = event(Type::workflow_execution_started);

} // namespace

TEST(ExecutionWaits, EachIsOpenUntilItsEnd) {
    const struct {
        ExecutionEvent begin, end;
    } table[] = {
        {event(Type::timer_started, 1), event(Type::timer_fired, 1)},
        {event(Type::timer_started, 1, "", CommandKind::timer), event(Type::timer_fired, 1)},
        {event(Type::timer_started, 1, "", CommandKind::timer),
         event(Type::timer_canceled, 2, "", CommandKind::cancel, "1")},
        {event(Type::signal_awaited, 1, "s"), event(Type::signal_received, 0, "s")},
        {event(Type::signal_awaited, 1, "s"), event(Type::timer_fired, 1)},
        {event(Type::child_started, 1, "c"), event(Type::child_completed, 1)},
        {event(Type::child_started, 1, "c"), event(Type::child_failed, 1)},
        {event(Type::activity_scheduled, 1, "a"), event(Type::activity_completed, 1)},
        {event(Type::activity_scheduled, 1, "a"), event(Type::activity_failed, 1)},
        {event(Type::activity_scheduled, 1, "a"), event(Type::activity_timed_out, 1)},
        {event(Type::activity_scheduled, 1, "a"), event(Type::activity_canceled, 1)},
        {event(Type::condition_awaited, 1), event(Type::condition_met, 1)},
        {event(Type::marker_recorded, 1, "", CommandKind::wait_update), event(Type::update_accepted, 1)},
    };
    for (const auto &[begin, end] : table) {
        EXPECT_EQ(open_after({kStarted, begin}), Commands{1}) << to_string(begin.type);
        EXPECT_EQ(open_after({kStarted, begin, end}), Commands{}) << to_string(end.type);
        EXPECT_EQ(open_after({kStarted, begin, event(Type::workflow_execution_terminated)}), Commands{});
    }
    EXPECT_EQ(open_after({}), Commands{});
}

TEST(ExecutionWaits, SignalsAreTakenInOrder) {
    const ExecutionEvent s = event(Type::signal_received, 0, "s"), other = event(Type::signal_received, 0, "t");
    EXPECT_EQ(open_after({kStarted, s, event(Type::signal_awaited, 1, "s")}), Commands{});
    EXPECT_EQ(open_after({kStarted, s, event(Type::signal_awaited, 1, "s"), event(Type::signal_awaited, 2, "s")}),
              Commands{2});
    EXPECT_EQ(open_after({kStarted, other, event(Type::signal_awaited, 1, "s"), other}), Commands{1});
    EXPECT_EQ(open_after({kStarted, event(Type::signal_awaited, 1, "s"), s, s, event(Type::signal_awaited, 2, "s"),
                          event(Type::signal_awaited, 3, "s")}),
              Commands{3});
}

TEST(ExecutionWaits, AFunctionIsInOneWait) {
    // a cancel was delivered in the first one
    EXPECT_EQ(open_after({kStarted, event(Type::signal_awaited, 1, "s"), event(Type::cancel_requested),
                          event(Type::timer_started, 2)}),
              Commands{2});
    EXPECT_EQ(open_after({kStarted, event(Type::timer_started, 1), event(Type::step_completed, 2)}), Commands{});
    // what was begun goes on beside it
    EXPECT_EQ(open_after({kStarted, event(Type::child_started, 1, "c"), event(Type::activity_scheduled, 2, "a"),
                          event(Type::timer_started, 3, "", CommandKind::timer), event(Type::signal_awaited, 4, "s"),
                          event(Type::child_completed, 1)}),
              (Commands{2, 3, 4}));
}
