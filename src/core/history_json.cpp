// Histories for people: the JSON attributes of an event, ISO 8601 times, text cut to size. Pure.
#include "core/cascade.hpp"
#include "core/history.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>

namespace hc::core {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD

// jsonb has no NUL character.
std::string without_nul(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (c == '\0')
            out += kReplacement;
        else
            out += c;
    }
    return out;
}

const char *text_name(EventType type) {
    switch (type) {
    case EventType::receipt_parked:
        return "raw";
    case EventType::signal_received:
        return "signal";
    case EventType::cascade_started:
        return "time_zone";
    default:
        return "provider_message_id";
    }
}

Json split_lines(std::string_view text) {
    Json lines = Json::array();
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

const char *verdict_word(std::int32_t code) {
    switch (static_cast<ConditionVerdict>(code)) {
    case ConditionVerdict::yes:
        return "yes";
    case ConditionVerdict::no:
        return "no";
    case ConditionVerdict::failed:
        break;
    }
    return "failed";
}

const char *reason_name(EventType type) { return type == EventType::signal_received ? "payload" : "reason"; }

Json flag_words(std::uint32_t flags) {
    Json words = Json::array();
    if ((flags & kFlagDuplicateContact) != 0)
        words.push_back("duplicate_contact");
    if ((flags & kFlagContacted) != 0)
        words.push_back("contacted");
    if ((flags & kFlagTerminated) != 0)
        words.push_back("terminated");
    if ((flags & kFlagJoins) != 0)
        words.push_back("parallel");
    if ((flags & kFlagHeld) != 0)
        words.push_back("held");
    if ((flags & kFlagPaused) != 0)
        words.push_back("paused");
    return words;
}

void add_what(Json &out, const HistoryEvent &e) {
    if (e.attempt != 0)
        out["attempt"] = e.attempt;
    if (e.step)
        out["step"] = *e.step + 1;
    if (e.provider != 0)
        out["provider_id"] = e.provider;
    if (e.task != 0)
        out["task"] = e.task;
    if (e.due && *e.due != kNever)
        out["due"] = format_iso8601(*e.due);
    if (e.state)
        out["state"] = std::string(to_string(*e.state));
    if (e.kind != FailureKind::none)
        out["failure_kind"] = std::string(to_string(e.kind));
    if (e.result)
        out["result"] = std::string(to_string(*e.result));
    if (e.outcome != Outcome::none)
        out["outcome"] = std::string(to_string(e.outcome));
}

void add_detail(Json &out, const HistoryEvent &e) {
    if (e.type == EventType::cascade_started && e.code != 0)
        out["priority"] = to_string(static_cast<Priority>(e.code));
    else if (e.type == EventType::condition_evaluated)
        out["verdict"] = verdict_word(e.code);
    else if (e.code != 0)
        out["code"] = e.code;
    if (e.hash != 0)
        out["hash"] = fmt::format("{:016x}", e.hash);
    const bool parts = e.type == EventType::send_completed && e.sequence.has_value();
    if (e.sequence && e.type == EventType::deadlines_extended)
        out["by_ms"] = *e.sequence / 1000;
    else if (e.sequence && !parts)
        out["sequence"] = *e.sequence;
    if (e.provider_time)
        out["provider_time"] = format_iso8601(*e.provider_time);
    if (e.flags != 0)
        out["flags"] = flag_words(e.flags);
    if (parts)
        out["provider_message_ids"] = split_lines(without_nul(e.text));
    else if (!e.text.empty())
        out[text_name(e.type)] = without_nul(e.text);
    if (!e.reason.empty())
        out[reason_name(e.type)] = without_nul(e.reason);
}

struct Date {
    std::int64_t year;
    unsigned month, day;
};

// Proleptic Gregorian, for every 64-bit day number that a Time can reach; std::chrono stops at year 32767.
// Years are counted from March, so that the leap day is the last of its year.
Date date_of_days(std::int64_t days) {
    days += 719'468; // from 0000-03-01
    const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
    const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
    const unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned shifted_month = (5 * day_of_year + 2) / 153;
    const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    return {.year = static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0),
            .month = month,
            .day = day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

// Reads fixed-width pieces of an ISO 8601 time; once a piece does not fit, all further ones fail too.
class IsoReader {
public:
    explicit IsoReader(std::string_view text) : text_(text) {}

    int digits(std::size_t count) {
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (!is_digit(peek())) {
                ok_ = false;
                return 0;
            }
            value = value * 10 + (text_[at_++] - '0');
        }
        return value;
    }

    bool take(std::string_view any_of) {
        if (peek() == '\0' || any_of.find(peek()) == std::string_view::npos)
            return false;
        ++at_;
        return true;
    }

    void need(std::string_view any_of) { ok_ = take(any_of) && ok_; }

    // Digits after the point as microseconds; finer ones are cut off.
    std::int64_t fraction() {
        std::int64_t micros = 0;
        std::int64_t unit = kMicrosPerSecond / 10;
        ok_ = ok_ && is_digit(peek());
        for (; is_digit(peek()); ++at_, unit /= 10)
            micros += unit * (peek() - '0');
        return micros;
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool done() const { return ok_ && at_ == text_.size(); }

private:
    static bool is_digit(char c) { return c >= '0' && c <= '9'; }

    std::string_view text_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

constexpr int kBadZone = 24 * 60;

// Minutes east of Greenwich.
int read_zone(IsoReader &in) {
    if (in.take("Zz"))
        return 0;
    const bool west = in.peek() == '-';
    in.need("+-");
    const int hours = in.digits(2);
    in.take(":");
    const int minutes = in.digits(2);
    if (hours > 23 || minutes > 59)
        return kBadZone;
    return (west ? -1 : 1) * (hours * 60 + minutes);
}

} // namespace

std::string event_attributes_json(const HistoryEvent &e) {
    Json out = Json::object();
    add_what(out, e);
    add_detail(out, e);
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string_view cut_utf8(std::string_view text, std::size_t max_bytes) {
    if (text.size() <= max_bytes)
        return text;
    std::size_t end = max_bytes;
    // A character has at most three continuation bytes; more is not UTF-8 and is cut anywhere.
    for (int back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++back)
        --end;
    const bool boundary = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    return text.substr(0, boundary ? end : max_bytes);
}

std::string format_iso8601(Time t) {
    const std::int64_t micros = to_unix_micros(t);
    std::int64_t seconds = micros / kMicrosPerSecond;
    std::int64_t fraction = micros % kMicrosPerSecond;
    if (fraction < 0) {
        fraction += kMicrosPerSecond;
        --seconds;
    }
    std::int64_t days = seconds / kSecondsPerDay;
    std::int64_t clock = seconds % kSecondsPerDay;
    if (clock < 0) {
        clock += kSecondsPerDay;
        --days;
    }
    const Date date = date_of_days(days);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", date.year, date.month, date.day, clock / 3600,
                       clock / 60 % 60, clock % 60, fraction);
}

std::optional<Time> parse_iso8601(std::string_view text) {
    IsoReader in(text);
    const int year = in.digits(4);
    in.need("-");
    const int month = in.digits(2);
    in.need("-");
    const int day = in.digits(2);
    in.need("Tt ");
    const int hour = in.digits(2);
    in.need(":");
    const int minute = in.digits(2);
    in.need(":");
    const int second = in.digits(2);
    const std::int64_t micros = in.take(".,") ? in.fraction() : 0;
    const int zone = read_zone(in);
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    // Second 60 is a leap second, taken as the first of the next minute.
    if (!in.done() || !date.ok() || hour > 23 || minute > 59 || second > 60 || zone == kBadZone)
        return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute - zone) +
           std::chrono::seconds(second) + Duration(micros);
}

} // namespace hc::core
