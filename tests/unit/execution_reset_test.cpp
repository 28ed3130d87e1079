// Where a history may be cut, what goes along with it, and the options of resets and moves.
#include "core/error.hpp"
#include "core/execution_replay.hpp"
#include "core/execution_reset.hpp"

#include <gtest/gtest.h>

using namespace hc::core;

namespace {

using Type = ExecutionEventType;

ExecutionEvent event(Type type, std::uint32_t command = 0, const std::string &name = "", const std::string &text = "") {
    return {
        .type = type, .time = from_unix_micros(1'700'000'000'000'000), .command = command, .name = name, .text = text};
}

std::vector<std::int64_t> points_of(const std::vector<ExecutionEvent> &events) {
    std::vector<std::int64_t> points;
    for (std::int64_t id = -2; id <= static_cast<std::int64_t>(events.size()) + 2; ++id)
        if (!why_no_reset(events, id))
            points.push_back(id);
    return points;
}

void refuses(const std::string &json, const std::string &path, bool reset) {
    try {
        if (reset)
            parse_reset_options(json);
        else
            parse_move_options(json);
        ADD_FAILURE() << json;
    } catch (const hc::Error &e) {
        EXPECT_STREQ(e.sqlstate(), "22023") << json;
        EXPECT_NE(e.detail().find(path), std::string::npos) << e.detail();
    }
}

} // namespace

TEST(ExecutionReset, AnyEventButTheEnd) {
    std::vector<ExecutionEvent> events{event(Type::workflow_execution_started), event(Type::step_completed, 1, "a"),
                                       event(Type::signal_received, 0, "s"), event(Type::timer_started, 2)};
    EXPECT_EQ(points_of(events), (std::vector<std::int64_t>{1, 2, 3, 4}));
    EXPECT_EQ(last_reset_point(events), 4);
    for (const Type end : {Type::workflow_execution_completed, Type::workflow_execution_failed,
                           Type::workflow_execution_timed_out, Type::workflow_execution_canceled,
                           Type::workflow_execution_terminated, Type::workflow_execution_continued_as_new}) {
        std::vector<ExecutionEvent> closed = events;
        closed.push_back(event(end));
        EXPECT_EQ(points_of(closed), (std::vector<std::int64_t>{1, 2, 3, 4}));
        const auto refusal = why_no_reset(closed, 5);
        ASSERT_TRUE(refusal);
        EXPECT_EQ(refusal->detail, "Event 5 is the end of the execution.");
        EXPECT_EQ(refusal->nearest, "4");
    }
    EXPECT_EQ(why_no_reset(events, 0)->nearest, "1");
    EXPECT_EQ(why_no_reset(events, -7)->detail, "The history has no event -7.");
    EXPECT_EQ(why_no_reset(events, 99)->nearest, "4");
    EXPECT_EQ(why_no_reset(events, INT64_MAX)->nearest, "4");
    EXPECT_EQ(why_no_reset(events, INT64_MIN)->nearest, "1");
    EXPECT_EQ(last_reset_point({}), 0);
    EXPECT_EQ(why_no_reset({}, 1)->nearest, "");
}

TEST(ExecutionReset, ActivitiesThatWereOpenThere) {
    for (const Type end :
         {Type::activity_completed, Type::activity_failed, Type::activity_timed_out, Type::activity_canceled}) {
        const std::vector<ExecutionEvent> events{event(Type::workflow_execution_started),
                                                 event(Type::activity_scheduled, 1),
                                                 event(Type::activity_scheduled, 2),
                                                 event(Type::activity_started, 1),
                                                 event(end, 1),
                                                 event(Type::activity_scheduled, 3),
                                                 event(end, 2),
                                                 event(Type::workflow_execution_terminated)};
        EXPECT_EQ(points_of(events), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7}));
        EXPECT_EQ(last_reset_point(events), 7);
        const auto at = [&events](std::int64_t point) {
            std::string words;
            for (const ActivityAtReset &activity : activities_at(events, point))
                words +=
                    std::to_string(activity.command) +
                    (activity.end == nullptr ? "? " : "@" + std::to_string(activity.end - events.data() + 1) + " ");
            return words;
        };
        EXPECT_EQ(at(1), "");
        EXPECT_EQ(at(2), "1@5 ");
        EXPECT_EQ(at(4), "1@5 2@7 ");
        EXPECT_EQ(at(5), "2@7 ");
        EXPECT_EQ(at(6), "2@7 3? ");
        EXPECT_EQ(at(7), "3? ");
    }
}

// What was open where a reset has cut is lost until it is scheduled anew, or told to have ended.
TEST(ExecutionReset, LostActivities) {
    const std::string origin = "00000000-0000-7000-8000-000000000001";
    Replay replay({}, {event(Type::workflow_execution_started), event(Type::activity_scheduled, 1),
                       event(Type::activity_scheduled, 2), event(Type::activity_scheduled, 3),
                       event(Type::activity_failed, 2)});
    EXPECT_FALSE(replay.is_lost(1));
    replay.add(event(Type::workflow_execution_options_updated)); // of a move
    EXPECT_FALSE(replay.is_lost(1));
    replay.add(event(Type::workflow_execution_options_updated, 0, "", origin));
    EXPECT_TRUE(replay.is_lost(1) && replay.is_lost(3));
    EXPECT_FALSE(replay.is_lost(2) || replay.is_lost(0) || replay.is_lost(4));
    replay.add(event(Type::activity_rescheduled, 1));
    EXPECT_FALSE(replay.is_lost(1));
    EXPECT_TRUE(replay.is_open(1));
    replay.add(event(Type::activity_completed, 3));
    EXPECT_FALSE(replay.is_lost(3));
    replay.add(event(Type::workflow_execution_options_updated, 0, "", origin)); // once more
    EXPECT_TRUE(replay.is_lost(1));
}

TEST(ExecutionReset, Updates) {
    ExecutionEvent completed = event(Type::update_completed, 2, "", "a");
    completed.payload = "{}";
    const std::vector<ExecutionEvent> events{event(Type::workflow_execution_started),
                                             event(Type::update_accepted, 1, "add", "a"),
                                             completed,
                                             event(Type::update_accepted, 3, "add", "b"),
                                             event(Type::update_accepted, 4, "add", "c"),
                                             event(Type::update_completed, 5, "", "b")};
    const auto at = [&events](std::int64_t point) {
        std::string words;
        for (const UpdateAtReset &update : updates_at(events, point))
            words += update.accepted->text + (update.kept ? "=" : "+") + (update.outcome ? "o" : "") +
                     (update.completed ? "! " : " ");
        return words;
    };
    EXPECT_EQ(at(1), "a+! b+! c+ ");
    EXPECT_EQ(at(2), "a=! b+! c+ ");
    EXPECT_EQ(at(3), "a=o! b+! c+ ");
    EXPECT_EQ(at(5), "a=o! b=! c= ");
    EXPECT_EQ(updates_at(std::span(events).first(2), 2).size(), 1U);
}

TEST(ExecutionReset, ChildrenThatWereOpenThere) {
    const std::vector<ExecutionEvent> events{
        event(Type::workflow_execution_started),     event(Type::child_started, 1, "c", "one"),
        event(Type::child_started, 2, "c", "two"),   event(Type::child_completed, 1),
        event(Type::child_started, 3, "c", "three"), event(Type::child_failed, 2),
        event(Type::child_start_failed, 3)};
    const auto at = [&events](std::int64_t point) {
        std::string words;
        for (const ChildAtReset &child : children_at(events, point))
            words += child.execution_id +
                     (child.end == nullptr ? "? " : "@" + std::to_string(child.end - events.data() + 1) + " ");
        return words;
    };
    EXPECT_EQ(at(1), "");
    EXPECT_EQ(at(2), "one@4 ");
    EXPECT_EQ(at(3), "one@4 two@6 ");
    EXPECT_EQ(at(4), "two@6 ");
    EXPECT_EQ(at(5), "two@6 three@7 ");
    EXPECT_EQ(at(6), "three@7 ");
    EXPECT_EQ(at(7), "");
    EXPECT_EQ(children_at(std::span(events).first(3), 3).size(), 2U);
    EXPECT_EQ(children_at(std::span(events).first(3), 3)[0].end, nullptr);
}

TEST(ExecutionReset, SignalsAfterIt) {
    const std::vector<ExecutionEvent> events{event(Type::workflow_execution_started),
                                             event(Type::signal_received, 0, "a"), event(Type::cancel_requested),
                                             event(Type::signal_received, 0, "b")};
    EXPECT_EQ(signals_after(events, 1).size(), 2U);
    ASSERT_EQ(signals_after(events, 2).size(), 1U);
    EXPECT_EQ(signals_after(events, 2)[0]->name, "b");
    EXPECT_TRUE(signals_after(events, 4).empty());
}

TEST(ExecutionReset, TheOriginOfRandomNumbers) {
    const std::vector<ExecutionEvent> events{event(Type::workflow_execution_started),
                                             event(Type::step_completed, 1, "a"),
                                             event(Type::workflow_execution_options_updated, 0, "", "first"),
                                             event(Type::step_completed, 2, "a"),
                                             event(Type::workflow_execution_options_updated), // of a move
                                             event(Type::workflow_execution_options_updated, 0, "", "second"),
                                             event(Type::step_completed, 3, "a")};
    for (const auto &[point, origin] : std::vector<std::pair<std::int64_t, std::string>>{
             {1, "first"}, {2, "first"}, {3, "second"}, {5, "second"}, {6, "third"}, {7, "third"}})
        EXPECT_EQ(random_origin(events, point, "third"), origin) << point;
}

TEST(ExecutionReset, Options) {
    const ResetOptions none = parse_reset_options("{}");
    EXPECT_TRUE(none.reapply_signals && none.reapply_updates && none.request_id.empty() && !none.version &&
                !none.run_timeout);
    const ResetOptions all =
        parse_reset_options(R"({"request_id": "r", "reapply": "none", "run_timeout": "1h", "version": 3})");
    EXPECT_EQ(all.request_id, "r");
    EXPECT_FALSE(all.reapply_signals || all.reapply_updates);
    const ResetOptions signals = parse_reset_options(R"({"reapply": "signals"})");
    EXPECT_TRUE(signals.reapply_signals && !signals.reapply_updates);
    EXPECT_EQ(all.run_timeout, std::chrono::hours(1));
    EXPECT_EQ(all.version, 3);
    for (const auto &[json, path] :
         std::vector<std::pair<std::string, std::string>>{{"[]", "$"},
                                                          {R"({"reaply": 1})", "$"},
                                                          {R"({"reapply": "everything"})", "$.reapply"},
                                                          {R"({"version": 0})", "$.version"},
                                                          {R"({"request_id": ""})", "$.request_id"},
                                                          {R"({"run_timeout": 0})", "$.run_timeout"}})
        refuses(json, path, true);
    EXPECT_EQ(parse_move_options("{}").max_executions, 10'000);
    const MoveOptions move = parse_move_options(R"({"max_executions": 5, "reason": "why"})");
    EXPECT_EQ(move.max_executions, 5);
    EXPECT_EQ(move.reason, "why");
    for (const auto &[json, path] :
         std::vector<std::pair<std::string, std::string>>{{"1", "$"},
                                                          {R"({"max_executions": 0})", "$.max_executions"},
                                                          {R"({"max_executions": 100001})", "$.max_executions"},
                                                          {R"({"reason": 1})", "$.reason"},
                                                          {R"({"why": "x"})", "$"}})
        refuses(json, path, false);
}
