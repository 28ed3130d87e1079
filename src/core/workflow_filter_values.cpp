// See workflow_filter_values.hpp. Pure.
#include "core/workflow_filter_values.hpp"

#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/history.hpp"
#include "core/id.hpp"
#include "core/workflow_options.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace hc::core {

namespace {

// Statuses with Temporal's numbers, in their order from 1.
constexpr std::array<std::string_view, 8> kStatuses = {"Running",    "Completed",      "Failed",   "Canceled",
                                                       "Terminated", "ContinuedAsNew", "TimedOut", "Paused"};
constexpr std::int64_t kNanosPerMicro = 1000;

bool is_word_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

template <class Number>
std::optional<Number> whole(const std::string &text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string status_value(const FilterToken &token) {
    if (token.kind == FilterToken::Kind::number) {
        const auto number = whole<std::size_t>(token.text);
        if (number && *number >= 1 && *number <= kStatuses.size())
            return std::string(kStatuses[*number - 1]);
    }
    if (token.kind == FilterToken::Kind::text &&
        std::find(kStatuses.begin(), kStatuses.end(), token.text) != kStatuses.end())
        return token.text;
    fail_filter(token.position, fmt::format("expected one of '{}'", fmt::join(kStatuses, "', '")));
}

// An ISO 8601 time, a day of UTC, or nanoseconds since 1970.
std::string time_value(const FilterToken &token) {
    std::optional<Time> time;
    if (token.kind == FilterToken::Kind::text) {
        time = parse_iso8601(token.text);
        time = time ? time : parse_iso8601(token.text + "T00:00:00Z");
    } else if (token.kind == FilterToken::Kind::number) {
        if (const auto nanos = whole<std::int64_t>(token.text))
            time = from_unix_micros(*nanos / kNanosPerMicro);
    }
    const std::optional<std::string> text = time ? attribute_time(*time) : std::nullopt;
    if (!text)
        fail_filter(token.position, "expected a time, such as '2026-01-31T12:00:00Z' or '2026-01-31'");
    return *text;
}

// "1h30m", "01:30:00", or nanoseconds.
std::string duration_value(const FilterToken &token) {
    std::optional<Duration> duration;
    if (token.kind == FilterToken::Kind::text) {
        duration = parse_duration(token.text);
        duration = duration ? duration : parse_clock_duration(token.text);
    } else if (token.kind == FilterToken::Kind::number) {
        if (const auto nanos = whole<std::int64_t>(token.text))
            duration = Duration(*nanos / kNanosPerMicro);
    }
    if (!duration || std::chrono::abs(*duration) > kLongestWait)
        fail_filter(token.position, "expected a duration, such as '1h30m'");
    return fmt::to_string(duration->count());
}

std::string number_value(const FilterCondition &field, const FilterToken &token) {
    const bool integer = field.type == AttributeType::integer;
    const bool good = token.kind == FilterToken::Kind::number &&
                      (integer ? whole<std::int64_t>(token.text).has_value()
                               : std::isfinite(whole<double>(token.text).value_or(INFINITY)));
    if (!good)
        fail_filter(token.position, integer ? "expected a whole number" : "expected a number");
    return token.text;
}

std::string bool_value(const FilterToken &token) {
    for (const std::string_view word : {"true", "false"})
        if (token.is(word) || (token.kind == FilterToken::Kind::text && token.text == word))
            return std::string(word);
    fail_filter(token.position, "expected true or false");
}

} // namespace

void fail_filter(std::size_t position, std::string_view what) {
    throw Error(sqlstate::invalid_parameter, kFilterMessage, fmt::format("Position {}: {}.", position, what),
                R"(Example: ExecutionStatus = 'Running' AND City IN ('Berlin', 'Bonn').)");
}

void fail_filter_limit(std::size_t position, std::string_view what) {
    throw Error(sqlstate::limit_exceeded, kFilterMessage, fmt::format("Position {}: {}.", position, what));
}

bool FilterToken::is(std::string_view word) const {
    if (kind == Kind::symbol)
        return text == word;
    return kind == Kind::word && std::equal(text.begin(), text.end(), word.begin(), word.end(),
                                            [](char a, char b) { return upper(a) == upper(b); });
}

void FilterLexer::advance(std::size_t bytes) {
    for (; bytes > 0; --bytes, ++at_)
        position_ +=
            (static_cast<unsigned char>(text_[at_]) & 0xc0U) != 0x80U ? 1 : 0; // of UTF-8: not within a character
}

FilterToken FilterLexer::next() {
    while (at_ < text_.size() && is_space(text_[at_]))
        advance(1);
    if (at_ == text_.size())
        return {FilterToken::Kind::end, "", position_};
    const char c = text_[at_];
    if (c == '\'' || c == '"' || c == '`')
        return quoted(c);
    const bool sign = (c == '-' || c == '+') && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]);
    if (is_digit(c) || sign)
        return number();
    if (!is_word_start(c))
        return symbol();
    std::size_t size = 1;
    while (size < rest().size() && (is_word_start(rest()[size]) || is_digit(rest()[size])))
        ++size;
    FilterToken token{FilterToken::Kind::word, std::string(rest().substr(0, size)), position_};
    advance(size);
    return token;
}

// A quote within is written twice.
FilterToken FilterLexer::quoted(char quote) {
    FilterToken token{quote == '`' ? FilterToken::Kind::name : FilterToken::Kind::text, "", position_};
    for (advance(1); at_ < text_.size(); advance(1)) {
        if (text_[at_] != quote) {
            token.text += text_[at_];
        } else if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
            token.text += quote;
            advance(1);
        } else {
            advance(1);
            return token;
        }
    }
    fail_filter(token.position, "the quote is not closed");
}

// Digits, with a fraction and an exponent; what follows must not run into it.
FilterToken FilterLexer::number() {
    std::size_t size = 1;
    const auto digits = [&] {
        const std::size_t from = size;
        while (size < rest().size() && is_digit(rest()[size]))
            ++size;
        return size > from;
    };
    digits();
    bool good = true;
    if (size < rest().size() && rest()[size] == '.') {
        ++size;
        good = digits();
    }
    if (size < rest().size() && upper(rest()[size]) == 'E') {
        ++size;
        size += size < rest().size() && (rest()[size] == '-' || rest()[size] == '+') ? 1 : 0;
        good = digits() && good;
    }
    const std::size_t sign = rest().front() == '+' ? 1 : 0;
    std::string text(rest().substr(sign, size - sign));
    good = good && nlohmann::json::accept(text); // no zero in front of digits, and within the range of a double
    if (!good || (size < rest().size() && is_word_start(rest()[size])))
        fail_filter(position_, "this is no number");
    FilterToken token{FilterToken::Kind::number, std::move(text), position_};
    advance(size);
    return token;
}

FilterToken FilterLexer::symbol() {
    for (const std::string_view word : {"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","})
        if (rest().starts_with(word)) {
            FilterToken token{FilterToken::Kind::symbol, std::string(word), position_};
            advance(word.size());
            return token;
        }
    fail_filter(position_, "this character has no meaning here");
}

std::string filter_value(const FilterCondition &field, const FilterToken &token) {
    if (field.field == FilterField::status)
        return status_value(token);
    if (field.field == FilterField::duration)
        return duration_value(token);
    if (field.type == AttributeType::datetime)
        return time_value(token);
    if (field.type == AttributeType::integer || field.type == AttributeType::floating)
        return number_value(field, token);
    if (field.type == AttributeType::boolean)
        return bool_value(token);
    if (token.kind != FilterToken::Kind::text)
        fail_filter(token.position, "expected a text in quotes");
    const bool id = field.field == FilterField::execution_id || field.field == FilterField::parent_execution_id;
    if (!id)
        return token.text;
    std::string lower = token.text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
    const std::optional<WorkflowId> parsed = parse_workflow_id(lower);
    if (!parsed)
        fail_filter(token.position, "expected the id of an execution");
    return to_string(*parsed);
}

} // namespace hc::core
