// See table.hpp, table_access.hpp. Runs in backends and workers, always inside a transaction and inside pg::call: plain
// data only.
#include "pg/table_access.hpp"

#include "pg/catalog.hpp"
#include "pg/jsonb.hpp"
#include "pg/xact.hpp"

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

IndexScanDesc begin_index_scan(Relation relation, Relation index, Snapshot snapshot, int keys) {
#if PG_VERSION_NUM >= 180000
    return index_beginscan(relation, index, snapshot, nullptr, keys, 0);
#else
    return index_beginscan(relation, index, snapshot, keys, 0);
#endif
}

bool is_column(TupleDesc desc, int number, const char *name) {
    return number >= 1 && number <= desc->natts && !TupleDescAttr(desc, number - 1)->attisdropped &&
           std::strcmp(NameStr(TupleDescAttr(desc, number - 1)->attname), name) == 0;
}

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

} // namespace

// ---- tables ----

namespace {

struct KnownTable {
    NameData name;
    Oid relation;
};
KnownTable g_known_tables[32];
int g_known_table_count = 0;
std::uint64_t g_known_tables_of = 0; // name_generation

Oid look_up_table(const char *name) {
    const Oid schema = get_namespace_oid("hermes", false);
    const Oid relation = get_relname_relid(name, schema);
    if (!OidIsValid(relation)) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"hermes.%s\" does not exist", name)));
    }
    return relation;
}

Oid table_oid(const char *name) {
    if (g_known_tables_of != name_generation()) {
        g_known_tables_of = name_generation();
        g_known_table_count = 0;
    }
    for (int i = 0; i < g_known_table_count; ++i) {
        if (std::strcmp(NameStr(g_known_tables[i].name), name) == 0) {
            return g_known_tables[i].relation;
        }
    }
    const Oid relation = look_up_table(name);
    // a look-up takes in news itself
    if (g_known_tables_of == name_generation() && g_known_table_count < static_cast<int>(std::size(g_known_tables))) {
        KnownTable &known = g_known_tables[g_known_table_count++];
        namestrcpy(&known.name, name);
        known.relation = relation;
    }
    return relation;
}

} // namespace

Relation open_table(const char *name, LOCKMODE mode) {
    Oid relation = InvalidOid;
    for (;;) { // the name may go to another table while the lock is waited for
        const std::uint64_t generation = name_generation();
        relation = table_oid(name);
        LockRelationOid(relation, mode);
        if (generation == name_generation() || relation == table_oid(name)) {
            break;
        }
        UnlockRelationOid(relation, mode);
    }
    Relation table = table_open(relation, NoLock);
    if (table->trigdesc != nullptr) { // users' code finds what it would find from a statement of ours
        pin_search_path();
    }
    return table;
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

namespace {

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

} // namespace

void resolve(Relation relation, const TableShape &shape, ColumnNumbers &numbers) {
    if (numbers.relation == RelationGetRelid(relation) && numbers.generation == name_generation()) {
        return;
    }
    numbers.relation = InvalidOid;
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
    if (shape.whole) {
        check_others(relation, shape, numbers);
    }
    numbers.relation = RelationGetRelid(relation);
    numbers.generation = name_generation();
}

void close_indexes(ResultRelInfo *info) {
    for (int i = 0; i < info->ri_NumIndices; ++i) {
#if PG_VERSION_NUM >= 170000
        index_insert_cleanup(info->ri_IndexRelationDescs[i], info->ri_IndexRelationInfo[i]);
#endif
        index_close(info->ri_IndexRelationDescs[i], NoLock);
    }
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

void end_state(EState *estate) {
    AfterTriggerEndQuery(estate);
    ExecResetTupleTable(estate->es_tupleTable, false);
    ExecCloseResultRelations(estate);
}

void prevent_write(const char *command) {
    PreventCommandIfReadOnly(command);
    PreventCommandIfParallelMode(command);
}

// ---- look-ups by an index ----

namespace {

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

} // namespace

void begin_scan(KeyScan &scan, Relation relation, const char *column, LOCKMODE mode, const Oid *key_types, int keys,
                Snapshot snapshot) {
    scan.relation = relation;
    scan.snapshot = snapshot;
    begin_keys(scan, column, mode, key_types, keys);
}

void begin_keys(KeyScan &scan, const char *column, LOCKMODE mode, const Oid *key_types, int keys) {
    if (scan.slot == nullptr) {
        scan.slot = table_slot_create(scan.relation, nullptr);
    }
    const Oid index = index_of(scan.relation, column);
    if (!OidIsValid(index)) {
        elog(ERROR, "table \"%s\" has no index to look up by", RelationGetRelationName(scan.relation));
    }
    scan.keys = keys;
    scan.index = index_open(index, mode);
    scan.one_at_most = scan.index->rd_index->indisunique && scan.index->rd_index->indimmediate &&
                       keys == IndexRelationGetNumberOfKeyAttributes(scan.index);
    for (int i = 0; i < keys; ++i) {
        if (i >= RelationGetNumberOfAttributes(scan.index) ||
            TupleDescAttr(RelationGetDescr(scan.index), i)->atttypid != key_types[i]) {
            elog(ERROR, "index of table \"%s\" is another one", RelationGetRelationName(scan.relation));
        }
        ScanKeyInit(&scan.key[i], static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber, equality_of(key_types[i]), 0);
    }
    scan.scan = begin_index_scan(scan.relation, scan.index, scan.snapshot, keys);
}

void seek(KeyScan &scan, const Param *key) {
    for (int i = 0; i < scan.keys; ++i) {
        scan.key[i].sk_argument = key[i].datum;
    }
    index_rescan(scan.scan, scan.key, scan.keys, nullptr, 0);
    scan.found = false;
}

bool next(KeyScan &scan) {
    if (scan.found && scan.one_at_most) {
        return false;
    }
    scan.found = index_getnext_slot(scan.scan, ForwardScanDirection, scan.slot);
    return scan.found;
}

void end_scan(KeyScan &scan, Relation root) {
    if (scan.index != nullptr) {
        index_endscan(scan.scan);
        index_close(scan.index, NoLock);
    }
    if (scan.slot != nullptr) {
        ExecDropSingleTupleTableSlot(scan.slot);
    }
    if (scan.relation != root) {
        table_close(scan.relation, NoLock);
    }
}

void serialization_failure() {
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("could not serialize access due to concurrent update")));
}

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

} // namespace hc::pg::detail
