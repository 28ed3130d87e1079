// Lists and counts of executions by a filter, in the caller's snapshot.
#pragma once

#include "pg/values.hpp"
#include "store/workflow_list.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

struct WorkflowPage {
    std::string filter;
    std::int32_t size = 0;
    std::optional<std::string> token;
};
std::vector<store::ListedRow> list_workflows(const WorkflowPage &page, Oid user); // throws 22023, 54000
std::string page_token_after(const store::ListedRow &row);

// Most first.
std::vector<store::CountRow> count_workflows(const std::string &filter, const std::optional<std::string> &group_by,
                                             Oid user); // throws 22023, 54000

} // namespace hc::engine
