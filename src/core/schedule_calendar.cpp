// See schedule_calendar.hpp. Pure: which times a calendar names.
#include "core/schedule_calendar.hpp"

#include <algorithm>
#include <chrono>

namespace hc::core {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;
using LocalSecond = std::chrono::local_seconds;
using LocalDay = std::chrono::local_days;
using UtcSecond = std::chrono::sys_seconds;

// Clocks are within a day of UTC, and no zone changes its clocks twice within four hours.
constexpr auto kFarthestOffset = hours(26);
constexpr auto kSample = hours(4);
constexpr auto kLookAhead = days(400); // of end_of_match

constexpr LocalDay kFirstDay{std::chrono::year(kFirstScheduleYear) / 1 / 1};
constexpr LocalDay kEndDay{std::chrono::year(kLastScheduleYear + 1) / 1 / 1};

seconds offset_at(const ZoneOffset &zone, UtcSecond t) { return seconds(zone ? zone(t) : 0); }
LocalSecond to_local(const ZoneOffset &zone, UtcSecond t) {
    return LocalSecond(t.time_since_epoch() + offset_at(zone, t));
}

bool names_date(const Calendar &c, LocalDay day) {
    const std::chrono::year_month_day date(day);
    const int year = static_cast<int>(date.year()) - kFirstScheduleYear;
    if (year < 0 || year > kLastScheduleYear - kFirstScheduleYear || !c.year[static_cast<std::size_t>(year)] ||
        !c.month[static_cast<unsigned>(date.month())])
        return false;
    const bool of_month = c.day_of_month[static_cast<unsigned>(date.day())];
    const bool of_week = c.day_of_week[std::chrono::weekday(day).c_encoding()];
    return c.either_day ? of_month || of_week : of_month && of_week;
}

// The first date from `day` on that the calendar names.
std::optional<LocalDay> next_date(const Calendar &c, LocalDay day) {
    using std::chrono::months;
    using std::chrono::year_month_day;
    day = std::max(day, kFirstDay);
    while (day < kEndDay) {
        const year_month_day date(day);
        if (!c.year[static_cast<std::size_t>(static_cast<int>(date.year()) - kFirstScheduleYear)])
            day = LocalDay((date.year() + std::chrono::years(1)) / 1 / 1);
        else if (!c.month[static_cast<unsigned>(date.month())])
            day = LocalDay((date.year() / date.month() + months(1)) / 1);
        else if (names_date(c, day))
            return day;
        else
            day += days(1);
    }
    return std::nullopt;
}

template <std::size_t N>
std::optional<int> next_bit(const std::bitset<N> &set, int from) {
    for (int i = from; i < static_cast<int>(N); ++i)
        if (set[static_cast<std::size_t>(i)])
            return i;
    return std::nullopt;
}

// The first time of the day from `from` on that the calendar names.
std::optional<seconds> next_clock(const Calendar &c, seconds from) {
    const int hour = static_cast<int>(from / hours(1));
    const int minute = static_cast<int>(from.count() / 60 % 60);
    const int second = static_cast<int>(from.count() % 60);
    for (auto h = next_bit(c.hour, hour); h; h = next_bit(c.hour, *h + 1)) {
        const bool same_hour = *h == hour;
        for (auto m = next_bit(c.minute, same_hour ? minute : 0); m; m = next_bit(c.minute, *m + 1)) {
            if (const auto s = next_bit(c.second, same_hour && *m == minute ? second : 0))
                return seconds((*h * 60 + *m) * 60 + *s);
        }
    }
    return std::nullopt;
}

// The first second after `low`, up to `high`, at which the clocks have another offset than at `low`: they have at
// `high`.
UtcSecond change_between(const ZoneOffset &zone, UtcSecond low, UtcSecond high) {
    const seconds before = offset_at(zone, low);
    while (high - low > seconds(1)) {
        const UtcSecond middle = low + (high - low) / 2;
        (offset_at(zone, middle) == before ? low : high) = middle;
    }
    return high;
}

// Up to where the offset stays what it is at `t`; at most `limit`.
UtcSecond end_of_offset(const ZoneOffset &zone, UtcSecond t, UtcSecond limit) {
    if (!zone)
        return limit;
    const seconds offset = offset_at(zone, t);
    for (UtcSecond at = t; at < limit;) {
        const UtcSecond next = std::min(at + kSample, limit);
        if (offset_at(zone, next) != offset)
            return change_between(zone, at, next);
        at = next;
    }
    return limit;
}

// The first time from `from` on, within a local date, that the calendar names; whether it names the date is known.
std::optional<UtcSecond> first_on_date(const Calendar &c, const ZoneOffset &zone, LocalDay day, UtcSecond from) {
    const UtcSecond as_utc(seconds(day.time_since_epoch()));
    const UtcSecond limit = as_utc + days(1) + kFarthestOffset;
    for (UtcSecond at = std::max(from, as_utc - kFarthestOffset); at < limit;) {
        const UtcSecond end = end_of_offset(zone, at, limit);
        const seconds offset = offset_at(zone, at);
        const LocalSecond low = std::max(LocalSecond(at.time_since_epoch() + offset), LocalSecond(day));
        const LocalSecond high = std::min(LocalSecond(end.time_since_epoch() + offset), LocalSecond(day + days(1)));
        if (low < high) {
            const auto clock = next_clock(c, low - day);
            if (clock && day + *clock < high)
                return UtcSecond((day + *clock).time_since_epoch() - offset);
        }
        at = end;
    }
    return std::nullopt;
}

} // namespace

bool matches(const Calendar &calendar, const ZoneOffset &zone, Time t) {
    const UtcSecond second = std::chrono::floor<seconds>(t);
    if (second != t)
        return false;
    const LocalSecond local = to_local(zone, second);
    const LocalDay day = std::chrono::floor<days>(local);
    return names_date(calendar, day) && next_clock(calendar, local - day) == local - day;
}

std::optional<Time> next_match(const Calendar &calendar, const ZoneOffset &zone, Time after) {
    const Time earliest{kFirstDay.time_since_epoch() - days(2)};
    const UtcSecond from = std::chrono::floor<seconds>(std::max(after, earliest)) + seconds(1);
    std::optional<UtcSecond> best;
    LocalDay found_on{};
    // clocks that are set back over midnight show the end of a date after the beginning of the next
    LocalDay day = std::chrono::floor<days>(to_local(zone, from)) - days(1);
    for (;;) {
        const std::optional<LocalDay> date = next_date(calendar, day);
        if (!date || (best && *date > found_on + days(1)))
            return best;
        if (const auto first = first_on_date(calendar, zone, *date, from)) {
            if (!best)
                found_on = *date;
            best = std::min(best.value_or(*first), *first);
        }
        day = *date + days(1);
    }
}

Time end_of_match(const Calendar &calendar, const ZoneOffset &zone, Time t) {
    const UtcSecond at = std::chrono::floor<seconds>(t);
    const LocalSecond local = to_local(zone, at);
    const LocalDay day = std::chrono::floor<days>(local);
    LocalSecond end = local + seconds(1);
    if (calendar.second.all()) {
        end = std::chrono::floor<std::chrono::minutes>(local) + std::chrono::minutes(1);
        if (calendar.minute.all()) {
            end = std::chrono::floor<hours>(local) + hours(1);
            if (calendar.hour.all()) {
                LocalDay last = day + days(1);
                while (last < day + kLookAhead && names_date(calendar, last))
                    last += days(1);
                end = last;
            }
        }
    }
    return end_of_offset(zone, at, at + (end - local));
}

} // namespace hc::core
