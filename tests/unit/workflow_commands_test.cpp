// Answers of programs outside of the database: every command, every refusal with its path.
#include "core/error.hpp"
#include "core/execution_replay.hpp"
#include "core/task_token.hpp"
#include "core/workflow_commands.hpp"

#include <gtest/gtest.h>

using namespace hc::core;

namespace {

using Type = ProgramCommandType;
using Event = ExecutionEventType;

const std::vector<ProgramUpdate> kUpdates{{"u1", "add", R"({"n": 1})"}, {"u2", "add", "{}"}};

ProgramRules rules() {
    ProgramRules rules;
    rules.max_payload = 1000;
    rules.max_memo = 1000;
    rules.attributes = {{"City", AttributeType::keyword}};
    rules.activity_type = [](const std::string &name) {
        return name == "known" ? parse_activity_type(R"({"start_to_close": "30s"})") : ActivityTypeOptions{};
    };
    rules.updates = kUpdates;
    return rules;
}

// What has happened: command 1 is a timer, 2 an activity that is open, 3 a child, 4 an activity that has ended.
std::vector<ExecutionEvent> history() {
    return {{.type = Event::workflow_execution_started, .name = "test"},
            {.type = Event::timer_started, .command = 1, .kind = CommandKind::timer, .due = from_unix_micros(5)},
            {.type = Event::activity_scheduled, .command = 2, .name = "a", .payload = R"({"activity_id": "open"})"},
            {.type = Event::child_started, .command = 3, .name = "c", .payload = "abandon", .text = "x"},
            {.type = Event::activity_scheduled, .command = 4, .name = "a", .payload = R"({"activity_id": "over"})"},
            {.type = Event::activity_completed, .command = 4},
            {.type = Event::marker_recorded, .kind = CommandKind::version, .name = "old", .payload = "1"},
            {.type = Event::marker_recorded, .kind = CommandKind::set_query_result, .name = "q", .payload = "1"},
            {.type = Event::update_accepted, .name = "add", .payload = "{}", .text = "taken"}};
}

std::vector<ProgramCommand> read(const std::string &json) {
    return read_program_answer(json, program_state(Replay({}, history())), rules());
}

ProgramCommand one(const std::string &json) {
    const std::vector<ProgramCommand> commands = read("[" + json + "]");
    EXPECT_EQ(commands.size(), 1U);
    return commands.at(0);
}

std::string refusal(const std::string &json, const char *sqlstate = "22023") {
    try {
        read(json);
        ADD_FAILURE() << "no error: " << json;
    } catch (const hc::Error &e) {
        EXPECT_STREQ(e.sqlstate(), sqlstate) << json << " " << e.detail();
        EXPECT_EQ(e.message(), "invalid workflow command");
        return e.detail();
    }
    return {};
}

TEST(WorkflowCommands, NothingIsAnAnswer) { EXPECT_TRUE(read("[]").empty()); }

TEST(WorkflowCommands, Activity) {
    const ProgramCommand c = one(R"({"type": "start_activity", "activity": "known", "input": {"n": 1.50},
        "options": {"activity_id": "over", "cancellation": "wait"}, "command": 5})");
    EXPECT_EQ(c.type, Type::start_activity);
    EXPECT_EQ(c.number, 5U);
    EXPECT_EQ(c.event.type, Event::activity_scheduled);
    EXPECT_EQ(c.event.name, "known");
    EXPECT_EQ(c.input, R"({"n": 1.50})"); // as it is
    EXPECT_EQ(c.event.text, kWaitCancellation);
    EXPECT_EQ(c.activity.start_to_close, std::chrono::seconds(30));
    EXPECT_FALSE(c.closes());
    EXPECT_EQ(one(R"({"type": "start_activity", "activity": "known"})").input, "{}");
}

TEST(WorkflowCommands, ActivityIsRefused) {
    EXPECT_EQ(refusal(R"([{"type": "start_activity"}])"), "$[0].activity: is missing.");
    EXPECT_EQ(refusal(R"([{"type": "start_activity", "activity": ""}])"),
              "$[0].activity: invalid activity type name. It must have 1 to 200 bytes.");
    EXPECT_EQ(refusal(R"([{"type": "start_activity", "activity": "known", "options": {"retry": {"coefficient": 0}}}])")
                  .substr(0, 35),
              "$[0].options.retry.coefficient: mus");
    EXPECT_EQ(refusal(R"([{"type": "start_activity", "activity": "unknown"}])").substr(0, 24),
              "$[0].options has neither");
    EXPECT_EQ(refusal(R"([{"type": "start_activity", "activity": "known", "options": {"activity_id": "open"}}])"),
              "$[0].options.activity_id: is that of an activity that is open.");
    EXPECT_EQ(
        refusal(R"([{"type": "start_activity", "activity": "known", "input": ")" + std::string(1000, 'x') + R"("}])",
                "54000")
            .substr(0, 11),
        "$[0].input:");
}

TEST(WorkflowCommands, TwoActivitiesOfOneIdInAnAnswer) {
    const std::string twice = R"({"type": "start_activity", "activity": "known", "options": {"activity_id": "same"}})";
    EXPECT_EQ(refusal("[" + twice + ", " + twice + "]"),
              "$[1].options.activity_id: is that of an activity that is open.");
}

TEST(WorkflowCommands, Timer) {
    const ProgramCommand c = one(R"({"type": "start_timer", "duration": "1h30m"})");
    EXPECT_EQ(c.event.type, Event::timer_started);
    EXPECT_EQ(c.event.kind, CommandKind::timer);
    EXPECT_EQ(c.duration, std::chrono::minutes(90));
    EXPECT_EQ(refusal(R"([{"type": "start_timer"}])"), "$[0].duration: is missing.");
    EXPECT_EQ(refusal(R"([{"type": "start_timer", "duration": "soon"}])").substr(0, 14), "$[0].duration:");
    EXPECT_EQ(refusal(R"([{"type": "start_timer", "duration": -1}])").substr(0, 14), "$[0].duration:");
}

TEST(WorkflowCommands, Child) {
    const ProgramCommand c = one(R"({"type": "start_child", "workflow_type": "c", "workflow_id": "w7", "input": [1],
        "options": {"parent_close_policy": "request_cancel", "search_attributes": {"City": "Bonn"}}})");
    EXPECT_EQ(c.event.type, Event::child_started);
    EXPECT_EQ(c.event.payload, "request_cancel");
    EXPECT_EQ(c.workflow_id, "w7");
    EXPECT_EQ(c.attributes.search.at("City"), "\"Bonn\"");
    EXPECT_EQ(
        refusal(R"([{"type": "start_child", "workflow_type": "c", "options": {"search_attributes": {"Town": "B"}}}])")
            .substr(0, 31),
        "$[0].options.search_attributes:");
    EXPECT_EQ(refusal(R"([{"type": "start_child", "workflow_type": "c", "options": {"parent_close_policy": "no"}}])")
                  .substr(0, 33),
              "$[0].options.parent_close_policy:");
}

TEST(WorkflowCommands, CancelsNameWhatTheyAreFor) {
    const ProgramCommand c = one(R"({"type": "cancel_timer", "handle": 1})");
    EXPECT_EQ(c.event.type, Event::timer_canceled);
    EXPECT_EQ(c.event.payload, "1");
    EXPECT_EQ(c.handle, 1U);
    EXPECT_EQ(one(R"({"type": "cancel_activity", "handle": 2})").event.type, Event::activity_cancel_requested);
    EXPECT_EQ(one(R"({"type": "cancel_child", "handle": 3})").event.type, Event::child_cancel_requested);
    EXPECT_EQ(one(R"({"type": "cancel_activity", "handle": 4})").handle, 4U); // that is over: the worker cannot know
    EXPECT_EQ(refusal(R"([{"type": "cancel_timer", "handle": 2}])"),
              "$[0].handle: must be the number of a command that started a timer.");
    EXPECT_EQ(refusal(R"([{"type": "cancel_child", "handle": 77}])"),
              "$[0].handle: must be the number of a command that started a child.");
    EXPECT_EQ(refusal(R"([{"type": "cancel_activity", "handle": "2"}])"),
              "$[0].handle: must be a whole number from 1.");
    // of the same answer
    EXPECT_EQ(read(R"([{"type": "start_timer", "duration": 1}, {"type": "cancel_timer", "handle": 5}])")[1].handle, 5U);
}

TEST(WorkflowCommands, Markers) {
    const ProgramCommand c = one(R"({"type": "record_marker", "name": "m", "value": {"x": 12345678901234567890123}})");
    EXPECT_EQ(c.event.kind, CommandKind::side_effect);
    EXPECT_EQ(c.event.payload, R"({"x": 12345678901234567890123})");
    EXPECT_EQ(c.number, 5U);
    const ProgramCommand v = one(R"({"type": "record_version", "change": "new", "version": 2})");
    EXPECT_EQ(v.number, 0U);
    EXPECT_EQ(v.event.payload, "2");
    EXPECT_EQ(refusal(R"([{"type": "record_version", "change": "old", "version": 2}])"),
              "$[0].change: has a version that is recorded already.");
    EXPECT_EQ(refusal(R"([{"type": "record_version", "change": "new", "version": 2, "command": 5}])"),
              "$[0].command: is not known of record_version.");
}

TEST(WorkflowCommands, Attributes) {
    EXPECT_EQ(one(R"({"type": "set_attributes", "attributes": {"City": "Ulm"}})").event.payload, R"({"City": "Ulm"})");
    EXPECT_EQ(one(R"({"type": "set_memo", "fields": {"a": [1]}})").event.type, Event::memo_modified);
    EXPECT_EQ(refusal(R"([{"type": "set_attributes", "attributes": {"City": 7}}])").substr(0, 17), "$[0].attributes: ");
    EXPECT_EQ(refusal(R"([{"type": "set_memo", "fields": 7}])").substr(0, 12), "$[0].fields:");
}

TEST(WorkflowCommands, QueryResultsThatDoNotChangeLeaveNothing) {
    EXPECT_EQ(one(R"({"type": "set_query_result", "name": "q", "value": 1})").event.type, Event{});
    const ProgramCommand c = one(R"({"type": "set_query_result", "name": "q", "value": 2})");
    EXPECT_EQ(c.event.kind, CommandKind::set_query_result);
    EXPECT_EQ(c.number, 0U);
    EXPECT_EQ(query_results_of(history()).at("q"), "1");
}

TEST(WorkflowCommands, Updates) {
    const auto commands = read(R"([{"type": "accept_update", "update_id": "u1"},
        {"type": "complete_update", "update_id": "u1", "result": 7},
        {"type": "complete_update", "update_id": "taken", "failure": {"message": "no"}},
        {"type": "reject_update", "update_id": "u2", "failure": {"message": "full", "sqlstate": "K0001"}}])");
    EXPECT_EQ(commands[0].event.payload, R"({"n": 1})");
    EXPECT_EQ(commands[0].event.name, "add");
    EXPECT_EQ(commands[0].number, 0U);
    EXPECT_EQ(commands[1].number, 5U);
    EXPECT_EQ(commands[1].event.payload, R"({"result": 7})");
    EXPECT_NE(commands[2].event.payload.find("\"no\""), std::string::npos);
    EXPECT_EQ(commands[3].event.type, Event{});
    EXPECT_EQ(commands[3].failure.sqlstate, "K0001");
    EXPECT_EQ(refusal(R"([{"type": "accept_update", "update_id": "u9"}])"),
              "$[0].update_id: must be that of an update that waits to be accepted.");
    EXPECT_EQ(
        refusal(R"([{"type": "accept_update", "update_id": "u1"}, {"type": "accept_update", "update_id": "u1"}])"),
        "$[1].update_id: is that of an update that was accepted or rejected before.");
    EXPECT_EQ(refusal(R"([{"type": "complete_update", "update_id": "u1", "result": 1}])"),
              "$[0].update_id: must be that of an update that was accepted and is not completed.");
    EXPECT_EQ(refusal(R"([{"type": "complete_update", "update_id": "taken"}])"),
              "$[0]: must have a result or a failure.");
}

TEST(WorkflowCommands, TheClosingOnesAreTheLast) {
    for (const char *closing : {R"({"type": "complete_workflow", "result": 1})", R"({"type": "complete_workflow"})",
                                R"({"type": "fail_workflow", "failure": {"message": "m"}})",
                                R"({"type": "cancel_workflow"})", R"({"type": "continue_as_new", "input": {}})"}) {
        const std::string alone = std::string("[") + closing;
        EXPECT_TRUE(read(alone + "]").back().closes());
        EXPECT_EQ(refusal(alone + R"(, {"type": "cancel_workflow"}])"),
                  "$[1]: comes after a command that closes the workflow.");
    }
    EXPECT_EQ(one(R"({"type": "fail_workflow", "failure": {"message": "m"}})").event.payload,
              failure_json({"P0001", "m", "", ""}));
    EXPECT_EQ(refusal(R"([{"type": "fail_workflow", "failure": {"sqlstate": "K0001"}}])").substr(0, 13),
              "$[0].failure.");
    EXPECT_EQ(refusal(R"([{"type": "fail_workflow", "failure": {"message": "m", "sqlstate": "x"}}])").substr(0, 13),
              "$[0].failure:");
    EXPECT_EQ(refusal(R"([{"type": "continue_as_new"}])"), "$[0].input: is missing.");
}

TEST(WorkflowCommands, Shapes) {
    EXPECT_EQ(refusal("{}"), "$: must be an array.");
    EXPECT_EQ(refusal("[7]"), "$[0]: must be an object.");
    EXPECT_EQ(refusal("[{}]"), "$[0].type: is missing.");
    EXPECT_EQ(refusal(R"([{"type": "launch"}])"), "$[0].type: no command is of this type.");
    EXPECT_EQ(refusal(R"([{"type": "start_timer", "duration": 1, "timer": 1}])"),
              "$[0].timer: is not known of start_timer.");
    EXPECT_EQ(refusal(R"([{"type": "start_timer", "duration": 1, "duration": 2}])"), "$[0].duration: is there twice.");
    EXPECT_EQ(refusal(R"([{"type": "cancel_workflow", "": 1}])"), "$[0].: is not known of cancel_workflow.");
}

TEST(WorkflowCommands, NumbersAreTheProgramsOwnCount) {
    EXPECT_EQ(
        read(
            R"([{"type": "start_timer", "duration": 1, "command": 5}, {"type": "cancel_timer", "handle": 5, "command": 6}])")
            .size(),
        2U);
    EXPECT_EQ(refusal(R"([{"type": "start_timer", "duration": 1, "command": 4}])", "WF021"),
              "$[0].command: must be 5, the next one of the history.");
}

TEST(WorkflowCommands, Limits) {
    std::string many = "[";
    for (std::size_t i = 0; i <= kMaxPendingCommands; ++i)
        many += std::string(i == 0 ? "" : ", ") + R"({"type": "start_timer", "duration": 1})";
    EXPECT_EQ(refusal(many + "]", "54000"), "$: has more than 2000 commands.");
    const ProgramState state = program_state(Replay({}, history()));
    ProgramState full = state;
    full.use.events = kMaxExecutionEvents;
    EXPECT_THROW(read_program_answer(R"([{"type": "start_timer", "duration": 1}])", full, rules()), hc::Error);
    EXPECT_EQ(read_program_answer(R"([{"type": "continue_as_new", "input": 1}])", full, rules()).size(), 1U);

    const std::string activity = R"({"type": "start_activity", "activity": "known"})";
    const std::string child = R"({"type": "start_child", "workflow_type": "charge"})";
    ProgramState busy = state;
    busy.use.activities = kMaxOpenActivities - 1;
    EXPECT_EQ(read_program_answer("[" + activity + ", " + child + "]", busy, rules()).size(), 2U);
    EXPECT_THROW(read_program_answer("[" + activity + ", " + activity + "]", busy, rules()), hc::Error);
    busy.use.children = kMaxOpenChildren;
    EXPECT_THROW(read_program_answer("[" + child + "]", busy, rules()), hc::Error);
}

// The replay takes what an outside program has recorded: its commands count, its updates and query results do not.
TEST(WorkflowCommands, TheReplayFollows) {
    Replay replay({}, history());
    replay.append({.type = Event::timer_canceled, .kind = CommandKind::cancel, .payload = "1"});
    EXPECT_EQ(replay.events().back().command, 5U);
    EXPECT_FALSE(replay.is_open(1));
    EXPECT_TRUE(replay.is_open(2));
    EXPECT_TRUE(replay.pending_timers().empty());
    EXPECT_EQ(replay.begin_of(3).type, Event::child_started);
    EXPECT_EQ(program_state(replay).commands, 5U);
}

TEST(WorkflowCommands, PollOptions) {
    EXPECT_FALSE(wants_new_events_only("{}"));
    EXPECT_FALSE(wants_new_events_only(R"({"history": "full"})"));
    EXPECT_TRUE(wants_new_events_only(R"({"history": "new"})"));
    EXPECT_THROW(wants_new_events_only(R"({"history": "old"})"), hc::Error);
    EXPECT_THROW(wants_new_events_only(R"({"sticky": true})"), hc::Error);
}

TEST(TaskToken, ComesBack) {
    const TaskToken token{{{1, 2, 255}}, -7, INT64_MIN};
    EXPECT_EQ(parse_token(format_token(token)), token);
    const std::string text = format_token(token);
    EXPECT_FALSE(parse_token(text.substr(1)));
    EXPECT_FALSE(parse_token(text + "0"));
    EXPECT_FALSE(parse_token("G" + text.substr(1)));
    EXPECT_FALSE(parse_token(""));
}

} // namespace
