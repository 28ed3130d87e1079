// Making, reading and writing cascade ids (UUID version 7 with a shard bucket). Pure; used by every process.
#include "core/id.hpp"

#include "core/crypto.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace hc::core {
namespace {

constexpr std::size_t kTextLength = 36;
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr int kBucketBits = 12;
constexpr std::int64_t kMaxMillis = (std::int64_t{1} << 48) - 1;
constexpr std::uint64_t kRandomMask = (std::uint64_t{1} << 62) - 1;
static_assert(kBuckets == 1U << kBucketBits);

constexpr bool dash_at(std::size_t position) {
    return position == 8 || position == 13 || position == 18 || position == 23;
}

// Value of a lower-case hexadecimal digit, or -1.
constexpr int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

// Milliseconds as an id can hold them: times outside its 48 bits go to the nearest end.
std::uint64_t id_millis(Time t) {
    const std::int64_t millis = std::chrono::floor<std::chrono::milliseconds>(t).time_since_epoch().count();
    return static_cast<std::uint64_t>(std::clamp<std::int64_t>(millis, 0, kMaxMillis));
}

} // namespace

std::uint16_t bucket_of_key(std::string_view tenant, std::string_view key) {
    return static_cast<std::uint16_t>(hash64(tenant, key) >> (64 - kBucketBits));
}

WorkflowId make_workflow_id(Time now, std::uint16_t bucket, std::uint64_t random) {
    constexpr std::uint64_t kVersion = 7;
    constexpr std::uint64_t kVariant = 2; // binary 10
    const std::uint64_t high = id_millis(now) << 16 | kVersion << kBucketBits | (bucket % kBuckets);
    const std::uint64_t low = kVariant << 62 | (random & kRandomMask);
    WorkflowId id;
    for (std::size_t i = 0; i < 8; ++i) {
        const std::size_t shift = 56 - 8 * i;
        id.bytes[i] = static_cast<std::uint8_t>(high >> shift);
        id.bytes[i + 8] = static_cast<std::uint8_t>(low >> shift);
    }
    return id;
}

Time time_of(const WorkflowId &id) {
    std::int64_t millis = 0;
    for (std::size_t i = 0; i < 6; ++i)
        millis = millis << 8 | id.bytes[i];
    return Time{std::chrono::milliseconds{millis}};
}

std::uint16_t bucket_of(const WorkflowId &id) {
    return static_cast<std::uint16_t>((id.bytes[6] & 0x0fU) << 8 | id.bytes[7]);
}

WorkflowId first_id_at(Time t) { return make_workflow_id(t, 0, 0); }

std::string to_string(const WorkflowId &id) {
    std::string text;
    text.reserve(kTextLength);
    for (const std::uint8_t byte : id.bytes) {
        if (dash_at(text.size()))
            text += '-';
        text += kHexDigits[byte >> 4];
        text += kHexDigits[byte & 0x0fU];
    }
    return text;
}

std::optional<WorkflowId> parse_workflow_id(std::string_view text) {
    if (text.size() != kTextLength)
        return std::nullopt;
    WorkflowId id;
    std::size_t digits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (dash_at(i)) {
            if (text[i] != '-')
                return std::nullopt;
            continue;
        }
        const int value = hex_value(text[i]);
        if (value < 0)
            return std::nullopt;
        std::uint8_t &byte = id.bytes[digits / 2];
        byte = static_cast<std::uint8_t>(byte << 4 | value);
        ++digits;
    }
    return id;
}

std::string attempt_reference(const WorkflowId &id, std::uint32_t attempt) {
    return to_string(id) + '-' + std::to_string(attempt);
}

std::optional<AttemptReference> parse_attempt_reference(std::string_view text) {
    if (text.size() < kTextLength + 2 || text[kTextLength] != '-')
        return std::nullopt;
    const std::optional<WorkflowId> id = parse_workflow_id(text.substr(0, kTextLength));
    const std::string_view number = text.substr(kTextLength + 1);
    // Attempts count from 1; one attempt has one spelling, so no leading zero.
    if (!id || number.front() < '1' || number.front() > '9')
        return std::nullopt;
    std::uint32_t attempt = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), attempt);
    if (error != std::errc{} || end != number.data() + number.size())
        return std::nullopt;
    return AttemptReference{.id = *id, .attempt = attempt};
}

} // namespace hc::core

// The last eight bytes are random; the first are nearly equal among ids of one time.
std::size_t std::hash<hc::core::WorkflowId>::operator()(const hc::core::WorkflowId &id) const noexcept {
    static_assert(sizeof(std::size_t) == 8);
    std::size_t value = 0;
    std::memcpy(&value, id.bytes.data() + 8, sizeof value);
    return value;
}
