// Histories as JSON documents: what goes out comes back, byte by byte; what is wrong is told with its path.
#include "core/error.hpp"
#include "core/execution_json.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>

using namespace hc::core;

namespace {

using Type = ExecutionEventType;

ExecutionDocument small() {
    ExecutionDocument document;
    document.id = {{1, 2, 3}};
    document.workflow_type = "payment";
    document.version = 2;
    document.function = "app.payment(jsonb)";
    document.digest = std::string("\x00\xff\x10", 3);
    document.workflow_id = "order-7";
    document.input = R"({"n": 12345678901234567890.123456789012345678901234567890, "t": "a\"b\\c ]}"})";
    document.events = {
        {.type = Type::workflow_execution_started, .time = from_unix_micros(1'700'000'000'123'456), .name = "payment"},
        {.type = Type::child_started,
         .time = from_unix_micros(1'700'000'001'000'000),
         .command = 1,
         .hash = 0xFEDCBA9876543210ULL,
         .name = "child",
         .payload = "terminate",
         .text = "00000000-0000-7000-8000-000000000001"},
        {.type = Type::timer_started,
         .time = from_unix_micros(1'700'000'001'000'000),
         .command = 2,
         .kind = CommandKind::timer,
         .due = from_unix_micros(1'800'000'000'000'001)},
        {.type = Type::signal_received,
         .time = from_unix_micros(1'700'000'002'000'000),
         .name = "s",
         .payload = "1e400"},
        {.type = Type::workflow_execution_completed,
         .time = from_unix_micros(1'700'000'003'000'000),
         .payload = R"([1.50, "\u00e4", {"a": [[]]}])"}};
    return document;
}

std::string detail_of(const std::string &json, const char *sqlstate = "22023") {
    try {
        parse_execution_json(json);
        ADD_FAILURE() << "no error: " << json;
    } catch (const hc::Error &e) {
        EXPECT_STREQ(e.sqlstate(), sqlstate) << json;
        EXPECT_EQ(e.message(), "invalid history");
        return e.detail();
    }
    return {};
}

std::string with_event(const std::string &members) {
    return R"({"format": 1, "execution_id": "00000000-0000-7000-8000-000000000001", "input": {}, "events": [)"
           R"({"event_id": 1, "time": "2026-01-01T00:00:00Z", "type": "WorkflowExecutionStarted"}, {)" +
           members + "}]}";
}

} // namespace

TEST(ExecutionJson, ComesBack) {
    const ExecutionDocument document = small();
    const std::string json = execution_json(document);
    EXPECT_EQ(parse_execution_json(json), document);
    EXPECT_NE(json.find("\"status\": \"Completed\""), std::string::npos);
    EXPECT_NE(json.find("\"digest\": \"00ff10\""), std::string::npos);
    EXPECT_NE(json.find("12345678901234567890.123456789012345678901234567890"), std::string::npos);
    EXPECT_NE(json.find("\"payload_text\": \"terminate\""), std::string::npos);
    ExecutionDocument other = document;
    other.workflow_id.reset();
    other.tenant = "acme";
    other.events.pop_back();
    EXPECT_EQ(parse_execution_json(execution_json(other)), other);
    EXPECT_NE(execution_json(other).find("\"status\": \"Running\""), std::string::npos);
}

TEST(ExecutionJson, RandomHistoriesComeBack) {
    std::mt19937_64 random(7);
    const auto below = [&random](std::uint64_t n) { return random() % n; };
    const std::vector<std::string> payloads{"",         "1",  "null",  "-0.10",     " 1", "{}", R"({"a": [1, "]"]})",
                                            "not json", "\"", "1e999", "[[[[[]]]]]"};
    const std::vector<std::string> texts{"", "a", "\"quoted\"", "line\nbreak\ttab", "\xC3\xA4", "{\"x\": 1}", "\\"};
    for (int round = 0; round < 300; ++round) {
        ExecutionDocument document = small();
        Time time = document.events.front().time;
        for (std::uint64_t i = below(30); i > 0; --i) {
            time += std::chrono::microseconds(below(1'000'000'000));
            ExecutionEvent event;
            event.type = static_cast<Type>(1 + below(static_cast<std::uint64_t>(kLastExecutionEventType)));
            event.time = time;
            event.command = static_cast<std::uint32_t>(below(3) == 0 ? 0 : below(UINT32_MAX));
            event.kind = static_cast<CommandKind>(below(static_cast<std::uint64_t>(kLastCommandKind) + 1));
            if (below(2) == 0)
                event.due = from_unix_micros(static_cast<std::int64_t>(below(4'000'000'000'000'000)));
            event.hash = below(2) == 0 ? 0 : random();
            event.name = texts[below(texts.size())];
            event.payload = payloads[below(payloads.size())];
            event.text = texts[below(texts.size())];
            document.events.push_back(event);
        }
        std::stable_sort(document.events.begin(), document.events.end(),
                         [](const ExecutionEvent &a, const ExecutionEvent &b) { return a.time < b.time; });
        const std::string json = execution_json(document);
        EXPECT_TRUE(nlohmann::json::accept(json) || json.find("1e999") != std::string::npos);
        EXPECT_EQ(parse_execution_json(json), document);
    }
}

TEST(ExecutionJson, WhatIsWrongHasAPath) {
    EXPECT_EQ(detail_of(""), "$: must be an object.");
    EXPECT_EQ(detail_of("[]"), "$: must be an object.");
    EXPECT_EQ(detail_of(with_event("\"payload\": [\x8b, 1]")), "$: must be in UTF-8.");
    EXPECT_EQ(detail_of("{}"), "$.format: must be 1.");
    EXPECT_EQ(detail_of(R"({"format": 2})"), "$.format: must be 1.");
    EXPECT_EQ(detail_of(R"({"format": 1})"), "$.execution_id: is missing.");
    EXPECT_EQ(detail_of(R"({"execution_id": 5})"), "$.execution_id: must be a string.");
    EXPECT_EQ(detail_of(R"({"execution_id": "x"})"), "$.execution_id: must be a UUID.");
    EXPECT_EQ(detail_of(R"({"digest": "0"})"), "$.digest: must have hexadecimal digits.");
    EXPECT_EQ(detail_of(R"({"digest": "zz"})"), "$.digest: must have hexadecimal digits.");
    EXPECT_EQ(detail_of(R"({"version": 1.5})"), "$.version: must be a whole number from 0.");
    EXPECT_EQ(detail_of(R"({"events": {}})"), "$.events: must be an array.");
    EXPECT_EQ(detail_of(R"({"events": []})"), "$.events: must begin with WorkflowExecutionStarted.");
    EXPECT_EQ(detail_of(R"({"events": [1]})"), "$.events[0]: must be an object.");
    EXPECT_EQ(detail_of(with_event(R"("time": "2026-01-01T00:00:00Z")")), "$.events[1]: must have a type.");
    EXPECT_EQ(detail_of(with_event(R"("type": "TimerFired")")), "$.events[1]: must have a time.");
    EXPECT_EQ(detail_of(with_event(R"("type": "Nothing")")), "$.events[1].type: has a word that is not known.");
    EXPECT_EQ(detail_of(with_event(R"("kind": "")")), "$.events[1].kind: has a word that is not known.");
    EXPECT_EQ(detail_of(with_event(R"("time": "yesterday")")),
              "$.events[1].time: must be a time in ISO 8601 with its zone.");
    EXPECT_EQ(detail_of(with_event(R"("time": "2025-01-01T00:00:00Z", "type": "TimerFired")")),
              "$.events[1].time: must not be before that of the event before it.");
    EXPECT_EQ(detail_of(with_event(R"("event_id": 3)")),
              "$.events[1].event_id: must be 2: events are numbered from 1.");
    EXPECT_EQ(detail_of(with_event(R"("command": 0)")), "$.events[1].command: must be a whole number from 1.");
    EXPECT_EQ(detail_of(with_event(R"("command": 4294967296)")), "$.events[1].command: must be a whole number from 1.");
    EXPECT_EQ(detail_of(with_event(R"("hash": "12")")), "$.events[1].hash: must have 16 hexadecimal digits.");
    EXPECT_EQ(detail_of(with_event(R"("extra": 1)")), "$.events[1]: has a key that is not known.");
    EXPECT_EQ(detail_of(R"({"format": 1, "execution_id": "00000000-0000-7000-8000-000000000001"})"),
              "$.input: is missing.");
    EXPECT_EQ(detail_of(R"({"input": {"a": [1, 2])"), "$: is no JSON: it ends inside a value.");
    EXPECT_EQ(detail_of(R"({"input": "x)"), "$: has a string without an end.");
    EXPECT_EQ(detail_of(R"({"input": ]})"), "$: is no JSON: ']' at byte 10.");
    EXPECT_EQ(detail_of(R"({"format": 1} x)"), "$: is no JSON: it goes on at byte 14.");
    EXPECT_EQ(detail_of("{\"input\": " + std::string(20'000, '[') + "}", "54000"), "$: is nested too deeply.");
}

TEST(ExecutionJson, TooManyEvents) {
    std::string json = R"({"events": [{"time": "2026-01-01T00:00:00Z", "type": "WorkflowExecutionStarted"})";
    for (int i = 0; i < 50'001; ++i)
        json += R"(,{"time": "2026-01-01T00:00:00Z", "type": "TimerFired"})";
    EXPECT_EQ(detail_of(json + "]}", "54000"), "$.events: has more than 50000 events.");
}
TEST(ExecutionJson, WhatCanBeStoredAsClosed) {
    const auto refusal = [](const ExecutionDocument &document) -> std::string {
        try {
            check_closed_document(document);
            return "";
        } catch (const hc::Error &e) {
            return e.detail();
        }
    };
    EXPECT_EQ(refusal(small()), "");
    ExecutionDocument open = small();
    open.events.pop_back();
    EXPECT_EQ(refusal(open), "$.events[3]: must be the end of the execution: only closed ones are imported.");
    ExecutionDocument twice = small();
    twice.events.push_back(twice.events.back());
    EXPECT_EQ(refusal(twice), "$.events[4]: must not be an end: others follow.");
    ExecutionDocument starts = small();
    starts.events[3] = starts.events[0];
    EXPECT_EQ(refusal(starts), "$.events[3]: must not be a second start.");
    ExecutionDocument text = small();
    text.events[3].payload = "no JSON";
    EXPECT_EQ(refusal(text), "$.events[3].payload_text: must be JSON.");
    for (const char *payload :
         {"1e400", "-0.5E+10", R"({"a-1": [1, -2.5e3, "x\"1."], "b": true})", "12345678901234567890"}) {
        text.events[3].payload = payload;
        EXPECT_EQ(refusal(text), "") << payload;
    }
    for (const char *payload : {"1e", "-", "01", "1.", "[1 2]", "1-2", "{\"a\": 1", "\"open", "+1"}) {
        text.events[3].payload = payload;
        EXPECT_EQ(refusal(text), "$.events[3].payload_text: must be JSON.") << payload;
    }
    ExecutionDocument gap = small();
    gap.events[2].command = 3;
    EXPECT_EQ(refusal(gap), "Event 3 records command 3 after command 1.");
    ExecutionDocument input = small();
    input.input = "{";
    EXPECT_EQ(refusal(input), "$.input: must be JSON.");
}
