// See xact.hpp. Runs in backends and workers.
#include "pg/xact.hpp"

#include <unistd.h>

namespace hc::pg {

worker_transaction::worker_transaction(const char *activity) {
    call([activity] {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        PushActiveSnapshot(GetTransactionSnapshot());
        pgstat_report_activity(STATE_RUNNING, activity);
    });
    spi_.emplace();
    read_afresh(true);
}

void worker_transaction::force_local_flush() {
    call([] {
        if (synchronous_commit < SYNCHRONOUS_COMMIT_LOCAL_FLUSH) {
            set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
                              false);
        }
    });
}

void worker_transaction::commit() {
    spi_->finish();
    read_afresh(false);
    MemoryContext home = home_;
    call([home] {
        PopActiveSnapshot();
        CommitTransactionCommand();
        MemoryContextSwitchTo(home);
        pgstat_report_stat(false);
        pgstat_report_activity(STATE_IDLE, nullptr);
    });
}

void abort_worker_transaction() noexcept {
    read_afresh(false);
    try {
        call([] {
            HOLD_INTERRUPTS();
            AbortCurrentTransaction();
            pgstat_report_activity(STATE_IDLE, nullptr);
            RESUME_INTERRUPTS();
        });
    } catch (...) {
        _exit(1); // the postmaster starts the cluster's crash handling, as for any backend that cannot abort
    }
}

subtransaction::State subtransaction::begin() {
    return call([]() -> State {
        pin_search_path(); // inside, it would end with the subtransaction
        const State state{CurrentMemoryContext, CurrentResourceOwner, InterruptHoldoffCount};
        BeginInternalSubTransaction(nullptr);
        MemoryContextSwitchTo(state.context);
        return state;
    });
}

void subtransaction::release(const State &state) {
    call([&state] {
        ReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(state.context);
        CurrentResourceOwner = state.owner;
    });
}

void subtransaction::rollback(const State &state) {
    call([&state] {
        RollbackAndReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(state.context);
        CurrentResourceOwner = state.owner;
        InterruptHoldoffCount = state.holds;
    });
}

user_scope::user_scope(Oid user) noexcept {
    GetUserIdAndSecContext(&saved_user_, &saved_context_);
    SetUserIdAndSecContext(user, saved_context_ | SECURITY_LOCAL_USERID_CHANGE);
}

user_scope::~user_scope() { SetUserIdAndSecContext(saved_user_, saved_context_); }

static search_path_scope *g_path_scope = nullptr;

search_path_scope::search_path_scope(PinPath when) : outer_(g_path_scope) {
    if (when == PinPath::now) {
        call([this] { pin(); });
    }
    g_path_scope = this;
}

search_path_scope::~search_path_scope() { leave(); }

void search_path_scope::leave() noexcept {
    if (g_path_scope == this) {
        g_path_scope = outer_;
    }
}

void search_path_scope::pin() {
    static constexpr const char *kPath = "pg_catalog, pg_temp";
    if (pinned_) {
        return;
    }
    pinned_ = true;
    if (namespace_search_path != nullptr && std::strcmp(namespace_search_path, kPath) == 0) {
        return;
    }
    nest_level_ = NewGUCNestLevel();
    set_config_option("search_path", kPath, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void search_path_scope::finish() {
    leave(); // a statement after it is none of ours
    if (nest_level_ != 0) {
        const int level = nest_level_;
        nest_level_ = 0;
        call([level] { AtEOXact_GUC(true, level); });
    }
}

void pin_search_path() {
    if (g_path_scope != nullptr) {
        g_path_scope->pin();
    }
}

int nesting_level() noexcept { return GetCurrentTransactionNestLevel(); }
bool in_recovery() noexcept { return RecoveryInProgress(); }

bool is_own_transaction(std::int64_t xmin) noexcept {
    return TransactionIdIsCurrentTransactionId(static_cast<TransactionId>(xmin));
}

} // namespace hc::pg
