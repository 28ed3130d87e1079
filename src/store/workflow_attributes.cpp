// See workflow_attributes.hpp.
#include "store/workflow_attributes.hpp"

namespace hc::store {

namespace {

struct TextRow {
    std::string value;
    auto fields() { return std::tie(value); }
};

} // namespace

std::vector<SearchAttributeRow> all_search_attributes() {
    constinit static pg::statement<SearchAttributeRow()> all("SELECT name, type FROM hermes.search_attribute");
    return all.query(true);
}

bool insert_search_attribute(const std::string &name, const std::string &type) {
    constinit static pg::statement<void(std::string, std::string)> insert(
        "INSERT INTO hermes.search_attribute (name, type) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
    return insert.execute(name, type) != 0;
}

std::optional<std::string> find_search_attribute(const std::string &name) {
    constinit static pg::statement<TextRow(std::string)> find(
        "SELECT type FROM hermes.search_attribute WHERE name = $1");
    std::optional<TextRow> row = find.query_one(name);
    return row ? std::optional(std::move(row->value)) : std::nullopt;
}

bool delete_search_attribute(const std::string &name) {
    constinit static pg::statement<void(std::string)> remove("DELETE FROM hermes.search_attribute WHERE name = $1");
    return remove.execute(name) != 0;
}

void put_execution_attributes(const core::WorkflowId &id, const std::optional<std::string> &attributes,
                              const std::optional<std::string> &memo) {
    using Json = std::optional<std::string>;
    constinit static pg::statement<void(core::WorkflowId, Json, Json)> put(
        "INSERT INTO hermes.execution_attributes (execution_id, attributes, memo) VALUES ($1, $2::jsonb, $3::jsonb) "
        "ON CONFLICT (execution_id) DO UPDATE SET attributes = excluded.attributes, memo = excluded.memo");
    constinit static pg::statement<void(core::WorkflowId)> remove(
        "DELETE FROM hermes.execution_attributes WHERE execution_id = $1");
    if (attributes || memo) {
        put.execute(id, attributes, memo);
    } else {
        remove.execute(id);
    }
}

} // namespace hc::store
