// See series.hpp. Runs in backends and dispatchers; freeing in the launcher.
#include "pg/series.hpp"

#include "pg/guc.hpp"

#include <algorithm>
#include <functional>
#include <unordered_map>

namespace hc::pg {

namespace {

constexpr std::uint16_t kNullTenant = UINT16_MAX;

enum class SeriesState : std::uint32_t { free, taken, dead }; // dead: of a database that is gone; to be taken again

struct Series {
    std::atomic<std::uint32_t> state; // SeriesState; what follows it but the counters does not change while taken
    Oid database;
    std::int32_t provider;
    std::uint16_t tenant_length;
    std::uint16_t channel_length;
    std::uint64_t hash;
    char channel[64];
    char tenant[256];
    std::atomic<std::uint64_t> counters[core::kSeriesCounters];
};

struct SeriesTable {
    slock_t lock; // of giving out and freeing
    std::uint32_t capacity;
    std::atomic<std::uint32_t> used;
    Series series[FLEXIBLE_ARRAY_MEMBER]; // capacity, then one `other` a database slot
};

SeriesTable *g_table = nullptr;

struct Key {
    Oid database;
    std::optional<std::string_view> tenant;
    std::string_view channel;
    std::int32_t provider;
    std::uint64_t hash;
};

Key make_key(const std::optional<std::string> &tenant, std::string_view channel, std::int32_t provider) {
    Key key{MyDatabaseId, std::nullopt, channel.substr(0, sizeof Series::channel), provider, 0};
    std::uint64_t hash = std::hash<std::string_view>()(key.channel);
    const auto mix = [&hash](std::uint64_t value) {
        hash = (hash ^ value) * 0x9E3779B97F4A7C15U;
        hash ^= hash >> 29;
    };
    if (tenant) {
        key.tenant = std::string_view(*tenant).substr(0, sizeof Series::tenant);
        mix(std::hash<std::string_view>()(*key.tenant));
    }
    mix(static_cast<std::uint64_t>(static_cast<std::uint32_t>(provider)) << 32 | MyDatabaseId);
    key.hash = hash;
    return key;
}

SeriesState state_of(const Series &series) noexcept {
    return static_cast<SeriesState>(series.state.load(std::memory_order_acquire));
}

bool is(const Series &series, const Key &key) noexcept {
    return state_of(series) == SeriesState::taken && series.hash == key.hash && series.database == key.database &&
           series.provider == key.provider && std::string_view(series.channel, series.channel_length) == key.channel &&
           (series.tenant_length == kNullTenant
                ? !key.tenant
                : key.tenant && std::string_view(series.tenant, series.tenant_length) == *key.tenant);
}

// Linear probing: nothing beyond a free one.
SeriesIndex find(const Key &key) noexcept {
    const std::uint32_t capacity = g_table->capacity;
    for (std::uint32_t i = 0; i < capacity; ++i) {
        const auto at = static_cast<SeriesIndex>((key.hash + i) % capacity);
        if (is(g_table->series[at], key)) {
            return at;
        }
        if (state_of(g_table->series[at]) == SeriesState::free) {
            break;
        }
    }
    return kNoSeries;
}

void clear_counters(Series &series) noexcept {
    for (auto &counter : series.counters) {
        counter.store(0, std::memory_order_relaxed);
    }
}

void fill(Series &series, const Key &key) noexcept {
    series.database = key.database;
    series.provider = key.provider;
    series.hash = key.hash;
    series.channel_length = static_cast<std::uint16_t>(key.channel.size());
    std::copy_n(key.channel.data(), key.channel.size(), series.channel);
    series.tenant_length = key.tenant ? static_cast<std::uint16_t>(key.tenant->size()) : kNullTenant;
    if (key.tenant) {
        std::copy_n(key.tenant->data(), key.tenant->size(), series.tenant);
    }
    clear_counters(series);
    series.state.store(static_cast<std::uint32_t>(SeriesState::taken), std::memory_order_release);
}

// kNoSeries: all are taken.
SeriesIndex give_out(const Key &key) noexcept {
    SpinLockAcquire(&g_table->lock);
    SeriesIndex found = find(key); // somebody else was first
    const std::uint32_t capacity = g_table->capacity;
    for (std::uint32_t i = 0; found == kNoSeries && i < capacity && g_table->used.load() < capacity; ++i) {
        const auto at = static_cast<SeriesIndex>((key.hash + i) % capacity);
        if (state_of(g_table->series[at]) != SeriesState::taken) {
            fill(g_table->series[at], key);
            g_table->used.fetch_add(1);
            found = at;
        }
    }
    SpinLockRelease(&g_table->lock);
    return found;
}

SeriesIndex other_of(const DatabaseSlot &database) noexcept {
    return g_table->capacity + static_cast<SeriesIndex>(&database - shared()->databases);
}

// ---- of the current transaction ----

struct Delta {
    SeriesIndex series;
    std::uint16_t counter;
    std::uint16_t level; // of the subtransaction; never less than that of the delta before
    std::uint64_t n;
};

constexpr std::size_t kLookBack = 16;      // deltas compared with a new one
constexpr std::size_t kMostDeltas = 65536; // before equal ones are added up

struct Pending {
    std::vector<Delta> deltas;
    std::size_t limit = kMostDeltas;
};

Pending *g_pending = nullptr; // for the life of the process, once something was counted

Pending &pending() {
    if (g_pending == nullptr) {
        g_pending = new Pending();
    }
    return *g_pending;
}

// Many different counters in one transaction: as many deltas stay as there are counters.
void add_up(Pending &p) {
    std::stable_sort(p.deltas.begin(), p.deltas.end(), [](const Delta &a, const Delta &b) {
        return std::tie(a.level, a.series, a.counter) < std::tie(b.level, b.series, b.counter);
    });
    std::size_t kept = 0;
    for (const Delta &delta : p.deltas) {
        Delta &last = p.deltas[kept == 0 ? 0 : kept - 1];
        if (kept != 0 && last.series == delta.series && last.counter == delta.counter && last.level == delta.level) {
            last.n += delta.n;
        } else {
            p.deltas[kept++] = delta;
        }
    }
    p.deltas.resize(kept);
    p.limit = std::max(kMostDeltas, 2 * kept);
}

SeriesIndex look_up(const Key &key, const DatabaseSlot &database) {
    static auto *known = new std::unordered_map<std::uint64_t, SeriesIndex>(); // by hash
    constexpr std::size_t kMostKnown = 20'000;
    const SeriesIndex other = other_of(database);
    const auto it = known->find(key.hash);
    if (it != known->end() && (it->second == other || is(g_table->series[it->second], key))) {
        return it->second;
    }
    if (known->size() >= kMostKnown) {
        known->clear();
    }
    SeriesIndex found = find(key);
    if (found == kNoSeries && g_table->used.load() < g_table->capacity) {
        found = give_out(key);
    }
    return (*known)[key.hash] = found != kNoSeries ? found : other;
}

core::SeriesCounters read(const Series &series) {
    core::SeriesCounters counters;
    for (std::size_t i = 0; i < core::kSeriesCounters; ++i) {
        counters.values[i] = series.counters[i].load(std::memory_order_relaxed);
    }
    return counters;
}

void add_snapshot(const Series &series, bool other, std::vector<SeriesSnapshot> &to) {
    SeriesSnapshot snapshot{other, std::nullopt, {}, 0, read(series)};
    const auto &values = snapshot.counters.values;
    if (std::all_of(values.begin(), values.end(), [](std::uint64_t n) { return n == 0; })) {
        return;
    }
    if (!other) {
        snapshot.channel.assign(series.channel, series.channel_length);
        snapshot.provider = series.provider;
        if (series.tenant_length != kNullTenant) {
            snapshot.tenant.emplace(series.tenant, series.tenant_length);
        }
    }
    to.push_back(std::move(snapshot));
}

} // namespace

SeriesIndex series_of(const std::optional<std::string> &tenant, std::string_view channel, std::int32_t provider) {
    const DatabaseSlot *database = g_table != nullptr ? my_database() : nullptr;
    return database == nullptr ? kNoSeries : look_up(make_key(tenant, channel, provider), *database);
}

void count_series(SeriesIndex series, std::uint16_t counter, std::uint64_t n) {
    if (series == kNoSeries) {
        return;
    }
    Pending &p = pending();
    const auto level = static_cast<std::uint16_t>(std::min(GetCurrentTransactionNestLevel(), int{UINT16_MAX}));
    for (std::size_t i = 0; i < std::min(kLookBack, p.deltas.size()); ++i) {
        Delta &delta = p.deltas[p.deltas.size() - 1 - i];
        if (delta.series == series && delta.counter == counter && delta.level == level) {
            delta.n += n;
            return;
        }
    }
    if (p.deltas.size() >= p.limit) {
        add_up(p);
    }
    p.deltas.push_back({series, counter, level, n});
}

void publish_series() noexcept {
    if (g_pending == nullptr || g_pending->deltas.empty()) {
        return;
    }
    std::uint64_t folded = 0;
    for (const Delta &delta : g_pending->deltas) {
        g_table->series[delta.series].counters[delta.counter].fetch_add(delta.n, std::memory_order_relaxed);
        folded += delta.series >= g_table->capacity ? 1 : 0;
    }
    if (DatabaseSlot *database = my_database(); folded != 0 && database != nullptr) {
        database->counters.series_folded.fetch_add(folded, std::memory_order_relaxed);
    }
    forget_series();
}

void forget_series() noexcept {
    if (g_pending != nullptr) {
        g_pending->deltas.clear();
        g_pending->limit = kMostDeltas;
    }
}

void end_series_level(std::int32_t level, bool keep) noexcept {
    if (g_pending == nullptr) {
        return;
    }
    std::vector<Delta> &deltas = g_pending->deltas;
    if (!keep) {
        while (!deltas.empty() && deltas.back().level >= level) {
            deltas.pop_back();
        }
        return;
    }
    for (auto it = deltas.rbegin(); it != deltas.rend() && it->level >= level; ++it) {
        it->level = static_cast<std::uint16_t>(level - 1);
    }
}

std::vector<SeriesSnapshot> series_snapshots() {
    std::vector<SeriesSnapshot> snapshots;
    const DatabaseSlot *database = g_table != nullptr ? my_database() : nullptr;
    if (database == nullptr) {
        return snapshots;
    }
    for (SeriesIndex i = 0; i < g_table->capacity; ++i) {
        const Series &series = g_table->series[i];
        if (state_of(series) == SeriesState::taken && series.database == MyDatabaseId) {
            add_snapshot(series, false, snapshots);
        }
    }
    add_snapshot(g_table->series[other_of(*database)], true, snapshots);
    return snapshots;
}

SeriesUse series_use() noexcept {
    return g_table == nullptr ? SeriesUse{} : SeriesUse{g_table->used.load(), g_table->capacity};
}

std::size_t series_size() {
    return offsetof(SeriesTable, series) +
           sizeof(Series) * (static_cast<std::size_t>(guc::max_metric_series) + kMaxDatabases);
}

void attach_series() {
    bool found = false;
    auto *table = static_cast<SeriesTable *>(ShmemInitStruct("hermes_cascade series", series_size(), &found));
    if (!found) {
        std::memset(static_cast<void *>(table), 0, series_size());
        SpinLockInit(&table->lock);
        table->capacity = static_cast<std::uint32_t>(guc::max_metric_series);
    }
    g_table = table;
}

void free_series(const DatabaseSlot &database) noexcept {
    if (g_table == nullptr) {
        return;
    }
    const Oid oid = database.database.load();
    SpinLockAcquire(&g_table->lock);
    for (std::uint32_t i = 0; i < g_table->capacity; ++i) {
        Series &series = g_table->series[i];
        if (state_of(series) == SeriesState::taken && series.database == oid) {
            series.state.store(static_cast<std::uint32_t>(SeriesState::dead), std::memory_order_release);
            g_table->used.fetch_sub(1);
        }
    }
    clear_counters(g_table->series[other_of(database)]);
    SpinLockRelease(&g_table->lock);
}

} // namespace hc::pg
