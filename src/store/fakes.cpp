// See fakes.hpp. A database for tests is small: these read all of its activities.
#include "store/fakes.hpp"

namespace hc::store {

namespace {

struct NameRow {
    std::string name;
    auto fields() { return std::tie(name); }
};
struct KeyRow {
    core::WorkflowId id;
    std::int32_t number = 0;
    auto fields() { return std::tie(id, number); }
};
struct TimeRow {
    std::optional<core::Time> value;
    auto fields() { return std::tie(value); }
};

} // namespace

void put_fake(const NewFake &fake) {
    constinit static pg::statement<void(std::string, std::string, std::vector<std::int64_t>, std::string)> put(
        "INSERT INTO hermes.fake_activity (name, answers, delays, role) SELECT $1, CASE jsonb_typeof($2::jsonb) WHEN "
        "'array' THEN $2::jsonb ELSE jsonb_build_array($2::jsonb) END, $3, $4 ON CONFLICT (name) DO UPDATE SET "
        "answers = excluded.answers, delays = excluded.delays, role = excluded.role");
    put.execute(fake.name, fake.answers, fake.delays, fake.role);
}

bool delete_fake(const std::string &name) {
    constinit static pg::statement<void(std::string)> remove("DELETE FROM hermes.fake_activity WHERE name = $1");
    return remove.execute(name) != 0;
}

std::vector<std::string> faked_types() {
    constinit static pg::statement<NameRow()> look("SELECT name FROM hermes.fake_activity");
    std::vector<std::string> names;
    for (NameRow &row : look.query()) {
        names.push_back(std::move(row.name));
    }
    return names;
}

std::optional<FakeRow> find_fake(const std::string &name, std::int32_t attempt) {
    constinit static pg::statement<FakeRow(std::string, std::int32_t)> find(
        "SELECT (a.answer -> 'result')::text, (a.answer -> 'failure')::text, a.answer ->> 'function', a.delay, f.role "
        "FROM hermes.fake_activity f CROSS JOIN LATERAL (SELECT f.answers -> (n.i - 1) AS answer, f.delays[n.i] AS "
        "delay FROM (SELECT least($2, cardinality(f.delays)) AS i) n) a WHERE f.name = $1");
    return find.query_one(name, attempt);
}

std::vector<TaskKey> due_fakes(core::Time now, std::int32_t limit) {
    constinit static pg::statement<KeyRow(core::Time, std::int32_t)> look(
        "SELECT execution_id, number FROM hermes.activity WHERE queue_id = 0 AND state IN (1, 2, 3) AND due <= $1 "
        "ORDER BY due, execution_id, number LIMIT $2");
    std::vector<TaskKey> keys;
    for (const KeyRow &row : look.query(now, limit)) {
        keys.push_back({row.id, row.number});
    }
    return keys;
}

std::optional<core::Time> next_fake() {
    constinit static pg::statement<TimeRow()> look(
        "SELECT min(due) FROM hermes.activity WHERE queue_id = 0 AND state IN (1, 2, 3)");
    return look.query().front().value;
}

} // namespace hc::store
