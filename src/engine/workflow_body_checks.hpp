// Checks of what a workflow function hands to a verb. Internal to the engine.
#pragma once

#include "core/time.hpp"
#include "pg/values.hpp"

#include <string>

namespace hc::engine {

void check_command_name(const std::string &name, const char *what); // 1 to 200 bytes; throws 22023
void check_size(const std::string &payload, const char *what);      // at most hermes.max_message_size; throws 54000
core::Duration checked_wait(core::Duration wait, const char *what); // 0 to 100 years; throws 22023

std::uint64_t hash_of_step(pg::jsonb_view arguments); // what a replay compares

} // namespace hc::engine
