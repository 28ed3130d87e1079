// See redact.hpp. One pass from left to right; an e-mail address is noticed at its @, when its local part is out
// already.
#include "core/redact.hpp"

#include "core/redact_patterns.hpp"

#include <algorithm>
#include <array>

namespace hc::core {

namespace {

using namespace patterns;

constexpr std::string_view kMask = "***";
constexpr std::size_t kPhoneDigits = 7;

bool ends_local_part(char c) {
    return is_space(c) || is_quote(c) || std::string_view("<>()[]{},;:/=@|\\&?").find(c) != std::string_view::npos;
}

bool begins_domain(char c) { return is_alnum(c) || static_cast<unsigned char>(c) >= 0x80; }

// Numbers that are no phone numbers by the word beside them: "8388608 bytes", "transaction 7654321".
bool counts_bytes(std::string_view after) {
    constexpr std::string_view kWord = " bytes";
    if (!after.starts_with(kWord))
        return false;
    after.remove_prefix(kWord.size());
    if (after.starts_with('.')) // the end of the sentence
        after.remove_prefix(1);
    return after.empty() || is_space(after.front()) || after.front() == ',' || after.front() == ';';
}

// A limit, such as 1000000.
bool round_number(std::string_view digits) {
    const std::size_t zeros = digits.size() - std::min(digits.find_last_not_of('0') + 1, digits.size());
    return zeros + 2 >= digits.size();
}

// "between 0 and ", with a number in it.
bool ends_range(std::string_view before) {
    constexpr std::string_view kBegin = "between ", kEnd = " and ";
    if (!before.ends_with(kEnd))
        return false;
    before.remove_suffix(kEnd.size());
    const std::size_t number = before.find_last_not_of("0123456789.") + 1;
    return number < before.size() && before.substr(0, number).ends_with(kBegin);
}

bool names_number(std::string_view before) {
    constexpr std::array<std::string_view, 7> kNames{"process", "transaction", "relation", "database",
                                                     "object",  "block",       "limit is"};
    if (ends_range(before))
        return true;
    if (before.empty() || before.back() != ' ')
        return false;
    before.remove_suffix(1);
    return std::any_of(kNames.begin(), kNames.end(), [before](std::string_view name) {
        const std::size_t rest = before.size() - std::min(before.size(), name.size()); // written "process" or "Process"
        return before.substr(rest).size() == name.size() && before.substr(rest + 1) == name.substr(1) &&
               (rest == 0 || before[rest - 1] == ' ');
    });
}

class Redactor {
public:
    explicit Redactor(std::string_view text) : text_(text) { out_.reserve(text.size() + 16); }

    std::string run() {
        while (at_ < text_.size())
            step();
        return std::move(out_);
    }

private:
    std::string_view rest() const { return text_.substr(at_); }
    char before() const { return at_ > 0 ? text_[at_ - 1] : ' '; }

    void copy(std::size_t n) {
        out_.append(rest().substr(0, n));
        at_ += n;
    }
    void mask(std::size_t n) {
        if (!out_.ends_with(kMask))
            out_.append(kMask);
        at_ += n;
        word_start_ = at_;
    }

    void step();
    bool take_word();
    bool take_value();
    void take_url(std::size_t scheme_length);
    void take_path_segment();
    bool take_number();
    void hide_local_part();

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t word_start_ = 0; // a word may begin here, whatever stands before
    std::string out_;
};

void Redactor::step() {
    const char c = text_[at_];
    if (c == '@' && at_ + 1 < text_.size() && begins_domain(text_[at_ + 1]))
        return hide_local_part();
    if (c == '?' && (is_alnum(before()) || before() == '/')) {
        if (const std::size_t n = query(rest()); n != 0) {
            copy(1);
            return mask(n - 1);
        }
    }
    if ((c == ':' || c == '=') && take_value())
        return;
    if ((at_ == word_start_ || !is_alnum(before())) && take_word())
        return;
    if (!is_digit(before()) && (is_digit(c) || c == '+' || c == '(') && take_number())
        return;
    copy(1);
}

// Where a word may begin.
bool Redactor::take_word() {
    if (const std::size_t n = kept(rest()); n != 0) {
        copy(n);
        word_start_ = at_;
        return true;
    }
    if (const std::size_t n = scheme(rest()); n != 0) {
        take_url(n);
        return true;
    }
    if (const std::size_t n = credential_word(rest()); n != 0) {
        copy(n);
        mask(word(rest()));
        return true;
    }
    if (at_ != word_start_ && is_word_char(before())) // in the middle of one that was looked at
        return false;
    const std::size_t n = word(rest());
    if (!token_like(rest().substr(0, n)))
        return false;
    mask(n);
    return true;
}

// At the ':' or '=' after a name like "password": its value.
bool Redactor::take_value() {
    std::size_t end = at_;
    while (end > 0 && (is_quote(text_[end - 1]) || text_[end - 1] == ' '))
        --end;
    std::size_t begin = end;
    while (begin > 0 && (is_alnum(text_[begin - 1]) || text_[begin - 1] == '_' || text_[begin - 1] == '-'))
        --begin;
    const std::string_view name = text_.substr(begin, end - begin);
    std::size_t value = at_ + 1;
    while (value < text_.size() && (text_[value] == ' ' || is_quote(text_[value])))
        ++value;
    // "$.receipts.secret: must be a string" tells a place, not a value
    std::size_t path = begin;
    while (path > 0 && (is_alnum(text_[path - 1]) || text_[path - 1] == '.' || text_[path - 1] == '_'))
        --path;
    const bool place = path > 0 && text_[path - 1] == '$';
    if (!secret_name(name) || place || value >= text_.size() || text_.substr(value).starts_with(kMask))
        return false;
    const bool whole_line = authorization_name(name); // scheme and credential
    const auto ends = [whole_line](char c) {
        return c == '\n' || c == '\r' || is_quote(c) ||
               (!whole_line && (is_space(c) || c == ',' || c == ';' || c == '&' || c == '}' || c == ')'));
    };
    copy(value - at_);
    mask(static_cast<std::size_t>(std::find_if(text_.begin() + static_cast<std::ptrdiff_t>(at_), text_.end(), ends) -
                                  text_.begin()) -
         at_);
    return true;
}

// Scheme and host stay, the path but for what looks like a token or a number.
void Redactor::take_url(std::size_t scheme_length) {
    copy(scheme_length);
    const auto outside = [](char c) { return is_space(c) || is_quote(c) || c == '<' || c == '>'; };
    const auto ends = [&](char c) { return outside(c) || c == '/' || c == '?' || c == '#'; };
    const std::string_view authority =
        rest().substr(0, static_cast<std::size_t>(std::find_if(rest().begin(), rest().end(), ends) - rest().begin()));
    if (const std::size_t user = authority.rfind('@'); user != std::string_view::npos) {
        mask(user);
        copy(1);
    }
    while (at_ < text_.size() && !outside(text_[at_])) {
        if (text_[at_] == '?' || text_[at_] == '#') {
            copy(1);
            return mask(static_cast<std::size_t>(std::find_if(rest().begin(), rest().end(), outside) - rest().begin()));
        }
        take_path_segment();
    }
}

void Redactor::take_path_segment() {
    constexpr std::string_view kEnds = "/?# \t\r\n\"'`<>";
    if (text_[at_] == '/')
        return copy(1);
    const std::string_view segment = rest().substr(0, std::min(rest().find_first_of(kEnds), rest().size()));
    if (const std::size_t n = kept(segment); n != 0)
        return copy(n);
    const bool number =
        std::count_if(segment.begin(), segment.end(), is_digit) >= static_cast<std::ptrdiff_t>(kPhoneDigits);
    const bool safe = !number && !token_like(segment) && segment.find('@') == std::string_view::npos;
    safe ? copy(segment.size()) : mask(segment.size());
}

bool Redactor::take_number() {
    const std::string_view text = rest();
    const Number found = number(text);
    const std::size_t lead = std::min(text.find_first_of("0123456789"), text.size());
    const std::string_view first_word = text.substr(lead);
    if (found.length == 0 || (lead > 0 && token_like(first_word.substr(0, word(first_word)))))
        return false;
    const std::string_view digits = text.substr(lead, found.length - lead);
    const bool alone = found.groups == 1 && text.substr(0, lead).find('+') == std::string_view::npos;
    const bool known = alone && (counts_bytes(text.substr(found.length)) || names_number(out_) || round_number(digits));
    if (found.digits < kPhoneDigits || known) {
        copy(lead > 0 ? lead : found.first); // what follows may be a word of its own
        return true;
    }
    const std::string_view after = text.substr(found.length);
    const bool word_goes_on = word(after) > 1 || (!after.empty() && is_alnum(after.front()));
    const std::size_t shown = word_goes_on ? 0 : found.digits >= 10 ? 4 : found.digits >= 9 ? 3 : 2;
    std::string tail; // the last digits, whatever stands between them
    for (std::size_t i = found.length; tail.size() < shown; --i) {
        if (is_digit(text[i - 1]))
            tail.insert(tail.begin(), text[i - 1]);
    }
    mask(found.length);
    out_.append(tail);
    return true;
}

void Redactor::hide_local_part() {
    constexpr std::size_t kMaxQuoted = 66;
    std::size_t begin = out_.size();
    if (begin > 0 && out_[begin - 1] == '"') { // "john doe"@example.com
        const std::size_t least = begin > kMaxQuoted ? begin - kMaxQuoted : 0;
        std::size_t open = begin - 1;
        while (open > least && out_[open - 1] != '"')
            --open;
        const bool quoted = open > least && (open == 1 || is_space(out_[open - 2]));
        begin = quoted ? open - 1 : begin;
    } else {
        while (begin > 0 && !ends_local_part(out_[begin - 1]))
            --begin;
    }
    if (begin < out_.size()) {
        out_.resize(begin);
        out_.append(kMask);
    }
    copy(1);
}

// Most reasons are a word or two: nothing in them can be meant.
bool may_hold_something(std::string_view text) {
    if (text.size() >= 24)
        return true;
    return std::count_if(text.begin(), text.end(), is_digit) >= static_cast<std::ptrdiff_t>(kPhoneDigits) ||
           text.find_first_of("@?:=") != std::string_view::npos || text.find(' ') != std::string_view::npos;
}

bool is_code_char(char c) { return is_alnum(c) || std::string_view("_.:/+#-").find(c) != std::string_view::npos; }

} // namespace

std::string redact(std::string_view text) {
    return may_hold_something(text) ? Redactor(text).run() : std::string(text);
}

std::string_view plain_code(std::string_view code) {
    constexpr std::size_t kMaxCode = 64;
    const auto end = static_cast<std::size_t>(std::find_if_not(code.begin(), code.end(), is_code_char) - code.begin());
    if (end == code.size())
        return code.size() <= kMaxCode ? code : std::string_view();
    std::string_view first = code.substr(0, end);
    while (!first.empty() && !is_alnum(first.back()))
        first.remove_suffix(1);
    const bool code_like = first.size() <= 12 && std::any_of(first.begin(), first.end(), is_digit);
    return code_like && (is_space(code[end]) || code[end] == ',') ? first : std::string_view();
}

} // namespace hc::core
