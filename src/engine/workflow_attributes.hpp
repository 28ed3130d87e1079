// Search attributes of executions: declared types, as this process knows them, and the row of an execution that has
// some.
#pragma once

#include "core/id.hpp"
#include "core/workflow_attributes.hpp"

#include <string>

namespace hc::engine {

void create_search_attribute(const std::string &name, const std::string &type); // throws 22023, 42710
void drop_search_attribute(const std::string &name);                            // throws 42704

// In a verb, or as the owner. Good until definitions change.
const core::AttributeTypes &search_attribute_types();
// As they were read last: in the body of a function, which looks at no table.
const core::AttributeTypes &known_attribute_types();

std::size_t max_memo_bytes();

// What the options of a start give the execution; they become what is left. Throws 22023, 54000.
core::ExecutionAttributes take_start_attributes(std::string &options_json);

void store_attributes(const core::WorkflowId &id, const core::ExecutionAttributes &attributes);

} // namespace hc::engine
