// Cascade ids: UUID version 7 (RFC 9562) whose 12 bits of rand_a hold the shard bucket.
#pragma once

#include "core/time.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hc::core {

struct WorkflowId {
    std::array<std::uint8_t, 16> bytes{};
    auto operator<=>(const WorkflowId &) const = default;
};

inline constexpr std::uint16_t kBuckets = 4096;

// Bucket of a keyed cascade: the first 12 bits of SHA-256(tenant || 0x1f || key); a NULL tenant counts as empty.
std::uint16_t bucket_of_key(std::string_view tenant, std::string_view key);

// 48 bits of milliseconds, version 7, 12 bits of bucket, variant 10, 62 bits from `random`.
WorkflowId make_workflow_id(Time now, std::uint16_t bucket, std::uint64_t random);

Time time_of(const WorkflowId &id); // millisecond precision
std::uint16_t bucket_of(const WorkflowId &id);

// Smallest id of a time: lower bound of the id range that starts there (partition bounds).
WorkflowId first_id_at(Time t);

std::string to_string(const WorkflowId &id);                        // canonical lower-case text
std::optional<WorkflowId> parse_workflow_id(std::string_view text); // canonical text only

// What tells one attempt of one cascade apart in every external system, and its idempotency key: "<uuid>-<attempt>".
std::string attempt_reference(const WorkflowId &id, std::uint32_t attempt);
struct AttemptReference {
    WorkflowId id;
    std::uint32_t attempt;
};
std::optional<AttemptReference> parse_attempt_reference(std::string_view text);

} // namespace hc::core

template <>
struct std::hash<hc::core::WorkflowId> {
    std::size_t operator()(const hc::core::WorkflowId &id) const noexcept; // last eight bytes
};
