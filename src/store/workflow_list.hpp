// Executions found by a filter. Its conditions become SQL made of fixed pieces; names and values are elements of one
// array parameter. Open and closed executions are read apart: each kind in an order of its own, and a filter that only
// one can meet reads the other not at all. All functions run inside an SPI scope, as the extension owner.
#pragma once

#include "core/id.hpp"
#include "core/workflow_filter.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

using Tenants = std::optional<std::vector<std::string>>; // to be seen, besides no tenant; nullopt: all

struct ListedRow {
    core::WorkflowId id;
    std::string type;
    std::int32_t version = 0;
    std::optional<std::string> workflow_id, tenant;
    std::string status;
    core::Time started_at{};
    std::optional<core::Time> closed_at;
    std::optional<pg::json_text> attributes, memo;
    auto fields() {
        return std::tie(id, type, version, workflow_id, tenant, status, started_at, closed_at, attributes, memo);
    }
};

// The newest start first; only those before `before`.
std::vector<ListedRow> list_open(const core::WorkflowFilter &filter, const Tenants &tenants,
                                 std::optional<core::WorkflowId> before, std::int32_t limit);

struct ClosedPlace { // in the order of the list
    core::Time at{};
    core::WorkflowId id;
};
// The newest end first; those that ended at `since` or later, only those after `place` in the list.
std::vector<ListedRow> list_closed(const core::WorkflowFilter &filter, const Tenants &tenants, core::Time since,
                                   const ClosedPlace &place, std::int32_t limit);
struct CountRow {
    std::optional<std::string> value;
    std::int64_t executions = 0;
    auto fields() { return std::tie(value, executions); }
};
// By a field, or in one row; of open and closed ones apart.
std::vector<CountRow> count_open(const core::WorkflowFilter &filter, const Tenants &tenants,
                                 const std::optional<core::FilterCondition> &group);
std::vector<CountRow> count_closed(const core::WorkflowFilter &filter, const Tenants &tenants,
                                   const std::optional<core::FilterCondition> &group);

} // namespace hc::store
