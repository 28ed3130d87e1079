// See backlog.hpp. Read-only: works on a standby.
#include "store/backlog.hpp"

#include "pg/spi.hpp"
#include "pg/wake.hpp"

namespace hc::store {

namespace {

struct DueRow {
    std::int32_t queue = 0, number = 0;
    core::Time due{};
    std::optional<pg::bytes> history;
    auto fields() { return std::tie(queue, number, due, history); }
};
struct TimeRow {
    std::optional<core::Time> time;
    auto fields() { return std::tie(time); }
};
struct InboxRow {
    std::int64_t parked = 0, waiting = 0;
    auto fields() { return std::tie(parked, waiting); }
};

} // namespace

std::vector<BacklogRow> first_due(const std::vector<std::int32_t> &queues, core::Time now) {
    constinit static pg::statement<DueRow(std::vector<std::int32_t>, core::Time)> find(
        "SELECT q.queue, o.number, o.due, (SELECT w.history FROM hermes.open_cascades w WHERE w.id = o.workflow_id) "
        "FROM unnest($1) AS q (queue) CROSS JOIN LATERAL "
        "((SELECT t.number, t.due, t.workflow_id FROM hermes.task t WHERE t.queue = q.queue AND t.due <= $2 AND "
        "t.owner IS NULL ORDER BY t.due LIMIT 1) UNION ALL "
        "(SELECT t.number, t.due, t.workflow_id FROM hermes.timer t WHERE q.queue = 1 AND t.due <= $2 "
        "ORDER BY t.due LIMIT 1) ORDER BY 2 LIMIT 1) o");
    std::vector<BacklogRow> rows;
    for (DueRow &row : find.query(queues, now, true)) {
        rows.push_back({row.queue, row.number, row.due, std::nullopt});
        if (row.history) {
            rows.back().history = std::move(row.history->data);
        }
    }
    return rows;
}

std::optional<core::Time> oldest_of_endpoints(core::Time now) {
    constinit static pg::statement<TimeRow(std::int32_t, core::Time)> find(
        "WITH RECURSIVE held AS ("
        "(SELECT t.queue, t.due FROM hermes.task t WHERE t.queue >= $1 ORDER BY t.queue, t.due LIMIT 1) UNION ALL "
        "SELECT n.queue, n.due FROM held h CROSS JOIN LATERAL (SELECT t.queue, t.due FROM hermes.task t "
        "WHERE t.queue > h.queue ORDER BY t.queue, t.due LIMIT 1) n) "
        "SELECT min(due) FILTER (WHERE due <= $2) FROM (SELECT due FROM held LIMIT 20000) h");
    return find.query(pg::kFirstEndpointQueue, now, true).front().time;
}

InboxCounts count_inbox() {
    constinit static pg::statement<InboxRow()> find(
        "SELECT count(*) FILTER (WHERE parked), count(*) FILTER (WHERE NOT parked) "
        "FROM (SELECT parked FROM hermes.receipt_inbox LIMIT 100000) i");
    const InboxRow row = find.query(true).front();
    return {row.parked, row.waiting};
}

} // namespace hc::store
