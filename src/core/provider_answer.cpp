// What the answer of a provider or of a webhook endpoint means; dispatcher processes.
#include "core/error.hpp"
#include "core/json_path.hpp"
#include "core/provider_reader.hpp"
#include "core/redact.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>

namespace hc::core {

namespace {

// An answer whose body is looked at as JSON only when a path asks for it.
class AnswerView {
public:
    explicit AnswerView(const HttpAnswer &answer) : answer_(answer) {}

    std::optional<std::string_view> header(std::string_view lower_name) const {
        for (const auto &[name, value] : answer_.headers) {
            if (name == lower_name)
                return value;
        }
        return std::nullopt;
    }

    std::optional<std::string_view> body_value(std::string_view json_path) {
        if (!body_valid_)
            body_valid_ = is_valid_json(answer_.body);
        const auto path = parse_json_path(json_path);
        if (!*body_valid_ || !path)
            return std::nullopt;
        return find_json(answer_.body, *path);
    }

private:
    const HttpAnswer &answer_;
    std::optional<bool> body_valid_;
};

bool matches(const ResponsePredicate &when, std::int32_t status, AnswerView &view) {
    if (!when.status.empty() && std::find(when.status.begin(), when.status.end(), status) == when.status.end())
        return false;
    if (when.json_path.empty())
        return true;
    const auto value = view.body_value(when.json_path);
    if (!value)
        return false;
    if (when.in.empty())
        return *value != "null";
    return std::any_of(when.in.begin(), when.in.end(),
                       [&](const std::string &allowed) { return equal_json_scalars(*value, allowed); });
}

bool is_2xx(std::int32_t status) { return status >= 200 && status <= 299; }

struct Classification {
    SendVerdict verdict{};
    FailureKind kind = FailureKind::none;
};

Classification default_class(std::int32_t status) {
    if (status == 429 || status == 503)
        return {SendVerdict::retry_same, FailureKind::soft};
    if (status == 401 || status == 403)
        return {SendVerdict::next_provider, FailureKind::config};
    if (status >= 300 && status <= 399)
        return {SendVerdict::next_channel, FailureKind::config};
    if (status >= 400 && status <= 499 && status != 408)
        return {SendVerdict::next_channel, FailureKind::hard};
    return {SendVerdict::ambiguous, FailureKind::soft};
}

SendAnswer without_answer(TransportResult transport) {
    SendAnswer result;
    switch (transport) {
    case TransportResult::not_sent:
        result.verdict = SendVerdict::retry_same;
        result.reason = "not_sent";
        break;
    case TransportResult::blocked:
        result.verdict = SendVerdict::next_provider;
        result.reason = "address_blocked";
        break;
    case TransportResult::no_answer:
    case TransportResult::answered:
        result.verdict = SendVerdict::ambiguous;
        result.reason = "no_answer";
        break;
    }
    result.kind = default_kind(result.verdict);
    return result;
}

// An id is kept when it can be stored, looked up and shown: no control characters, of sane length, and from a header
// (whose bytes nobody checked) only ASCII.
bool is_message_id(std::string_view id, bool ascii_only) {
    if (id.empty() || id.size() > kMaxProviderMessageIdBytes)
        return false;
    return std::all_of(id.begin(), id.end(), [&](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x20 && byte != 0x7f && (byte < 0x80 || !ascii_only);
    });
}

std::string read_message_id(const ValueSource &source, AnswerView &view) {
    if (!source.header.empty()) {
        const auto value = view.header(source.header);
        return value && is_message_id(*value, true) ? std::string(*value) : std::string();
    }
    if (source.json_path.empty())
        return {};
    const auto raw = view.body_value(source.json_path);
    const auto id = raw ? json_scalar_text(*raw) : std::nullopt;
    return id && is_message_id(*id, false) ? *id : std::string();
}

// Verdict, kind and reason of an answer with a status.
SendAnswer classify_status(const ProviderConfig &config, std::int32_t status, AnswerView &view) {
    SendAnswer result;
    result.code = status;
    result.reason = "http_" + std::to_string(status);
    for (const ResponseClass &c : config.classes) {
        if (!matches(c.when, status, view))
            continue;
        result.verdict = c.verdict;
        result.kind = c.kind;
        if (!c.reason.empty())
            result.reason = c.reason;
        else if (c.verdict == SendVerdict::accepted)
            result.reason.clear();
        return result;
    }
    const bool status_fits = !config.ok.status.empty() || is_2xx(status);
    if (status_fits && matches(config.ok, status, view)) {
        result.reason.clear();
        return result;
    }
    const Classification c = default_class(status);
    result.verdict = c.verdict;
    result.kind = c.kind;
    if (is_2xx(status))
        result.reason = "unexpected_answer";
    return result;
}

std::optional<Duration> read_retry_after(const AnswerView &view, Time now) {
    const auto header = view.header("retry-after");
    return header ? parse_retry_after(*header, now) : std::nullopt;
}

std::optional<int> parse_digits(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.front() == '-')
        return std::nullopt;
    return value;
}

// 1 to size; 0 when the word is not in the list of three-letter words.
unsigned word_number(std::string_view words, std::string_view word) {
    for (std::size_t i = 0; i + 3 <= words.size(); i += 3) {
        if (words.substr(i, 3) == word)
            return static_cast<unsigned>(i / 3 + 1);
    }
    return 0;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the only date form that may be sent today.
std::optional<Time> parse_imf_fixdate(std::string_view text) {
    if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' ||
        text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT" ||
        word_number("MonTueWedThuFriSatSun", text.substr(0, 3)) == 0)
        return std::nullopt;
    const auto day = parse_digits(text.substr(5, 2));
    const unsigned month = word_number("JanFebMarAprMayJunJulAugSepOctNovDec", text.substr(8, 3));
    const auto year = parse_digits(text.substr(12, 4));
    const auto hour = parse_digits(text.substr(17, 2));
    const auto minute = parse_digits(text.substr(20, 2));
    const auto second = parse_digits(text.substr(23, 2));
    if (!day || month == 0 || !year || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60)
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(month),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok())
        return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second);
}

std::string_view trim_space(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t'))
        text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t'))
        text.remove_suffix(1);
    return text;
}

} // namespace

SendAnswer classify_answer(const ProviderConfig &config, const HttpAnswer &answer, Time now) {
    if (answer.transport != TransportResult::answered)
        return without_answer(answer.transport);
    AnswerView view(answer);
    SendAnswer result = classify_status(config, answer.status, view);
    if (result.verdict == SendVerdict::accepted || result.verdict == SendVerdict::ambiguous)
        result.provider_message_id = read_message_id(config.message_id, view);
    if (result.verdict != SendVerdict::accepted)
        result.retry_after = read_retry_after(view, now);
    return result;
}

namespace {

SendVerdict verdict_of(FailureKind kind) {
    switch (kind) {
    case FailureKind::hard:
    case FailureKind::policy:
        return SendVerdict::next_channel;
    case FailureKind::config:
        return SendVerdict::next_provider;
    case FailureKind::none:
    case FailureKind::soft:
        break;
    }
    return SendVerdict::retry_same;
}

// A receipt that says the message was taken: accepted, or a repetition of one that was.
bool taken(const CanonicalReceipt &receipt) {
    const bool duplicate = receipt.disposition == Disposition::ignore && receipt.reason == "duplicate_submit";
    return duplicate || (receipt.disposition == Disposition::apply && !is_failure(*receipt.state) &&
                         *receipt.state != ReceiptState::unknown);
}

// An answer past the caps of receipts is one that the connector does not know.
std::vector<CanonicalReceipt> read_parts(const Connector &connector, const HttpAnswer &answer) {
    try {
        return parse_response(connector, answer.status, answer.headers, answer.body);
    } catch (const Error &) {
        return {};
    }
}

void take_ids(const std::vector<CanonicalReceipt> &receipts, SendAnswer &answer) {
    for (const CanonicalReceipt &receipt : receipts) {
        const std::string id = taken(receipt) ? receipt.correlation_id.value_or("") : std::string();
        if (!is_message_id(id, false))
            continue;
        if (answer.provider_message_id.empty())
            answer.provider_message_id = id;
        else
            answer.more_message_ids.push_back(id);
    }
}

SendAnswer accepted_parts(const std::vector<CanonicalReceipt> &receipts, PartMode mode, std::int32_t status) {
    SendAnswer result;
    result.code = status;
    result.part_mode = mode;
    take_ids(receipts, result);
    if (mode == PartMode::provider)
        result.more_message_ids.clear();
    return result;
}

// A refused part refuses the message; once another part was taken it is not sent to this provider again.
SendAnswer refused_by(const CanonicalReceipt &refused, bool any_taken, const HttpAnswer &answer, Time now) {
    SendAnswer result;
    result.code = answer.status;
    result.verdict = verdict_of(refused.kind);
    result.partly_taken = any_taken;
    if (any_taken && result.verdict == SendVerdict::retry_same)
        result.verdict = SendVerdict::next_provider;
    result.kind = refused.kind;
    result.suppress = refused.suppress;
    result.reason = refused.reason;
    const std::string_view raw = refused.raw_code ? std::string_view(*refused.raw_code) : std::string_view();
    if (const std::string_view code = refused.code_known ? raw : plain_code(raw); !code.empty())
        result.reason.append(" (").append(code).append(")");
    result.retry_after = read_retry_after(AnswerView(answer), now);
    return result;
}

} // namespace

SendAnswer classify_answer(const ProviderConfig &config, const Connector &connector, const HttpAnswer &answer,
                           Time now) {
    const bool may_be_taken = (answer.status >= 500 && answer.status != 503) || answer.status == 408;
    if (answer.transport != TransportResult::answered || may_be_taken || !connector.response)
        return classify_answer(config, answer, now);
    const std::vector<CanonicalReceipt> receipts = read_parts(connector, answer);
    const auto refused = std::find_if(receipts.begin(), receipts.end(), [](const CanonicalReceipt &r) {
        return r.disposition == Disposition::apply && is_failure(*r.state);
    });
    const bool any_taken = std::any_of(receipts.begin(), receipts.end(), taken);
    const PartMode mode = config.receipts.part_mode.value_or(connector.part_mode);
    if (any_taken && (refused == receipts.end() || mode != PartMode::all))
        return accepted_parts(receipts, mode, answer.status);
    if (refused != receipts.end())
        return refused_by(*refused, any_taken, answer, now);
    SendAnswer result = classify_answer(config, answer, now);
    if (result.verdict == SendVerdict::accepted) { // the connector would know a success
        result.verdict = SendVerdict::ambiguous;
        result.kind = FailureKind::soft;
        result.reason = "unexpected_answer";
    }
    return result;
}

std::optional<Duration> parse_retry_after(std::string_view value, Time now) {
    const std::string_view text = trim_space(value);
    if (text.empty())
        return std::nullopt;
    if (text.find_first_not_of("0123456789") != std::string_view::npos) {
        const auto date = parse_imf_fixdate(text);
        if (!date || *date < now)
            return std::nullopt;
        return std::min(*date - now, kMaxRetryAfter);
    }
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    constexpr std::int64_t kMaxSeconds = std::chrono::duration_cast<std::chrono::seconds>(kMaxRetryAfter).count();
    if (error == std::errc::result_out_of_range || seconds > kMaxSeconds)
        return kMaxRetryAfter;
    return std::chrono::seconds(seconds);
}

} // namespace hc::core
