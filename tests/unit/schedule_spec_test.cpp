// Times of schedules: cron strings, calendars, intervals, exclusions, daylight saving, jitter; refusals.
#include "core/schedule_spec.hpp"

#include "core/error.hpp"
#include "unit/schedule_zones.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace hc::core {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

std::string cron(std::string_view text) { return fmt::format(R"({{"cron": "{}"}})", text); }

Texts times(std::string_view json, std::string_view after, std::size_t count, const ZoneOffset &zone = {}) {
    const ScheduleSpec spec = parse_schedule_spec(json);
    Texts found;
    for (Time t = at(after); found.size() < count;) {
        const NextTime next = next_time(spec, zone, t);
        if (!next.time) {
            found.push_back(next.looked_until ? "looked" : "none");
            break;
        }
        t = *next.time;
        found.push_back(format_rfc3339(t));
    }
    return found;
}

struct Row {
    const char *cron;
    const char *after;
    Texts expected;
};

TEST(ScheduleCron, NamesTheseTimes) {
    const std::vector<Row> rows{
        {"* * * * *", "2026-01-01T00:00:00Z", {"2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"}},
        {"0 9 * * MON-FRI", "2026-01-02T09:00:00Z", {"2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z"}},
        {"0 9 * * 1-5", "2026-01-02T08:59:59.5Z", {"2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z"}},
        {"*/20 8,20 * * *",
         "2026-01-01T08:10:00Z",
         {"2026-01-01T08:20:00Z", "2026-01-01T08:40:00Z", "2026-01-01T20:00:00Z"}},
        {"5/20 * * * *",
         "2026-01-01T00:00:00Z",
         {"2026-01-01T00:05:00Z", "2026-01-01T00:25:00Z", "2026-01-01T00:45:00Z", "2026-01-01T01:05:00Z"}},
        {"10-30/10 0 * * *",
         "2026-01-01T00:00:00Z",
         {"2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z", "2026-01-01T00:30:00Z", "2026-01-02T00:10:00Z"}},
        {"0 0 29 2 *", "2026-01-01T00:00:00Z", {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
        {"0 0 29 2 *", "2096-03-01T00:00:00Z", {"none"}},
        {"0 0 30 2 *", "2026-01-01T00:00:00Z", {"none"}},
        {"0 0 31 * *", "2026-01-31T00:00:00Z", {"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"}},
        // both days restricted: either is enough
        {"0 0 13 * FRI",
         "2026-02-01T00:00:00Z",
         {"2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z"}},
        {"0 0 */10 * MON",
         "2026-01-01T00:00:00Z",
         {"2026-01-05T00:00:00Z", "2026-01-11T00:00:00Z", "2026-01-12T00:00:00Z"}},
        {"0 0 ? * sun", "2026-01-01T00:00:00Z", {"2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"}},
        {"0 0 * * 7", "2026-01-01T00:00:00Z", {"2026-01-04T00:00:00Z"}},
        {"0 0 * * 5-7",
         "2026-01-01T00:00:00Z",
         {"2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-09T00:00:00Z"}},
        {"0 0 1 jan,July *", "2026-01-01T00:00:00Z", {"2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"}},
        {"0 0 1 1 * 2030", "2026-01-01T00:00:00Z", {"2030-01-01T00:00:00Z", "none"}},
        {"*/30 0 0 1 1 * *", "2026-01-01T00:00:00Z", {"2026-01-01T00:00:30Z", "2027-01-01T00:00:00Z"}},
        {"@yearly", "2026-06-01T00:00:00Z", {"2027-01-01T00:00:00Z"}},
        {"@annually", "2026-06-01T00:00:00Z", {"2027-01-01T00:00:00Z"}},
        {"@monthly", "2026-06-01T00:00:00Z", {"2026-07-01T00:00:00Z"}},
        {"@weekly", "2026-06-01T00:00:00Z", {"2026-06-07T00:00:00Z"}},
        {"@daily", "2026-06-01T00:00:00Z", {"2026-06-02T00:00:00Z"}},
        {"@midnight", "2026-06-01T00:00:00Z", {"2026-06-02T00:00:00Z"}},
        {"@hourly", "2026-06-01T00:00:00Z", {"2026-06-01T01:00:00Z"}},
        {" 0  12 *\\t* * ", "2026-06-01T00:00:00Z", {"2026-06-01T12:00:00Z"}},
        {"0 0 1 1 *", "1970-01-01T00:00:00Z", {"2000-01-01T00:00:00Z"}},
        {"0 0 31 12 *", "2099-12-31T00:00:00Z", {"2100-12-31T00:00:00Z", "none"}},
    };
    for (const Row &row : rows)
        EXPECT_EQ(times(cron(row.cron), row.after, row.expected.size()), row.expected) << row.cron;
}

TEST(ScheduleCalendar, FieldsAllHaveToFit) {
    EXPECT_EQ(
        times(R"({"calendars": [{"hour": 9, "day_of_month": 13, "day_of_week": "FRI"}]})", "2026-01-01T00:00:00Z", 3),
        (Texts{"2026-02-13T09:00:00Z", "2026-03-13T09:00:00Z", "2026-11-13T09:00:00Z"}));
    EXPECT_EQ(times(R"({"calendars": {"comment": "midnight"}})", "2026-01-01T00:00:00Z", 1),
              (Texts{"2026-01-02T00:00:00Z"}));
    EXPECT_EQ(times(R"({"calendars": {"second": "*/20", "minute": "*", "hour": "*"}})", "2026-01-01T00:00:30Z", 2),
              (Texts{"2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"}));
    EXPECT_EQ(
        times(R"({"calendars": {"day_of_month": 29, "month": "feb", "day_of_week": 1}})", "2000-01-01T00:00:00Z", 4),
        (Texts{"2016-02-29T00:00:00Z", "2044-02-29T00:00:00Z", "2072-02-29T00:00:00Z", "none"}));
    EXPECT_EQ(
        times(
            R"({"calendars": {"year": "2026-2030/2", "month": 6, "day_of_month": 30, "hour": 23, "minute": 59, "second": 59}})",
            "2026-12-01T00:00:00Z", 3),
        (Texts{"2028-06-30T23:59:59Z", "2030-06-30T23:59:59Z", "none"}));
}

TEST(ScheduleInterval, CountsFromTheEpoch) {
    EXPECT_EQ(times(R"({"intervals": [{"every": "1h", "offset": "5m"}]})", "2026-01-01T00:05:00Z", 2),
              (Texts{"2026-01-01T01:05:00Z", "2026-01-01T02:05:00Z"}));
    EXPECT_EQ(times(R"({"intervals": {"every": 7}})", "1970-01-01T00:00:00Z", 1), (Texts{"2000-01-01T00:00:02Z"}));
    EXPECT_EQ(times(R"({"intervals": {"every": "36500d", "offset": "36499d"}})", "1970-01-01T00:00:00Z", 2),
              (Texts{"2069-12-06T00:00:00Z", "none"}));
    EXPECT_EQ(times(R"({"intervals": {"every": "1s"}})", "2100-12-31T23:59:58Z", 2),
              (Texts{"2100-12-31T23:59:59Z", "none"}));
}

TEST(ScheduleSpec, IsAUnionWithoutItsExclusionsWithinItsBounds) {
    EXPECT_EQ(
        times(R"({"cron": ["0 9 * * *", "0 9 1 * *"], "intervals": {"every": "12h"}})", "2026-01-01T00:00:00Z", 3),
        (Texts{"2026-01-01T09:00:00Z", "2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z"}));
    EXPECT_EQ(times(R"({"intervals": {"every": "6h"}, "exclude": [{"day_of_week": "SAT,SUN"}, {"hour": "0-11"}]})",
                    "2026-01-02T00:00:00Z", 3),
              (Texts{"2026-01-02T12:00:00Z", "2026-01-02T18:00:00Z", "2026-01-05T12:00:00Z"}));
    EXPECT_EQ(times(R"({"intervals": {"every": "1s"}, "exclude": {"second": "1-58"}})", "2026-01-01T00:00:00Z", 3),
              (Texts{"2026-01-01T00:00:59Z", "2026-01-01T00:01:00Z", "2026-01-01T00:01:59Z"}));
    EXPECT_EQ(times(R"({"intervals": {"every": "1s"}, "exclude": {"minute": "0-58"}})", "2026-01-01T00:00:00Z", 1),
              (Texts{"2026-01-01T00:59:00Z"}));
    EXPECT_EQ(times(R"({"cron": "@daily", "start_at": "2026-02-01T00:00:00Z", "end_at": "2026-02-02T00:00:00Z"})",
                    "2026-01-01T00:00:00Z", 3),
              (Texts{"2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", "none"}))
        << "both bounds belong to it";
}

TEST(ScheduleSpec, WorkIsBoundedWhereNothingComes) {
    EXPECT_EQ(times(R"({"intervals": {"every": "1s"}, "exclude": {"year": "*"}})", "2000-01-01T00:00:00Z", 1),
              (Texts{"none"}));
    EXPECT_EQ(times(R"({"intervals": {"every": "1s"}, "exclude": [{"day_of_week": "1-5"}, {"day_of_week": "0,6"}]})",
                    "2095-01-01T00:00:00Z", 1),
              (Texts{"none"}));
    // a long way: it says how far it has looked, and goes on from there
    const ScheduleSpec spec =
        parse_schedule_spec(R"({"intervals": {"every": "1m"}, "exclude": {"second": 0, "year": "2000-2026"}})");
    Time t = at("2026-12-25T00:00:00Z");
    NextTime next = next_time(spec, {}, t);
    int rounds = 0;
    for (; next.looked_until; next = next_time(spec, {}, t), ++rounds) {
        ASSERT_GT(*next.looked_until, t);
        t = *next.looked_until;
    }
    EXPECT_GT(rounds, 0);
    EXPECT_EQ(next.time, at("2027-01-01T00:00:00Z"));
}

TEST(ScheduleSpec, ALocalTimeThatIsLeftOutDoesNotCome) {
    EXPECT_EQ(times(cron("30 2 * * *"), "2026-03-27T12:00:00Z", 3, kWarsaw),
              (Texts{"2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"}));
    EXPECT_EQ(times(cron("*/30 * * * *"), "2026-03-29T00:00:00Z", 3, kWarsaw),
              (Texts{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}));
    EXPECT_EQ(times(cron("0 0 4 11 *"), "2018-11-01T00:00:00Z", 2, kSaoPaulo),
              (Texts{"2019-11-04T02:00:00Z", "2020-11-04T02:00:00Z"}))
        << "midnight itself; later years of this zone have no change";
    EXPECT_EQ(times(cron("0 12 * * *"), "2011-12-28T00:00:00Z", 4, kApia),
              (Texts{"2011-12-28T22:00:00Z", "2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"}))
        << "28 and 29 December, then the 31st: there was no 30th";
}

TEST(ScheduleSpec, ALocalTimeThatComesTwiceRunsTwice) {
    EXPECT_EQ(times(cron("30 2 * * *"), "2026-10-24T12:00:00Z", 3, kWarsaw),
              (Texts{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}));
    EXPECT_EQ(times(cron("0 * 25 10 *"), "2026-10-24T22:00:00Z", 4, kWarsaw),
              (Texts{"2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}));
    // over midnight: 23:30 of the 17th comes after 0:00 of the 18th would have
    EXPECT_EQ(times(cron("30 23 * * *"), "2018-02-17T12:00:00Z", 3, kSaoPaulo),
              (Texts{"2018-02-18T01:30:00Z", "2018-02-18T02:30:00Z", "2018-02-19T02:30:00Z"}));
    EXPECT_EQ(times(R"({"intervals": {"every": "1h"}, "exclude": {"hour": 2}})", "2026-10-24T23:00:00Z", 2, kWarsaw),
              (Texts{"2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"}))
        << "both hours are left out";
}

TEST(ScheduleSpec, ZoneOfACronString) {
    EXPECT_EQ(parse_schedule_spec(cron("CRON_TZ=Europe/Warsaw 0 9 * * *")).time_zone, "Europe/Warsaw");
    EXPECT_EQ(parse_schedule_spec(cron("TZ=Asia/Tokyo @daily")).time_zone, "Asia/Tokyo");
    EXPECT_EQ(parse_schedule_spec(R"({"cron": "TZ=UTC @daily", "time_zone": "UTC"})").time_zone, "UTC");
    EXPECT_EQ(parse_schedule_spec(cron("@daily")).time_zone, "");
}

TEST(ScheduleJitter, IsTheSameEachTimeAndBelowTheNext) {
    const ScheduleSpec spec = parse_schedule_spec(R"({"intervals": {"every": "1m"}, "jitter": "10m"})");
    Time t = at("2026-01-01T00:00:00Z");
    Time last = t;
    Duration most{};
    for (int i = 0; i < 500; ++i) {
        const Occurrence o = next_occurrence(spec, {}, "a", t).occurrence.value();
        EXPECT_EQ(o, next_occurrence(spec, {}, "a", t).occurrence.value());
        EXPECT_EQ(o.nominal, t + 1min);
        EXPECT_GE(o.actual, o.nominal);
        EXPECT_LT(o.actual, o.nominal + 1min);
        EXPECT_GT(o.actual, last);
        most = std::max(most, o.actual - o.nominal);
        last = o.actual;
        t = o.nominal;
    }
    EXPECT_GT(most, 55s) << "spread over the whole minute";
    EXPECT_NE(next_occurrence(spec, {}, "a", t).occurrence->actual,
              next_occurrence(spec, {}, "b", t).occurrence->actual);
    const ScheduleSpec last_time = parse_schedule_spec(R"({"cron": "0 0 31 12 * 2100", "jitter": "1h"})");
    const Occurrence o = next_occurrence(last_time, {}, "a", t).occurrence.value();
    EXPECT_LT(o.actual, o.nominal + 1h);
}

TEST(ScheduleSpec, Refusals) {
    const std::vector<std::pair<const char *, const char *>> rows{
        {R"([])", "$: must be an object"},
        {R"({})", "$: names no times"},
        {R"({"exclude": {"hour": 1}})", "$: names no times"},
        {R"({"crone": "@daily"})", "$.crone: unknown key"},
        {R"({"cron": []})", "$.cron: must not be empty"},
        {R"({"cron": 5})", "$.cron: must be a string"},
        {R"({"cron": ["@daily", "@dayly"]})", "$.cron[1]: is not a known cron word"},
        {R"({"cron": ["@every 1h"]})", "$.cron[0]: is not a cron string"},
        {R"({"cron": "* * * *"})", "$.cron: is not a cron string"},
        {R"({"cron": "* * * * * * * *"})", "$.cron: is not a cron string"},
        {R"({"cron": "60 * * * *"})", "$.cron: is not valid for minute"},
        {R"({"cron": "* 24 * * *"})", "$.cron: is not valid for hour"},
        {R"({"cron": "* * 0 * *"})", "$.cron: is not valid for day_of_month"},
        {R"({"cron": "* * 32 * *"})", "$.cron: is not valid for day_of_month"},
        {R"({"cron": "* * * 13 *"})", "$.cron: is not valid for month"},
        {R"({"cron": "* * * foo *"})", "$.cron: is not valid for month"},
        {R"({"cron": "* * * * 8"})", "$.cron: is not valid for day_of_week"},
        {R"({"cron": "* * * * FRI-MON"})", "$.cron: is not valid for day_of_week"},
        {R"({"cron": "* * * * * 1999"})", "$.cron: is not valid for year"},
        {R"({"cron": "* * * * * 2101"})", "$.cron: is not valid for year"},
        {R"({"cron": "*/0 * * * *"})", "$.cron: is not valid for minute"},
        {R"({"cron": "1- * * * *"})", "$.cron: is not valid for minute"},
        {R"({"cron": "1,, * * * *"})", "$.cron: is not valid for minute"},
        {R"({"cron": "+1 * * * *"})", "$.cron: is not valid for minute"},
        {R"({"cron": "1x * * * *"})", "$.cron: is not valid for minute"},
        {R"({"cron": "99999999999 * * * *"})", "$.cron: is not valid for minute"},
        {R"({"cron": "TZ= * * * * *"})", "$.cron: names no time zone"},
        {R"({"cron": "TZ=UTC * * * * *", "time_zone": "Asia/Tokyo"})", "$.cron: names another time zone"},
        {R"({"cron": ["TZ=UTC @daily", "TZ=Asia/Tokyo @daily"]})", "$.cron[1]: names another time zone"},
        {R"({"calendars": [{"hours": 1}]})", "$.calendars[0].hours: unknown key"},
        {R"({"calendars": [{"hour": 24}]})", "$.calendars[0].hour: is not valid for hour"},
        {R"({"calendars": [{"hour": 1.5}]})", "$.calendars[0].hour: must be a whole number"},
        {R"({"calendars": [{"hour": -1}]})", "$.calendars[0].hour: must be between"},
        {R"({"calendars": [{"hour": true}]})", "$.calendars[0].hour: must be a string"},
        {R"({"calendars": "x"})", "$.calendars: must be an object"},
        {R"({"intervals": [{"offset": "1s"}]})", "$.intervals[0].every: is missing"},
        {R"({"intervals": {"every": "0s"}})", "$.intervals.every: must be positive"},
        {R"({"intervals": {"every": "1500ms"}})", "$.intervals.every: must be whole seconds"},
        {R"({"intervals": {"every": "10s", "offset": "10s"}})", "$.intervals.offset: must be at most"},
        {R"({"intervals": {"every": "10s", "offset": -1}})", "$.intervals.offset: must not be negative"},
        {R"({"cron": "@daily", "exclude": [{"hour": "x"}]})", "$.exclude[0].hour: is not valid for hour"},
        {R"({"cron": "@daily", "start_at": "tomorrow"})", "$.start_at: is not a time"},
        {R"({"cron": "@daily", "start_at": "2026-01-02T00:00:00Z", "end_at": "2026-01-01T00:00:00Z"})",
         "$.end_at: must not be before start_at"},
        {R"({"cron": "@daily", "jitter": "-1s"})", "$.jitter: must not be negative"},
        {R"({"cron": "@daily", "jitter": "367d"})", "$.jitter: must be at most"},
        {R"({"cron": "@daily", "time_zone": ""})", "$.time_zone: must not be empty"},
    };
    for (const auto &[json, detail] : rows) {
        try {
            (void)parse_schedule_spec(json);
            ADD_FAILURE() << json << " was accepted";
        } catch (const Error &e) {
            EXPECT_STREQ(e.sqlstate(), "22023") << json;
            EXPECT_EQ(e.message(), "invalid schedule");
            EXPECT_TRUE(e.detail().starts_with(detail)) << json << ": " << e.detail();
            EXPECT_FALSE(e.hint().empty()) << json;
        }
    }
    std::string many = R"({"cron": [)";
    for (int i = 0; i < 101; ++i)
        many += i == 0 ? R"("@daily")" : R"(,"@daily")";
    EXPECT_THROW((void)parse_schedule_spec(many + "]}"), Error);
    EXPECT_THROW((void)parse_schedule_spec(cron(std::string(1001, '*'))), Error);
}

TEST(ScheduleSpec, TimesAreWrittenAsRfc3339) {
    EXPECT_EQ(format_rfc3339(at("2026-12-01T09:00:00Z")), "2026-12-01T09:00:00Z");
    EXPECT_EQ(format_rfc3339(at("2026-12-01T09:00:00.250Z")), "2026-12-01T09:00:00.25Z");
}

} // namespace
} // namespace hc::core
