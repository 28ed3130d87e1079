// Words and readers shared by the files that implement provider_config.hpp. Private to src/core.
#pragma once

#include "core/json_reader.hpp"
#include "core/provider_config.hpp"

namespace hc::core {

inline constexpr std::array<JsonWord<SendVerdict>, 5> kSendVerdictWords{{{"accepted", SendVerdict::accepted},
                                                                         {"retry_same", SendVerdict::retry_same},
                                                                         {"ambiguous", SendVerdict::ambiguous},
                                                                         {"next_provider", SendVerdict::next_provider},
                                                                         {"next_channel", SendVerdict::next_channel}}};
inline constexpr std::array<JsonWord<FailureKind>, 4> kFailureKindWords{{{"soft", FailureKind::soft},
                                                                         {"hard", FailureKind::hard},
                                                                         {"policy", FailureKind::policy},
                                                                         {"config", FailureKind::config}}};

inline constexpr const char *kProviderConfigMessage = "invalid provider configuration";
inline constexpr std::size_t kMaxSecretNameBytes = 63;
inline constexpr Duration kMinConfigDuration = std::chrono::milliseconds(1);
inline constexpr Duration kMaxConfigDuration = std::chrono::days(365);

// The kind of a failure whose class does not name one.
constexpr FailureKind default_kind(SendVerdict verdict) {
    switch (verdict) {
    case SendVerdict::accepted:
        return FailureKind::none;
    case SendVerdict::retry_same:
    case SendVerdict::ambiguous:
        return FailureKind::soft;
    case SendVerdict::next_provider:
        return FailureKind::config;
    case SendVerdict::next_channel:
        return FailureKind::hard;
    case SendVerdict::skip:
    case SendVerdict::not_now: // words of no configuration
        break;
    }
    return FailureKind::none;
}

inline constexpr std::array<JsonWord<PartMode>, 3> kPartModeWords{
    {{"provider", PartMode::provider}, {"all", PartMode::all}, {"any", PartMode::any}}};

// The members of receipt options that belong to a provider account as well.
void read_receipt_options(const JsonObject &object, ReceiptOptions &options);

// "rate" and "breaker" of a provider.
void read_provider_limits(const JsonObject &provider, ProviderLimits &limits);

// An array of script entries of a sandbox provider.
std::vector<SandboxStep> read_sandbox_script(const JsonNode &node);

// An object of header names and literal values, checked.
std::vector<std::pair<std::string, std::string>> read_headers(const JsonNode &node);

// ASCII only.
std::string lower_case(std::string_view text);

} // namespace hc::core
