// Reads and writes durations as rules spell them. Pure; used by every process.
#include "core/duration.hpp"

#include <cstdint>

namespace hc::core {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t micros;
};

constexpr std::uint64_t kMicrosPerSecond = 1'000'000;
constexpr std::uint64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

// Largest first: the order in which format_duration writes them.
constexpr Unit kUnits[] = {
    {"d", kMicrosPerDay},
    {"h", 3'600 * kMicrosPerSecond},
    {"m", 60 * kMicrosPerSecond},
    {"s", kMicrosPerSecond},
    {"ms", 1'000},
    {"us", 1},
};

// What 64 bits of nanoseconds hold (292 years), so that a value means the same to a Temporal client.
constexpr std::uint64_t kMaxMicros = static_cast<std::uint64_t>(INT64_MAX) / 1'000;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

template <typename Predicate>
std::string_view take_while(std::string_view &rest, Predicate wanted) {
    std::size_t n = 0;
    while (n < rest.size() && wanted(rest[n]))
        ++n;
    const std::string_view taken = rest.substr(0, n);
    rest.remove_prefix(n);
    return taken;
}

// The value of decimal digits; nullopt past kMaxMicros, which no unit could bring back into range.
std::optional<std::uint64_t> whole_number(std::string_view digits) {
    std::uint64_t value = 0;
    for (const char c : digits) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (kMaxMicros - digit) / 10)
            return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

// Digits behind the point, in units of `unit` microseconds, rounded down. Going from the last digit to the first keeps
// it exact whatever their number: floor((n + floor(x)) / 10) is floor((n + x) / 10) for a whole n.
std::uint64_t fraction_micros(std::string_view digits, std::uint64_t unit) {
    std::uint64_t value = 0;
    for (std::size_t i = digits.size(); i-- > 0;)
        value = (static_cast<std::uint64_t>(digits[i] - '0') * unit + value) / 10;
    return value;
}

struct Number {
    std::string_view whole, fraction;
};

// "7", "7.", "7.5" or ".5".
std::optional<Number> take_number(std::string_view &rest) {
    Number number{.whole = take_while(rest, is_digit), .fraction = {}};
    if (!rest.empty() && rest.front() == '.') {
        rest.remove_prefix(1);
        number.fraction = take_while(rest, is_digit);
    }
    if (number.whole.empty() && number.fraction.empty())
        return std::nullopt;
    return number;
}

// total += number * unit; false when the result does not fit.
bool add(std::uint64_t &total, const Number &number, std::uint64_t unit) {
    const std::optional<std::uint64_t> whole = whole_number(number.whole);
    if (!whole || *whole > kMaxMicros / unit)
        return false;
    total += *whole * unit + fraction_micros(number.fraction, unit); // at most three times kMaxMicros: no overflow
    return total <= kMaxMicros;
}

// Microseconds of a unit; 0 when there is no such unit. No name at all is the bare unit.
std::uint64_t unit_micros(std::string_view name, std::uint64_t bare_unit) {
    if (name.empty())
        return bare_unit;
    for (const Unit &unit : kUnits) {
        if (unit.name == name)
            return unit.micros;
    }
    return 0;
}

std::uint64_t bare_micros(BareNumber bare) {
    switch (bare) {
    case BareNumber::seconds:
        return kMicrosPerSecond;
    case BareNumber::days:
        return kMicrosPerDay;
    case BareNumber::error:
        break;
    }
    return 0;
}

} // namespace

std::optional<Duration> parse_duration(std::string_view text, BareNumber bare) {
    const bool negative = !text.empty() && text.front() == '-';
    std::string_view rest = text.substr(negative ? 1 : 0);
    if (rest.empty())
        return std::nullopt;

    std::uint64_t total = 0;
    for (bool first = true; !rest.empty(); first = false) {
        const std::optional<Number> number = take_number(rest);
        if (!number)
            return std::nullopt;
        const std::string_view name = take_while(rest, is_letter);
        const bool alone = first && rest.empty(); // a bare number is the whole text
        const std::uint64_t unit = unit_micros(name, alone ? bare_micros(bare) : 0);
        if (unit == 0 || !add(total, *number, unit))
            return std::nullopt;
    }
    const auto micros = static_cast<std::int64_t>(total);
    return Duration{negative ? -micros : micros};
}

std::optional<Duration> parse_clock_duration(std::string_view text) {
    constexpr std::size_t kTail = 6; // ":MM:SS"
    if (text.size() <= kTail)
        return std::nullopt;
    std::string_view rest = text;
    const std::string_view hours = take_while(rest, is_digit);
    if (hours.empty() || rest.size() != kTail || rest[0] != ':' || rest[3] != ':')
        return std::nullopt;
    for (const std::size_t i : {1, 2, 4, 5}) {
        if (!is_digit(rest[i]))
            return std::nullopt;
    }
    if (rest[1] > '5' || rest[4] > '5')
        return std::nullopt;

    std::uint64_t total = 0;
    if (!add(total, {.whole = hours, .fraction = {}}, 3'600 * kMicrosPerSecond) ||
        !add(total, {.whole = rest.substr(1, 2), .fraction = {}}, 60 * kMicrosPerSecond) ||
        !add(total, {.whole = rest.substr(4, 2), .fraction = {}}, kMicrosPerSecond))
        return std::nullopt;
    return Duration{static_cast<std::int64_t>(total)};
}

std::string format_duration(Duration d) {
    if (d == Duration::zero())
        return "0s";
    const bool negative = d < Duration::zero();
    // Unsigned, so that the most negative value has a magnitude too.
    std::uint64_t rest = static_cast<std::uint64_t>(d.count());
    if (negative)
        rest = 0 - rest;

    std::string text(negative ? "-" : "");
    for (const Unit &unit : kUnits) {
        if (rest < unit.micros)
            continue;
        text += std::to_string(rest / unit.micros);
        text += unit.name;
        rest %= unit.micros;
    }
    return text;
}

} // namespace hc::core
