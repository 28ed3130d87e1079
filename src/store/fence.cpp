// See fence.hpp.
#include "store/fence.hpp"

namespace hc::store {

namespace {
struct TextRow {
    std::string value;
    auto fields() { return std::tie(value); }
};
} // namespace

std::optional<FenceRow> read_fence() {
    constinit static pg::statement<FenceRow()> find(
        "SELECT system_identifier, timeline, database::bigint, held_since IS NOT NULL FROM hermes.fence");
    return find.query_one();
}

bool insert_fence(const core::SystemToken &token) {
    constinit static pg::statement<void(std::int64_t, std::int32_t, std::int64_t)> insert(
        "INSERT INTO hermes.fence (system_identifier, timeline, database) VALUES ($1, $2, $3::oid) ON CONFLICT DO "
        "NOTHING");
    return insert.execute(token.system_identifier, token.timeline, static_cast<std::int64_t>(token.database)) != 0;
}

void write_fence(const core::SystemToken &token) {
    constinit static pg::statement<void(std::int64_t, std::int32_t, std::int64_t)> write(
        "INSERT INTO hermes.fence (system_identifier, timeline, database) VALUES ($1, $2, $3::oid) "
        "ON CONFLICT (singleton) DO UPDATE SET system_identifier = excluded.system_identifier, timeline = "
        "excluded.timeline, "
        "database = excluded.database, held_since = NULL, reason = NULL");
    write.execute(token.system_identifier, token.timeline, static_cast<std::int64_t>(token.database));
}

void hold_fence(const std::string &reason) {
    constinit static pg::statement<void(std::string)> hold(
        "UPDATE hermes.fence SET held_since = coalesce(held_since, pg_catalog.clock_timestamp()), reason = $1");
    hold.execute(reason);
}

std::vector<PartitionRow> missing_partitions() {
    constinit static pg::statement<PartitionRow()> find(
        "SELECT parent::oid::bigint, day FROM hermes.missing_partitions()");
    return find.query();
}

void create_partition(const PartitionRow &partition) {
    constinit static pg::statement<void(std::int64_t, core::Time)> create(
        "SELECT hermes.create_day_partition($1::oid::regclass, $2)");
    create.execute(partition.parent, partition.day);
}

std::vector<std::string> drop_old_partitions(std::int32_t history_s, std::int32_t attempt_s, std::int32_t key_s,
                                             std::int32_t delivery_s, std::int32_t receipt_s) {
    constinit static pg::statement<TextRow(std::int32_t, std::int32_t, std::int32_t, std::int32_t, std::int32_t)> drop(
        "SELECT p FROM hermes.drop_old_partitions(pg_catalog.make_interval(secs => $1), pg_catalog.make_interval(secs "
        "=> $2), pg_catalog.make_interval(secs => $3), pg_catalog.make_interval(secs => $4), "
        "pg_catalog.make_interval(secs => $5)) p");
    std::vector<std::string> names;
    for (TextRow &row : drop.query(history_s, attempt_s, key_s, delivery_s, receipt_s)) {
        names.push_back(std::move(row.value));
    }
    return names;
}

} // namespace hc::store
