// See schedule_spec.hpp. Pure.
#include "core/schedule_spec.hpp"

#include "core/crypto.hpp"
#include "core/history.hpp"
#include "core/json_reader.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

namespace hc::core {

namespace {

using std::chrono::days;
using std::chrono::seconds;

constexpr std::size_t kMaxBytes = 65'536;
constexpr std::size_t kMaxDepth = 5;
constexpr std::size_t kMaxEntries = 100; // of each list
constexpr std::size_t kMaxZone = 64;
constexpr Duration kLongest = days(36'500);
constexpr int kMaxLooks = 2000; // at excluded times

constexpr Time kFirst = std::chrono::sys_days(std::chrono::year(kFirstScheduleYear) / 1 / 1);
constexpr Time kEnd = std::chrono::sys_days(std::chrono::year(kLastScheduleYear + 1) / 1 / 1);

// ---- reading ----

std::vector<JsonNode> one_or_more(const JsonNode &node) {
    return node.value().is_array() ? node.items(kMaxEntries) : std::vector<JsonNode>{node};
}

seconds whole_seconds(const JsonNode &node, Duration low, Duration high) {
    const Duration value = node.duration(low, high);
    const seconds whole = std::chrono::floor<seconds>(value);
    if (whole != value)
        node.fail("must be whole seconds", "Nothing is scheduled between two seconds.");
    return whole;
}

ScheduleInterval read_interval(const JsonNode &node) {
    static constexpr std::array<std::string_view, 2> kKeys{"every", "offset"};
    const JsonObject object(node, kKeys);
    ScheduleInterval interval{whole_seconds(object.require("every"), seconds(1), kLongest), {}};
    if (const auto offset = object.find("offset"))
        interval.offset = whole_seconds(*offset, Duration::zero(), interval.every - seconds(1));
    return interval;
}

Time read_time(const JsonNode &node) {
    const std::optional<Time> time = parse_iso8601(node.text(64));
    if (!time)
        node.fail("is not a time", "Write ISO 8601 with a zone, such as \"2026-12-01T08:00:00Z\".");
    return *time;
}

void read_crons(const JsonNode &node, ScheduleSpec &spec) {
    for (const JsonNode &item : one_or_more(node)) {
        CronString cron = read_cron(item);
        if (!cron.time_zone.empty()) {
            if (!spec.time_zone.empty() && spec.time_zone != cron.time_zone)
                item.fail("names another time zone", "A schedule has one time zone.");
            spec.time_zone = cron.time_zone;
        }
        spec.calendars.push_back(cron.calendar);
    }
}

void read_bounds(const JsonObject &object, ScheduleSpec &spec) {
    if (const auto start = object.find("start_at"))
        spec.start_at = read_time(*start);
    if (const auto end = object.find("end_at")) {
        spec.end_at = read_time(*end);
        if (spec.start_at && *spec.end_at < *spec.start_at)
            end->fail("must not be before start_at", "Both belong to the schedule.");
    }
    if (const auto jitter = object.find("jitter"))
        spec.jitter = jitter->duration(Duration::zero(), days(366));
}

// ---- asking ----

std::optional<Time> next_of(const ScheduleInterval &interval, Time after) {
    const auto since = std::chrono::floor<seconds>(std::max(after, kFirst - Duration(1))).time_since_epoch();
    const std::int64_t every = interval.every.count();
    const std::int64_t passed = since.count() - interval.offset.count(); // positive: the epoch is before kFirst
    const std::int64_t whole = passed >= 0 ? passed / every : -1;
    const Time next{seconds((whole + 1) * every + interval.offset.count())};
    return next < kEnd ? std::optional(next) : std::nullopt;
}

std::optional<Time> next_of_all(const ScheduleSpec &spec, const ZoneOffset &zone, Time after) {
    std::optional<Time> best;
    const auto take = [&best](std::optional<Time> t) {
        if (t && (!best || *t < *best))
            best = t;
    };
    for (const Calendar &calendar : spec.calendars)
        take(next_match(calendar, zone, after));
    for (const ScheduleInterval &interval : spec.intervals)
        take(next_of(interval, after));
    return best;
}

} // namespace

ScheduleSpec parse_schedule_spec(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid schedule", kMaxBytes, kMaxDepth};
    static constexpr std::array<std::string_view, 8> kKeys{"cron",     "calendars", "intervals", "exclude",
                                                           "start_at", "end_at",    "jitter",    "time_zone"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonNode root(document, "$", kRules.message);
    const JsonObject object(root, kKeys);
    ScheduleSpec spec;
    if (const auto zone = object.find("time_zone"))
        spec.time_zone = zone->text(kMaxZone);
    if (const auto crons = object.find("cron"))
        read_crons(*crons, spec);
    if (const auto calendars = object.find("calendars"))
        for (const JsonNode &item : one_or_more(*calendars))
            spec.calendars.push_back(read_calendar(item, false));
    if (const auto intervals = object.find("intervals"))
        for (const JsonNode &item : one_or_more(*intervals))
            spec.intervals.push_back(read_interval(item));
    if (const auto exclude = object.find("exclude"))
        for (const JsonNode &item : one_or_more(*exclude))
            spec.exclude.push_back(read_calendar(item, true));
    if (spec.calendars.empty() && spec.intervals.empty())
        root.fail("names no times", "Give it cron, calendars or intervals.");
    read_bounds(object, spec);
    return spec;
}

NextTime next_time(const ScheduleSpec &spec, const ZoneOffset &zone, Time after) {
    if (spec.start_at)
        after = std::max(after, *spec.start_at - Duration(1));
    for (int n = 0; n < kMaxLooks; ++n) {
        const std::optional<Time> found = next_of_all(spec, zone, after);
        if (!found || (spec.end_at && *found > *spec.end_at))
            return {};
        const auto excluding = std::find_if(spec.exclude.begin(), spec.exclude.end(),
                                            [&](const Calendar &c) { return matches(c, zone, *found); });
        if (excluding == spec.exclude.end())
            return {found, {}};
        after = end_of_match(*excluding, zone, *found) - Duration(1);
    }
    return {{}, after};
}

NextOccurrence next_occurrence(const ScheduleSpec &spec, const ZoneOffset &zone, std::string_view seed, Time after) {
    const NextTime next = next_time(spec, zone, after);
    if (!next.time)
        return {{}, next.looked_until};
    Occurrence occurrence{*next.time, *next.time};
    if (spec.jitter > Duration::zero()) {
        const NextTime following = next_time(spec, zone, *next.time);
        const Time limit = following.time.value_or(following.looked_until.value_or(kNever));
        const Duration most = std::min(spec.jitter, limit - *next.time);
        const std::uint64_t chance = hash64(seed, std::to_string(to_unix_micros(*next.time)));
        occurrence.actual += Duration(chance % static_cast<std::uint64_t>(most.count()));
    }
    return {occurrence, {}};
}

std::string format_rfc3339(Time t) {
    const auto day = std::chrono::floor<days>(t);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss<Duration> clock(t - day);
    std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                   clock.hours().count(), clock.minutes().count(), clock.seconds().count());
    if (const std::int64_t fraction = clock.subseconds().count()) {
        text += fmt::format(".{:06}", fraction);
        text.erase(text.find_last_not_of('0') + 1);
    }
    return text + 'Z';
}

} // namespace hc::core
