// See wake.hpp. The callbacks run in every backend. Who is woken must find what it is woken for, and what was defined
// with it: notes are published last of all, when the commit can be seen and its invalidations were sent.
#include "pg/wake.hpp"

#include "pg/deliveries.hpp"
#include "pg/executor_state.hpp"
#include "pg/handover.hpp"
#include "pg/outcomes.hpp"
#include "pg/series.hpp"
#include "pg/values.hpp"
#include "pg/watch.hpp"

namespace hc::pg {

namespace {

constexpr int kMaxNotes = 64;
constexpr int kCountedLevels = 8;
constexpr int kCounts = static_cast<int>(Count::kCount);
constexpr int kAllCounts = kCounts + static_cast<int>(core::kWorkflowCounts); // those of core::WorkflowCount last

struct Note {
    std::int32_t queue;
    std::int32_t level; // nesting level of the subtransaction that made it
    TimestampTz due;
    std::int64_t owner; // 0: nobody
};

struct Pending { // of the current transaction
    Note notes[kMaxNotes];
    int count;
    bool overflow; // too many different notes: every queue may have work
    bool extension_change;
    std::uint32_t counters[kCountedLevels][kAllCounts]; // by nesting level; deeper ones share the last
    bool counted;
};

Pending g_pending;

void add_note(const Note &added) noexcept {
    for (int i = 0; i < g_pending.count; ++i) {
        Note &note = g_pending.notes[i];
        if (note.queue == added.queue && note.level == added.level && note.owner == added.owner) {
            note.due = note.due < added.due ? note.due : added.due;
            return;
        }
    }
    if (g_pending.count == kMaxNotes) {
        g_pending.overflow = true;
        return;
    }
    g_pending.notes[g_pending.count++] = added;
}

void publish_counters(DatabaseSlot *slot) noexcept {
    Counters &c = slot->counters;
    std::atomic<std::uint64_t> *const targets[] = {
        &c.started,           &c.delivered,       &c.exhausted,
        &c.expired,           &c.canceled,        &c.sends_claimed,
        &c.sends_recorded,    &c.signals,         &c.receipts_applied,
        &c.receipts_buffered, &c.receipts_parked, &c.receipts_unmatched,
        &c.receipts_dropped,  &c.timers_fired,    &c.webhooks_delivered,
        &c.webhooks_failed,   &c.dead_letters,    &c.conditions_evaluated,
        &c.conditions_failed, &c.sends_skipped,   &c.suppressions,
        &c.engagements,
    };
    static_assert(lengthof(targets) == kCounts);
    for (int i = 0; i < kAllCounts; ++i) {
        if (const std::uint32_t n = g_pending.counters[1][i]; n != 0) {
            (i < kCounts ? *targets[i] : c.workflow[i - kCounts]).fetch_add(n, std::memory_order_relaxed);
        }
    }
}

// The supervisor serves the queues of timers and schedules, executors those of their roles, dispatchers all others.
void wake_workers(bool supervisor, bool dispatchers) noexcept {
    for (WorkerSlot &slot : shared()->workers) {
        if (slot.database.load(std::memory_order_relaxed) != MyDatabaseId) {
            continue;
        }
        const auto role = static_cast<WorkerRole>(slot.role.load(std::memory_order_relaxed));
        if ((supervisor && role == WorkerRole::supervisor) || (dispatchers && role == WorkerRole::dispatcher)) {
            set_latch_of(slot.process_number.load());
        }
    }
}

void wake_for_extension_change(DatabaseSlot *slot) noexcept {
    slot->probe_requested = 1;
    slot->clock_known = 0; // another extension, another clock
    slot->extension_changes.fetch_add(1);
    wake_workers(true, true);
    wake_all_executors();
    shared()->launcher_wake = 1;
    set_latch_of(shared()->launcher_process.load());
}

void publish() noexcept {
    DatabaseSlot *slot = shared() != nullptr ? my_database() : nullptr;
    if (slot == nullptr) {
        return;
    }
    bool supervisor = false;
    bool dispatchers = false;
    for (int i = 0; i < g_pending.count; ++i) {
        const Note &note = g_pending.notes[i];
        if (core::is_executor_queue(note.queue) && wake_executors(note.queue, note.due)) {
            continue;
        }
        if (note.owner != 0 && lower(slot->handed[bound_index(note.queue)], note.due)) {
            dispatchers = true;
        }
        if (note.owner != 0 && note.owner == slot->receiver.load()) { // else it is anybody's that claims
            continue;
        }
        // a later task than the one already waited for wakes nobody
        if (lower(slot->bounds[bound_index(note.queue)], note.due)) {
            const bool of_supervisor = note.queue == kTimerQueue || note.queue == kActivityQueue ||
                                       note.queue == kScheduleQueue || note.queue == kFakeQueue ||
                                       note.queue == kProgramEndQueue;
            (of_supervisor || core::is_executor_queue(note.queue) ? supervisor : dispatchers) = true;
        }
    }
    if (g_pending.overflow) {
        for (auto &bound : slot->bounds) {
            bound = PG_INT64_MIN;
        }
        for (auto &due : slot->handed) {
            due = 0; // before all that is due now
        }
        supervisor = dispatchers = true;
        wake_all_executors();
    }
    if (g_pending.counted) {
        publish_counters(slot);
    }
    if (supervisor || dispatchers) {
        wake_workers(supervisor, dispatchers);
    }
    if (g_pending.extension_change) {
        wake_for_extension_change(slot);
    }
}

void forget() noexcept {
    g_pending.count = 0;
    g_pending.overflow = false;
    g_pending.extension_change = false;
    if (g_pending.counted) {
        g_pending.counted = false;
        std::memset(g_pending.counters, 0, sizeof g_pending.counters);
    }
}

int counted_level(std::int32_t level) noexcept { return level < kCountedLevels ? level : kCountedLevels - 1; }

// What a subtransaction counted goes to its parent, or nowhere.
void fold_counters(std::int32_t level, bool keep) noexcept {
    const int from = counted_level(level);
    const int to = counted_level(level - 1);
    if (!g_pending.counted || from == to) {
        return;
    }
    for (int i = 0; i < kAllCounts; ++i) {
        g_pending.counters[to][i] += keep ? g_pending.counters[from][i] : 0;
        g_pending.counters[from][i] = 0;
    }
}

void on_transaction(XactEvent event, void * /*arg*/) {
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
        hold_commit_level();
        break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PARALLEL_COMMIT:
        end_handovers();
        publish_series();
        publish_deliveries();
        publish_changes();
        publish_outcomes();
        break;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PARALLEL_ABORT:
    case XACT_EVENT_PREPARE:
        forget();
        end_handovers();
        forget_series();
        forget_deliveries();
        forget_changes();
        forget_outcomes();
        break;
    default:
        break;
    }
}

// Comes once a phase of each resource owner, of which a transaction has many: the first one publishes.
void on_release(ResourceReleasePhase phase, bool commit, bool top_level, void * /*arg*/) {
    if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !commit || !top_level) {
        return;
    }
    if (g_pending.count != 0 || g_pending.overflow || g_pending.extension_change || g_pending.counted) {
        publish();
        forget();
    }
}

void on_subtransaction(SubXactEvent event, SubTransactionId /*mine*/, SubTransactionId /*parent*/, void * /*arg*/) {
    if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB) {
        return;
    }
    const std::int32_t level = GetCurrentTransactionNestLevel();
    fold_counters(level, event == SUBXACT_EVENT_COMMIT_SUB);
    end_series_level(level, event == SUBXACT_EVENT_COMMIT_SUB);
    end_deliveries_level(level, event == SUBXACT_EVENT_COMMIT_SUB);
    const int count_before = g_pending.count;
    g_pending.count = 0; // built again: add_note writes at or before the note being read
    for (int i = 0; i < count_before; ++i) {
        const Note note = g_pending.notes[i];
        if (note.level < level) {
            add_note(note);
        } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
            add_note({note.queue, level - 1, note.due, note.owner});
        }
    }
}

} // namespace

void note_task(std::int32_t queue, core::Time due, std::int64_t owner) {
    if (queue < 0 || core::is_program_queue(queue)) {
        return;
    }
    // all of one bound are one note
    const std::int32_t noted = queue < kFirstEndpointQueue ? queue : kFirstEndpointQueue;
    add_note({noted, GetCurrentTransactionNestLevel(), to_timestamptz(due), owner});
}

void note_workers() { g_pending.extension_change = true; }

void wake_dispatchers() noexcept { wake_workers(false, true); }
void wake_supervisor() noexcept { wake_workers(true, false); }

namespace {

void count_at(int index, std::uint32_t n) {
    g_pending.counters[counted_level(GetCurrentTransactionNestLevel())][index] += n;
    g_pending.counted = true;
}

} // namespace

void count(Count what, std::uint32_t n) { count_at(static_cast<int>(what), n); }
void count(core::WorkflowCount what, std::uint32_t n) { count_at(kCounts + static_cast<int>(what), n); }

void register_transaction_callbacks() {
    RegisterXactCallback(on_transaction, nullptr);
    RegisterSubXactCallback(on_subtransaction, nullptr);
    RegisterResourceReleaseCallback(on_release, nullptr);
}

core::Time take_bound(std::int32_t queue) {
    DatabaseSlot *slot = my_database();
    const std::int64_t due = slot->bounds[bound_index(queue)].exchange(kNoDue);
    return due == PG_INT64_MIN ? core::from_unix_micros(0) : from_timestamptz(due);
}

void give_bound(std::int32_t queue, core::Time due) {
    lower(my_database()->bounds[bound_index(queue)], to_timestamptz(due));
}

core::Time peek_bound(std::int32_t queue) {
    const std::int64_t due = my_database()->bounds[bound_index(queue)].load();
    return due == PG_INT64_MIN ? core::from_unix_micros(0) : from_timestamptz(due);
}

} // namespace hc::pg
