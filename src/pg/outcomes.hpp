// Waiting for what becomes of executions, in backends: a query or procedure sleeps until the commit that it waits for
// wakes it. Channels in shared memory, told apart by a hash of the execution, are woken by the commit callback; once a
// second everybody looks for itself (PREPARE TRANSACTION, a standby).
//
// Who waits holds no snapshot meanwhile, so that vacuum goes on: the query that called the function gives its snapshot
// back and takes a new one afterwards. That is possible, and invisible, where the query reads no table, runs at READ
// COMMITTED, and nothing around it holds a snapshot. A procedure that has just committed holds none anyway.
#pragma once

#include "core/id.hpp"
#include "core/time.hpp"
#include "pg/call.hpp"

namespace hc::pg {

// Whoever waits for this execution looks again when this transaction has committed.
void note_outcome(const core::WorkflowId &execution) noexcept;
void publish_outcomes() noexcept; // in the transaction callback
void forget_outcomes() noexcept;

// Whether a row with this xmin was written by the current transaction.
bool is_current_transaction(std::int64_t xmin);

class QuietWait {
public:
    enum class Caller : std::uint8_t {
        query,     // the snapshot of the query is given back. Throws 55000 when it cannot be
        procedure, // which has just committed
    };
    explicit QuietWait(Caller caller);
    QuietWait(const QuietWait &) = delete;
    QuietWait &operator=(const QuietWait &) = delete;

    // Looks with a snapshot of its own. Commits of this execution that come after the look's begin end the next sleep.
    template <class Look>
    auto look(const core::WorkflowId &id, Look body) {
        begin_look(id);
        auto result = body();
        end_look();
        return result;
    }
    void sleep(const core::WorkflowId &id, core::Duration at_most); // serves interrupts
    void finish(); // on success; an error leaves the clean-up to the abort

private:
    static void begin_look(const core::WorkflowId &id);
    static void end_look();
    const Caller caller_;
};

// Ends the transaction of a procedure and begins another one. `context`: of the call. Throws 2D000 where the caller is
// in a transaction block, or in a function.
void commit_in_procedure(Node *context);

} // namespace hc::pg
