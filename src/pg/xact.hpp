// Transactions of workers, subtransactions, identity and search_path scopes.
#pragma once

#include "pg/spi.hpp"

namespace hc::pg {

// One transaction of a worker with an active snapshot and SPI connected: worker_transaction t(...); ...; t.commit().
// Left by an error it does nothing: the worker's loop calls abort_worker_transaction() first of all.
class worker_transaction {
public:
    // `activity` is shown in pg_stat_activity (copied). Sets lock_timeout and statement timeouts from GUCs of the
    // session.
    explicit worker_transaction(const char *activity);
    ~worker_transaction() = default;
    worker_transaction(const worker_transaction &) = delete;
    worker_transaction &operator=(const worker_transaction &) = delete;

    // The flush of this commit is forced to local disk at least, whatever synchronous_commit says.
    void force_local_flush();
    void commit();

private:
    MemoryContext home_ = CurrentMemoryContext; // current again after the commit
    std::optional<spi_scope> spi_;
};

// After an error in a worker: aborts whatever transaction is open and resets per-iteration state. A failure to abort is
// FATAL.
void abort_worker_transaction() noexcept;

// Runs fn in a subtransaction: its PostgreSQL and own errors roll back fn's work, are put into `failure` and are the
// only errors of this extension that are swallowed; a cancel or a shutdown is passed on. Returns true when fn's work
// stands.
class subtransaction {
public:
    template <class F>
    static bool run(F fn, Failure &failure) {
        const State state = begin();
        try {
            fn();
            release(state);
            return true;
        } catch (...) {
            capture_current_exception(failure);
        }
        rollback(state);
        if (is_cancel_or_shutdown(failure)) {
            throw error(failure.data);
        }
        return false;
    }

private:
    struct State {
        MemoryContext context;
        ResourceOwner owner;
        uint32 holds; // interrupts held: an error resets the count
    };
    static State begin();
    static void release(const State &state);
    static void rollback(const State &state);
};

// Acts as another role (the extension's owner) until destroyed; (sub)transaction abort restores it as well.
class user_scope {
public:
    explicit user_scope(Oid user) noexcept;
    ~user_scope();
    user_scope(const user_scope &) = delete;
    user_scope &operator=(const user_scope &) = delete;

private:
    Oid saved_user_ = InvalidOid;
    int saved_context_ = 0;
};

// search_path = pg_catalog, pg_temp until finish(); abort restores it as well. A change of it costs as much as a
// look-up in an index, so verbs that mostly get by without a statement have it made before the first one.
enum class PinPath : std::uint8_t { now, before_sql };
class search_path_scope {
public:
    explicit search_path_scope(PinPath when = PinPath::now);
    ~search_path_scope();
    search_path_scope(const search_path_scope &) = delete;
    search_path_scope &operator=(const search_path_scope &) = delete;
    void pin(); // not a second time; inside call()
    void finish();

private:
    void leave() noexcept;

    search_path_scope *outer_;
    bool pinned_ = false;
    int nest_level_ = 0; // 0: the path was as it shall be
};
void pin_search_path(); // of the innermost scope; before any statement and any SQL of users, inside call()

// 1 at the top level of a transaction; grows with savepoints.
int nesting_level() noexcept;

bool in_recovery() noexcept;

// Whether a row version with this xmin was written by the current transaction; its savepoints included.
bool is_own_transaction(std::int64_t xmin) noexcept;

} // namespace hc::pg
