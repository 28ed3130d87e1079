// Typed, checked reading of JSON documents written by people; any process.
#include "core/json_reader.hpp"

#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/json_path.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace hc::core {

namespace {

constexpr std::size_t kMaxShownKeyBytes = 64;
constexpr const char *kNulHint = "Remove the escape \\u0000.";
constexpr const char *kNameHint = "Write 1 to 63 characters out of a-z, 0-9, \"_\" and \"-\".";
constexpr const char *kDurationHint = "Write a text with units, such as \"30s\" or \"1h30m\", or a number of seconds.";

// A key fit for an error text: cut between characters, without control characters.
std::string shown_key(std::string_view key) {
    std::size_t n = std::min(key.size(), kMaxShownKeyBytes);
    while (n < key.size() && n > 0 && (static_cast<unsigned char>(key[n]) & 0xC0) == 0x80)
        --n;
    std::string shown(key.substr(0, n));
    for (char &c : shown) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = '?';
    }
    return shown;
}

void refuse_nul(const JsonNode &node) {
    const nlohmann::json &value = node.value();
    constexpr char kNul = '\0';
    if (value.is_string() && value.get_ref<const std::string &>().find(kNul) != std::string::npos)
        node.fail("must not contain the character U+0000", kNulHint);
    if (value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i)
            refuse_nul(node.child(value[i], i));
    }
    if (value.is_object()) {
        for (const auto &[key, member] : value.items()) {
            if (key.find(kNul) != std::string::npos)
                node.fail("must not have a key with the character U+0000", kNulHint);
            refuse_nul(node.child(member, key));
        }
    }
}

std::string_view type_words(const nlohmann::json &value) {
    switch (value.type()) {
    case nlohmann::json::value_t::null:
        return "null";
    case nlohmann::json::value_t::object:
        return "an object";
    case nlohmann::json::value_t::array:
        return "an array";
    case nlohmann::json::value_t::string:
        return "a string";
    case nlohmann::json::value_t::boolean:
        return "a boolean";
    default:
        return "a number";
    }
}

} // namespace

nlohmann::json parse_json_document(std::string_view text, const JsonDocumentRules &rules, std::string_view root) {
    if (text.size() > rules.max_bytes)
        throw Error(sqlstate::limit_exceeded, rules.message,
                    fmt::format("{}: the document has {} bytes.", root, text.size()),
                    fmt::format("At most {} bytes are allowed.", rules.max_bytes));
    if (json_nesting_depth(text) > rules.max_depth)
        throw Error(sqlstate::limit_exceeded, rules.message,
                    fmt::format("{}: the document is nested too deeply.", root),
                    fmt::format("At most {} levels of arrays and objects are allowed.", rules.max_depth));
    constexpr const char *kNotJsonHint = "The document must be one JSON value in UTF-8.";
    // The parser takes a zero byte for the end of its input.
    if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos)
        throw Error(sqlstate::invalid_parameter, rules.message,
                    fmt::format("{}: not valid JSON at byte {}.", root, zero + 1), kNotJsonHint);
    nlohmann::json document;
    try {
        document = nlohmann::json::parse(text.begin(), text.end());
    } catch (const nlohmann::json::parse_error &e) {
        throw Error(sqlstate::invalid_parameter, rules.message,
                    fmt::format("{}: not valid JSON at byte {}.", root, e.byte), kNotJsonHint);
    } catch (const nlohmann::json::out_of_range &) {
        throw Error(sqlstate::invalid_parameter, rules.message, fmt::format("{}: a number is too large.", root),
                    "Numbers must fit double precision.");
    }
    if (text.find("\\u0000") != std::string_view::npos) // the one way to write it
        refuse_nul(JsonNode(document, std::string(root), rules.message));
    return document;
}

void JsonNode::fail(std::string_view what, std::string hint) const {
    throw Error(sqlstate::invalid_parameter, message_, fmt::format("{}: {}.", path_, what), std::move(hint));
}

void JsonNode::fail_limit(std::string_view what, std::string hint) const {
    throw Error(sqlstate::limit_exceeded, message_, fmt::format("{}: {}.", path_, what), std::move(hint));
}

void JsonNode::fail_type(std::string_view expected, std::string hint) const {
    fail(fmt::format("must be {}, not {}", expected, type_words(*value_)), std::move(hint));
}

JsonNode JsonNode::child(const nlohmann::json &value, std::string_view member) const {
    std::string path = path_;
    append_json_member(path, shown_key(member));
    return {value, std::move(path), message_};
}

JsonNode JsonNode::child(const nlohmann::json &value, std::size_t index) const {
    return {value, fmt::format("{}[{}]", path_, index), message_};
}

bool JsonNode::boolean() const {
    if (!value_->is_boolean())
        fail_type("a boolean", "Write true or false.");
    return value_->get<bool>();
}

std::int64_t JsonNode::integer(std::int64_t low, std::int64_t high) const {
    const auto range = [&] { return fmt::format("between {} and {}", low, high); };
    const auto hint = [&] { return fmt::format("Write a whole number {}.", range()); };
    if (!value_->is_number())
        fail_type("a whole number", hint());
    if (!value_->is_number_integer())
        fail("must be a whole number", hint());
    const bool too_large = value_->is_number_unsigned() && value_->get<std::uint64_t>() > std::uint64_t{INT64_MAX};
    if (too_large || value_->get<std::int64_t>() < low || value_->get<std::int64_t>() > high)
        fail(fmt::format("must be {}", range()), hint());
    return value_->get<std::int64_t>();
}

double JsonNode::number(double low, double high) const {
    const std::string range = fmt::format("between {} and {}", low, high);
    if (!value_->is_number())
        fail_type("a number", fmt::format("Write a number {}.", range));
    const double number = value_->get<double>();
    if (!(number >= low && number <= high))
        fail(fmt::format("must be {}", range), fmt::format("Write a number {}.", range));
    return number;
}

std::string JsonNode::text(std::size_t max_bytes) const {
    const auto hint = [&] { return fmt::format("Write a string of 1 to {} bytes.", max_bytes); };
    if (!value_->is_string())
        fail_type("a string", hint());
    const auto &text = value_->get_ref<const std::string &>();
    if (text.empty())
        fail("must not be empty", hint());
    if (text.size() > max_bytes)
        fail_limit(fmt::format("has {} bytes", text.size()), fmt::format("At most {} bytes are allowed.", max_bytes));
    return text;
}

std::string JsonNode::name() const {
    if (!value_->is_string())
        fail_type("a string", kNameHint);
    const auto &text = value_->get_ref<const std::string &>();
    const bool good = !text.empty() && text.size() <= 63 &&
                      text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
    if (!good)
        fail("is not a valid name", kNameHint);
    return text;
}

Duration JsonNode::duration(Duration low, Duration high) const {
    std::optional<Duration> parsed;
    if (value_->is_string()) {
        parsed = parse_duration(value_->get_ref<const std::string &>());
        if (!parsed)
            fail("is not a valid duration", kDurationHint);
    } else if (value_->is_number()) {
        // Beyond any allowed range the exact value does not matter; llround must not overflow.
        constexpr double kFarSeconds = 1e12;
        const double seconds = std::clamp(value_->get<double>(), -kFarSeconds, kFarSeconds);
        parsed = Duration{std::llround(seconds * 1e6)};
    } else {
        fail_type("a duration", kDurationHint);
    }
    const std::string hint =
        fmt::format("Durations between {} and {} are allowed here.", format_duration(low), format_duration(high));
    if (low > Duration::zero() && *parsed <= Duration::zero())
        fail("must be positive", hint);
    if (*parsed < Duration::zero())
        fail("must not be negative", hint);
    if (*parsed < low)
        fail(fmt::format("must be at least {}", format_duration(low)), hint);
    if (*parsed > high)
        fail(fmt::format("must be at most {}", format_duration(high)), hint);
    return *parsed;
}

std::vector<JsonNode> JsonNode::items(std::size_t max_count) const {
    const auto hint = [&] { return fmt::format("Write an array of 1 to {} values.", max_count); };
    if (!value_->is_array())
        fail_type("an array", hint());
    if (value_->empty())
        fail("must not be empty", hint());
    if (value_->size() > max_count)
        fail_limit(fmt::format("has {} values", value_->size()),
                   fmt::format("At most {} values are allowed.", max_count));
    std::vector<JsonNode> nodes;
    nodes.reserve(value_->size());
    for (std::size_t i = 0; i < value_->size(); ++i)
        nodes.push_back(child((*value_)[i], i));
    return nodes;
}

std::vector<std::string> JsonNode::distinct_texts(std::size_t max_count, std::size_t max_bytes) const {
    std::vector<std::string> texts;
    for (const JsonNode &item : items(max_count)) {
        std::string text = item.text(max_bytes);
        if (std::find(texts.begin(), texts.end(), text) != texts.end())
            item.fail("appears twice", "Write every value once.");
        texts.push_back(std::move(text));
    }
    return texts;
}

std::string JsonNode::word(std::span<const std::string_view> allowed) const {
    std::string given = word_text();
    if (std::find(allowed.begin(), allowed.end(), given) == allowed.end())
        fail_word(allowed);
    return given;
}

std::string JsonNode::word_text() const { return value_->is_string() ? value_->get<std::string>() : std::string(); }

void JsonNode::fail_word(std::span<const std::string_view> allowed) const {
    const std::string hint = fmt::format("Allowed values are {}.", join_words(allowed));
    if (!value_->is_string())
        fail_type("a string", hint);
    fail("is not an allowed value", hint);
}

JsonObject::JsonObject(JsonNode node, std::span<const std::string_view> allowed) : node_(std::move(node)) {
    if (!node_.value().is_object())
        node_.fail_type("an object", fmt::format("Allowed keys are {}.", join_words(allowed)));
    for (const auto &[key, value] : node_.value().items()) {
        if (std::find(allowed.begin(), allowed.end(), key) == allowed.end())
            node_.child(value, key).fail("unknown key", fmt::format("Allowed keys are {}.", join_words(allowed)));
    }
}

std::optional<JsonNode> JsonObject::find(std::string_view key) const {
    const auto it = node_.value().find(key);
    if (it == node_.value().end())
        return std::nullopt;
    return node_.child(*it, key);
}

JsonNode JsonObject::require(std::string_view key) const {
    if (auto found = find(key))
        return *found;
    node_.child(node_.value(), key).fail("is missing", fmt::format("The key {} is required.", key));
}

std::vector<std::string> read_webhook_events(const JsonNode &node) {
    constexpr std::array<std::string_view, 8> kEvents{
        "message.delivered",        "message.failed",      "message.expired",      "message.canceled",
        "message.status_corrected", "message.step_failed", "message.step_skipped", "message.step_succeeded"};
    std::vector<std::string> events;
    for (const JsonNode &item : node.items(kEvents.size())) {
        std::string event = item.word(kEvents);
        if (std::find(events.begin(), events.end(), event) != events.end())
            item.fail("appears twice", "Write every value once.");
        events.push_back(std::move(event));
    }
    return events;
}

std::string join_words(std::span<const std::string_view> words) { return fmt::format("{}", fmt::join(words, ", ")); }

} // namespace hc::core
