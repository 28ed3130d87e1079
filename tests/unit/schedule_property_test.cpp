// Random schedules against brute force, minute by minute, in zones that change their clocks within the range.
#include "core/schedule_spec.hpp"
#include "unit/schedule_zones.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <random>

namespace hc::core {
namespace {

using namespace std::chrono_literals;

class Specs {
public:
    explicit Specs(std::uint32_t seed) : random_(seed) {}

    int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

    std::string field(int low, int high) {
        const int a = low + below(high - low + 1);
        const int b = a + below(high - a + 1);
        switch (below(6)) {
        case 0:
            return "*";
        case 1:
            return fmt::format("*/{}", 1 + below(high));
        case 2:
            return fmt::format("{}-{}", a, b);
        case 3:
            return fmt::format("{}-{}/{}", a, b, 1 + below(5));
        case 4:
            return fmt::format("{},{}", a, b);
        default:
            return std::to_string(a);
        }
    }

    std::string minutes() { return below(3) == 0 ? "*" : field(0, 59); }
    std::string cron() {
        return fmt::format(R"("{} {} {} {} {}")", minutes(), field(0, 23), below(2) != 0 ? "*" : field(1, 31),
                           below(3) != 0 ? "*" : field(1, 12), below(2) != 0 ? "*" : field(0, 7));
    }
    std::string calendar() {
        std::string text = fmt::format(R"({{"minute": "{}", "hour": "{}")", minutes(), field(0, 23));
        if (below(2) == 0)
            text += fmt::format(R"(, "day_of_month": "{}")", field(1, 31));
        if (below(2) == 0)
            text += fmt::format(R"(, "day_of_week": "{}")", field(0, 7));
        return text + "}";
    }
    std::string spec() {
        std::string text = "{";
        const int kinds = 1 + below(7);
        if ((kinds & 1) != 0)
            text += fmt::format(R"("cron": [{}, {}],)", cron(), cron());
        if ((kinds & 2) != 0)
            text += fmt::format(R"("calendars": {},)", calendar());
        if ((kinds & 4) != 0)
            text += fmt::format(R"("intervals": {{"every": "{}m", "offset": "{}m"}},)", 60 + below(2000), below(60));
        if (below(2) == 0)
            text += fmt::format(R"("exclude": {},)", calendar());
        text.back() = '}';
        return text;
    }

private:
    std::mt19937 random_;
};

// The specification by its letter: a time fits when the clocks of the zone show what a calendar names.
bool fits(const ScheduleSpec &spec, const ZoneOffset &zone, Time t) {
    const auto local =
        std::chrono::local_time<Duration>(t.time_since_epoch() + std::chrono::seconds(zone ? zone(t) : 0));
    const auto day = std::chrono::floor<std::chrono::days>(local);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(local - day);
    const auto named = [&](const Calendar &c) {
        const bool of_month = c.day_of_month[static_cast<unsigned>(date.day())];
        const bool of_week = c.day_of_week[std::chrono::weekday(day).c_encoding()];
        return c.second[static_cast<std::size_t>(clock.seconds().count())] &&
               c.minute[static_cast<std::size_t>(clock.minutes().count())] &&
               c.hour[static_cast<std::size_t>(clock.hours().count())] &&
               c.month[static_cast<unsigned>(date.month())] &&
               c.year[static_cast<std::size_t>(static_cast<int>(date.year()) - kFirstScheduleYear)] &&
               (c.either_day ? of_month || of_week : of_month && of_week);
    };
    const auto any = [&](const std::vector<Calendar> &all) { return std::any_of(all.begin(), all.end(), named); };
    const std::int64_t seconds = to_unix_micros(t) / 1'000'000;
    const bool by_interval = std::any_of(spec.intervals.begin(), spec.intervals.end(), [&](const ScheduleInterval &i) {
        return (seconds - i.offset.count()) % i.every.count() == 0;
    });
    return (by_interval || any(spec.calendars)) && !any(spec.exclude);
}

struct Range {
    const char *from;
    const ZoneOffset *zone;
};

TEST(ScheduleProperty, EqualsBruteForce) {
    const ZoneOffset utc;
    const std::vector<Range> ranges{{"2026-03-27T13:17:00Z", &kWarsaw},   {"2026-10-23T21:40:00Z", &kWarsaw},
                                    {"2018-02-16T00:00:00Z", &kSaoPaulo}, {"2018-11-02T00:00:00Z", &kSaoPaulo},
                                    {"2011-12-28T00:00:00Z", &kApia},     {"2028-02-27T00:00:00Z", &utc}};
    Specs random(20261129);
    int found = 0;
    for (int round = 0; round < 120; ++round) {
        const std::string json = random.spec();
        const ScheduleSpec spec = parse_schedule_spec(json);
        const Range &range = ranges[static_cast<std::size_t>(round) % ranges.size()];
        const Time from = at(range.from);
        const Time until = from + 60h;
        std::vector<Time> expected, seen;
        for (Time t = from + 1min; t <= until; t += 1min)
            if (fits(spec, *range.zone, t))
                expected.push_back(t);
        for (Time t = from; t < until;) {
            const NextTime next = next_time(spec, *range.zone, t);
            if (!next.time && !next.looked_until)
                break;
            ASSERT_GT(next.time.value_or(next.looked_until.value_or(t)), t) << json;
            t = next.time ? *next.time : *next.looked_until;
            if (next.time && t <= until)
                seen.push_back(t);
        }
        ASSERT_EQ(seen, expected) << json << " from " << range.from;
        found += static_cast<int>(seen.size());
    }
    EXPECT_GT(found, 3000) << "the random schedules name times";
}

TEST(ScheduleProperty, IsMonotoneAndDoesNotDependOnWhereItBegins) {
    Specs random(7);
    for (int round = 0; round < 100; ++round) {
        const std::string json = random.spec();
        const ScheduleSpec spec = parse_schedule_spec(json);
        Time a = at("2026-10-24T20:00:00Z") + std::chrono::seconds(random.below(86'400));
        const NextTime first = next_time(spec, kWarsaw, a);
        if (!first.time)
            continue;
        for (int i = 0; i < 20; ++i) {
            const Time b = a + (*first.time - a) * i / 20;
            EXPECT_EQ(next_time(spec, kWarsaw, b).time, first.time) << json;
        }
        EXPECT_GE(next_time(spec, kWarsaw, *first.time).time.value_or(kNever), *first.time + 1s) << json;
    }
}

} // namespace
} // namespace hc::core
