// See outcomes.hpp. Runs in backends; note_outcome() and the callbacks in workers, too.
#include "pg/outcomes.hpp"

#include "core/error.hpp"
#include "pg/shmem.hpp"

#include <algorithm>

namespace hc::pg {

namespace {

constexpr long kLookAgainMs = 1000;

std::uint64_t g_noted = 0; // a bit a channel, of the current transaction; those of a rolled back savepoint wake in vain

int channel_of(const core::WorkflowId &id) noexcept { return id.bytes.back() % kOutcomeChannels; }
static_assert(kOutcomeChannels == 64, "a bit each");

bool reads_no_table(const PlannedStmt *statement) {
    if (statement->commandType != CMD_SELECT || statement->hasModifyingCTE || statement->rowMarks != NIL ||
        statement->relationOids != NIL) {
        return false;
    }
    for (int i = 0; i < list_length(statement->rtable); ++i) {
        if (static_cast<RangeTblEntry *>(list_nth(statement->rtable, i))->rtekind == RTE_RELATION) {
            return false;
        }
    }
    return true;
}

// The query around this function, when it is the only holder of the active snapshot; else null.
QueryDesc *query_around() {
    Portal portal = ActivePortal;
    if (IsolationUsesXactSnapshot() || portal == nullptr || portal->strategy != PORTAL_ONE_SELECT ||
        portal->queryDesc == nullptr || portal->resowner != CurrentResourceOwner || !ActiveSnapshotSet()) {
        return nullptr;
    }
    QueryDesc *query = portal->queryDesc;
    const bool plain = query->operation == CMD_SELECT && query->estate != nullptr &&
                       query->snapshot == GetActiveSnapshot() && query->estate->es_snapshot == query->snapshot &&
                       reads_no_table(query->plannedstmt);
    return plain ? query : nullptr;
}

void take_snapshot(QueryDesc *query) {
    query->snapshot = RegisterSnapshot(GetTransactionSnapshot());
    query->estate->es_snapshot = RegisterSnapshot(query->snapshot);
    PushActiveSnapshot(query->snapshot);
}

// True: no snapshot is held any more.
bool give_snapshot_back(QueryDesc *query) {
    PopActiveSnapshot();
    UnregisterSnapshot(query->estate->es_snapshot);
    query->estate->es_snapshot = InvalidSnapshot;
    UnregisterSnapshot(query->snapshot);
    query->snapshot = InvalidSnapshot;
    InvalidateCatalogSnapshot();
    if (!TransactionIdIsValid(MyProc->xmin)) {
        return true;
    }
    take_snapshot(query); // a cursor, or a query around this one, holds one
    return false;
}

} // namespace

void note_outcome(const core::WorkflowId &execution) noexcept { g_noted |= std::uint64_t{1} << channel_of(execution); }

void publish_outcomes() noexcept {
    const std::uint64_t noted = std::exchange(g_noted, 0);
    if (noted == 0 || shared() == nullptr) {
        return;
    }
    for (int i = 0; i < kOutcomeChannels; ++i) {
        if ((noted >> i & 1U) != 0) {
            ConditionVariableBroadcast(&shared()->outcomes[i]);
        }
    }
}

void forget_outcomes() noexcept { g_noted = 0; }

bool is_current_transaction(std::int64_t xmin) {
    return call([xmin] { return TransactionIdIsCurrentTransactionId(static_cast<TransactionId>(xmin)); });
}

QuietWait::QuietWait(Caller caller) : caller_(caller) {
    if (caller == Caller::procedure) {
        return;
    }
    const bool free = call([] {
        QueryDesc *query = query_around();
        return query != nullptr && give_snapshot_back(query);
    });
    if (!free) {
        throw Error(
            sqlstate::not_prerequisite, "cannot wait while a snapshot is held",
            "What is waited for would not be seen, or vacuum would be held up.",
            "Call it by a SELECT of its own, at READ COMMITTED, outside of functions and without open cursors, or "
            "with a timeout of 0.");
    }
}

void QuietWait::begin_look(const core::WorkflowId &id) {
    call([&id] {
        if (shared() != nullptr) {
            ConditionVariablePrepareToSleep(&shared()->outcomes[channel_of(id)]);
        }
        PushActiveSnapshot(GetTransactionSnapshot());
    });
}

void QuietWait::end_look() {
    call([] {
        PopActiveSnapshot();
        InvalidateCatalogSnapshot();
    });
}

void QuietWait::sleep(const core::WorkflowId &id, core::Duration at_most) {
    const long ms = std::clamp<long>(std::chrono::ceil<std::chrono::milliseconds>(at_most).count(), 1, kLookAgainMs);
    call([&id, ms] {
        if (shared() != nullptr) {
            ConditionVariableTimedSleep(&shared()->outcomes[channel_of(id)], ms, PG_WAIT_EXTENSION);
        } else {
            WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
            ResetLatch(MyLatch);
        }
        CHECK_FOR_INTERRUPTS();
    });
}

void QuietWait::finish() {
    const bool query = caller_ == Caller::query;
    call([query] {
        ConditionVariableCancelSleep();
        if (query) {
            take_snapshot(ActivePortal->queryDesc);
        }
    });
}

void commit_in_procedure(Node *context) {
    const bool may =
        context != nullptr && IsA(context, CallContext) && !reinterpret_cast<CallContext *>(context)->atomic;
    if (!may) {
        throw Error(sqlstate::invalid_termination, "the procedure cannot commit here", {},
                    "It is to be called outside of a transaction block and of functions: it commits, and then waits.");
    }
    call([] {
        if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT) {
            elog(ERROR, "SPI_connect_ext failed");
        }
        SPI_commit();
        SPI_finish();
        InvalidateCatalogSnapshot();
    });
}

} // namespace hc::pg
