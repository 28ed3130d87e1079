// Times as providers write them. See receipt_parser.hpp.
#include "core/history.hpp"
#include "core/receipt_parser.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace hc::core {

namespace {

bool all_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

int two_digits(std::string_view text, std::size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); }

std::optional<Time> civil_time(int year, std::string_view rest) { // MMDDhhmm[ss]
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(two_digits(rest, 0))),
                                           std::chrono::day(static_cast<unsigned>(two_digits(rest, 2)))};
    const int hour = two_digits(rest, 4);
    const int minute = two_digits(rest, 6);
    const int second = rest.size() >= 10 ? two_digits(rest, 8) : 0;
    if (!date.ok() || hour > 23 || minute > 59 || second > 60)
        return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
           std::chrono::seconds(second);
}

// Seconds up to the year 5138, milliseconds above; with a fraction.
std::optional<Time> epoch_time(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    constexpr double kMaxSeconds = 1e11;
    constexpr double kMaxMilliseconds = 1e14;
    if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0) || value >= kMaxMilliseconds)
        return std::nullopt;
    const double micros = value * (value < kMaxSeconds ? 1e6 : 1e3);
    return from_unix_micros(std::llround(micros)); // no decimal fraction is exact in binary
}

struct Reading {
    std::optional<Time> time;
    bool named = true; // with its zone; else the clock as if it were one of UTC
};

// ISO 8601 with the liberties providers take: "+0100", " +0100", " UTC", no zone at all; and " 01:00", where the plus
// of a query string was not encoded.
Reading iso_time(std::string_view text) {
    const bool utc = text.ends_with(" UTC") || text.ends_with(" GMT");
    if (utc)
        text.remove_suffix(4);
    constexpr std::size_t kSecondsEnd = 19; // of "2026-01-02T03:04:05"
    const std::size_t sign = text.find_first_of("+-", std::min<std::size_t>(text.size(), 11));
    const std::size_t blank = text.size() < 6 ? 0 : text.size() - 6;
    if (sign == std::string_view::npos && blank >= kSecondsEnd && text[blank] == ' ' && text[blank + 3] == ':')
        return {parse_iso8601(fmt::format("{}+{}", text.substr(0, blank), text.substr(blank + 1)))};
    if (sign == std::string_view::npos) {
        const bool zone = text.ends_with('Z') || text.ends_with('z');
        return {parse_iso8601(fmt::format("{}{}", text, zone ? "" : "Z")), zone || utc};
    }
    const std::string_view clock = text.substr(0, text[sign - 1] == ' ' ? sign - 1 : sign);
    const std::string_view zone = text.substr(sign);
    if (zone.size() == 5)
        return {parse_iso8601(fmt::format("{}{}:{}", clock, zone.substr(0, 3), zone.substr(3)))};
    return {parse_iso8601(fmt::format("{}{}{}", clock, zone, zone.size() == 3 ? ":00" : ""))};
}

Reading read_time(std::string_view text, TimeFormat format) {
    constexpr std::size_t kMaxTimeBytes = 40;
    if (text.size() > kMaxTimeBytes)
        return {};
    switch (format) {
    case TimeFormat::epoch:
        return {epoch_time(text)};
    case TimeFormat::yymmddhhmm:
        if (!all_digits(text) || (text.size() != 10 && text.size() != 12))
            return {};
        return {civil_time(2000 + two_digits(text, 0), text.substr(2)), false};
    case TimeFormat::yyyymmddhhmmss:
        if (!all_digits(text) || text.size() != 14)
            return {};
        return {civil_time(two_digits(text, 0) * 100 + two_digits(text, 2), text.substr(4)), false};
    case TimeFormat::iso:
        break;
    }
    return iso_time(text);
}

bool four_digit_year(Time t) { // as years are written
    constexpr Time kFirst = std::chrono::sys_days(std::chrono::year(1) / 1 / 1);
    constexpr Time kEnd = std::chrono::sys_days(std::chrono::year(10000) / 1 / 1);
    return t >= kFirst && t < kEnd;
}

} // namespace

std::optional<Time> parse_provider_time(std::string_view text, TimeFormat format, const ZoneOffset &zone) {
    const Reading read = read_time(text, format);
    if (!read.time || !four_digit_year(*read.time))
        return std::nullopt;
    const Time time = read.named ? *read.time : time_of_clock(zone, *read.time);
    return four_digit_year(time) ? std::optional(time) : std::nullopt;
}

} // namespace hc::core
