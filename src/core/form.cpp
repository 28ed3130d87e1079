// Decodes forms and query strings. Pure; runs in the backend that takes a callback, on bytes that nobody has vouched
// for.
#include "core/form.hpp"

#include <algorithm>

namespace hc::core {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd"; // U+FFFD

constexpr int kNotHex = -1;

constexpr int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : kNotHex;
}

// The byte of an escape at the beginning of text, or -1.
int escaped_byte(std::string_view text) {
    if (text.size() < 3 || text[0] != '%')
        return -1;
    const int high = hex_value(text[1]);
    const int low = hex_value(text[2]);
    return high == kNotHex || low == kNotHex ? -1 : high * 16 + low;
}

std::string decode(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const int escaped = escaped_byte(text.substr(i));
        if (escaped >= 0) {
            bytes += static_cast<char>(escaped);
            i += 2;
        } else {
            bytes += text[i] == '+' ? ' ' : text[i];
        }
    }
    return bytes;
}

// What the Unicode standard allows as second byte after a lead byte (table 3-7), and the length of the sequence.
struct Lead {
    std::size_t length; // 0: not a lead byte
    unsigned char second_low;
    unsigned char second_high;
};

constexpr Lead lead_of(unsigned char byte) {
    if (byte < 0x80)
        return {1, 0, 0};
    if (byte < 0xc2 || byte > 0xf4)
        return {0, 0, 0};
    if (byte < 0xe0)
        return {2, 0x80, 0xbf};
    if (byte < 0xf0)
        return {3, static_cast<unsigned char>(byte == 0xe0 ? 0xa0 : 0x80),
                static_cast<unsigned char>(byte == 0xed ? 0x9f : 0xbf)};
    return {4, static_cast<unsigned char>(byte == 0xf0 ? 0x90 : 0x80),
            static_cast<unsigned char>(byte == 0xf4 ? 0x8f : 0xbf)};
}

struct Sequence {
    std::size_t bytes;
    bool valid;
};

// The character, or the maximal part of one, at the beginning of text, which is not empty.
Sequence first_sequence(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const Lead lead = lead_of(byte(0));
    if (lead.length < 2)
        return {1, lead.length == 1};
    const std::size_t end = std::min(lead.length, text.size());
    for (std::size_t i = 1; i < end; ++i) {
        const bool second = i == 1;
        if (byte(i) < (second ? lead.second_low : 0x80) || byte(i) > (second ? lead.second_high : 0xbf))
            return {i, false};
    }
    return {end, end == lead.length};
}

std::string clean(const std::string &bytes) {
    std::string text = replace_invalid_utf8(bytes);
    std::erase(text, '\0');
    return text;
}

} // namespace

std::optional<FormPairs> parse_form_bytes(std::string_view text) {
    if (text.starts_with('?'))
        text.remove_prefix(1);
    FormPairs pairs;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('&'), text.size());
        const std::string_view pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty())
            continue;
        if (pairs.size() == kMaxFormPairs)
            return std::nullopt;
        const std::size_t equals = std::min(pair.find('='), pair.size());
        pairs.emplace_back(decode(pair.substr(0, equals)), decode(pair.substr(std::min(equals + 1, pair.size()))));
    }
    return pairs;
}

std::optional<FormPairs> parse_form(std::string_view text) {
    std::optional<FormPairs> pairs = parse_form_bytes(text);
    if (!pairs)
        return std::nullopt;
    for (auto &[name, value] : *pairs) {
        name = clean(name);
        value = clean(value);
    }
    return pairs;
}

std::string replace_invalid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Sequence sequence = first_sequence(text);
        out += sequence.valid ? text.substr(0, sequence.bytes) : kReplacement;
        text.remove_prefix(sequence.bytes);
    }
    return out;
}

} // namespace hc::core
