// Payloads of receipts as JSON documents. See receipt_payload.hpp.
#include "core/receipt_payload.hpp"

#include "core/form.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::size_t kMaxReceiptDepth = 32;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower_text(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

bool equal_words(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string dump(const nlohmann::json &value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// ---- JSON ----

int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// The four digits after "\u" at `at`, or -1.
int escape_at(std::string_view json, std::size_t at) {
    if (at + 6 > json.size() || json[at] != '\\' || json[at + 1] != 'u')
        return -1;
    int code = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
        const int digit = hex_digit(json[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

bool is_high(int code) { return code >= 0xD800 && code <= 0xDBFF; }
bool is_low(int code) { return code >= 0xDC00 && code <= 0xDFFF; }

PayloadDocument json_document(std::string_view payload) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (payload.starts_with(kByteOrderMark))
        payload.remove_prefix(kByteOrderMark.size());
    if (json_nesting_depth(payload) > kMaxReceiptDepth)
        return {{}, "It is nested more deeply than " + std::to_string(kMaxReceiptDepth) + " levels."};
    std::string json = repair_json_escapes(payload);
    if (!is_valid_json(json))
        return {{}, "It is not valid JSON."};
    return {std::move(json), {}};
}

// ---- forms ----

PayloadDocument form_document(std::string_view payload) {
    const auto pairs = parse_form(payload);
    if (!pairs)
        return {{}, "It has too many form fields."};
    nlohmann::json object = nlohmann::json::object();
    for (const auto &[name, value] : *pairs) {
        if (!name.empty())
            object[name] = value;
    }
    if (object.empty())
        return {{}, "It has no form field."};
    return {dump(object), {}};
}

// ---- SMPP ----

constexpr std::array<std::string_view, 8> kSmppKeys{"submit date", "done date", "dlvrd", "stat",
                                                    "text",        "sub",       "err",   "id"};

// Length of the key that stands at `at` with its colon ("done date:"), spaces between its words counted; 0: none. Keys
// begin the text or follow a space.
std::size_t key_at(std::string_view text, std::size_t at, std::string_view key) {
    if (at > 0 && static_cast<unsigned char>(text[at - 1]) > ' ')
        return 0;
    std::size_t i = at;
    for (const char c : key) {
        if (i >= text.size())
            return 0;
        if (c == ' ' ? text[i] != ' ' : lower(text[i]) != c)
            return 0;
        ++i;
    }
    return i < text.size() && text[i] == ':' ? i + 1 - at : 0;
}

struct KeyHit {
    std::string_view key;
    std::size_t at, value;
};

std::vector<KeyHit> find_keys(std::string_view text) {
    std::vector<KeyHit> hits;
    for (std::size_t i = 0; i < text.size(); ++i) {
        for (const std::string_view key : kSmppKeys) {
            const bool taken =
                std::any_of(hits.begin(), hits.end(), [key](const KeyHit &hit) { return hit.key == key; });
            if (const std::size_t length = taken ? 0 : key_at(text, i, key); length > 0) {
                hits.push_back({key, i, i + length});
                if (key == "text") // the beginning of the message follows, whatever it looks like
                    return hits;
                break;
            }
        }
    }
    return hits;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ')
        text.remove_prefix(1);
    while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ')
        text.remove_suffix(1);
    return text;
}

PayloadDocument smpp_document(std::string_view text, const SmppParameters &smpp) {
    nlohmann::json object = nlohmann::json::object();
    const auto payload = smpp.tlvs.find("message_payload"); // in place of an empty short_message, 5.3.2.32
    if (payload != smpp.tlvs.end() && trim(text).empty())
        text = payload->second;
    const std::vector<KeyHit> hits = find_keys(text);
    for (std::size_t i = 0; i < hits.size(); ++i) {
        const std::size_t end = i + 1 < hits.size() ? hits[i + 1].at : text.size();
        object[std::string(hits[i].key)] = trim(text.substr(hits[i].value, end - hits[i].value));
    }
    const std::string_view before = trim(text.substr(0, hits.empty() ? text.size() : hits.front().at));
    if (!before.empty()) // another format, in whole or in part: nothing of it is lost
        object["short_message"] = trim(text);
    for (const auto &[name, value] : smpp.tlvs)
        object["tlv"][name] = value;
    return {dump(object), {}};
}

} // namespace

std::optional<std::string> header_value(const Headers &headers, std::string_view name) {
    for (const auto &[key, value] : headers) {
        if (equal_words(key, name))
            return value;
    }
    return std::nullopt;
}

PayloadKind payload_kind(std::string_view payload, const Headers &headers, bool query, bool smpp) {
    if (smpp)
        return PayloadKind::smpp;
    if (query)
        return PayloadKind::form;
    if (const auto type = header_value(headers, "content-type")) {
        const std::string word = lower_text(*type);
        if (word.find("json") != std::string::npos)
            return PayloadKind::json;
        if (word.find("x-www-form-urlencoded") != std::string::npos)
            return PayloadKind::form;
    }
    const std::string_view shown = trim(payload);
    const bool json = shown.starts_with('{') || shown.starts_with('[') || shown.starts_with("\xEF\xBB\xBF");
    const bool form = shown.find('=') != std::string_view::npos;
    return json || !form ? PayloadKind::json : PayloadKind::form;
}

PayloadDocument payload_document(PayloadKind kind, std::string_view payload, const SmppParameters &smpp) {
    switch (kind) {
    case PayloadKind::form:
        return form_document(trim(payload));
    case PayloadKind::smpp:
        return smpp_document(payload, smpp);
    case PayloadKind::json:
        break;
    }
    return json_document(payload);
}

std::string repair_json_escapes(std::string_view json) {
    std::string out;
    out.reserve(json.size());
    for (std::size_t i = 0; i < json.size();) {
        if (json[i] != '\\' || i + 1 >= json.size()) {
            out.push_back(json[i++]);
            continue;
        }
        const int code = escape_at(json, i);
        const bool pair = is_high(code) && is_low(escape_at(json, i + 6));
        const std::size_t length = code < 0 ? 2 : pair ? 12 : 6;
        if (code == 0 || is_low(code) || (is_high(code) && !pair))
            out.append("\\ufffd");
        else
            out.append(json.substr(i, length));
        i += length;
    }
    return out;
}

bool is_receipt(std::int32_t esm_class) {
    const std::int32_t type = esm_class & 0x3C;
    return type == 0x04 || type == 0x20;
}

} // namespace hc::core
