// See send_window.hpp. Pure.
#include "core/send_window.hpp"

#include "core/json_reader.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

namespace hc::core {

namespace {

using std::chrono::days;
using std::chrono::minutes;
using std::chrono::seconds;
using LocalTime = std::chrono::local_time<Duration>;
using LocalDay = std::chrono::local_days;

constexpr std::uint16_t kMinutesOfDay = 24 * 60;
constexpr int kMaxDays = 3 * 366; // looked at; a sum of allowed time longer than that is cut

struct Interval {
    Time begin, end; // [begin, end)
};

Duration offset_at(const ZoneOffset &zone, Time t) { return zone ? seconds(zone(t)) : seconds(0); }

LocalTime to_local(const ZoneOffset &zone, Time t) { return LocalTime((t + offset_at(zone, t)).time_since_epoch()); }

// The first time at which the zone's clocks show `local` or, if they leave it out, more. Offsets are within a day of
// UTC and change at most once within two days; the offset before the change comes first.
Time to_utc(const ZoneOffset &zone, LocalTime local) {
    const Time as_utc{local.time_since_epoch()};
    const Duration before = offset_at(zone, as_utc - days(1));
    const Duration after = offset_at(zone, as_utc + days(1));
    const Time early = as_utc - before;
    if (offset_at(zone, early) == before)
        return early; // also the first of an hour that comes twice
    const Time late = as_utc - after;
    if (offset_at(zone, late) == after && to_local(zone, late) == local)
        return late;
    // Left out: the change itself, between the two readings.
    Time low = std::min(early, late), high = std::max(early, late);
    while (high - low > Duration(1)) {
        const Time middle = low + (high - low) / 2;
        (offset_at(zone, middle) == before ? low : high) = middle;
    }
    return high;
}

bool allowed(const SendWindow &window, LocalDay day) {
    const unsigned index = std::chrono::weekday(day).iso_encoding() - 1;
    return (window.days >> index & 1U) != 0;
}

// The window that begins on a local day; nullopt: none does.
std::optional<Interval> window_of(const SendWindow &window, const ZoneOffset &zone, LocalDay day) {
    if (!allowed(window, day))
        return std::nullopt;
    const bool over_midnight = window.to <= window.from;
    const LocalTime from = day + minutes(window.from);
    const LocalTime to = day + days(over_midnight ? 1 : 0) + minutes(window.to);
    const Interval interval{to_utc(zone, from), to_utc(zone, to)};
    return interval.begin < interval.end ? std::optional(interval) : std::nullopt;
}

// Walks the windows from the one that may hold `t` on; `visit` returns true to stop.
template <class Visit>
void walk(const SendWindow &window, const ZoneOffset &zone, Time t, Visit visit) {
    LocalDay day = std::chrono::floor<days>(to_local(zone, t)) - days(1);
    for (int n = 0; n < kMaxDays; ++n, day += days(1)) {
        const std::optional<Interval> interval = window_of(window, zone, day);
        if (interval && interval->end > t && visit(*interval))
            return;
    }
}

} // namespace

Time time_of_clock(const ZoneOffset &zone, Time local) {
    return zone ? to_utc(zone, LocalTime(local.time_since_epoch())) : local;
}

Time next_open(const SendWindow &window, const ZoneOffset &zone, Time t) {
    Time found = t;
    walk(window, zone, t, [&](const Interval &interval) {
        found = std::max(t, interval.begin);
        return true;
    });
    return found;
}

Time add_open_time(const SendWindow &window, const ZoneOffset &zone, Time t, Duration amount) {
    Time reached = t;
    walk(window, zone, t, [&](const Interval &interval) {
        const Time begin = std::max(reached, interval.begin);
        reached = std::max(reached, interval.end);
        if (interval.end - begin < amount) {
            amount -= interval.end - begin;
            return false;
        }
        reached = begin + amount;
        amount = Duration::zero();
        return true;
    });
    return reached + amount;
}

namespace {

std::uint16_t read_clock(const JsonNode &node, bool end) {
    const auto fail = [&] { node.fail("is not a time of the day", "Write hours and minutes, such as \"08:30\"."); };
    const std::string text = node.text(5);
    const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : -1; };
    if (text.size() != 5 || text[2] != ':' || digit(0) < 0 || digit(1) < 0 || digit(3) < 0 || digit(4) < 0)
        fail();
    const int hours = digit(0) * 10 + digit(1);
    const int rest = digit(3) * 10 + digit(4);
    const int total = hours * 60 + rest;
    if (rest > 59 || total > (end ? kMinutesOfDay : kMinutesOfDay - 1))
        fail();
    return static_cast<std::uint16_t>(total);
}

std::uint8_t read_days(const JsonNode &node) {
    static constexpr std::array<JsonWord<std::uint8_t>, 7> kDays{{{"mon", 1U << 0},
                                                                  {"tue", 1U << 1},
                                                                  {"wed", 1U << 2},
                                                                  {"thu", 1U << 3},
                                                                  {"fri", 1U << 4},
                                                                  {"sat", 1U << 5},
                                                                  {"sun", 1U << 6}}};
    std::uint8_t set = 0;
    for (const JsonNode &item : node.items(kDays.size())) {
        const std::uint8_t day = item.word(kDays);
        if ((set & day) != 0)
            item.fail("appears twice", "Write every value once.");
        set |= day;
    }
    return set;
}

} // namespace

SendWindow read_send_window(const JsonNode &node) {
    static constexpr std::array<std::string_view, 4> kKeys{"from", "to", "days", "outside"};
    static constexpr std::array<JsonWord<OutsideWindow>, 2> kOutside{
        {{"hold", OutsideWindow::hold}, {"skip", OutsideWindow::skip}}};
    const JsonObject object(node, kKeys);
    SendWindow window;
    if (auto n = object.find("from"))
        window.from = read_clock(*n, false);
    if (auto n = object.find("to")) {
        window.to = read_clock(*n, true);
        if (window.to == window.from)
            n->fail("must differ from \"from\"", "The whole day is \"00:00\" to \"24:00\".");
    }
    if (auto n = object.find("days"))
        window.days = read_days(*n);
    if (auto n = object.find("outside"))
        window.outside = n->word(kOutside);
    return window;
}

} // namespace hc::core
