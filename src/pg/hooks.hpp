// Server hooks: extension created or dropped (object access), commands on a whole database (utility).
// They act in every database, whatever database the caller is in.
#pragma once

#include "pg/boundary.hpp"

namespace hc::pg {

void install_hooks(); // in _PG_init while preloading

} // namespace hc::pg
