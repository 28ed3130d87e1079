// See watch.hpp. note_trigger_change() and publish_changes() run in every backend that writes a watched table.
#include "pg/watch.hpp"

#include "core/error.hpp"
#include "pg/call.hpp"
#include "pg/wake.hpp"

extern "C" {
#include "catalog/partition.h"
#include "catalog/pg_trigger.h"
}

#include <bitset>

namespace hc::pg {

namespace {

constexpr int kBits = 64;

std::bitset<kWatchSlots> g_noted; // of the current transaction; one of a savepoint that is rolled back costs a look
bool g_any = false;

std::int32_t slot_of(Oid relation) { return static_cast<std::int32_t>(relation % kWatchSlots); }

Oid root_of_partition(Oid relation) {
    return call([relation]() -> Oid {
        List *ancestors = get_partition_ancestors(relation);
        return ancestors == NIL ? relation : llast_oid(ancestors);
    });
}

bool set_bit(std::atomic<std::uint64_t> *bits, std::int32_t slot) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << (slot % kBits);
    return (bits[slot / kBits].fetch_or(bit) & bit) == 0;
}

bool has_bit(const std::atomic<std::uint64_t> *bits, std::int32_t slot) noexcept {
    return ((bits[slot / kBits].load() >> (slot % kBits)) & 1U) != 0;
}

void clear_bit(std::atomic<std::uint64_t> *bits, std::int32_t slot) noexcept {
    bits[slot / kBits].fetch_and(~(std::uint64_t{1} << (slot % kBits)));
}

// Whether the trigger of hermes.watch_table is there, and fires always.
bool has_trigger(Oid relation) {
    return call([relation]() -> bool {
        Relation triggers = table_open(TriggerRelationId, AccessShareLock);
        ScanKeyData keys[2];
        ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
        ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("hermes_watch"));
        SysScanDesc scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, 2, keys);
        const HeapTuple tuple = systable_getnext(scan);
        bool found = false;
        if (HeapTupleIsValid(tuple)) {
            const auto *trigger = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
            char *schema = get_namespace_name(get_func_namespace(trigger->tgfoid));
            found =
                trigger->tgenabled == TRIGGER_FIRES_ALWAYS && schema != nullptr && std::strcmp(schema, "hermes") == 0;
        }
        systable_endscan(scan);
        table_close(triggers, AccessShareLock);
        return found;
    });
}

} // namespace

std::string relation_name(Oid relation) {
    const char *name = call([relation]() -> const char * {
        return DatumGetCString(DirectFunctionCall1(regclassout, ObjectIdGetDatum(relation)));
    });
    return name;
}

WatchedTable begin_watch(Oid relation, bool known) {
    WatchedTable table;
    table.relation = root_of_partition(relation);
    if (!known && !has_trigger(table.relation)) {
        const std::string name = relation_name(table.relation);
        throw Error(sqlstate::not_prerequisite, "table \"" + name + "\" is not watched", {},
                    "Its owner calls hermes.watch_table('" + name + "') once.");
    }
    table.slot = slot_of(table.relation);
    if (DatabaseSlot *database = my_database(); database != nullptr) {
        set_bit(database->watch_waited, table.slot);
        table.changes = database->watch_changes[table.slot].load();
    }
    return table;
}

void end_watch(std::span<const WatchedTable> tables) noexcept {
    DatabaseSlot *database = my_database();
    bool wake = false;
    for (const WatchedTable &table : tables) {
        set_bit(database->watch_waited, table.slot);
        if (database->watch_changes[table.slot].load() != table.changes) {
            wake = set_bit(database->watch_dirty, table.slot) || wake;
        }
    }
    if (wake) {
        wake_supervisor();
    }
}

void note_trigger_change(FunctionCallInfo fcinfo) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        throw Error(sqlstate::not_prerequisite, "this is a trigger function");
    }
    const Relation relation = reinterpret_cast<TriggerData *>(fcinfo->context)->tg_relation;
    const Oid oid = RelationGetRelid(relation);
    g_noted.set(static_cast<std::size_t>(slot_of(relation->rd_rel->relispartition ? root_of_partition(oid) : oid)));
    g_any = true;
}

void publish_changes() noexcept {
    if (!g_any) {
        return;
    }
    DatabaseSlot *database = shared() != nullptr ? my_database() : nullptr;
    bool wake = false;
    for (std::int32_t slot = 0; database != nullptr && slot < kWatchSlots; ++slot) {
        if (g_noted.test(static_cast<std::size_t>(slot))) {
            database->watch_changes[slot].fetch_add(1);
            wake = (has_bit(database->watch_waited, slot) && set_bit(database->watch_dirty, slot)) || wake;
        }
    }
    forget_changes();
    if (wake) {
        wake_supervisor();
    }
}

void forget_changes() noexcept {
    if (g_any) {
        g_noted.reset();
        g_any = false;
    }
}

bool changes_wait() noexcept {
    for (const auto &bits : my_database()->watch_dirty) {
        if (bits.load(std::memory_order_relaxed) != 0) {
            return true;
        }
    }
    return false;
}

std::vector<ChangedSlot> take_changes() {
    DatabaseSlot *database = my_database();
    std::vector<ChangedSlot> taken;
    for (std::int32_t slot = 0; slot < kWatchSlots; ++slot) {
        if (has_bit(database->watch_dirty, slot)) {
            clear_bit(database->watch_dirty, slot);
            taken.push_back({slot, database->watch_changes[slot].load()});
            clear_bit(database->watch_waited, slot); // before the look at who waits
        }
    }
    return taken;
}

void mark_waited(std::span<const ChangedSlot> slots) noexcept {
    DatabaseSlot *database = my_database();
    for (const ChangedSlot &taken : slots) {
        set_bit(database->watch_waited, taken.slot);
        if (database->watch_changes[taken.slot].load() != taken.changes) { // it found no mark
            set_bit(database->watch_dirty, taken.slot);
        }
    }
}

void give_changes_back(std::span<const ChangedSlot> slots) noexcept {
    DatabaseSlot *database = my_database();
    for (const ChangedSlot &taken : slots) {
        set_bit(database->watch_waited, taken.slot);
        set_bit(database->watch_dirty, taken.slot);
    }
}

} // namespace hc::pg
