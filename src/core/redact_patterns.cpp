// See redact_patterns.hpp.
#include "core/redact_patterns.hpp"

#include <algorithm>
#include <array>

namespace hc::core::patterns {

namespace {

constexpr std::size_t kTokenLength = 24;

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

char at(std::string_view text, std::size_t i) { return i < text.size() ? text[i] : '\0'; }

// Digits at the beginning, at most `most`.
std::size_t digits(std::string_view text, std::size_t most) {
    std::size_t n = 0;
    while (n < most && is_digit(at(text, n)))
        ++n;
    return n;
}

int value_of(std::string_view digits_only) {
    int value = 0;
    for (const char c : digits_only)
        value = value * 10 + (c - '0');
    return value;
}

bool starts_with_word(std::string_view text, std::string_view lower_word) {
    return text.size() >= lower_word.size() &&
           std::equal(lower_word.begin(), lower_word.end(), text.begin(), [](char a, char b) { return a == lower(b); });
}

// "-12", or "-r1-e2" of a webhook-id; a longer number is none of ours.
std::size_t reference_suffix(std::string_view text) {
    if (at(text, 0) != '-')
        return 0;
    const bool report = at(text, 1) == 'r';
    std::size_t end = report ? 2 : 1;
    const std::size_t count = digits(text.substr(end), 5);
    if (count == 0 || count > 4)
        return 0;
    end += count;
    if (report && at(text, end) == '-' && at(text, end + 1) == 'e') {
        const std::size_t endpoint = digits(text.substr(end + 2), 7);
        end += endpoint == 0 || endpoint > 6 ? 0 : endpoint + 2;
    }
    return is_alnum(at(text, end)) ? 0 : end;
}

// Marks that may stand between the digits of a phone number.
bool is_separator(char c) { return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '+'; }
constexpr std::size_t kMaxSeparators = 3; // in a row: ") -"

bool is_joint(char c) { return c == '_' || c == '-' || c == '.' || c == ':' || c == '/' || c == '='; }

// A word of a language, of a program, or a small number: "timeout", "InvalidNumber", "utf8", "404", "30s".
bool plain_segment(std::string_view segment) {
    const auto upper = static_cast<std::size_t>(std::count_if(segment.begin(), segment.end(), is_upper));
    const auto letters = static_cast<std::size_t>(std::count_if(segment.begin(), segment.end(), is_alpha));
    const auto numbers = static_cast<std::size_t>(std::count_if(segment.begin(), segment.end(), is_digit));
    if (letters + numbers != segment.size())
        return false;
    if (letters == 0)
        return numbers <= 6;
    const bool mixed = upper != letters && upper * 3 > letters; // more capitals than CamelCase has
    const bool numbers_outside =
        digits(segment, segment.size()) == numbers ||
        std::all_of(segment.end() - static_cast<std::ptrdiff_t>(numbers), segment.end(), is_digit);
    return !mixed && letters <= 40 && numbers <= 4 && numbers_outside;
}

} // namespace

std::size_t uuid(std::string_view text) {
    constexpr std::size_t kLength = 36;
    if (text.size() < kLength || at(text, 8) != '-')
        return 0;
    for (std::size_t i = 0; i < kLength; ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex(text[i]))
            return 0;
    }
    return is_alnum(at(text, kLength)) ? 0 : kLength + reference_suffix(text.substr(kLength));
}

std::size_t iso_time(std::string_view text) {
    constexpr std::size_t kDate = 10;
    const bool shaped = digits(text, 5) == 4 && at(text, 4) == '-' && digits(text.substr(5), 3) == 2 &&
                        at(text, 7) == '-' && text.size() >= kDate && digits(text.substr(8), 3) == 2;
    if (!shaped)
        return 0;
    const int year = value_of(text.substr(0, 4));
    const int month = value_of(text.substr(5, 2));
    const int day = value_of(text.substr(8, 2));
    if (year < 1970 || year > 2262 || month < 1 || month > 12 || day < 1 || day > 31)
        return 0;
    const std::string_view clock = text.substr(kDate);
    const bool timed = (at(clock, 0) == 'T' || at(clock, 0) == ' ') && digits(clock.substr(1), 3) == 2 &&
                       at(clock, 3) == ':' && digits(clock.substr(4), 3) == 2;
    if (!timed)
        return kDate;
    std::size_t end = 6;
    if (at(clock, end) == ':' && digits(clock.substr(end + 1), 3) == 2)
        end += 3;
    if (const std::size_t fraction = at(clock, end) == '.' ? digits(clock.substr(end + 1), 10) : 0;
        fraction > 0 && fraction < 10)
        end += fraction + 1;
    return kDate + end;
}

std::size_t ipv4(std::string_view text) {
    std::size_t end = 0;
    bool pairs = true;
    for (int group = 0; group < 4; ++group) {
        if (group > 0 && at(text, end++) != '.')
            return 0;
        const std::size_t n = digits(text.substr(std::min(end, text.size())), 4);
        if (n == 0 || n > 3 || value_of(text.substr(end, n)) > 255)
            return 0;
        pairs = pairs && n == 2;
        end += n;
    }
    const bool longer = is_alnum(at(text, end)) || (at(text, end) == '.' && is_digit(at(text, end + 1)));
    return pairs || longer ? 0 : end;
}

std::size_t kept(std::string_view text) {
    if (const std::size_t found = uuid(text); found != 0)
        return found;
    if (const std::size_t found = iso_time(text); found != 0)
        return found;
    return ipv4(text);
}

namespace {

// Whether a group of digits after the end of another is none of the number: "5 1st" are two numbers, and a time or a
// token is neither.
bool begins_otherwise(std::string_view text, std::size_t end, std::size_t begin, std::size_t length) {
    const std::string_view rest = text.substr(begin);
    if (is_alpha(at(rest, length)) || kept(rest) != 0)
        return true;
    while (begin > end && is_word_char(text[begin - 1]))
        --begin;
    return begin > end && token_like(text.substr(begin, word(text.substr(begin))));
}

} // namespace

Number number(std::string_view text) {
    Number found;
    std::size_t i = 0;
    while (i < text.size()) {
        std::size_t begin = i;
        while (begin < text.size() && begin - i <= kMaxSeparators && is_separator(text[begin]))
            ++begin;
        const std::size_t length = begin < text.size() ? digits(text.substr(begin), text.size()) : 0;
        const bool later = found.groups > 0;
        if (begin - i > kMaxSeparators || length == 0 || (begin > 0 && begins_otherwise(text, i, begin, length)))
            break;
        i = begin + length;
        found.first = later ? found.first : i;
        found.length = i;
        found.digits += length;
        ++found.groups;
    }
    return found;
}

bool is_word_char(char c) {
    constexpr std::string_view kMarks = "_-+/=~.:%";
    return is_alnum(c) || kMarks.find(c) != std::string_view::npos;
}

std::size_t word(std::string_view text) {
    std::size_t end = 0;
    while (end < text.size() && is_word_char(text[end])) {
        const std::string_view rest = text.substr(end);
        if (end > 0 && !is_alnum(text[end - 1]) && (kept(rest) != 0 || scheme(rest) != 0))
            break;
        ++end;
    }
    return end;
}

bool token_like(std::string_view text) {
    while (!text.empty() && is_joint(text.back())) // the end of a sentence
        text.remove_suffix(1);
    if (text.size() < kTokenLength)
        return false;
    std::size_t with_digits = 0;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && !is_joint(text[i]))
            continue;
        const std::string_view segment = text.substr(begin, i - begin);
        if (!segment.empty() && !plain_segment(segment))
            return true;
        with_digits += std::any_of(segment.begin(), segment.end(), is_digit) ? 1 : 0;
        begin = i + 1;
    }
    return with_digits > 3; // groups of an activation code
}

std::size_t scheme(std::string_view text) {
    std::size_t n = 0;
    while (n < 16 &&
           (is_alnum(at(text, n)) || (n > 0 && (at(text, n) == '+' || at(text, n) == '.' || at(text, n) == '-'))))
        ++n;
    return n >= 2 && is_alpha(text.front()) && text.substr(n).starts_with("://") ? n + 3 : 0;
}

std::size_t query(std::string_view text) {
    if (at(text, 0) != '?')
        return 0;
    std::size_t i = 1;
    while (is_alnum(at(text, i)) || at(text, i) == '_' || at(text, i) == '-' || at(text, i) == '.' ||
           at(text, i) == '[' || at(text, i) == ']' || at(text, i) == '%')
        ++i;
    if (i == 1 || at(text, i) != '=')
        return 0;
    while (i < text.size() && !is_space(text[i]) && !is_quote(text[i]) && text[i] != '<' && text[i] != '>')
        ++i;
    return i;
}

std::size_t credential_word(std::string_view text) {
    for (const std::string_view name : {"bearer", "basic", "digest"}) {
        if (!starts_with_word(text, name) || at(text, name.size()) != ' ')
            continue;
        std::size_t begin = name.size();
        while (at(text, begin) == ' ')
            ++begin;
        std::size_t end = begin;
        while (end < text.size() && is_word_char(text[end]))
            ++end;
        // "basic authentication" names no credential
        const std::string_view secret = text.substr(begin, end - begin);
        const bool plain = std::all_of(secret.begin(), secret.end(), [](char c) { return is_lower(c) || is_joint(c); });
        return secret.size() >= 6 && !plain ? begin : 0;
    }
    return 0;
}

bool authorization_name(std::string_view name) {
    constexpr std::string_view kName = "authorization";
    return name.size() >= kName.size() && starts_with_word(name.substr(name.size() - kName.size()), kName);
}

bool secret_name(std::string_view name) {
    constexpr std::array<std::string_view, 12> kEndings{"password",   "passwd",     "pwd",         "secret",
                                                        "token",      "apikey",     "api_key",     "api-key",
                                                        "access_key", "credential", "credentials", "authorization"};
    return std::any_of(kEndings.begin(), kEndings.end(), [name](std::string_view ending) {
        return name.size() >= ending.size() && starts_with_word(name.substr(name.size() - ending.size()), ending);
    });
}

} // namespace hc::core::patterns
