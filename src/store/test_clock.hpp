// The mark and the clock of a database for tests, and what is due in it. All functions run inside an SPI scope, as the
// extension owner.
#pragma once

#include "core/id.hpp"
#include "pg/spi.hpp"

#include <optional>
#include <string>

namespace hc::store {

std::optional<std::int64_t> read_test_clock(); // microseconds ahead; nullopt: the database is not for tests
bool insert_test_clock();                      // false: it is marked already
bool delete_test_clock();                      // false: it has been moved
void save_test_clock(std::int64_t ahead);      // never back
bool has_work();                               // cascades or executions, open or closed

// What is due first in queues that are served; a turn that is put off for moments counts as due.
struct DueRow {
    core::Time due{}, counts_from{};
    std::int64_t tasks = 0; // due until now
    auto fields() { return std::tie(due, counts_from, tasks); }
};
std::optional<DueRow> first_due(core::Time now);

struct OverdueRow { // to name in an error
    core::WorkflowId id;
    std::int16_t kind = 0;
    std::optional<std::string> last_error;
    auto fields() { return std::tie(id, kind, last_error); }
};
std::optional<OverdueRow> first_overdue(core::Time now);

} // namespace hc::store
