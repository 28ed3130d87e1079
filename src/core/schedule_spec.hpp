// When a schedule acts: the times of its cron strings, calendars and intervals together, without those of its
// exclusions, within its bounds.
//
//   {"cron": ["0 9 * * MON-FRI"], "calendars": [{"hour": 9, "day_of_week": "1-5"}],
//    "intervals": [{"every": "1h", "offset": "5m"}], "exclude": [{"month": 12, "day_of_month": "24-26"}],
//    "start_at": "2026-12-01T00:00:00Z", "end_at": "2027-12-01T00:00:00Z", "jitter": "1m", "time_zone":
//    "Europe/Warsaw"}
//
//   cron, calendars   schedule_calendar.hpp; one cron string or calendar may stand without its array
//   intervals         from 1970-01-01 UTC on, plus the offset; whole seconds
//   start_at, end_at  both inclusive
//   jitter            each time is put off by less than this, and less than to the next one; the same each time it is
//   asked time_zone         of cron strings and calendars, default UTC
#pragma once

#include "core/schedule_calendar.hpp"

namespace hc::core {

struct ScheduleInterval {
    std::chrono::seconds every{}, offset{};
    bool operator==(const ScheduleInterval &) const = default;
};

struct ScheduleSpec {
    std::vector<Calendar> calendars; // those of cron strings, too
    std::vector<ScheduleInterval> intervals;
    std::vector<Calendar> exclude;
    std::optional<Time> start_at, end_at;
    Duration jitter{};
    std::string time_zone; // empty: UTC
};

ScheduleSpec parse_schedule_spec(std::string_view json); // throws 22023, 54000 with the JSON path

// The first time strictly after `after`. Neither member set: there is none. Only `looked_until` set: everything up to
// there is excluded, and it took long to find out; ask again from there.
struct NextTime {
    std::optional<Time> time, looked_until;
};
NextTime next_time(const ScheduleSpec &spec, const ZoneOffset &zone, Time after);

// The same with its jitter; `seed` tells schedules apart. `actual` is below the next nominal time.
struct Occurrence {
    Time nominal{}, actual{};
    bool operator==(const Occurrence &) const = default;
};
struct NextOccurrence {
    std::optional<Occurrence> occurrence;
    std::optional<Time> looked_until;
};
NextOccurrence next_occurrence(const ScheduleSpec &spec, const ZoneOffset &zone, std::string_view seed, Time after);

// "2026-12-01T09:00:00Z", with a fraction only when there is one.
std::string format_rfc3339(Time t);

} // namespace hc::core
