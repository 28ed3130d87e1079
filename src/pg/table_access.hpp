// The table access behind table.hpp, shared by table_*.cpp: tables and columns by name, partitions, look-ups by an
// index. Internal to src/pg; inside pg::call only: plain data.
#pragma once

#include "pg/table.hpp"

namespace hc::pg::detail {

Relation open_table(const char *name, LOCKMODE mode); // in schema hermes
int column_number(Relation relation, const char *name);
// The numbers of the shape's columns; raises when one is missing or of another type, or of a whole row not named.
void resolve(Relation relation, const TableShape &shape, ColumnNumbers &numbers);

// As ExecCloseIndices, with the locks kept: the transaction comes back to the table as a rule, and its end gives all of
// them back for less than one here.
void close_indexes(ResultRelInfo *info);

bool is_partitioned(Relation relation);
std::int16_t partition_column(Relation root); // of tables partitioned by range of one column
struct Route {
    Oid relation;
    bool of_default; // the default partition
};
Route route_of(Relation root, Datum value); // the partition of a value, as the executor finds it

void prevent_write(const char *command); // in transactions and parallel workers that must not
// Fires what waits for the end of the statement, and closes what it opened. The state goes with its memory.
void end_state(EState *estate);

// ---- look-ups by an index ----

struct KeyScan { // of the table, or of a partition
    KeyScan *next;
    Relation relation;
    Relation index;
    Snapshot snapshot;
    IndexScanDesc scan;
    TupleTableSlot *slot;
    int keys;
    ScanKeyData key[2];
    bool one_at_most; // rows of a key
    bool found;       // one, since the last seek
};
// `column`: the first of the index; null: the primary key. begin_keys: when the relation and the snapshot are there.
void begin_keys(KeyScan &scan, const char *column, LOCKMODE mode, const Oid *key_types, int keys);
void begin_scan(KeyScan &scan, Relation relation, const char *column, LOCKMODE mode, const Oid *key_types, int keys,
                Snapshot snapshot);
void seek(KeyScan &scan, const Param *key);
bool next(KeyScan &scan); // the slot holds it
void end_scan(KeyScan &scan, Relation root);

// As the executor locks rows. The slot then holds the newest version; false: gone, or held by somebody else.
bool lock_row(KeyScan &scan, LockTupleMode mode, LockWaitPolicy policy);
[[noreturn]] void serialization_failure();

} // namespace hc::pg::detail
