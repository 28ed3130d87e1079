// See table.hpp. Runs in backends and workers, always inside a transaction and inside pg::call: plain data only.
#include "pg/table.hpp"

#include "pg/table_search.hpp"

#include "pg/jsonb.hpp"
#include "pg/spi.hpp"

namespace hc::pg {

json_document to_document(const std::string &json_text) { return to_document(jsonb_of(json_text)); }

json_document to_document(jsonb_view value) {
    const auto *datum = static_cast<const struct varlena *>(value.datum);
    return {std::string(reinterpret_cast<const char *>(datum), VARSIZE(datum))};
}

std::string to_text(const json_document &document) { return jsonb_text({document.datum.data()}); }

} // namespace hc::pg

namespace hc::pg::detail {

namespace {

// As of the server's version.
List *insert_index_tuples(ResultRelInfo *info, TupleTableSlot *slot, EState *estate) {
#if PG_VERSION_NUM >= 160000
    return ExecInsertIndexTuples(info, slot, estate, false, false, nullptr, NIL, false);
#else
    return ExecInsertIndexTuples(info, slot, estate, false, false, nullptr, NIL);
#endif
}

IndexScanDesc begin_index_scan(Relation relation, Relation index, Snapshot snapshot, int keys) {
#if PG_VERSION_NUM >= 180000
    return index_beginscan(relation, index, snapshot, nullptr, keys, 0);
#else
    return index_beginscan(relation, index, snapshot, keys, 0);
#endif
}

void init_row_recheck(EPQState *recheck, EState *estate) {
#if PG_VERSION_NUM >= 160000
    EvalPlanQualInit(recheck, estate, nullptr, NIL, -1, NIL);
#else
    EvalPlanQualInit(recheck, estate, nullptr, NIL, -1);
#endif
}

Relation open_table(const char *name, LOCKMODE mode) {
    const Oid schema = get_namespace_oid("hermes", false);
    const Oid relation = get_relname_relid(name, schema);
    if (!OidIsValid(relation)) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"hermes.%s\" does not exist", name)));
    }
    return table_open(relation, mode);
}

bool is_column(TupleDesc desc, int number, const char *name) {
    return number >= 1 && number <= desc->natts && !TupleDescAttr(desc, number - 1)->attisdropped &&
           std::strcmp(NameStr(TupleDescAttr(desc, number - 1)->attname), name) == 0;
}

int column_number(Relation relation, const char *name) {
    TupleDesc desc = RelationGetDescr(relation);
    for (int number = 1; number <= desc->natts; ++number) {
        if (is_column(desc, number, name)) {
            return number;
        }
    }
    elog(ERROR, "table \"%s\" has no column \"%s\"", RelationGetRelationName(relation), name);
}

void resolve(Relation relation, const TableShape &shape, ColumnNumbers &numbers) {
    TupleDesc desc = RelationGetDescr(relation);
    for (int i = 0; i < shape.count; ++i) {
        if (!is_column(desc, numbers.of[i], shape.columns[i])) {
            numbers.of[i] = static_cast<std::int16_t>(column_number(relation, shape.columns[i]));
        }
        if (TupleDescAttr(desc, numbers.of[i] - 1)->atttypid != shape.types[i]) {
            elog(ERROR, "column \"%s\" of table \"%s\" has another type", shape.columns[i],
                 RelationGetRelationName(relation));
        }
    }
}

// What is not named becomes null: so nothing may stand there by itself.
void check_others(Relation relation, const TableShape &shape, const ColumnNumbers &numbers) {
    TupleDesc desc = RelationGetDescr(relation);
    for (int number = 1; number <= desc->natts; ++number) {
        Form_pg_attribute column = TupleDescAttr(desc, number - 1);
        bool named = column->attisdropped;
        for (int i = 0; i < shape.count; ++i) {
            named |= numbers.of[i] == number;
        }
        if (!named && (column->attnotnull || column->atthasdef)) {
            elog(ERROR, "column \"%s\" of table \"%s\" must be given", NameStr(column->attname),
                 RelationGetRelationName(relation));
        }
    }
}

const char *lock_command(RowLock lock) {
    return GetCommandTagName(lock == RowLock::key_share       ? CMDTAG_SELECT_FOR_KEY_SHARE
                             : lock == RowLock::no_key_update ? CMDTAG_SELECT_FOR_NO_KEY_UPDATE
                                                              : CMDTAG_SELECT_FOR_UPDATE);
}

bool is_partitioned(Relation relation) { return relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE; }

// Of tables partitioned by range of one column.
std::int16_t partition_column(Relation root) {
    PartitionKey key = RelationGetPartitionKey(root);
    if (key->strategy != PARTITION_STRATEGY_RANGE || key->partnatts != 1 || key->partattrs[0] == 0) {
        elog(ERROR, "table \"%s\" is not partitioned by range of a column", RelationGetRelationName(root));
    }
    return key->partattrs[0];
}

struct Route {
    Oid relation;
    bool of_default; // the default partition
};

// The partition of a value, as the executor finds it.
Route route_of(Relation root, Datum value) {
    PartitionKey key = RelationGetPartitionKey(root);
    PartitionDesc parts = RelationGetPartitionDesc(root, true);
    int part = -1;
    if (parts->nparts != 0) {
        bool equal = false;
        const int bound =
            partition_range_datum_bsearch(key->partsupfunc, key->partcollation, parts->boundinfo, 1, &value, &equal);
        part = parts->boundinfo->indexes[bound + 1];
    }
    const bool of_default = part < 0;
    part = of_default && parts->nparts != 0 ? parts->boundinfo->default_index : part;
    if (part < 0 || !parts->is_leaf[part]) {
        elog(ERROR, "no partition of table \"%s\" found for row", RelationGetRelationName(root));
    }
    return {parts->oids[part], of_default};
}

// Fires what waits for the end of the statement, and closes what it opened. The state goes with its memory.
void end_state(EState *estate) {
    AfterTriggerEndQuery(estate);
    ExecResetTupleTable(estate->es_tupleTable, false);
    ExecCloseResultRelations(estate);
}

void prevent_write(const char *command) {
    PreventCommandIfReadOnly(command);
    PreventCommandIfParallelMode(command);
}

} // namespace

// ---- insert ----

struct Target { // the table, or a partition of it
    Relation relation;
    ResultRelInfo *info;
    TupleTableSlot *slot;
    ColumnNumbers numbers;
    bool of_default; // the default partition: what it may hold can change until it is locked
    Target *next;
};

struct Writer {
    TableShape shape;
    EState *estate;
    MemoryContext outside;
    Relation root;
    ColumnNumbers numbers; // of the root
    Target *targets;       // last used first
};

namespace {

Target *open_target(Writer &writer, Relation relation, bool of_default) {
    MemoryContext context = MemoryContextSwitchTo(writer.estate->es_query_cxt);
    auto *target = static_cast<Target *>(palloc0(sizeof(Target)));
    target->relation = relation;
    target->of_default = of_default;
    target->numbers = writer.numbers;
    resolve(relation, writer.shape, target->numbers);
    check_others(relation, writer.shape, target->numbers);
    target->info = makeNode(ResultRelInfo);
    InitResultRelInfo(target->info, relation, 0, nullptr, 0);
    ExecOpenIndices(target->info, false);
    target->slot = table_slot_create(relation, nullptr);
    target->next = writer.targets;
    writer.targets = target;
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

Writer *begin_insert(const TableShape &shape, ColumnNumbers &numbers) {
    prevent_write("INSERT");
    EState *estate = CreateExecutorState();
    auto *writer = static_cast<Writer *>(MemoryContextAllocZero(estate->es_query_cxt, sizeof(Writer)));
    writer->shape = shape;
    writer->estate = estate;
    writer->outside = CurrentMemoryContext;
    writer->root = open_table(shape.table, RowExclusiveLock);
    resolve(writer->root, shape, numbers);
    writer->numbers = numbers;
    estate->es_output_cid = GetCurrentCommandId(true);
    if (!is_partitioned(writer->root)) {
        open_target(*writer, writer->root, false);
    }
    AfterTriggerBeginQuery();
    return writer;
}

void begin_row(Writer &writer) {
    ResetPerTupleExprContext(writer.estate);
    MemoryContextSwitchTo(GetPerTupleMemoryContext(writer.estate));
}

void insert_row(Writer &writer, const Param *row) {
    Target &target = is_partitioned(writer.root) ? *target_of_row(writer, row) : *writer.targets;
    MemoryContextSwitchTo(writer.outside);
    TupleTableSlot *slot = target.slot;
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
        return;
    }
    if (RelationGetDescr(target.relation)->constr != nullptr) {
        ExecConstraints(target.info, slot, writer.estate);
    }
    if (target.of_default) {
        ExecPartitionCheck(target.info, slot, writer.estate, true);
    }
    table_tuple_insert(target.relation, slot, writer.estate->es_output_cid, 0, nullptr);
    List *recheck = target.info->ri_NumIndices > 0 ? insert_index_tuples(target.info, slot, writer.estate) : NIL;
    ExecARInsertTriggers(writer.estate, target.info, slot, recheck, nullptr);
    list_free(recheck);
}

void end_insert(Writer &writer) {
    MemoryContextSwitchTo(writer.outside);
    end_state(writer.estate);
    for (Target *target = writer.targets; target != nullptr; target = target->next) {
        ExecDropSingleTupleTableSlot(target->slot);
        ExecCloseIndices(target->info);
        if (target->relation != writer.root) {
            table_close(target->relation, NoLock);
        }
    }
    table_close(writer.root, NoLock);
    FreeExecutorState(writer.estate);
    CommandCounterIncrement();
}

// ---- look-up by primary key ----

namespace {

struct KeyScan { // of the table, or of a partition
    KeyScan *next;
    Relation relation;
    Relation index;
    Snapshot snapshot;
    IndexScanDesc scan;
    TupleTableSlot *slot;
    int keys;
    ScanKeyData key[2];
};

RegProcedure equality_of(Oid type) {
    switch (type) {
    case UUIDOID:
        return F_UUID_EQ;
    case INT4OID:
        return F_INT4EQ;
    case INT8OID:
        return F_INT8EQ;
    default:
        elog(ERROR, "unexpected type %u of a key", type);
    }
}

// The index that a column is the first of; without a name the primary key.
Oid index_of(Relation relation, const char *column) {
    if (column == nullptr && relation->rd_indexvalid) {
        return relation->rd_pkindex;
    }
    List *indexes = RelationGetIndexList(relation);
    Oid found = relation->rd_pkindex;
    for (int i = 0; column != nullptr && i < list_length(indexes); ++i) {
        Relation index = index_open(list_nth_oid(indexes, i), AccessShareLock);
        const bool fits = index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
                          index->rd_index->indkey.values[0] == column_number(relation, column) &&
                          heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr);
        found = fits ? RelationGetRelid(index) : i == 0 ? InvalidOid : found;
        index_close(index, NoLock);
    }
    list_free(indexes);
    return found;
}

void begin_scan(KeyScan &scan, Relation relation, const char *column, LOCKMODE mode, const Oid *key_types, int keys,
                Snapshot snapshot) {
    scan.relation = relation;
    const Oid index = index_of(relation, column);
    if (!OidIsValid(index)) {
        elog(ERROR, "table \"%s\" has no index to look up by", RelationGetRelationName(relation));
    }
    scan.snapshot = snapshot;
    scan.keys = keys;
    scan.slot = table_slot_create(scan.relation, nullptr);
    if (keys == 0) { // only by place
        return;
    }
    scan.index = index_open(index, mode);
    for (int i = 0; i < keys; ++i) {
        if (i >= RelationGetNumberOfAttributes(scan.index) ||
            TupleDescAttr(RelationGetDescr(scan.index), i)->atttypid != key_types[i]) {
            elog(ERROR, "index of table \"%s\" is another one", RelationGetRelationName(relation));
        }
        ScanKeyInit(&scan.key[i], static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber, equality_of(key_types[i]), 0);
    }
    scan.scan = begin_index_scan(scan.relation, scan.index, snapshot, keys);
}

void seek(KeyScan &scan, const Param *key) {
    for (int i = 0; i < scan.keys; ++i) {
        scan.key[i].sk_argument = key[i].datum;
    }
    index_rescan(scan.scan, scan.key, scan.keys, nullptr, 0);
}

bool next(KeyScan &scan) { return index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot); }

void end_scan(KeyScan &scan, Relation root) {
    if (scan.index != nullptr) {
        index_endscan(scan.scan);
        index_close(scan.index, NoLock);
    }
    ExecDropSingleTupleTableSlot(scan.slot);
    if (scan.relation != root) {
        table_close(scan.relation, NoLock);
    }
}

[[noreturn]] void serialization_failure() {
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("could not serialize access due to concurrent update")));
}

LockTupleMode tuple_lock_mode(RowLock lock) {
    return lock == RowLock::key_share       ? LockTupleKeyShare
           : lock == RowLock::no_key_update ? LockTupleNoKeyExclusive
                                            : LockTupleExclusive;
}

// As the executor locks rows. The slot then holds the newest version; false: gone, or held by somebody else.
bool lock_row(KeyScan &scan, LockTupleMode mode, LockWaitPolicy policy) {
    TM_FailureData failure;
    ItemPointerData place = scan.slot->tts_tid;
    const bool follow = !IsolationUsesXactSnapshot();
    const int flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS | (follow ? TUPLE_LOCK_FLAG_FIND_LAST_VERSION : 0);
    const TM_Result result = table_tuple_lock(scan.relation, &place, scan.snapshot, scan.slot,
                                              GetCurrentCommandId(true), mode, policy, flags, &failure);
    switch (result) {
    case TM_Ok:
        return true;
    case TM_WouldBlock:
    case TM_SelfModified:
        return false;
    case TM_Updated:
    case TM_Deleted:
        if (!follow) {
            serialization_failure();
        }
        if (result == TM_Deleted) {
            return false;
        }
        [[fallthrough]];
    default:
        elog(ERROR, "unexpected result %d of a row lock", static_cast<int>(result));
    }
}

RowPlace place_of(const KeyScan &scan) {
    const ItemPointerData &tid = scan.slot->tts_tid;
    return {RelationGetRelid(scan.relation), ItemPointerGetBlockNumber(&tid), ItemPointerGetOffsetNumber(&tid)};
}

ItemPointerData pointer_of(RowPlace place) {
    ItemPointerData pointer;
    ItemPointerSet(&pointer, place.block, place.offset);
    return pointer;
}

} // namespace

namespace {

Cell raw_cell(HeapTuple tuple, TupleDesc desc, int column) {
    bool is_null = false;
    Cell cell{heap_getattr(tuple, column + 1, desc, &is_null), nullptr, 0, false};
    cell.is_null = is_null;
    if (!is_null) {
        const struct varlena *value = pg_detoast_datum(reinterpret_cast<struct varlena *>(DatumGetPointer(cell.datum)));
        cell.data = reinterpret_cast<const char *>(value);
        cell.size = VARSIZE(value);
    }
    return cell;
}

} // namespace

struct Finder {
    KeyScan *scans; // last used first
    Relation root;
    TableShape shape;
    ColumnNumbers numbers;
    const char *column; // that is looked up by; null: the primary key
    const Oid *key_types;
    int key_columns;
    RowLock lock;
    IfLocked if_locked;
    MemoryContext outside;
    bool own_snapshot;
    FoundRows found;
    std::size_t room;
};

namespace {

LOCKMODE table_lock(RowLock lock) { return lock == RowLock::none ? AccessShareLock : RowShareLock; }

KeyScan *open_scan(Finder &finder, Relation relation) {
    auto *scan = static_cast<KeyScan *>(palloc0(sizeof(KeyScan)));
    begin_scan(*scan, relation, finder.column, table_lock(finder.lock), finder.key_types, finder.key_columns,
               GetActiveSnapshot());
    scan->next = finder.scans;
    finder.scans = scan;
    return scan;
}

KeyScan *scan_of_key(Finder &finder, const Param &key) {
    if (!is_partitioned(finder.root)) {
        return finder.scans;
    }
    const Route route = route_of(finder.root, key.datum);
    for (KeyScan *scan = finder.scans; scan != nullptr; scan = scan->next) {
        if (RelationGetRelid(scan->relation) == route.relation) {
            return scan;
        }
    }
    return open_scan(finder, table_open(route.relation, table_lock(finder.lock)));
}

void make_room(Finder &finder) {
    FoundRows &found = finder.found;
    if (found.count < finder.room) {
        return;
    }
    const auto columns = static_cast<std::size_t>(finder.shape.count);
    const std::size_t room = finder.room == 0 ? 4 : 2 * finder.room;
    auto *cells = static_cast<Cell *>(palloc_extended(room * columns * sizeof(Cell), MCXT_ALLOC_HUGE));
    auto *places = static_cast<RowPlace *>(palloc(room * sizeof(RowPlace)));
    if (found.count != 0) {
        std::memcpy(cells, found.cells, found.count * columns * sizeof(Cell));
        std::memcpy(places, found.places, found.count * sizeof(RowPlace));
    }
    found.cells = cells;
    found.places = places;
    finder.room = room;
}

} // namespace

Finder *begin_find(const TableShape &shape, ColumnNumbers &numbers, const Oid *key_types, int key_columns, RowLock lock,
                   IfLocked if_locked, bool read_only) {
    if (lock != RowLock::none) {
        prevent_write(lock_command(lock));
    }
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "hermes rows", ALLOCSET_SMALL_SIZES);
    MemoryContext outside = MemoryContextSwitchTo(context);
    auto *finder = static_cast<Finder *>(palloc0(sizeof(Finder)));
    finder->shape = shape;
    finder->key_types = key_types;
    finder->key_columns = key_columns;
    finder->lock = lock;
    finder->if_locked = if_locked;
    finder->outside = outside;
    finder->found.context = context;
    // as SPI does: a statement that may write sees what the transaction has done, in a snapshot of its own
    finder->own_snapshot = !read_only || reads_afresh();
    if (finder->own_snapshot) {
        CommandCounterIncrement();
        PushActiveSnapshot(GetTransactionSnapshot());
    }
    finder->root = open_table(shape.table, table_lock(lock));
    resolve(finder->root, shape, numbers);
    finder->numbers = numbers;
    if (!is_partitioned(finder->root)) {
        open_scan(*finder, finder->root);
    }
    return finder;
}

namespace {

void find_in(Finder &finder, KeyScan &scan, const Param *key) {
    Relation relation = scan.relation;
    ColumnNumbers numbers = finder.numbers;
    if (relation != finder.root) {
        resolve(relation, finder.shape, numbers);
    }
    const LockWaitPolicy policy = finder.if_locked == IfLocked::skip ? LockWaitSkip : LockWaitBlock;
    seek(scan, key);
    while (next(scan)) {
        if (finder.lock != RowLock::none && !lock_row(scan, tuple_lock_mode(finder.lock), policy)) {
            continue;
        }
        make_room(finder);
        FoundRows &found = finder.found;
        const auto columns = static_cast<std::size_t>(finder.shape.count);
        HeapTuple tuple = ExecCopySlotHeapTuple(scan.slot);
        for (std::size_t i = 0; i < columns; ++i) {
            const bool raw = (finder.shape.raw >> i & 1U) != 0;
            found.cells[found.count * columns + i] =
                (raw ? raw_cell : fetch_cell)(tuple, RelationGetDescr(relation), numbers.of[i] - 1);
        }
        found.places[found.count++] = place_of(scan);
    }
}

} // namespace

void find_rows(Finder &finder, const Param *key) { find_in(finder, *scan_of_key(finder, key[0]), key); }

FoundRows end_find(Finder &finder) {
    for (KeyScan *scan = finder.scans; scan != nullptr; scan = scan->next) {
        end_scan(*scan, finder.root);
    }
    table_close(finder.root, NoLock);
    if (finder.own_snapshot) {
        PopActiveSnapshot();
    }
    MemoryContextSwitchTo(finder.outside);
    return finder.found;
}

// ---- search ----

Finder *begin_search(const TableShape &shape, ColumnNumbers &numbers, const char *column, const Oid *key_type) {
    Finder *finder = begin_find(shape, numbers, key_type, 1, RowLock::none, IfLocked::wait, false);
    finder->column = column;
    PartitionDesc parts = RelationGetPartitionDesc(finder->root, true);
    for (int i = 0; i < parts->nparts; ++i) {
        open_scan(*finder, table_open(parts->oids[i], table_lock(finder->lock)));
    }
    return finder;
}

void search_rows(Finder &finder, const Param *key) {
    for (KeyScan *scan = finder.scans; scan != nullptr; scan = scan->next) {
        find_in(finder, *scan, key);
    }
}

// ---- delete ----

struct Remover {
    KeyScan scan;
    EState *estate;
    ResultRelInfo *info;
    MemoryContext outside;
    std::uint64_t count;
};

Remover *begin_remove(const char *table, const Oid *key_types, int key_columns) {
    prevent_write("DELETE");
    EState *estate = CreateExecutorState();
    MemoryContext outside = MemoryContextSwitchTo(estate->es_query_cxt);
    auto *remover = static_cast<Remover *>(palloc0(sizeof(Remover)));
    remover->estate = estate;
    remover->outside = outside;
    CommandCounterIncrement();
    PushActiveSnapshot(GetTransactionSnapshot());
    begin_scan(remover->scan, open_table(table, RowExclusiveLock), nullptr, RowExclusiveLock, key_types, key_columns,
               GetActiveSnapshot());
    estate->es_output_cid = GetCurrentCommandId(true);
    estate->es_snapshot = GetActiveSnapshot();
    remover->info = makeNode(ResultRelInfo);
    InitResultRelInfo(remover->info, remover->scan.relation, 0, nullptr, 0);
    CheckCmdReplicaIdentity(remover->scan.relation, CMD_DELETE);
    AfterTriggerBeginQuery();
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
    seek(scan, key);
    while (next(scan)) {
        if (remover.info->ri_TrigDesc != nullptr) {
            if (lock_row(scan, LockTupleExclusive, LockWaitBlock)) {
                remove_with_triggers(remover);
            }
            continue;
        }
        TM_Result result = TM_Updated;
        while (result == TM_Updated) {
            TM_FailureData failure;
            ItemPointerData place = scan.slot->tts_tid;
            result = table_tuple_delete(scan.relation, &place, remover.estate->es_output_cid, scan.snapshot,
                                        InvalidSnapshot, true, &failure, false);
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
    if (remover.info->ri_TrigDesc != nullptr) {
        if (!table_tuple_fetch_row_version(scan.relation, &pointer, SnapshotAny, scan.slot)) {
            elog(ERROR, "row to be deleted is not there");
        }
        remove_with_triggers(remover);
        return;
    }
    simple_table_tuple_delete(scan.relation, &pointer, scan.snapshot);
    ++remover.count;
}

std::uint64_t end_remove(Remover &remover) {
    const std::uint64_t count = remover.count;
    end_state(remover.estate);
    end_scan(remover.scan, nullptr);
    PopActiveSnapshot();
    MemoryContextSwitchTo(remover.outside);
    FreeExecutorState(remover.estate);
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
};

namespace {

UpdateTarget *open_update_target(Updater &updater, Oid relation) {
    for (UpdateTarget *target = updater.targets; target != nullptr; target = target->next) {
        if (RelationGetRelid(target->relation) == relation) {
            return target;
        }
    }
    auto *target = static_cast<UpdateTarget *>(palloc0(sizeof(UpdateTarget)));
    target->relation = table_open(relation, RowExclusiveLock);
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
    PushActiveSnapshot(GetTransactionSnapshot());
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
        ExecCloseIndices(target->info);
        table_close(target->relation, NoLock);
    }
    table_close(updater.root, NoLock);
    PopActiveSnapshot();
    MemoryContextSwitchTo(updater.outside);
    FreeExecutorState(updater.estate);
    CommandCounterIncrement();
}

} // namespace hc::pg::detail
