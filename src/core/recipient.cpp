// See recipient.hpp.
#include "core/recipient.hpp"

#include "core/crypto.hpp"

#include <algorithm>
#include <array>

namespace hc::core {

namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";
constexpr std::array<std::string_view, 8> kPhoneChannels{"sms",   "mms",  "rcs",      "voice",
                                                         "phone", "call", "whatsapp", "viber"};
constexpr std::array<std::string_view, 5> kPhoneSchemes{"tel:", "sms:", "whatsapp:", "viber:", "rcs:"};

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char &c : result) {
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    }
    return result;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string mail_address(std::string_view text) {
    std::string address = lower(text);
    const std::size_t open = address.rfind('<');
    if (address.ends_with('>') && open != std::string::npos)
        address = address.substr(open + 1, address.size() - open - 2);
    constexpr std::string_view kScheme = "mailto:";
    std::string_view rest = trim(address);
    while (rest.starts_with(kScheme))
        rest = trim(rest.substr(kScheme.size()));
    return std::string(rest);
}

std::string phone_address(std::string_view text) {
    std::string_view number = text;
    const std::string head = lower(text.substr(0, 16));
    for (const std::string_view scheme : kPhoneSchemes) {
        if (head.starts_with(scheme))
            number = trim(text.substr(scheme.size()));
    }
    std::string digits;
    for (const char c : number) {
        if (c != ' ' && c != '-' && c != '(' && c != ')' && c != '.')
            digits.push_back(c);
    }
    if (digits.starts_with("00"))
        digits.replace(0, 2, "+");
    const std::size_t first = digits.starts_with('+') ? 1 : 0;
    if (digits.size() == first ||
        !std::all_of(digits.begin() + static_cast<std::ptrdiff_t>(first), digits.end(), is_digit))
        return std::string(text);
    if (first == 0 && digits.front() != '0')
        digits.insert(digits.begin(), '+');
    return digits;
}

Recipient recipient_of(std::string_view channel, std::string_view value) {
    if (value.starts_with('{') || value.starts_with('['))
        return {};
    const bool boolean = value == "true" || value == "false";
    const std::optional<std::string> text = boolean ? std::nullopt : json_scalar_text(value);
    std::string address = text ? normal_address(channel, *text) : std::string();
    if (address.empty())
        return {AddressState::absent, {}};
    if (address.size() > kMaxAddressBytes)
        return {};
    return {AddressState::known, std::move(address)};
}

} // namespace

std::string normal_address(std::string_view channel, std::string_view text) {
    const std::string_view trimmed = trim(text);
    if (channel.find("mail") != std::string_view::npos)
        return mail_address(trimmed);
    const bool phone = std::any_of(kPhoneChannels.begin(), kPhoneChannels.end(), [channel](std::string_view word) {
        return channel.find(word) != std::string_view::npos;
    });
    return phone ? phone_address(trimmed) : std::string(trimmed);
}

Recipient find_recipient(std::string_view message_json, std::string_view channel, const std::optional<JsonPath> &path) {
    const auto absent_or = [channel](const std::optional<std::string_view> &value) {
        return value ? recipient_of(channel, *value) : Recipient{AddressState::absent, {}};
    };
    if (path)
        return absent_or(find_json(message_json, *path));
    static const JsonPath kTo{{{.member = "to", .index = -1, .every = false}}};
    const auto to = find_json(message_json, kTo);
    if (!to || *to == "null" || *to == "true" || *to == "false")
        return {};
    if (!to->starts_with('{'))
        return recipient_of(channel, *to);
    const JsonPath member{{{.member = std::string(channel), .index = -1, .every = false}}};
    return absent_or(find_json(*to, member));
}

WorkflowId recipient_hash(const std::optional<std::string> &tenant, std::string_view channel, std::string_view category,
                          std::string_view address) {
    std::string text = tenant.value_or("");
    for (const std::string_view part : {channel, category, address})
        text.append("\x1f").append(part);
    const Sha256 digest = sha256(text);
    WorkflowId hash;
    std::copy_n(digest.begin(), hash.bytes.size(), hash.bytes.begin());
    return hash;
}

} // namespace hc::core
