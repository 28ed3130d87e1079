// Declared search attributes, and the rows of executions that have some, or a memo. All functions run inside an SPI
// scope, as the extension owner.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

struct SearchAttributeRow {
    std::string name, type;
    auto fields() { return std::tie(name, type); }
};
std::vector<SearchAttributeRow> all_search_attributes();
bool insert_search_attribute(const std::string &name, const std::string &type); // false: there is one
std::optional<std::string> find_search_attribute(const std::string &name);      // its type
bool delete_search_attribute(const std::string &name);

// JSON objects; the row goes when there is neither.
void put_execution_attributes(const core::WorkflowId &id, const std::optional<std::string> &attributes,
                              const std::optional<std::string> &memo);

} // namespace hc::store
