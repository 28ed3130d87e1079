// See maintenance.hpp.
#include "store/maintenance.hpp"

#include "pg/spi.hpp"

namespace hc::store {

namespace {

struct BoolRow {
    bool value = false;
    auto fields() { return std::tie(value); }
};
struct NumberRow {
    std::int64_t value = 0;
    auto fields() { return std::tie(value); }
};

} // namespace

bool has_cron() {
    constinit static pg::statement<BoolRow()> find(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron')");
    return find.query().front().value;
}

std::int64_t put_cron_job(const std::string &cron) {
    constinit static pg::statement<NumberRow(std::string)> put(
        "SELECT cron.schedule('hermes_maintenance', $1, 'SELECT hermes.maintain()')");
    return put.query(cron).front().value;
}

void drop_cron_job() {
    constinit static pg::statement<BoolRow()> drop(
        "SELECT cron.unschedule(jobname::text) FROM cron.job WHERE jobname = 'hermes_maintenance' "
        "AND username = current_user");
    drop.query();
}

} // namespace hc::store
