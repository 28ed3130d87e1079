// Typed, checked reading of JSON documents written by people (rules, provider configurations, endpoint options).
// A JsonNode is a value and its JSON path; every failure is an hc::Error whose detail starts with that path. Values are
// never quoted in errors, because a configuration may hold what should have been a secret. Private to src/core.
#pragma once

#include "core/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

// What a document may be, and the message of every error about it ("invalid cascade rule").
struct JsonDocumentRules {
    const char *message;
    std::size_t max_bytes;
    std::size_t max_depth;
};

// Parses after the size and the depth were checked by a flat scan; refuses strings with a NUL character, which neither
// SQL text nor headers can carry. `root` is the JSON path of the document itself, for errors.
nlohmann::json parse_json_document(std::string_view text, const JsonDocumentRules &rules, std::string_view root = "$");

template <class T>
struct JsonWord {
    std::string_view word;
    T value;
};

class JsonNode {
public:
    JsonNode(const nlohmann::json &value, std::string path, const char *message)
        : value_(&value), path_(std::move(path)), message_(message) {}

    const nlohmann::json &value() const { return *value_; }
    const std::string &path() const { return path_; }

    // `what` is the end of a sentence about this value: "must be positive".
    [[noreturn]] void fail(std::string_view what, std::string hint) const;       // 22023
    [[noreturn]] void fail_limit(std::string_view what, std::string hint) const; // 54000

    JsonNode child(const nlohmann::json &value, std::string_view member) const;
    JsonNode child(const nlohmann::json &value, std::size_t index) const;

    bool boolean() const;
    std::int64_t integer(std::int64_t low, std::int64_t high) const;
    double number(double low, double high) const;
    std::string text(std::size_t max_bytes) const;            // 1 to max_bytes bytes
    std::string name() const;                                 // [a-z0-9_-]{1,63}
    Duration duration(Duration low, Duration high) const;     // "1h30m" or a number of seconds
    std::vector<JsonNode> items(std::size_t max_count) const; // an array of 1 to max_count values
    std::vector<std::string> distinct_texts(std::size_t max_count, std::size_t max_bytes) const;

    // One of the listed words; the hint of the error lists them.
    template <class T, std::size_t N>
    T word(const std::array<JsonWord<T>, N> &words) const {
        const std::string given = word_text();
        std::array<std::string_view, N> allowed;
        for (std::size_t i = 0; i < N; ++i) {
            if (words[i].word == given)
                return words[i].value;
            allowed[i] = words[i].word;
        }
        fail_word(allowed);
    }

    // For sets of words that carry no value.
    std::string word(std::span<const std::string_view> allowed) const;

    [[noreturn]] void fail_type(std::string_view expected, std::string hint) const;

private:
    std::string word_text() const;
    [[noreturn]] void fail_word(std::span<const std::string_view> allowed) const;

    const nlohmann::json *value_;
    std::string path_;
    const char *message_;
};

// An object all of whose keys are among `allowed`.
class JsonObject {
public:
    JsonObject(JsonNode node, std::span<const std::string_view> allowed);

    const JsonNode &node() const { return node_; }
    std::optional<JsonNode> find(std::string_view key) const;
    JsonNode require(std::string_view key) const;

private:
    JsonNode node_;
};

// A list of outcome webhook types, each once, as rules and endpoints have it.
std::vector<std::string> read_webhook_events(const JsonNode &node);

// "a, b, c"
std::string join_words(std::span<const std::string_view> words);

} // namespace hc::core
