// Subtransactions in which SQL of users runs, and the calls in them. Internal to src/pg: user_turn.cpp,
// user_replay.cpp.
#pragma once

#include "pg/call.hpp"

#include <string>

namespace hc::pg::detail {

struct Level {
    MemoryContext context;
    ResourceOwner owner;
    uint32 holds;
    int settings; // GUC nest level
};
Level begin_level(const char *activity, bool read_only); // activity: shown in pg_stat_activity; may be null
void end_level(const Level &level, bool keep);

// Inside pg::call, with SPI connected.
SPIPlanPtr prepare_user_statement(const std::string &statement, int arguments = 1); // one or two, jsonb
void execute_user_statement(SPIPlanPtr plan, Datum *values, long limit);
void execute_user_statement(SPIPlanPtr plan, const std::string &argument, long limit);
// What the statement just executed gave in its first row and column: jsonb as text in SPI memory; null: NULL, another
// type or no row.
const char *first_jsonb();

} // namespace hc::pg::detail
