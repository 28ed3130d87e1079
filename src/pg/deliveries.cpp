// See deliveries.hpp. Runs in backends and workers.
#include "pg/deliveries.hpp"

#include "pg/provider_state.hpp"
#include "pg/shmem.hpp"
#include "pg/values.hpp"

#include <algorithm>

namespace hc::pg {

namespace {

struct Note {
    std::int32_t provider;
    std::int32_t level; // of the subtransaction; never less than that of the note before
    core::DeliveryCounts counts;
};

using Notes = std::vector<Note>; // one a provider and level

Notes *g_notes = nullptr; // for the life of the process, once something was noted

bool add_to_same(Notes &notes, std::size_t end, const Note &note) noexcept {
    for (std::size_t i = end; i > 0 && notes[i - 1].level == note.level; --i) {
        if (notes[i - 1].provider == note.provider) {
            notes[i - 1].counts.delivered += note.counts.delivered;
            notes[i - 1].counts.ended += note.counts.ended;
            return true;
        }
    }
    return false;
}

} // namespace

void note_delivery(const core::DeliveryChange &change) {
    if (g_notes == nullptr) {
        g_notes = new Notes();
    }
    const Note note{change.provider, GetCurrentTransactionNestLevel(), change.counts};
    if (!add_to_same(*g_notes, g_notes->size(), note)) {
        g_notes->push_back(note);
    }
}

std::vector<core::DeliveryLevel> delivery_levels(core::Time now) {
    std::vector<core::DeliveryLevel> levels;
    DatabaseSlot *database = my_database();
    if (database == nullptr) {
        return levels;
    }
    for (ProviderSlot &slot : database->providers) {
        const std::int32_t provider = slot.provider.load(std::memory_order_acquire);
        const core::DeliveryWindow window = slot.deliveries.load(std::memory_order_relaxed);
        const std::uint8_t level = core::delivery_level(core::delivery_counts(window, now));
        if (provider != 0 && level < core::kBestDelivery) {
            levels.push_back({provider, level});
        }
    }
    return levels;
}

void publish_deliveries() noexcept {
    if (g_notes == nullptr || g_notes->empty()) {
        return;
    }
    const core::Time time = now();
    for (const Note &note : *g_notes) {
        ProviderSlot *slot = slot_of(note.provider);
        if (slot == nullptr) {
            continue;
        }
        core::DeliveryWindow window = slot->deliveries.load(std::memory_order_relaxed);
        while (!slot->deliveries.compare_exchange_weak(window, core::add_deliveries(window, note.counts, time),
                                                       std::memory_order_relaxed)) {
        }
    }
    g_notes->clear();
}

void forget_deliveries() noexcept {
    if (g_notes != nullptr) {
        g_notes->clear();
    }
}

void end_deliveries_level(std::int32_t level, bool keep) noexcept {
    if (g_notes == nullptr) {
        return;
    }
    Notes &notes = *g_notes;
    const auto first = std::find_if(notes.begin(), notes.end(), [level](const Note &n) { return n.level >= level; });
    auto kept = static_cast<std::size_t>(first - notes.begin());
    for (std::size_t i = kept; keep && i < notes.size(); ++i) {
        Note note = notes[i];
        note.level = level - 1;
        if (!add_to_same(notes, kept, note)) {
            notes[kept++] = note;
        }
    }
    notes.erase(notes.begin() + static_cast<std::ptrdiff_t>(kept), notes.end());
}

} // namespace hc::pg
