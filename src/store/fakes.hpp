// Fake activities, in databases for tests. All functions run inside an SPI scope, as the extension owner.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"
#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::store {

struct NewFake {
    std::string name;                 // of the type of activity
    std::string answers;              // JSON, one or an array of them
    std::vector<std::int64_t> delays; // microseconds, as many
    std::string role;                 // that its functions are called as
};
void put_fake(const NewFake &fake);
bool delete_fake(const std::string &name);
std::vector<std::string> faked_types();

// The answer of an attempt, the last one when the script is over.
struct FakeRow {
    std::optional<std::string> result, failure, function; // of these one; JSON the first two
    std::int64_t delay = 0;                               // microseconds
    std::string role;
    auto fields() { return std::tie(result, failure, function, delay, role); }
};
std::optional<FakeRow> find_fake(const std::string &name, std::int32_t attempt);

// Activities that a fake is to start or to answer, those first that are due first.
std::vector<TaskKey> due_fakes(core::Time now, std::int32_t limit);
std::optional<core::Time> next_fake();

} // namespace hc::store
