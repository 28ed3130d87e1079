// Signs and verifies Standard Webhooks messages. Pure; signing runs in the dispatcher, verifying in the backend that
// takes an inbound receipt.
#include "core/webhook.hpp"

#include "core/crypto.hpp"
#include "core/error.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace hc::core {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kMinKeyBytes = 24;
constexpr std::size_t kMaxKeyBytes = 64;
constexpr std::string_view kVersionPrefix = "v1,";
constexpr std::int64_t kMicrosPerSecond = 1'000'000;

// The id ends at the first '.' of the signed bytes; one inside it would let two messages share a signature.
bool valid_id(std::string_view id) { return id.find('.') == std::string_view::npos; }

std::string signed_bytes(std::string_view id, std::string_view timestamp, std::string_view body) {
    std::string bytes;
    bytes.reserve(id.size() + timestamp.size() + body.size() + 2);
    bytes.append(id).append(1, '.').append(timestamp).append(1, '.').append(body);
    return bytes;
}

std::string signature(std::string_view key, std::string_view message) {
    const Sha256 digest = hmac_sha256(key, message);
    return std::string(kVersionPrefix) + base64_encode({reinterpret_cast<const char *>(digest.data()), digest.size()});
}

// Compares every entry with every signature, whatever has matched before: the time taken tells nothing of the match.
bool any_matches(std::string_view header, const std::vector<std::string> &expected) {
    bool found = false;
    while (!header.empty()) {
        const std::size_t space = header.find(' ');
        const std::string_view entry = header.substr(0, space);
        header.remove_prefix(space == std::string_view::npos ? header.size() : space + 1);
        if (!entry.starts_with(kVersionPrefix))
            continue;
        for (const std::string &signature : expected)
            found = constant_time_equal(entry, signature) || found;
    }
    return found;
}

} // namespace

std::optional<Time> parse_seconds(std::string_view text) {
    if (text.empty() || text.front() < '0' || text.front() > '9')
        return std::nullopt;
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || seconds > INT64_MAX / kMicrosPerSecond)
        return std::nullopt;
    return from_unix_micros(seconds * kMicrosPerSecond);
}

bool within_window(Time signed_at, Time now, Duration window) {
    if (window < Duration::zero())
        return false;
    // Unsigned: the distance of any two times fits.
    const auto [early, late] = std::minmax(signed_at, now);
    const std::uint64_t distance =
        static_cast<std::uint64_t>(to_unix_micros(late)) - static_cast<std::uint64_t>(to_unix_micros(early));
    return distance <= static_cast<std::uint64_t>(window.count());
}

std::optional<std::string> parse_webhook_secret(std::string_view secret) {
    if (!secret.starts_with(kSecretPrefix))
        return std::nullopt;
    std::optional<std::string> key = base64_decode(secret.substr(kSecretPrefix.size()));
    if (!key || key->size() < kMinKeyBytes || key->size() > kMaxKeyBytes)
        return std::nullopt;
    return key;
}

std::string sign_webhook(std::string_view key, std::string_view id, std::int64_t timestamp_s, std::string_view body) {
    if (!valid_id(id))
        throw Error(sqlstate::invalid_parameter, "webhook id must not contain a period");
    return signature(key, signed_bytes(id, std::to_string(timestamp_s), body));
}

std::string webhook_signature_header(std::span<const std::string> keys, std::string_view id, std::int64_t timestamp_s,
                                     std::string_view body) {
    std::string header;
    for (const std::string &key : keys) {
        if (!header.empty())
            header += ' ';
        header += sign_webhook(key, id, timestamp_s, body);
    }
    return header;
}

WebhookCheck verify_webhook(std::span<const std::string> keys, std::string_view id, std::string_view timestamp,
                            std::string_view body, std::string_view header, Time now, Duration window) {
    const std::optional<Time> sent = parse_seconds(timestamp);
    if (!sent || !within_window(*sent, now, window))
        return WebhookCheck::bad_timestamp;
    if (!valid_id(id))
        return WebhookCheck::no_match;
    const std::string message = signed_bytes(id, timestamp, body);
    std::vector<std::string> expected;
    expected.reserve(keys.size());
    for (const std::string &key : keys)
        expected.push_back(signature(key, message));
    return any_matches(header, expected) ? WebhookCheck::ok : WebhookCheck::no_match;
}

} // namespace hc::core
