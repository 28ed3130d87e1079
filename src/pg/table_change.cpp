// Deletes and updates of table.hpp.
#include "pg/table_access.hpp"

namespace hc::pg::detail {

namespace {

void init_row_recheck(EPQState *recheck, EState *estate) {
#if PG_VERSION_NUM >= 160000
    EvalPlanQualInit(recheck, estate, nullptr, NIL, -1, NIL);
#else
    EvalPlanQualInit(recheck, estate, nullptr, NIL, -1);
#endif
}

ItemPointerData pointer_of(RowPlace place) {
    ItemPointerData pointer;
    ItemPointerSet(&pointer, place.block, place.offset);
    return pointer;
}

} // namespace

// ---- delete ----

struct Remover {
    KeyScan scan; // by the key as soon as one is given
    const Oid *key_types;
    int key_columns;
    MemoryContext context, outside;
    EState *estate; // only where triggers are
    ResultRelInfo *info;
    CommandId command;
    bool own_snapshot;
    std::uint64_t count;
};

namespace {

void start_triggers(Remover &remover) {
    if (remover.scan.slot == nullptr) {
        remover.scan.slot = table_slot_create(remover.scan.relation, nullptr);
    }
    remover.estate = CreateExecutorState();
    remover.estate->es_output_cid = remover.command;
    remover.estate->es_snapshot = remover.scan.snapshot;
    MemoryContext context = MemoryContextSwitchTo(remover.estate->es_query_cxt);
    remover.info = makeNode(ResultRelInfo);
    InitResultRelInfo(remover.info, remover.scan.relation, 0, nullptr, 0);
    MemoryContextSwitchTo(context);
    AfterTriggerBeginQuery();
}

} // namespace

Remover *begin_remove(const char *table, const Oid *key_types, int key_columns) {
    prevent_write("DELETE");
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hermes delete", ALLOCSET_SMALL_SIZES);
    MemoryContext outside = MemoryContextSwitchTo(context);
    auto *remover = static_cast<Remover *>(palloc0(sizeof(Remover)));
    remover->context = context;
    remover->outside = outside;
    CommandCounterIncrement();
    Relation relation = open_table(table, RowExclusiveLock);
    CheckCmdReplicaIdentity(relation, CMD_DELETE);
    const bool triggers = relation->trigdesc != nullptr;
    remover->own_snapshot = key_columns != 0 || triggers; // what is known by its place is not searched for
    if (remover->own_snapshot) {
        PushActiveSnapshot(GetTransactionSnapshot());
    }
    remover->command = GetCurrentCommandId(true);
    remover->scan.relation = relation;
    remover->scan.snapshot = GetActiveSnapshot();
    remover->key_types = key_types;
    remover->key_columns = key_columns;
    if (triggers) {
        start_triggers(*remover);
    }
    return remover;
}

namespace {

// With triggers of rows: by the executor, the row locked before.
void remove_with_triggers(Remover &remover) {
    EPQState recheck;
    init_row_recheck(&recheck, remover.estate);
    ExecSimpleRelationDelete(remover.info, remover.estate, &recheck, remover.scan.slot);
    EvalPlanQualEnd(&recheck);
    ++remover.count;
}

} // namespace

void remove_rows(Remover &remover, const Param *key) {
    KeyScan &scan = remover.scan;
    if (scan.index == nullptr) {
        begin_keys(scan, nullptr, RowExclusiveLock, remover.key_types, remover.key_columns);
    }
    seek(scan, key);
    while (next(scan)) {
        if (remover.info != nullptr) {
            if (lock_row(scan, LockTupleExclusive, LockWaitBlock)) {
                remove_with_triggers(remover);
            }
            continue;
        }
        TM_Result result = TM_Updated;
        while (result == TM_Updated) {
            TM_FailureData failure;
            ItemPointerData place = scan.slot->tts_tid;
            result = table_tuple_delete(scan.relation, &place, remover.command, scan.snapshot, InvalidSnapshot, true,
                                        &failure, false);
            if ((result == TM_Updated || result == TM_Deleted) && IsolationUsesXactSnapshot()) {
                serialization_failure();
            }
            if (result == TM_Updated && !lock_row(scan, LockTupleExclusive, LockWaitBlock)) { // the newest one is to go
                break;
            }
        }
        remover.count += result == TM_Ok ? 1 : 0;
    }
}

void remove_place(Remover &remover, RowPlace place) {
    KeyScan &scan = remover.scan;
    ItemPointerData pointer = pointer_of(place);
    if (remover.info != nullptr) {
        if (!table_tuple_fetch_row_version(scan.relation, &pointer, SnapshotAny, scan.slot)) {
            elog(ERROR, "row to be deleted is not there");
        }
        remove_with_triggers(remover);
        return;
    }
    simple_table_tuple_delete(scan.relation, &pointer, scan.snapshot);
    ++remover.count;
}

// The place cannot have become another row's meanwhile: the snapshot that the row was seen under keeps it.
bool remove_seen(Remover &remover, RowPlace place) {
    KeyScan &scan = remover.scan;
    if (remover.info != nullptr) { // with triggers
        return false;
    }
    TM_FailureData failure;
    ItemPointerData pointer = pointer_of(place);
    const TM_Result result = table_tuple_delete(scan.relation, &pointer, remover.command, scan.snapshot,
                                                InvalidSnapshot, true, &failure, false);
    remover.count += result == TM_Ok ? 1 : 0;
    return result == TM_Ok;
}

std::uint64_t end_remove(Remover &remover) {
    const std::uint64_t count = remover.count;
    if (remover.estate != nullptr) {
        end_state(remover.estate);
    }
    end_scan(remover.scan, nullptr);
    if (remover.own_snapshot) {
        PopActiveSnapshot();
    }
    MemoryContextSwitchTo(remover.outside);
    if (remover.estate != nullptr) {
        FreeExecutorState(remover.estate);
    }
    MemoryContextDelete(remover.context);
    CommandCounterIncrement();
    return count;
}

// ---- update ----

struct UpdateTarget { // the table, or a partition of it
    UpdateTarget *next;
    Relation relation;
    ColumnNumbers numbers;
    ResultRelInfo *info;
    TupleTableSlot *old_slot, *new_slot;
};

struct Updater {
    TableShape shape;
    ColumnNumbers numbers; // of the root
    EState *estate;
    Relation root;
    UpdateTarget *targets; // last used first
    EPQState recheck;
    MemoryContext outside;
    bool own_snapshot;
};

namespace {

// What is known by its place is not searched for: only triggers need to see what a statement of now sees.
void take_snapshot(Updater &updater) {
    if (!updater.own_snapshot) {
        PushActiveSnapshot(GetTransactionSnapshot());
        updater.own_snapshot = true;
    }
    updater.estate->es_snapshot = GetActiveSnapshot();
}

UpdateTarget *open_update_target(Updater &updater, Oid relation) {
    for (UpdateTarget *target = updater.targets; target != nullptr; target = target->next) {
        if (RelationGetRelid(target->relation) == relation) {
            return target;
        }
    }
    auto *target = static_cast<UpdateTarget *>(palloc0(sizeof(UpdateTarget)));
    target->relation = table_open(relation, RowExclusiveLock);
    if (target->relation->trigdesc != nullptr) {
        take_snapshot(updater);
    }
    target->numbers = updater.numbers;
    resolve(target->relation, updater.shape, target->numbers);
    target->info = makeNode(ResultRelInfo);
    InitResultRelInfo(target->info, target->relation, 0, nullptr, 0);
    ExecOpenIndices(target->info, false);
    target->old_slot = table_slot_create(target->relation, nullptr);
    target->new_slot = MakeSingleTupleTableSlot(RelationGetDescr(target->relation), &TTSOpsVirtual);
    target->next = updater.targets;
    updater.targets = target;
    return target;
}

} // namespace

Updater *begin_update(const TableShape &shape, ColumnNumbers &numbers) {
    prevent_write("UPDATE");
    EState *estate = CreateExecutorState();
    MemoryContext outside = MemoryContextSwitchTo(estate->es_query_cxt);
    auto *updater = static_cast<Updater *>(palloc0(sizeof(Updater)));
    updater->shape = shape;
    updater->estate = estate;
    updater->outside = outside;
    CommandCounterIncrement();
    updater->root = open_table(shape.table, RowExclusiveLock);
    resolve(updater->root, shape, numbers);
    updater->numbers = numbers;
    estate->es_output_cid = GetCurrentCommandId(true);
    estate->es_snapshot = GetActiveSnapshot();
    init_row_recheck(&updater->recheck, estate);
    AfterTriggerBeginQuery();
    return updater;
}

void begin_update_row(Updater &updater) {
    ResetPerTupleExprContext(updater.estate);
    MemoryContextSwitchTo(GetPerTupleMemoryContext(updater.estate));
}

void update_row(Updater &updater, RowPlace place, const Param *row) {
    MemoryContextSwitchTo(updater.estate->es_query_cxt);
    UpdateTarget &target = *open_update_target(updater, place.relation);
    TupleTableSlot *from = target.old_slot;
    TupleTableSlot *to = target.new_slot;
    ItemPointerData pointer = pointer_of(place);
    if (!table_tuple_fetch_row_version(target.relation, &pointer, SnapshotAny, from)) {
        elog(ERROR, "row to be updated is not there");
    }
    slot_getallattrs(from);
    ExecClearTuple(to);
    const auto natts = static_cast<std::size_t>(RelationGetDescr(target.relation)->natts);
    std::memcpy(to->tts_values, from->tts_values, natts * sizeof(Datum));
    std::memcpy(to->tts_isnull, from->tts_isnull, natts * sizeof(bool));
    for (int i = 0; i < updater.shape.count; ++i) {
        to->tts_values[target.numbers.of[i] - 1] = row[i].datum;
        to->tts_isnull[target.numbers.of[i] - 1] = row[i].is_null;
    }
    ExecStoreVirtualTuple(to);
    ExecSimpleRelationUpdate(target.info, updater.estate, &updater.recheck, from, to);
}

void end_update(Updater &updater) {
    end_state(updater.estate);
    EvalPlanQualEnd(&updater.recheck);
    for (UpdateTarget *target = updater.targets; target != nullptr; target = target->next) {
        ExecDropSingleTupleTableSlot(target->old_slot);
        ExecDropSingleTupleTableSlot(target->new_slot);
        close_indexes(target->info);
        table_close(target->relation, NoLock);
    }
    table_close(updater.root, NoLock);
    if (updater.own_snapshot) {
        PopActiveSnapshot();
    }
    MemoryContextSwitchTo(updater.outside);
    FreeExecutorState(updater.estate);
    CommandCounterIncrement();
}

} // namespace hc::pg::detail
