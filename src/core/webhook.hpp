// Standard Webhooks 1.0.0: symmetric signing (v1). Source: standard-webhooks specification.
#pragma once

#include "core/time.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hc::core {

// Key bytes of a secret written as "whsec_" + base64 of 24 to 64 bytes. nullopt when it is anything else.
std::optional<std::string> parse_webhook_secret(std::string_view secret);

// "v1,<base64 HMAC-SHA256(key, id.timestamp.body)>"; id must not contain '.'; timestamp in whole seconds.
std::string sign_webhook(std::string_view key, std::string_view id, std::int64_t timestamp_s, std::string_view body);

// Value of the webhook-signature header: one signature a key, newest key first, separated by a space (secret rotation).
std::string webhook_signature_header(std::span<const std::string> keys, std::string_view id, std::int64_t timestamp_s,
                                     std::string_view body);

// Unix seconds in decimal digits only.
std::optional<Time> parse_seconds(std::string_view text);

// Whether two times are at most `window` apart, whichever is first; never for a negative window.
bool within_window(Time signed_at, Time now, Duration window);

enum class WebhookCheck { ok, bad_timestamp, no_match };

// `header` may hold several signatures; entries of other versions are skipped; constant time; window both ways.
WebhookCheck verify_webhook(std::span<const std::string> keys, std::string_view id, std::string_view timestamp,
                            std::string_view body, std::string_view header, Time now,
                            Duration window = std::chrono::minutes(5));

} // namespace hc::core
