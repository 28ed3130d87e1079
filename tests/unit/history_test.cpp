// Histories: binary codec, JSON attributes, ISO 8601 times, cutting of text.
#include "core/error.hpp"
#include "core/history.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <random>

namespace hc::core {
namespace {

constexpr Time kTime = from_unix_micros(1'795'246'837'123'456); // 2026-11-21T07:40:37.123456Z

HistoryEvent event(EventType type, Time time = kTime) {
    HistoryEvent e;
    e.type = type;
    e.time = time;
    return e;
}

HistoryEvent full_event() {
    HistoryEvent e = event(EventType::receipt_recorded);
    e.attempt = 65535;
    e.step = 0;
    e.provider = std::numeric_limits<std::int32_t>::min();
    e.task = std::numeric_limits<std::uint32_t>::max();
    e.due = kNever;
    e.state = ReceiptState::queued;
    e.kind = FailureKind::config;
    e.result = SignalResult::applied;
    e.outcome = Outcome::canceled;
    e.code = -1;
    e.hash = 0xFEDCBA9876543210U;
    e.sequence = std::numeric_limits<std::int64_t>::min();
    e.provider_time = from_unix_micros(std::numeric_limits<std::int64_t>::min());
    e.flags = 0xFFFFFFFFU;
    e.text = std::string("a\0b", 3);
    e.reason = "\xFF not UTF-8";
    return e;
}

std::string sqlstate_of(std::string_view bytes) {
    try {
        decode_events(bytes);
    } catch (const Error &e) {
        return e.sqlstate();
    }
    return "";
}

TEST(HistoryCodec, EveryFieldSurvivesWithExtremeValues) {
    const std::vector<HistoryEvent> events = {full_event()};
    EXPECT_EQ(decode_events(encode_events(events, std::nullopt)), events);
}

TEST(HistoryCodec, OptionalZeroIsNotAbsent) {
    HistoryEvent e = event(EventType::step_started);
    e.step = 0;
    e.sequence = 0;
    e.state = ReceiptState::queued;
    e.result = SignalResult::applied;
    e.due = kTime;
    const std::vector<HistoryEvent> events = {e, event(EventType::step_started)};
    EXPECT_EQ(decode_events(encode_events(events, std::nullopt)), events);
}

TEST(HistoryCodec, RandomEventsSurviveWholeAndAppended) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 2000; ++round) {
        std::vector<HistoryEvent> events;
        for (std::size_t n = random() % 6; n > 0; --n) {
            HistoryEvent e = event(static_cast<EventType>(1 + random() % 20));
            e.time = from_unix_micros(static_cast<std::int64_t>(random()));
            if (random() % 2 == 0)
                e.attempt = static_cast<std::uint16_t>(random());
            if (random() % 2 == 0)
                e.due = from_unix_micros(static_cast<std::int64_t>(random()));
            if (random() % 2 == 0)
                e.code = static_cast<std::int32_t>(random());
            if (random() % 2 == 0)
                e.sequence = static_cast<std::int64_t>(random());
            if (random() % 2 == 0)
                e.text.assign(random() % 300, static_cast<char>(random()));
            if (random() % 2 == 0)
                e.hash = random();
            events.push_back(std::move(e));
        }
        const std::string whole = encode_events(events, std::nullopt);
        EXPECT_EQ(decode_events(whole), events);
        if (events.empty())
            continue;
        const std::size_t cut = 1 + random() % events.size();
        const std::span<const HistoryEvent> all(events);
        const std::string appended =
            encode_events(all.first(cut), std::nullopt) + encode_events(all.subspan(cut), events[cut - 1].time);
        EXPECT_EQ(appended, whole);
    }
}

// start, send, answer, timer, receipt, end, with the identity of one receipt (8 bytes) and a provider id of 20.
TEST(HistoryCodec, HappyHistoryIsCompact) {
    std::vector<HistoryEvent> events;
    const auto add = [&events](EventType type, std::int64_t ms) -> HistoryEvent & {
        return events.emplace_back(event(type, kTime + std::chrono::milliseconds(ms)));
    };
    add(EventType::cascade_started, 0).due = kTime + std::chrono::hours(1);
    add(EventType::step_started, 0).step = 0;
    HistoryEvent &send = add(EventType::send_scheduled, 0);
    send.attempt = 1;
    send.step = 0;
    send.provider = 3;
    send.task = 1;
    send.due = kTime;
    HistoryEvent &answer = add(EventType::send_completed, 120);
    answer.attempt = 1;
    answer.code = 202;
    answer.state = ReceiptState::accepted;
    answer.due = answer.time + std::chrono::seconds(30);
    answer.text = std::string(20, 'x');
    HistoryEvent &receipt = add(EventType::receipt_recorded, 2500);
    receipt.attempt = 1;
    receipt.state = ReceiptState::delivered;
    receipt.result = SignalResult::applied;
    receipt.hash = 0x0123456789ABCDEFU;
    HistoryEvent &end = add(EventType::cascade_completed, 2500);
    end.outcome = Outcome::delivered;
    end.attempt = 1;
    end.step = 0;
    end.state = ReceiptState::delivered;
    end.sequence = 1;
    EXPECT_LT(encode_events(events, std::nullopt).size(), 100U - 1U + 20U);
    events[3].text.clear();
    events[4].hash = 0;
    EXPECT_LT(encode_events(events, std::nullopt).size(), 75U);
}

TEST(HistoryCodec, EveryCutOffHistoryIsRefusedOrShorter) {
    std::vector<HistoryEvent> events = {event(EventType::cascade_started), full_event()};
    const std::string bytes = encode_events(events, std::nullopt);
    const std::size_t first = encode_events(std::span(events).first(1), std::nullopt).size();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const bool whole_events = size == 1 || size == first;
        EXPECT_EQ(sqlstate_of(std::string_view(bytes).substr(0, size)), whole_events ? "" : "WF004") << size;
    }
}

TEST(HistoryCodec, BytesThatAreNoHistoryAreRefused) {
    using namespace std::string_literals;
    EXPECT_EQ(sqlstate_of(""), "WF004");
    EXPECT_EQ(sqlstate_of("\x02"s), "WF004");                                                 // format
    EXPECT_EQ(sqlstate_of("\x01\x00\x00\x00"s), "WF004");                                     // type 0
    EXPECT_EQ(sqlstate_of("\x01\x1E\x00\x00"s), "WF004");                                     // type 30
    EXPECT_EQ(sqlstate_of("\x01\x01\x00\x80\x80\x04"s), "WF004");                             // mask bit 16
    EXPECT_EQ(sqlstate_of("\x01\x01\x00\x20\x0C"s), "WF004");                                 // state 12
    EXPECT_EQ(sqlstate_of("\x01\x01\x00\x01\x80\x80\x04"s), "WF004");                         // attempt 65536
    EXPECT_EQ(sqlstate_of("\x01\x01\x00\x04\xFF\xFF\xFF\xFF\x1F"s), "WF004");                 // provider of 33 bits
    EXPECT_EQ(sqlstate_of("\x01\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02\x00"s), "WF004"); // time of 65 bits
    EXPECT_EQ(sqlstate_of("\x01\x01\x00\x80\x80\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"s), "WF004"); // text size
    EXPECT_EQ(sqlstate_of("\x01\x01\x00\x00"s), "");
}

TEST(HistoryWords, EveryTypeResultAndOutcomeHasItsWord) {
    for (int type = 1; type <= static_cast<int>(kLastEventType); ++type)
        EXPECT_FALSE(to_string(static_cast<EventType>(type)).empty()) << type;
    EXPECT_EQ(to_string(EventType::cascade_started), "CascadeStarted");
    EXPECT_EQ(to_string(EventType::timer_started), "TimerStarted");
    EXPECT_EQ(to_string(EventType::outcome_corrected), "OutcomeCorrected");
    EXPECT_EQ(to_string(EventType::start_delayed), "StartDelayed");
    EXPECT_EQ(to_string(static_cast<EventType>(static_cast<int>(kLastEventType) + 1)), "");
    EXPECT_EQ(to_string(Outcome::none), "");
    EXPECT_EQ(to_string(Outcome::canceled), "CANCELED");
    EXPECT_EQ(to_string(SignalResult::applied), "applied");
    EXPECT_EQ(to_string(SignalResult::buffered), "buffered");
    EXPECT_EQ(to_string(SignalResult::closed), "closed");
}

TEST(HistoryJson, ReceiptHasTheNamesOfTheManual) {
    HistoryEvent e = full_event();
    e.flags = kFlagDuplicateContact | kFlagContacted | kFlagTerminated;
    e.due = kTime;
    e.provider_time = kTime;
    e.text = "id-1";
    e.reason = "30003";
    EXPECT_EQ(nlohmann::json::parse(event_attributes_json(e)), nlohmann::json::parse(R"({
        "attempt": 65535, "step": 1, "provider_id": -2147483648, "task": 4294967295,
        "due": "2026-11-21T07:40:37.123456Z", "state": "queued", "failure_kind": "config", "result": "applied",
        "outcome": "CANCELED", "code": -1, "hash": "fedcba9876543210", "sequence": -9223372036854775808,
        "provider_time": "2026-11-21T07:40:37.123456Z",
        "flags": ["duplicate_contact", "contacted", "terminated"],
        "provider_message_id": "id-1", "reason": "30003"})"));
    EXPECT_EQ(event_attributes_json(event(EventType::cascade_started)), "{}");
}

TEST(HistoryJson, TextIsNamedByTheType) {
    HistoryEvent e = event(EventType::signal_received);
    e.text = "opened";
    e.reason = "{}";
    EXPECT_EQ(event_attributes_json(e), R"({"signal":"opened","payload":"{}"})");
    e.type = EventType::receipt_parked;
    EXPECT_EQ(event_attributes_json(e), R"({"raw":"opened","reason":"{}"})");
    e.type = EventType::send_completed;
    EXPECT_EQ(event_attributes_json(e), R"({"provider_message_id":"opened","reason":"{}"})");
}

// jsonb takes neither NUL nor broken UTF-8.
TEST(HistoryJson, AnyBytesGiveValidJson) {
    HistoryEvent e = event(EventType::receipt_parked);
    e.text = std::string("a\0b\xFF", 4);
    EXPECT_EQ(event_attributes_json(e), "{\"raw\":\"a\xEF\xBF\xBD"
                                        "b\xEF\xBF\xBD\"}");
}

TEST(Iso8601, Formats) {
    EXPECT_EQ(format_iso8601(kTime), "2026-11-21T07:40:37.123456Z");
    EXPECT_EQ(format_iso8601(Time{}), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(format_iso8601(from_unix_micros(-1)), "1969-12-31T23:59:59.999999Z");
    EXPECT_EQ(format_iso8601(from_unix_micros(951'782'400'000'000)), "2000-02-29T00:00:00.000000Z");
    EXPECT_EQ(format_iso8601(kNever), "294247-01-10T04:00:54.775807Z");
}

TEST(Iso8601, Parses) {
    EXPECT_EQ(parse_iso8601("2026-11-21T07:40:37.123456Z"), kTime);
    EXPECT_EQ(parse_iso8601("2026-11-21T08:40:37.123456+01:00"), kTime);
    EXPECT_EQ(parse_iso8601("2026-11-21 02:10:37.123456789-0530"), kTime);
    EXPECT_EQ(parse_iso8601("1970-01-01T00:00:01z"), from_unix_micros(1'000'000));
    EXPECT_EQ(parse_iso8601("1970-01-01T00:00:00.5Z"), from_unix_micros(500'000));
    EXPECT_EQ(parse_iso8601("1969-12-31T23:59:60Z"), Time{});
    EXPECT_EQ(parse_iso8601("0001-01-01T00:00:00Z"), from_unix_micros(-62'135'596'800'000'000));
}

TEST(Iso8601, RefusesWhatIsNotATime) {
    for (const char *bad :
         {"", "2026", "2026-11-21", "2026-11-21T07:40:37", "2026-11-21T07:40Z", "2026-13-01T00:00:00Z",
          "2026-02-29T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T00:60:00Z", "2026-11-21T00:00:61Z",
          "2026-11-21T00:00:00.Z", "2026-11-21T00:00:00+24:00", "2026-11-21T00:00:00+1:00", "2026-11-21T00:00:00ZZ",
          " 2026-11-21T00:00:00Z", "2026-11-21T00:00:00 Z", "+026-11-21T00:00:00Z"})
        EXPECT_FALSE(parse_iso8601(bad)) << bad;
}

TEST(Iso8601, RoundTripsOverAllYears) {
    std::mt19937_64 random(3);
    std::uniform_int_distribution<std::int64_t> any(-62'135'596'800'000'000, 253'402'300'799'999'999);
    for (int i = 0; i < 20'000; ++i) {
        const Time t = from_unix_micros(any(random));
        ASSERT_EQ(parse_iso8601(format_iso8601(t)), t) << format_iso8601(t);
    }
}

TEST(CutUtf8, NeverEndsInsideACharacter) {
    EXPECT_EQ(cut_utf8("abc", 3), "abc");
    EXPECT_EQ(cut_utf8("abcd", 3), "abc");
    EXPECT_EQ(cut_utf8("a\xC3\xA4", 2), "a");
    EXPECT_EQ(cut_utf8("a\xC3\xA4z", 3), "a\xC3\xA4");
    EXPECT_EQ(cut_utf8("\xF0\x9F\x98\x80", 3), "");
    EXPECT_EQ(cut_utf8("x\xF0\x9F\x98\x80y", 4), "x");
    EXPECT_EQ(cut_utf8("x\xF0\x9F\x98\x80y", 5), "x\xF0\x9F\x98\x80");
    EXPECT_EQ(cut_utf8("\x80\x80\x80\x80\x80\x80", 5).size(), 5U); // no UTF-8 at all: cut anywhere
    EXPECT_EQ(cut_utf8("abc", 0), "");
}

} // namespace
} // namespace hc::core
