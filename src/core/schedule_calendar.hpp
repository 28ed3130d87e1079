// Calendars of schedules: which seconds of the local clock they name. Cron strings are read into the same form.
//
// A calendar of a document names fields, each a number, "*", or a text of values, ranges, steps and lists:
//   {"second": 0, "minute": "*/15", "hour": "9-17", "day_of_month": "1,15", "month": "JAN-MAR", "day_of_week":
//   "MON-FRI",
//    "year": "2026-2030"}
// All fields must fit (a day of the month and a day of the week, too). What is left out: second, minute and hour 0, the
// others any; in an exclusion all of them any, so that {"day_of_week": "SAT"} leaves out the whole day.
//
// A cron string has five fields (minute hour day-of-month month day-of-week), six (and the year) or seven (the second
// before them), or is @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly; CRON_TZ=zone or TZ=zone may
// stand before it. Where both day fields are restricted (not "*" or "?") either is enough, as in every cron.
//
// Daylight saving, to the letter: a time that the clocks leave out does not come, one that they show twice comes twice.
#pragma once

#include "core/send_window.hpp"
#include "core/time.hpp"

#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

inline constexpr int kFirstScheduleYear = 2000;
inline constexpr int kLastScheduleYear = 2100;

struct Calendar {
    std::bitset<60> second, minute;
    std::bitset<24> hour;
    std::bitset<32> day_of_month; // 1 to 31
    std::bitset<13> month;        // 1 to 12
    std::bitset<7> day_of_week;   // 0: Sunday
    std::bitset<kLastScheduleYear - kFirstScheduleYear + 1> year;
    bool either_day = false; // one of the day fields is enough (cron)

    bool operator==(const Calendar &) const = default;
};

// Throw hc::Error with the JSON path.
Calendar read_calendar(const JsonNode &node, bool exclusion);
struct CronString {
    Calendar calendar;
    std::string time_zone; // of CRON_TZ or TZ; empty: none
};
CronString read_cron(const JsonNode &node);

bool matches(const Calendar &calendar, const ZoneOffset &zone, Time t);

// The first whole second after `after` that the calendar names, within the years above.
std::optional<Time> next_match(const Calendar &calendar, const ZoneOffset &zone, Time after);

// Of a time that the calendar names: every time from it up to the result (exclusive) is named, too. Looks far ahead,
// but not to the end.
Time end_of_match(const Calendar &calendar, const ZoneOffset &zone, Time t);

} // namespace hc::core
