// A turn of a workflow function in an executor: calls of its body and its SQL steps, each in a subtransaction of the
// worker's transaction, as the role that the process is connected as, under a timeout that the worker keeps.
//
// A body has no effect: its subtransaction is read-only and always rolled back. A step's is kept when it came to its
// end, deferred constraints included; what it has set (SET, SET ROLE is refused) ends with it.
#pragma once

#include "pg/table.hpp"
#include "pg/user_sql.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hc::pg {

struct UserCall {
    RunningTask task;
    core::Duration timeout{};
    const char *activity = nullptr;  // shown in pg_stat_activity
    const bool *suspended = nullptr; // of a body: it has suspended itself, and its query_canceled is only the way out
};

// Calls the function as the current role, which needs EXECUTE on it: jsonb in, jsonb out as text; nullopt: NULL or
// void. Not as a statement: to plan, start and end one costs more than a small body, which is called once for each
// step. A suspended body has failed, and what it raised is not kept.
UserSqlEnd call_body(const UserCall &call, Oid function, const json_document &input, std::optional<std::string> &result,
                     Failure &failure);

// $1 = arguments (jsonb); the first row as a JSON object; nullopt: no row. Fails by 54000 when that is larger than
// `max_bytes`.
UserSqlEnd run_step(UserPlans &plans, const UserCall &call, const std::string &statement,
                    const json_document &arguments, std::size_t max_bytes, std::optional<std::string> &row,
                    Failure &failure);

// Calls a function of two jsonb arguments, read-only, for what it raises.
UserSqlEnd run_check(UserPlans &plans, const UserCall &call, const std::string &statement, const std::string &arguments,
                     const std::string &state, Failure &failure);

// ---- in the backend of who queries ----

// Calls the body as the current role, read-only, in a subtransaction that is rolled back; under the timeouts of the
// session. done or failed. A cancel or shutdown of the session is passed on, a suspension is not taken for one.
UserSqlEnd replay_body(const std::string &statement, const std::string &input, Failure &failure);

// Calls a function of two jsonb arguments in the same way; its result as text. Throws what it raises.
std::optional<std::string> call_handler(const std::string &statement, const std::string &arguments,
                                        const std::string &state);
// The same with a timeout, after which the body is canceled until it ends, and with its result as of call_body(). Done,
// failed or timed_out. What a cancel of the session made is left in `failure`, which has no data.
UserSqlEnd replay_body_within(const std::string &statement, const std::string &input, core::Duration timeout,
                              std::optional<std::string> &result, Failure &failure);

// The first column (uuid) of a query with $1 = key and $2 = ids (uuid[]), as the current role, read-only, in a
// subtransaction that is rolled back. Passes its errors on.
std::vector<core::WorkflowId> read_ids(const std::string &query, const std::string &key,
                                       const std::vector<core::WorkflowId> &ids);

// ---- in verbs that a body calls ----

// The rows of a query with $1 = arguments as a JSON array of objects. Throws 54000 past the limits.
std::string fetch_rows(const std::string &query, const std::string &arguments, std::size_t max_rows,
                       std::size_t max_bytes);

// A query of one boolean with $1 = arguments; false when it is NULL. Throws 42804 when it is no boolean.
bool condition_holds(const std::string &query, const std::string &arguments);

[[noreturn]] void rethrow(const Failure &failure);

// Raises an error that was recorded: any SQLSTATE, not only ours.
[[noreturn]] void raise_recorded(const std::string &sqlstate, const std::string &message, const std::string &detail,
                                 const std::string &hint);

// ---- between tasks: what a committed step may have left in the session ----

void discard_session_state(); // outside of a transaction; in addition to reset_session()

} // namespace hc::pg
