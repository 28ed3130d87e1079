// Tests of users: a database that is marked for them, whose clock can be put ahead, and waiting for its workers.
#pragma once

#include "core/time.hpp"

namespace hc::engine {

// In every verb and every transaction of a worker: the clock is that of this database, as its table says.
void follow_clock();
void save_clock(core::Duration ahead); // in the supervisor, before it is moved

void set_test_mode(bool marked); // throws 55000

void check_test_mode(); // throws 55000: the database is not for tests

// Each throws 22023, 25001 in a transaction that has written, 55000 where the database is not for tests or has no
// workers.
core::Time test_advance(core::Duration by, core::Duration timeout); // 55000: not done in time
bool test_settle(core::Duration timeout);

} // namespace hc::engine
