// See signature_secrets.hpp.
#include "core/signature_secrets.hpp"

#include "core/signature.hpp"

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kPemBegin = "-----BEGIN ";
constexpr std::string_view kPemEnd = "-----END ";
constexpr std::string_view kDashes = "-----";

// Cuts the next word, or PEM block, from the text, which does not begin with white space.
std::string_view take_key(std::string_view &text) {
    std::size_t size = std::min(text.find_first_of(kSpace), text.size());
    if (text.starts_with(kPemBegin)) {
        const std::size_t end = text.find(kPemEnd);
        const std::size_t dashes = end == std::string_view::npos ? end : text.find(kDashes, end + kPemEnd.size());
        size = dashes == std::string_view::npos ? text.size() : dashes + kDashes.size();
    }
    const std::string_view key = text.substr(0, size);
    text.remove_prefix(size);
    return key;
}

std::vector<std::string_view> take_keys(std::string_view text) {
    std::vector<std::string_view> keys;
    for (;;) {
        text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
        if (text.empty())
            return keys;
        keys.push_back(take_key(text));
    }
}

// A password may hold blanks.
std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
        if (end > 0)
            lines.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

// Each certificate with the topic that stands before it.
std::vector<std::string> topics_of(std::string_view text) {
    std::vector<std::string> keys;
    std::string_view topic;
    for (const std::string_view key : take_keys(text)) {
        if (key.starts_with(kPemBegin))
            keys.push_back(std::string(topic).append("\n").append(key));
        else
            topic = key;
    }
    return keys;
}

} // namespace

std::vector<std::string> split_secrets(std::string_view scheme, std::string_view secret) {
    const std::string_view name = signature_scheme_of(scheme);
    if (name == "basic")
        return lines_of(secret);
    if (name == "aws_sns")
        return topics_of(secret);
    const std::vector<std::string_view> keys = take_keys(secret);
    return {keys.begin(), keys.end()};
}

std::string signature_schemes_hint() {
    std::string hint = "Schemes: ";
    for (const SignatureScheme &scheme : kSignatureSchemes)
        hint.append(hint.size() > 9 ? ", " : "").append(scheme.name);
    return hint + "; connector names are taken too.";
}

} // namespace hc::core
