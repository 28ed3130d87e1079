// Registered activity types. A process keeps what it has read until definitions change.
#pragma once

#include "core/activity.hpp"

#include <string>

namespace hc::engine {

void register_activity(const std::string &name, const std::string &options_json); // throws 22023, 42704
void drop_activity(const std::string &name);                                      // throws 42704

void load_activity_types(); // what the next ones know; reads a table when definitions have changed
// That of a name; of one that nobody has registered the options that there are without.
const core::ActivityTypeOptions &activity_type(const std::string &name);

bool is_faked(const std::string &name); // by a fake of a database for tests

} // namespace hc::engine
