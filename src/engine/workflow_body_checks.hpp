// Checks of what a workflow function hands to a verb: the rules of all programs. Internal to the engine.
#pragma once

#include "core/workflow_commands.hpp"
#include "pg/values.hpp"

#include <string>

namespace hc::engine {

using core::check_command_name;
using core::checked_wait;
void check_size(const std::string &payload, const char *what); // at most hermes.max_message_size; throws 54000

std::uint64_t hash_of_step(pg::jsonb_view arguments); // what a replay compares

} // namespace hc::engine
