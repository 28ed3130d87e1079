// Fake activities, in databases for tests: the supervisor answers the attempts of a type in place of workers and
// providers.
#pragma once

#include "store/activities.hpp"

#include <string>

namespace hc::engine {

// Each throws 55000 in a database that is not for tests.
void fake_activity(const std::string &name, const std::string &answers_json, Oid user); // 22023, 42501, 54000
void drop_fake_activity(const std::string &name);                                       // 42704

// Of the supervisor: starts the attempt of an activity that is due, or answers it. False: somebody holds it.
bool serve_fake(const store::TaskKey &key, core::Time now);

} // namespace hc::engine
