// See workflow_types.hpp.
#include "store/workflow_types.hpp"

namespace hc::store {

namespace {

struct CountRow {
    std::int64_t value = 0;
    auto fields() { return std::tie(value); }
};
struct IntRow {
    std::int32_t value = 0;
    auto fields() { return std::tie(value); }
};
struct BoolRow {
    bool value = false;
    auto fields() { return std::tie(value); }
};

// The settings of the function are part of it: a search_path decides what its names mean.
constexpr const char *kFunction =
    "SELECT p.oid::bigint, format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), "
    "oidvectortypes(p.proargtypes), "
    "CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL), p.prokind::text, "
    "sha256(convert_to(concat_ws(E'\\x1f', l.lanname, p.prosrc, p.probin, p.proconfig::text, n.nspname, p.proname, "
    "pg_get_function_arguments(p.oid), p.provolatile, p.prosecdef), 'UTF8')) "
    "FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace "
    "JOIN pg_catalog.pg_language l ON l.oid = p.prolang ";

} // namespace

std::optional<WorkflowTypeRow> find_workflow_type(std::int32_t id) {
    constinit static pg::statement<WorkflowTypeRow(std::int32_t)> find(
        "SELECT id, name, version, function, digest, role_id, options FROM hermes.workflow_type WHERE id = $1");
    return find.query_one(id, true);
}

std::optional<WorkflowTypeRow> find_current_workflow_type(const std::string &name) {
    constinit static pg::statement<WorkflowTypeRow(std::string)> find(
        "SELECT id, name, version, function, digest, role_id, options FROM hermes.workflow_type WHERE name = $1 AND "
        "current");
    return find.query_one(name, true);
}

std::optional<WorkflowTypeRow> find_workflow_version(const std::string &name, std::int32_t version) {
    constinit static pg::statement<WorkflowTypeRow(std::string, std::int32_t)> find(
        "SELECT id, name, version, function, digest, role_id, options FROM hermes.workflow_type WHERE name = $1 AND "
        "version = $2 AND dropped_at IS NULL");
    return find.query_one(name, version, true);
}

std::optional<WorkflowTypeRow> find_newest_workflow_type(const std::string &name) {
    constinit static pg::statement<WorkflowTypeRow(std::string)> find(
        "SELECT id, name, version, function, digest, role_id, options FROM hermes.workflow_type WHERE name = $1 "
        "ORDER BY version DESC LIMIT 1");
    return find.query_one(name, true);
}

std::int32_t insert_workflow_type(const WorkflowTypeRow &row) {
    // two who register one name meet here; the second sees the first one's version in its next statement
    constinit static pg::statement<void()> lock("LOCK TABLE hermes.workflow_type IN SHARE ROW EXCLUSIVE MODE");
    constinit static pg::statement<void(std::string)> retire(
        "UPDATE hermes.workflow_type SET current = false WHERE name = $1 AND current");
    constinit static pg::statement<IntRow(std::string, std::string, pg::bytes_view, std::int32_t, std::string)> insert(
        "INSERT INTO hermes.workflow_type (name, version, current, function, digest, role_id, options) "
        "SELECT $1, 1 + coalesce(max(version), 0), true, $2, $3, $4, $5::jsonb FROM hermes.workflow_type "
        "WHERE name = $1 RETURNING version");
    lock.execute();
    retire.execute(row.name);
    return insert.query(row.name, row.function, {row.digest.data}, row.role_id, row.options.text).front().value;
}

void update_workflow_type(const WorkflowTypeRow &row) {
    constinit static pg::statement<void(std::int32_t, pg::bytes_view, std::string)> update(
        "UPDATE hermes.workflow_type SET digest = $2, options = $3::jsonb WHERE id = $1");
    update.execute(row.id, {row.digest.data}, row.options.text);
}

bool retire_workflow_type(const std::string &name) {
    constinit static pg::statement<void(std::string)> retire(
        "UPDATE hermes.workflow_type SET current = false WHERE name = $1 AND current");
    return retire.execute(name) != 0;
}

void drop_workflow_version(std::int32_t id) {
    constinit static pg::statement<void(std::int32_t)> drop(
        "UPDATE hermes.workflow_type SET current = false, dropped_at = pg_catalog.clock_timestamp() WHERE id = $1");
    drop.execute(id);
}

std::int64_t count_executions_of_type(std::int32_t id) {
    constinit static pg::statement<CountRow(std::int32_t)> count(
        "SELECT count(*) FROM hermes.execution WHERE type_id = $1");
    return count.query(id).front().value;
}

std::optional<FunctionRow> find_function(Oid function) {
    static const std::string text = std::string(kFunction) + "WHERE p.oid = $1::oid";
    static pg::statement<FunctionRow(std::int64_t)> find(text.c_str());
    return find.query_one(static_cast<std::int64_t>(function));
}

std::optional<FunctionRow> find_function(const std::string &signature) {
    static const std::string text = std::string(kFunction) + "WHERE p.oid = to_regprocedure($1)";
    static pg::statement<FunctionRow(std::string)> find(text.c_str());
    return find.query_one(signature);
}

bool may_execute(const std::string &role, const std::string &signature) {
    constinit static pg::statement<BoolRow(std::string, std::string)> look(
        "SELECT coalesce(has_function_privilege($1::name, to_regprocedure($2)::oid, 'EXECUTE'), false)");
    return look.query(role, signature).front().value;
}

} // namespace hc::store
