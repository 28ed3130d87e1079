// Look-ups of table.hpp and table_search.hpp.
#include "pg/spi.hpp"
#include "pg/table_access.hpp"
#include "pg/table_search.hpp"

namespace hc::pg::detail {

namespace {

const char *lock_command(RowLock lock) {
    return GetCommandTagName(lock == RowLock::key_share       ? CMDTAG_SELECT_FOR_KEY_SHARE
                             : lock == RowLock::no_key_update ? CMDTAG_SELECT_FOR_NO_KEY_UPDATE
                                                              : CMDTAG_SELECT_FOR_UPDATE);
}

LockTupleMode tuple_lock_mode(RowLock lock) {
    return lock == RowLock::key_share       ? LockTupleKeyShare
           : lock == RowLock::no_key_update ? LockTupleNoKeyExclusive
                                            : LockTupleExclusive;
}

RowPlace place_of(const KeyScan &scan) {
    const ItemPointerData &tid = scan.slot->tts_tid;
    return {RelationGetRelid(scan.relation), ItemPointerGetBlockNumber(&tid), ItemPointerGetOffsetNumber(&tid)};
}

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

bool locks(RowLock lock) { return lock > RowLock::newest; }

// Rows that are locked for a change are changed next: the table is locked for that at once, not twice and not with a
// lock that has to grow while somebody waits for it to go.
LOCKMODE table_lock(RowLock lock) {
    switch (lock) {
    case RowLock::none:
        return AccessShareLock;
    case RowLock::key_share:
        return RowShareLock;
    case RowLock::newest:
    case RowLock::no_key_update:
    case RowLock::update:
        break;
    }
    return RowExclusiveLock;
}

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
    if (locks(lock)) {
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
        PushActiveSnapshot(lock == RowLock::newest ? GetLatestSnapshot() : GetTransactionSnapshot());
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
        if (locks(finder.lock) && !lock_row(scan, tuple_lock_mode(finder.lock), policy)) {
            continue;
        }
        if (finder.lock == RowLock::newest && IsolationUsesXactSnapshot() &&
            !table_tuple_satisfies_snapshot(relation, scan.slot, GetTransactionSnapshot())) {
            serialization_failure();
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

} // namespace hc::pg::detail
