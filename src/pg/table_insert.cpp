// Inserts of table.hpp.
#include "pg/table_access.hpp"

#include <algorithm>

namespace hc::pg::detail {

namespace {

// As of the server's version.
List *insert_index_tuples(ResultRelInfo *info, TupleTableSlot *slot, EState *estate, bool *conflict = nullptr) {
    const bool speculative = conflict != nullptr;
#if PG_VERSION_NUM >= 160000
    return ExecInsertIndexTuples(info, slot, estate, false, speculative, conflict, NIL, false);
#else
    return ExecInsertIndexTuples(info, slot, estate, false, speculative, conflict, NIL);
#endif
}

bool conflicts(ResultRelInfo *info, TupleTableSlot *slot, EState *estate, ItemPointerData &place) {
#if PG_VERSION_NUM >= 180000
    ItemPointerData none;
    ItemPointerSetInvalid(&none);
    return !ExecCheckIndexConstraints(info, slot, estate, &place, &none, NIL);
#else
    return !ExecCheckIndexConstraints(info, slot, estate, &place, NIL);
#endif
}

} // namespace

struct Target { // the table, or a partition of it
    Relation relation;
    ResultRelInfo *info;
    TupleTableSlot **slots; // made as they are needed
    std::size_t room, held; // so many rows go into pages at once; those that have not yet
    ColumnNumbers numbers;
    bool of_default; // the default partition: what it may hold can change until it is locked
    Target *next;
};

struct Writer {
    TableShape shape;
    EState *estate;
    MemoryContext outside;
    Relation root;
    ColumnNumbers numbers;    // of the root
    ColumnNumbers *partition; // of the one that was used last
    Target *targets;          // last used first
    std::size_t count;        // rows that will come
    OnConflict on_conflict;
};

namespace {

// Rows that are written together: a page is locked, and a record of the WAL made, for as many of them as it takes.
constexpr std::size_t kAtOnce = 64;

Target *open_target(Writer &writer, Relation relation, bool of_default) {
    MemoryContext context = MemoryContextSwitchTo(writer.estate->es_query_cxt);
    auto *target = static_cast<Target *>(palloc0(sizeof(Target)));
    target->relation = relation;
    target->of_default = of_default;
    target->numbers = relation == writer.root ? writer.numbers : *writer.partition;
    resolve(relation, writer.shape, target->numbers);
    target->info = makeNode(ResultRelInfo);
    InitResultRelInfo(target->info, relation, 0, nullptr, 0);
    ExecOpenIndices(target->info, writer.on_conflict == OnConflict::nothing);
    const bool alone = writer.on_conflict == OnConflict::nothing || target->info->ri_TrigDesc != nullptr;
    target->room = alone ? 1 : std::min(writer.count, kAtOnce);
    target->slots = static_cast<TupleTableSlot **>(palloc0(target->room * sizeof(TupleTableSlot *)));
    target->next = writer.targets;
    writer.targets = target;
    if (relation != writer.root) {
        *writer.partition = target->numbers;
    }
    MemoryContextSwitchTo(context);
    return target;
}

Target *target_of_row(Writer &writer, const Param *row) {
    const std::int16_t column = partition_column(writer.root);
    for (int i = 0; i < writer.shape.count; ++i) {
        if (writer.numbers.of[i] != column || row[i].is_null) {
            continue;
        }
        const Route route = route_of(writer.root, row[i].datum);
        for (Target *target = writer.targets; target != nullptr; target = target->next) {
            if (RelationGetRelid(target->relation) == route.relation) {
                return target;
            }
        }
        return open_target(writer, table_open(route.relation, RowExclusiveLock), route.of_default);
    }
    elog(ERROR, "no partition of table \"%s\" found for row", RelationGetRelationName(writer.root));
}

} // namespace

Writer *begin_insert(const TableShape &shape, ColumnNumbers (&numbers)[2], std::size_t count, OnConflict on_conflict) {
    prevent_write("INSERT");
    EState *estate = CreateExecutorState();
    auto *writer = static_cast<Writer *>(MemoryContextAllocZero(estate->es_query_cxt, sizeof(Writer)));
    writer->shape = shape;
    writer->count = count;
    writer->on_conflict = on_conflict;
    writer->estate = estate;
    writer->outside = CurrentMemoryContext;
    writer->root = open_table(shape.table, RowExclusiveLock);
    resolve(writer->root, shape, numbers[0]);
    writer->numbers = numbers[0];
    writer->partition = &numbers[1];
    estate->es_output_cid = GetCurrentCommandId(true);
    if (!is_partitioned(writer->root)) {
        open_target(*writer, writer->root, false);
    }
    AfterTriggerBeginQuery();
    return writer;
}

namespace {

// A transaction with one snapshot must not act on a row that it cannot see.
void check_visible(Relation relation, ItemPointerData place) {
    if (!IsolationUsesXactSnapshot()) {
        return;
    }
    TupleTableSlot *slot = table_slot_create(relation, nullptr);
    if (table_tuple_fetch_row_version(relation, &place, SnapshotAny, slot) &&
        !table_tuple_satisfies_snapshot(relation, slot, GetActiveSnapshot())) {
        bool is_null = false;
        const Datum inserter = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null);
        if (!TransactionIdIsCurrentTransactionId(DatumGetTransactionId(inserter))) {
            ereport(ERROR, errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("could not serialize access due to concurrent update"));
        }
    }
    ExecDropSingleTupleTableSlot(slot);
}

// As INSERT .. ON CONFLICT DO NOTHING does: the row is inserted on trial, and taken back when the index knows better.
bool insert_if_new(const Writer &writer, Target &target, TupleTableSlot *slot) {
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        ItemPointerData place;
        if (conflicts(target.info, slot, writer.estate, place)) {
            check_visible(target.relation, place);
            return false;
        }
        const TransactionId transaction = GetCurrentTransactionId();
        const uint32 token = SpeculativeInsertionLockAcquire(transaction);
        table_tuple_insert_speculative(target.relation, slot, writer.estate->es_output_cid, 0, nullptr, token);
        bool conflict = false;
        List *recheck = insert_index_tuples(target.info, slot, writer.estate, &conflict);
        table_tuple_complete_speculative(target.relation, slot, token, !conflict);
        SpeculativeInsertionLockRelease(transaction);
        if (!conflict) {
            ExecARInsertTriggers(writer.estate, target.info, slot, recheck, nullptr);
            list_free(recheck);
            return true;
        }
        list_free(recheck);
    }
}

TupleTableSlot *free_slot(const Writer &writer, Target &target) {
    TupleTableSlot *&slot = target.slots[target.held];
    if (slot == nullptr) {
        MemoryContext context = MemoryContextSwitchTo(writer.estate->es_query_cxt);
        slot = table_slot_create(target.relation, nullptr);
        MemoryContextSwitchTo(context);
    }
    return slot;
}

void write_held(const Writer &writer, Target &target) {
    MemoryContext context = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer.estate));
    table_multi_insert(target.relation, target.slots, static_cast<int>(target.held), writer.estate->es_output_cid, 0,
                       nullptr);
    for (std::size_t i = 0; i < target.held; ++i) {
        if (target.info->ri_NumIndices > 0) {
            insert_index_tuples(target.info, target.slots[i], writer.estate);
        }
        ExecClearTuple(target.slots[i]);
    }
    target.held = 0;
    MemoryContextSwitchTo(context);
}

} // namespace

void begin_row(Writer &writer) {
    ResetPerTupleExprContext(writer.estate);
    MemoryContextSwitchTo(GetPerTupleMemoryContext(writer.estate));
}

bool insert_row(Writer &writer, const Param *row) {
    Target &target = is_partitioned(writer.root) ? *target_of_row(writer, row) : *writer.targets;
    MemoryContextSwitchTo(writer.outside);
    TupleTableSlot *slot = free_slot(writer, target);
    ExecClearTuple(slot);
    std::memset(slot->tts_isnull, true, static_cast<std::size_t>(slot->tts_tupleDescriptor->natts));
    for (int i = 0; i < writer.shape.count; ++i) {
        slot->tts_values[target.numbers.of[i] - 1] = row[i].datum;
        slot->tts_isnull[target.numbers.of[i] - 1] = row[i].is_null;
    }
    ExecStoreVirtualTuple(slot);
    TriggerDesc *triggers = target.info->ri_TrigDesc;
    if (triggers != nullptr && triggers->trig_insert_before_row &&
        !ExecBRInsertTriggers(writer.estate, target.info, slot)) {
        return false;
    }
    if (RelationGetDescr(target.relation)->constr != nullptr) {
        ExecConstraints(target.info, slot, writer.estate);
    }
    if (target.of_default) {
        ExecPartitionCheck(target.info, slot, writer.estate, true);
    }
    if (writer.on_conflict == OnConflict::nothing) {
        return insert_if_new(writer, target, slot);
    }
    if (target.room > 1) {
        ExecMaterializeSlot(slot); // its values go with the row's context
        if (++target.held == target.room) {
            write_held(writer, target);
        }
        return true;
    }
    table_tuple_insert(target.relation, slot, writer.estate->es_output_cid, 0, nullptr);
    List *recheck = target.info->ri_NumIndices > 0 ? insert_index_tuples(target.info, slot, writer.estate) : NIL;
    ExecARInsertTriggers(writer.estate, target.info, slot, recheck, nullptr);
    list_free(recheck);
    return true;
}

void end_insert(Writer &writer) {
    MemoryContextSwitchTo(writer.outside);
    for (Target *target = writer.targets; target != nullptr; target = target->next) {
        if (target->held != 0) {
            write_held(writer, *target);
        }
    }
    end_state(writer.estate);
    for (Target *target = writer.targets; target != nullptr; target = target->next) {
        for (std::size_t i = 0; i < target->room && target->slots[i] != nullptr; ++i) {
            ExecDropSingleTupleTableSlot(target->slots[i]);
        }
        close_indexes(target->info);
        if (target->relation != writer.root) {
            table_close(target->relation, NoLock);
        }
    }
    table_close(writer.root, NoLock);
    FreeExecutorState(writer.estate);
    CommandCounterIncrement();
}

} // namespace hc::pg::detail
