// See maintenance.hpp. Runs in callers' backends.
#include "engine/maintenance.hpp"

#include "core/error.hpp"
#include "pg/guc.hpp"
#include "store/fence.hpp"
#include "store/maintenance.hpp"

namespace hc::engine {

std::int32_t maintain() {
    const std::vector<store::PartitionRow> missing = store::missing_partitions();
    for (const store::PartitionRow &partition : missing) {
        store::create_partition(partition);
    }
    const std::vector<std::string> dropped =
        store::drop_old_partitions(pg::guc::history_retention_s, pg::guc::attempt_retention_s, pg::guc::key_retention_s,
                                   pg::guc::delivery_retention_s, pg::guc::receipt_log_retention_s);
    return static_cast<std::int32_t>(missing.size() + dropped.size());
}

std::optional<std::int64_t> schedule_maintenance(const std::optional<std::string> &cron) {
    if (!store::has_cron()) {
        throw Error(sqlstate::feature_not_supported, "pg_cron is not installed in this database", {},
                    "The supervisor does maintenance by itself, once a minute, unless hermes.workers is off.");
    }
    if (cron) {
        return store::put_cron_job(*cron);
    }
    store::drop_cron_job();
    return std::nullopt;
}

} // namespace hc::engine
