// See test_clock.hpp. A database for tests is small: these read all of its tasks.
#include "store/test_clock.hpp"

namespace hc::store {

namespace {

struct NumberRow {
    std::int64_t value = 0;
    auto fields() { return std::tie(value); }
};
struct BoolRow {
    bool value = false;
    auto fields() { return std::tie(value); }
};

} // namespace

std::optional<std::int64_t> read_test_clock() {
    constinit static pg::statement<NumberRow()> read("SELECT ahead FROM hermes.test_clock");
    const std::optional<NumberRow> row = read.query_one();
    return row ? std::optional(row->value) : std::nullopt;
}

bool insert_test_clock() {
    constinit static pg::statement<void()> insert(
        "INSERT INTO hermes.test_clock DEFAULT VALUES ON CONFLICT DO NOTHING");
    return insert.execute() != 0;
}

bool delete_test_clock() {
    constinit static pg::statement<void()> remove("DELETE FROM hermes.test_clock WHERE ahead = 0");
    return remove.execute() != 0 || !read_test_clock();
}

void save_test_clock(std::int64_t ahead) {
    constinit static pg::statement<void(std::int64_t)> update(
        "UPDATE hermes.test_clock SET ahead = $1 WHERE ahead < $1");
    update.execute(ahead);
}

bool has_work() {
    constinit static pg::statement<BoolRow()> look(
        "SELECT EXISTS (SELECT FROM hermes.workflow) OR EXISTS (SELECT FROM hermes.closed) OR "
        "EXISTS (SELECT FROM hermes.execution) OR EXISTS (SELECT FROM hermes.execution_closed)");
    return look.query().front().value;
}

std::optional<DueRow> first_due(core::Time now) {
    // kind 7: of a close that somebody stands in the way of, it is tried again after moments. Of an activity: when it
    // times out, when a fake answers, and when it may be polled
    // again, which nobody has to do
    constinit static pg::statement<DueRow(core::Time)> look(
        "SELECT min(t.due), min(t.due - CASE t.kind WHEN 7 THEN interval '100 ms' ELSE interval '0' END), "
        "count(*) FILTER (WHERE t.due <= $1) FROM (SELECT due, kind FROM hermes.task WHERE queue > 0 UNION ALL "
        "SELECT due, 2 FROM hermes.timer WHERE due < 'infinity' UNION ALL "
        "SELECT deadline, 0 FROM hermes.activity WHERE deadline IS NOT NULL UNION ALL SELECT due, 0 FROM "
        "hermes.activity WHERE (state = 3 AND due > $1) OR (queue_id = 0 AND state <> 4)) AS t HAVING count(*) > 0");
    return look.query_one(now);
}

std::optional<OverdueRow> first_overdue(core::Time now) {
    constinit static pg::statement<OverdueRow(core::Time)> look(
        "SELECT t.workflow_id, t.kind, t.last_error FROM (SELECT workflow_id, number, kind, due, last_error FROM "
        "hermes.task WHERE queue > 0 UNION ALL SELECT workflow_id, number, 2::smallint, due, last_error FROM "
        "hermes.timer) t WHERE t.due <= $1 "
        "ORDER BY t.due, t.workflow_id, t.number LIMIT 1");
    return look.query_one(now);
}

} // namespace hc::store
