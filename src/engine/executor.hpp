// What executors do in their transactions as the extension's owner: claim tasks of the queue of a role, record what
// came of them. Between the two they run the SQL, as the role and outside of these transactions (workers/executor.hpp).
// A kind of task is made known in three places: claim_sql() reads what it needs, failure_of() tells what it means that
// it cannot run, and the executor runs it.
#pragma once

#include "core/cascade.hpp"
#include "engine/dispatch.hpp"
#include "store/conditions.hpp"
#include "store/executors.hpp"
#include "store/tasks.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::engine {

// A claimed task, ready to run.
struct SqlTask {
    store::TaskKey key;
    store::Kind kind{};         // a condition, or a turn of a workflow function
    bool suspect = false;       // claimed before: whoever had it is dead, perhaps of it
    store::Condition condition; // of a condition
    core::Duration timeout{};
    std::vector<std::int32_t> others; // numbers of more tasks for the same turn
};

struct SqlClaim {
    std::vector<SqlTask> tasks;
    std::vector<Burial> burials;
    std::uint32_t claimed = 0;        // of the queue, those included that are of no use any more or went elsewhere
    bool more = false;                // the queue may hold more that is due now
    std::optional<core::Time> resume; // where to scan from next time; nullopt: nothing known
};
// Tasks whose cascade belongs to another role by now move to the queue of that one.
SqlClaim claim_sql(const ClaimRequest &request);

struct SqlAnswer {
    store::TaskKey key;
    core::Input input;
};
core::Input failure_of(store::Kind kind, std::int32_t number, const std::string &reason);
// Returns the indexes of those whose cascade is held by somebody else: try again in a few ms.
std::vector<std::size_t> record_sql(const std::vector<SqlAnswer> &answers);

// Claimed tasks that are not run now, to their queue again; the claim does not count.
void give_back_sql(const std::vector<store::TaskKey> &keys, std::int32_t queue);

// A turn whose execution somebody else holds: again in a few ms; the claim does not count.
void release_turn(const SqlTask &task, std::int32_t queue);

// ---- the supervisor's part: queues without an executor ----

std::vector<store::ExecutorQueueRow> waiting_sql_queues();

struct Settled {
    std::uint32_t tasks = 0;
    bool locked = false; // some are held by others: try again in a few ms
};
// Tasks of a queue whose role cannot run them: to the queue of their role if that is another one by now, else they
// failed. `read` gets the tasks looked at, also when this fails.
Settled settle_unrunnable(std::int32_t queue, const std::string &reason, std::int32_t limit,
                          std::vector<store::TaskKey> &read);

} // namespace hc::engine
