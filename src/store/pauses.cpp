// See pauses.hpp.
#include "store/pauses.hpp"

#include "pg/wake.hpp"

namespace hc::store {

namespace {

struct QueueRow {
    std::int32_t queue = 0;
    auto fields() { return std::tie(queue); }
};

} // namespace

std::vector<PauseRow> all_pauses() {
    constinit static pg::statement<PauseRow()> all("SELECT scope, name, provider, since, until FROM hermes.pause");
    return all.query(true);
}

bool insert_pause(const char *scope, const std::optional<std::string> &name, std::int32_t provider, core::Time since,
                  const std::optional<std::string> &reason) {
    constinit static pg::statement<void(std::string, std::optional<std::string>, std::int32_t, core::Time,
                                        std::optional<std::string>)>
        insert("INSERT INTO hermes.pause (scope, name, provider, since, reason) VALUES ($1, $2, $3, $4, $5) "
               "ON CONFLICT (scope, (coalesce(name, '')), provider) WHERE until IS NULL DO NOTHING");
    return insert.execute(std::string(scope), name, provider, since, reason) != 0;
}

bool end_pause(const char *scope, const std::optional<std::string> &name, std::int32_t provider, core::Time until) {
    constinit static pg::statement<void(std::string, std::optional<std::string>, std::int32_t, core::Time)> end(
        "UPDATE hermes.pause SET until = greatest($4, since) WHERE scope = $1 AND name IS NOT DISTINCT FROM $2 "
        "AND provider = $3 AND until IS NULL");
    return end.execute(std::string(scope), name, provider, until) != 0;
}

void delete_pauses_before(core::Time ended) {
    constinit static pg::statement<void(core::Time)> remove("DELETE FROM hermes.pause WHERE until < $1");
    remove.execute(ended);
}

std::size_t release_paused_tasks(core::Time now, std::int32_t limit) {
    constinit static pg::statement<QueueRow(core::Time, std::int32_t)> release(
        "WITH picked AS MATERIALIZED (SELECT workflow_id, number FROM hermes.task "
        "WHERE queue < 0 AND due <= $1 ORDER BY queue, due LIMIT $2 FOR UPDATE SKIP LOCKED) "
        "UPDATE hermes.task t SET queue = -t.queue, due = $1 FROM picked p "
        "WHERE t.workflow_id = p.workflow_id AND t.number = p.number RETURNING t.queue");
    const std::vector<QueueRow> rows = release.query(now, limit);
    for (const QueueRow &row : rows) {
        pg::note_task(row.queue, now);
    }
    return rows.size();
}

} // namespace hc::store
