// See hooks.hpp. DROP, RENAME and ALTER .. SET TABLESPACE of a database and CREATE DATABASE .. TEMPLATE need the
// database without sessions: its workers are stopped before the command and may start again after it, however it ends.
#include "pg/hooks.hpp"

#include "pg/guc.hpp"
#include "pg/shmem.hpp"
#include "pg/wake.hpp"

#include <csignal>

namespace hc::pg {

namespace {

object_access_hook_type g_previous_object_access = nullptr;
ProcessUtility_hook_type g_previous_utility = nullptr;

// Called in the callers' C frames: plain data only.
void on_object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg) {
    if (g_previous_object_access != nullptr) {
        g_previous_object_access(access, class_id, object_id, sub_id, arg);
    }
    if (class_id == ExtensionRelationId && (access == OAT_POST_CREATE || access == OAT_DROP)) {
        note_workers();
    }
}

const char *database_of_command(Node *statement) {
    switch (nodeTag(statement)) {
    case T_DropdbStmt:
        return reinterpret_cast<DropdbStmt *>(statement)->dbname;
    case T_RenameStmt: {
        auto *rename = reinterpret_cast<RenameStmt *>(statement);
        return rename->renameType == OBJECT_DATABASE ? rename->subname : nullptr;
    }
    case T_AlterDatabaseStmt: {
        auto *alter = reinterpret_cast<AlterDatabaseStmt *>(statement);
        for (int i = 0; i < list_length(alter->options); ++i) {
            if (strcmp(static_cast<DefElem *>(list_nth(alter->options, i))->defname, "tablespace") == 0) {
                return alter->dbname;
            }
        }
        return nullptr;
    }
    case T_CreatedbStmt: {
        auto *create = reinterpret_cast<CreatedbStmt *>(statement);
        for (int i = 0; i < list_length(create->options); ++i) {
            auto *option = static_cast<DefElem *>(list_nth(create->options, i));
            if (strcmp(option->defname, "template") == 0 && option->arg != nullptr) {
                return defGetString(option);
            }
        }
        return nullptr;
    }
    default:
        return nullptr;
    }
}

int signal_workers(Oid database) {
    int alive = 0;
    for (WorkerSlot &slot : shared()->workers) {
        if (slot.database.load() != database) {
            continue;
        }
        ++alive;
        const std::int32_t pid = slot.pid.load();
        if (pid != 0) {
            kill(pid, SIGTERM);
        }
    }
    return alive;
}

// Bounded and interruptible: a worker that does not go leaves the command to its usual "is being accessed" error.
void stop_workers(Oid database) {
    const int tries = 200 + guc::drain_timeout_ms / 10; // of 10 ms: a dispatcher may use its drain timeout
    for (int i = 0; i < tries && signal_workers(database) != 0; ++i) {
        WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10L, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    }
}

void unblock(DatabaseSlot *slot) {
    slot->probe_requested = 1;
    slot->blocker_pid = 0;
    slot->state = static_cast<std::uint32_t>(DatabaseState::known);
    shared()->launcher_wake = 1;
    set_latch_of(shared()->launcher_process.load());
}

void run_utility(PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context,
                 ParamListInfo params, QueryEnvironment *environment, DestReceiver *receiver,
                 QueryCompletion *completion) {
    auto *next = g_previous_utility != nullptr ? g_previous_utility : standard_ProcessUtility;
    next(statement, text, read_only_tree, context, params, environment, receiver, completion);
}

void on_utility(PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context,
                ParamListInfo params, QueryEnvironment *environment, DestReceiver *receiver,
                QueryCompletion *completion) {
    const char *name = shared() != nullptr ? database_of_command(statement->utilityStmt) : nullptr;
    const Oid database = name != nullptr ? get_database_oid(name, true) : InvalidOid;
    DatabaseSlot *slot = OidIsValid(database) ? find_database(database) : nullptr;
    // of the database one is in, only CREATE DATABASE .. TEMPLATE can be meant; and a caller without the right to the
    // command must not be able to stop workers with it
    const bool refused = database == MyDatabaseId && !IsA(statement->utilityStmt, CreatedbStmt);
    if (slot == nullptr || refused
#if PG_VERSION_NUM >= 160000
        || !object_ownercheck(DatabaseRelationId, database, GetUserId())
#else
        || !pg_database_ownercheck(database, GetUserId())
#endif
    ) {
        run_utility(statement, text, read_only_tree, context, params, environment, receiver, completion);
        return;
    }
    slot->blocker_pid = MyProcPid; // should this backend die, the launcher lifts the block
    slot->state = static_cast<std::uint32_t>(DatabaseState::blocked);
    hook_boundary([&] {
        try {
            call([&] {
                stop_workers(database);
                run_utility(statement, text, read_only_tree, context, params, environment, receiver, completion);
            });
        } catch (...) {
            unblock(slot);
            throw;
        }
    });
    unblock(slot);
}

} // namespace

void install_hooks() {
    g_previous_object_access = object_access_hook;
    object_access_hook = on_object_access;
    g_previous_utility = ProcessUtility_hook;
    ProcessUtility_hook = on_utility;
}

} // namespace hc::pg
