// See schedule_calendar.hpp. Pure: reading of calendars and cron strings.
#include "core/json_reader.hpp"
#include "core/schedule_calendar.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace hc::core {

namespace {

constexpr std::size_t kMaxField = 500;
constexpr std::size_t kMaxCron = 1000;
constexpr std::size_t kMaxZone = 64;

constexpr std::array<std::string_view, 12> kMonths{"january",   "february", "march",    "april",
                                                   "may",       "june",     "july",     "august",
                                                   "september", "october",  "november", "december"};
constexpr std::array<std::string_view, 7> kDays{"sunday",   "monday", "tuesday", "wednesday",
                                                "thursday", "friday", "saturday"};

struct Field {
    std::string_view name;
    int low, high;
    std::span<const std::string_view> words; // the first stands for first_word
    int first_word = 0;
    int origin = 0; // stands first in the set
};
constexpr Field kSecond{"second", 0, 59, {}};
constexpr Field kMinute{"minute", 0, 59, {}};
constexpr Field kHour{"hour", 0, 23, {}};
constexpr Field kDayOfMonth{"day_of_month", 1, 31, {}};
constexpr Field kMonth{"month", 1, 12, kMonths, 1};
constexpr Field kDayOfWeek{"day_of_week", 0, 7, kDays, 0}; // 7 is Sunday, too
constexpr Field kYear{"year", kFirstScheduleYear, kLastScheduleYear, {}, 0, kFirstScheduleYear};

class FieldReader {
public:
    FieldReader(const JsonNode &node, const Field &field, std::string_view text)
        : node_(node), field_(field), rest_(text) {}

    // Calls `set` with each value.
    template <class Set>
    void read(Set set) {
        do {
            read_item(set);
        } while (take(','));
        if (!rest_.empty())
            fail();
    }
    bool restricted() const { return restricted_; } // not "*" or "?"

private:
    template <class Set>
    void read_item(Set set) {
        int low = field_.low;
        int high = field_.high == 7 ? 6 : field_.high; // Sunday once
        const bool any = take('*') || take('?');
        bool open = any; // a step goes on to the end
        if (!any) {
            low = value();
            open = !take('-');
            const int last = open ? low : value();
            if (!open && last < low)
                fail();
            high = !open ? last : (!rest_.empty() && rest_.front() == '/') ? std::max(high, low) : low;
        }
        const int step = take('/') ? number(1, 10'000) : 1;
        restricted_ = restricted_ || !any || step != 1;
        for (int n = low; n <= high; n += step)
            set(n);
    }

    bool take(char c) {
        if (rest_.empty() || rest_.front() != c)
            return false;
        rest_.remove_prefix(1);
        return true;
    }

    int number(int low, int high) {
        int n = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), n);
        const bool digit = !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
        if (error != std::errc() || !digit || n < low || n > high)
            fail();
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return n;
    }

    // A number, or a name or its first three letters.
    int value() {
        const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
        const std::size_t length =
            static_cast<std::size_t>(std::find_if_not(rest_.begin(), rest_.end(), letter) - rest_.begin());
        if (length == 0)
            return number(field_.low, field_.high);
        std::string word(rest_.substr(0, length));
        std::transform(word.begin(), word.end(), word.begin(), [](char c) { return static_cast<char>(c | 0x20); });
        for (std::size_t i = 0; i < field_.words.size(); ++i) {
            if (word == field_.words[i] || word == field_.words[i].substr(0, 3)) {
                rest_.remove_prefix(length);
                return field_.first_word + static_cast<int>(i);
            }
        }
        fail();
    }

    [[noreturn]] void fail() const {
        const std::string names =
            field_.words.empty() ? "" : fmt::format(" or names such as {}", field_.words[0].substr(0, 3));
        node_.fail(fmt::format("is not valid for {}", field_.name),
                   fmt::format("Write values from {} to {}{}, ranges (a-b), steps (*/n, a-b/n), lists (a,b), or *.",
                               field_.low, field_.high, names));
    }

    const JsonNode &node_;
    const Field &field_;
    std::string_view rest_;
    bool restricted_ = false;
};

// True: the field leaves something out.
template <std::size_t N>
bool read_field(const JsonNode &node, const Field &field, std::string_view text, std::bitset<N> &set) {
    FieldReader reader(node, field, text);
    set.reset();
    reader.read([&](int n) { set.set(static_cast<std::size_t>(n - field.origin) % N); }); // Sunday is 0 and 7
    return reader.restricted();
}

std::string field_text(const JsonNode &node) {
    if (node.value().is_number())
        return std::to_string(node.integer(0, kLastScheduleYear));
    return node.text(kMaxField);
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> words;
    const std::string_view space = " \t";
    for (std::size_t at = text.find_first_not_of(space); at != std::string_view::npos;
         at = text.find_first_not_of(space, at)) {
        const std::size_t end = std::min(text.find_first_of(space, at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

// What an @word stands for.
std::string_view expand(const JsonNode &node, std::string_view word) {
    static constexpr std::array<JsonWord<std::string_view>, 7> kWords{{{"@yearly", "0 0 1 1 *"},
                                                                       {"@annually", "0 0 1 1 *"},
                                                                       {"@monthly", "0 0 1 * *"},
                                                                       {"@weekly", "0 0 * * 0"},
                                                                       {"@daily", "0 0 * * *"},
                                                                       {"@midnight", "0 0 * * *"},
                                                                       {"@hourly", "0 * * * *"}}};
    for (const auto &known : kWords)
        if (known.word == word)
            return known.value;
    node.fail("is not a known cron word",
              "Known are @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly.");
}

Calendar calendar_of_cron(const JsonNode &node, std::vector<std::string_view> words) {
    if (words.size() == 1 && words.front().starts_with('@'))
        words = split(expand(node, words.front()));
    if (words.size() < 5 || words.size() > 7)
        node.fail("is not a cron string", "Write five fields (minute, hour, day of the month, month, day of the week), "
                                          "six (and the year) or seven (the second before them).");
    Calendar calendar;
    std::size_t i = 0;
    read_field(node, kSecond, words.size() == 7 ? words[i++] : "0", calendar.second);
    read_field(node, kMinute, words[i++], calendar.minute);
    read_field(node, kHour, words[i++], calendar.hour);
    const bool by_month = read_field(node, kDayOfMonth, words[i++], calendar.day_of_month);
    read_field(node, kMonth, words[i++], calendar.month);
    const bool by_week = read_field(node, kDayOfWeek, words[i++], calendar.day_of_week);
    read_field(node, kYear, i < words.size() ? words[i] : "*", calendar.year);
    calendar.either_day = by_month && by_week;
    return calendar;
}

} // namespace

Calendar read_calendar(const JsonNode &node, bool exclusion) {
    static constexpr std::array<std::string_view, 8> kKeys{kSecond.name, kMinute.name,    kHour.name, kDayOfMonth.name,
                                                           kMonth.name,  kDayOfWeek.name, kYear.name, "comment"};
    const JsonObject object(node, kKeys);
    Calendar calendar;
    const auto read = [&](const Field &field, std::string_view otherwise, auto &set) {
        const auto found = object.find(field.name);
        read_field(found ? *found : node, field, found ? field_text(*found) : std::string(otherwise), set);
    };
    const std::string_view clock = exclusion ? "*" : "0";
    read(kSecond, clock, calendar.second);
    read(kMinute, clock, calendar.minute);
    read(kHour, clock, calendar.hour);
    read(kDayOfMonth, "*", calendar.day_of_month);
    read(kMonth, "*", calendar.month);
    read(kDayOfWeek, "*", calendar.day_of_week);
    read(kYear, "*", calendar.year);
    if (const auto comment = object.find("comment"))
        (void)comment->text(kMaxField);
    return calendar;
}

CronString read_cron(const JsonNode &node) {
    const std::string text = node.text(kMaxCron);
    std::vector<std::string_view> words = split(text);
    CronString cron;
    for (const std::string_view prefix : {"CRON_TZ=", "TZ="}) {
        if (!words.empty() && words.front().starts_with(prefix)) {
            cron.time_zone = words.front().substr(prefix.size());
            if (cron.time_zone.empty() || cron.time_zone.size() > kMaxZone)
                node.fail("names no time zone", "Write CRON_TZ=Europe/Warsaw before the fields.");
            words.erase(words.begin());
            break;
        }
    }
    cron.calendar = calendar_of_cron(node, std::move(words));
    return cron;
}

} // namespace hc::core
