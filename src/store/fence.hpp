// The stored token of the restore fence (table hermes.fence, one row).
#pragma once

#include "core/fence.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>

namespace hc::store {

struct FenceRow {
    std::int64_t system_identifier = 0;
    std::int32_t timeline = 0;
    std::int64_t database = 0;
    bool held = false;
    auto fields() { return std::tie(system_identifier, timeline, database, held); }
};
std::optional<FenceRow> read_fence();
bool insert_fence(const core::SystemToken &token); // false: there is a row
void write_fence(const core::SystemToken &token);  // not held
void hold_fence(const std::string &reason);        // keeps the old token

// Partitions and retention, carried out by functions of sql/install/30_maintenance.sql.
struct PartitionRow {
    std::int64_t parent = 0; // oid
    core::Time day{};
    auto fields() { return std::tie(parent, day); }
};
std::vector<PartitionRow> missing_partitions();
void create_partition(const PartitionRow &partition);
std::vector<std::string> drop_old_partitions(std::int32_t history_s, std::int32_t attempt_s, std::int32_t key_s,
                                             std::int32_t delivery_s, std::int32_t receipt_s);

} // namespace hc::store
