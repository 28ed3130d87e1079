// See execution_json.hpp. Pure.
#include "core/execution_json.hpp"

#include "core/error.hpp"
#include "core/execution_replay.hpp"
#include "core/form.hpp"
#include "core/history.hpp"
#include "core/json_slices.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>

namespace hc::core {

namespace {

constexpr const char *kMessage = "invalid history";
constexpr int kFormat = 1;
constexpr Time kLatest = from_unix_micros(253'402'300'800'000'000); // year 10000

// ---- to JSON ----

std::string json_string(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string string_or_null(const std::optional<std::string> &text) { return text ? json_string(*text) : "null"; }

// A value that a reader gives back byte by byte.
bool is_plain_json(const std::string &text) {
    const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    return !text.empty() && !space(text.front()) && !space(text.back()) && nlohmann::json::accept(text);
}

std::string event_json(const ExecutionEvent &e, std::size_t id) {
    std::string json = fmt::format("{{\"event_id\": {}, \"time\": {}, \"type\": {}", id,
                                   json_string(format_iso8601(e.time)), json_string(to_string(e.type)));
    const auto add = [&json](std::string_view word, std::string_view value) {
        json += fmt::format(", \"{}\": {}", word, value);
    };
    if (e.command != 0)
        add("command", fmt::to_string(e.command));
    if (e.kind != CommandKind::none)
        add("kind", json_string(to_string(e.kind)));
    if (e.due)
        add("due", json_string(format_iso8601(*e.due)));
    if (e.hash != 0)
        add("hash", fmt::format("\"{:016x}\"", e.hash));
    if (!e.name.empty())
        add("name", json_string(e.name));
    if (is_plain_json(e.payload))
        add("payload", e.payload);
    else if (!e.payload.empty())
        add("payload_text", json_string(e.payload));
    if (!e.text.empty())
        add("text", json_string(e.text));
    return json + "}";
}

// ---- from JSON ----

[[noreturn]] void fail(const std::string &path, const std::string &what) { JsonSlices::fail(kMessage, path, what); }

std::string text_of(std::string_view slice, const std::string &path) { return unquote_json(slice, kMessage, path); }

std::optional<std::string> text_or_null(std::string_view slice, const std::string &path) {
    return slice == "null" ? std::nullopt : std::optional(text_of(slice, path));
}

template <class Number>
Number number_of(std::string_view slice, Number low, const std::string &path) {
    Number value{};
    const auto [end, error] = std::from_chars(slice.data(), slice.data() + slice.size(), value);
    if (error != std::errc{} || end != slice.data() + slice.size() || value < low)
        fail(path, fmt::format("must be a whole number from {}", low));
    return value;
}

Time time_of(std::string_view slice, const std::string &path) {
    const std::optional<Time> time = parse_iso8601(text_of(slice, path));
    if (!time)
        fail(path, "must be a time in ISO 8601 with its zone");
    if (*time < Time{} || *time >= kLatest)
        fail(path, "must be between the years 1970 and 9999");
    return *time;
}

std::uint64_t hash_of(std::string_view slice, const std::string &path) {
    const std::string digits = text_of(slice, path);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 16 || error != std::errc{} || end != digits.data() + digits.size())
        fail(path, "must have 16 hexadecimal digits");
    return value;
}

std::string bytes_of(std::string_view slice, const std::string &path) {
    const std::string digits = text_of(slice, path);
    std::string bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        std::uint8_t byte = 0;
        const auto [end, error] = std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
        if (error != std::errc{} || end != digits.data() + i + 2)
            fail(path, "must have hexadecimal digits");
        bytes.push_back(static_cast<char>(byte));
    }
    if (digits.size() % 2 != 0)
        fail(path, "must have hexadecimal digits");
    return bytes;
}

template <class Enum>
Enum word_of(std::string_view slice, Enum last, const std::string &path) {
    const std::string word = text_of(slice, path);
    for (std::uint8_t i = 1; i <= static_cast<std::uint8_t>(last); ++i)
        if (to_string(static_cast<Enum>(i)) == word)
            return static_cast<Enum>(i);
    fail(path, "has a word that is not known");
}

ExecutionEvent parse_event(std::string_view json, std::size_t number, const std::string &path) {
    ExecutionEvent event;
    bool has_time = false;
    JsonSlices(json, kMessage).each_member(path, [&](const std::string &key, std::string_view value) {
        const std::string at = path + "." + key;
        if (key == "event_id") {
            if (number_of<std::uint64_t>(value, 1, at) != number)
                fail(at, fmt::format("must be {}: events are numbered from 1", number));
        } else if (key == "time") {
            event.time = time_of(value, at);
            has_time = true;
        } else if (key == "type") {
            event.type = word_of(value, kLastExecutionEventType, at);
        } else if (key == "command") {
            event.command = number_of<std::uint32_t>(value, 1, at);
        } else if (key == "kind") {
            event.kind = word_of(value, kLastCommandKind, at);
        } else if (key == "due") {
            event.due = time_of(value, at);
        } else if (key == "hash") {
            event.hash = hash_of(value, at);
        } else if (key == "name") {
            event.name = text_of(value, at);
        } else if (key == "payload") {
            event.payload = std::string(value);
        } else if (key == "payload_text") {
            event.payload = text_of(value, at);
        } else if (key == "text") {
            event.text = text_of(value, at);
        } else {
            fail(path, "has a key that is not known");
        }
    });
    if (event.type == ExecutionEventType{} || !has_time)
        fail(path, event.type == ExecutionEventType{} ? "must have a type" : "must have a time");
    return event;
}

std::vector<ExecutionEvent> parse_events(std::string_view json, const std::string &path) {
    std::vector<ExecutionEvent> events;
    JsonSlices(json, kMessage).each_element(path, [&](std::size_t i, std::string_view element) {
        if (i > kMaxExecutionEvents)
            throw Error(sqlstate::limit_exceeded, kMessage,
                        fmt::format("{}: has more than {} events.", path, kMaxExecutionEvents));
        events.push_back(parse_event(element, i + 1, fmt::format("{}[{}]", path, i)));
        if (i > 0 && events[i].time < events[i - 1].time)
            fail(fmt::format("{}[{}].time", path, i), "must not be before that of the event before it");
    });
    if (events.empty() || events.front().type != ExecutionEventType::workflow_execution_started)
        fail(path, "must begin with WorkflowExecutionStarted");
    return events;
}

} // namespace

std::string execution_json(const ExecutionDocument &document, std::size_t first) {
    std::string digest;
    for (const char c : document.digest)
        digest += fmt::format("{:02x}", static_cast<unsigned char>(c));
    const ExecutionEventType last =
        document.events.empty() ? ExecutionEventType{} : document.events.back().type; // of an open one any other
    std::string json = fmt::format(
        "{{\"format\": {}, \"execution_id\": {}, \"workflow_type\": {}, \"version\": {}, \"function\": {}, \"digest\": "
        "\"{}\", \"workflow_id\": {}, \"tenant\": {}, \"status\": {}, \"input\": {}, \"events\": [",
        kFormat, json_string(to_string(document.id)), json_string(document.workflow_type), document.version,
        json_string(document.function), digest, string_or_null(document.workflow_id), string_or_null(document.tenant),
        json_string(to_string(status_after(last))), document.input.empty() ? "null" : document.input);
    for (std::size_t i = first; i < document.events.size(); ++i)
        json += (i == first ? "" : ", ") + event_json(document.events[i], i + 1);
    return json + "]}";
}

ExecutionDocument parse_execution_json(std::string_view json) {
    if (json.size() > kMaxHistoryJson)
        throw Error(sqlstate::limit_exceeded, kMessage, fmt::format("$: must have at most {} bytes.", kMaxHistoryJson));
    if (replace_invalid_utf8(json) != json) // strings would come out with other bytes
        fail("$", "must be in UTF-8");
    ExecutionDocument document;
    bool has_format = false, has_id = false;
    JsonSlices(json, kMessage).each_member("$", [&](const std::string &key, std::string_view value) {
        const std::string at = "$." + key;
        if (key == "format") {
            has_format = number_of<int>(value, 0, at) == kFormat;
        } else if (key == "execution_id") {
            const std::optional<WorkflowId> id = parse_workflow_id(text_of(value, at));
            if (!id)
                fail(at, "must be a UUID");
            document.id = *id;
            has_id = true;
        } else if (key == "workflow_type") {
            document.workflow_type = text_of(value, at);
        } else if (key == "version") {
            document.version = number_of<std::int32_t>(value, 0, at);
        } else if (key == "function") {
            document.function = text_of(value, at);
        } else if (key == "digest") {
            document.digest = bytes_of(value, at);
        } else if (key == "workflow_id") {
            document.workflow_id = text_or_null(value, at);
        } else if (key == "tenant") {
            document.tenant = text_or_null(value, at);
        } else if (key == "input") {
            document.input = std::string(value);
        } else if (key == "events") {
            document.events = parse_events(value, at);
        }
    });
    if (!has_format)
        fail("$.format", fmt::format("must be {}", kFormat));
    if (!has_id)
        fail("$.execution_id", "is missing");
    if (document.input.empty())
        fail("$.input", "is missing");
    if (document.events.empty())
        fail("$.events", "is missing");
    return document;
}

namespace {

std::size_t digits_from(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9')
        ++end;
    return end - at;
}

// The length of the JSON number there; 0: there is none.
std::size_t number_from(std::string_view text, std::size_t at) {
    std::size_t end = at + (text[at] == '-' ? 1 : 0);
    const std::size_t whole = digits_from(text, end);
    if (whole == 0 || (whole > 1 && text[end] == '0'))
        return 0;
    end += whole;
    if (end < text.size() && text[end] == '.') {
        const std::size_t fraction = digits_from(text, end + 1);
        if (fraction == 0)
            return 0;
        end += 1 + fraction;
    }
    if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
        const std::size_t sign = end + 1 < text.size() && (text[end + 1] == '+' || text[end + 1] == '-') ? 1 : 0;
        const std::size_t exponent = digits_from(text, end + 1 + sign);
        if (exponent == 0)
            return 0;
        end += 1 + sign + exponent;
    }
    return end - at;
}

// Numbers of jsonb may be larger than any double, which the parser refuses: each stands for 0 here.
bool is_json(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    bool in_string = false;
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        const bool starts_number = !in_string && (c == '-' || (c >= '0' && c <= '9'));
        const std::size_t number = starts_number ? number_from(text, i) : 0;
        if (number != 0) {
            plain += '0';
            i += number;
            continue;
        }
        plain += c;
        if (in_string && c == '\\' && i + 1 < text.size())
            plain += text[++i];
        else if (c == '"')
            in_string = !in_string;
        ++i;
    }
    return nlohmann::json::accept(plain);
}

} // namespace

void check_closed_document(const ExecutionDocument &document) {
    const std::vector<ExecutionEvent> &events = document.events;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const std::string path = fmt::format("$.events[{}]", i);
        const ExecutionEvent &event = events[i];
        if (is_close(event.type) != (i + 1 == events.size()))
            fail(path, i + 1 == events.size() ? "must be the end of the execution: only closed ones are imported"
                                              : "must not be an end: others follow");
        if (i > 0 && event.type == ExecutionEventType::workflow_execution_started)
            fail(path, "must not be a second start");
        if (event.type != ExecutionEventType::child_started && !event.payload.empty() && !is_json(event.payload))
            fail(path + ".payload_text", "must be JSON");
    }
    if (!is_json(document.input))
        fail("$.input", "must be JSON");
    const Replay replay(document.id, events);
}

} // namespace hc::core
