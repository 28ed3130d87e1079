// How statements of the library are planned: once for long, so for tables of any size.
#pragma once

#include "pg/boundary.hpp"

namespace hc::pg {

void install_planner_hook(); // in _PG_init while preloading

// Settings for planning a statement of the library; returns the level to leave with AtEOXact_GUC(true, level).
int enter_planner_settings();

} // namespace hc::pg
