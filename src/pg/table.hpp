// Rows of our own tables through the table access API: found and locked by primary key, inserted, updated, deleted. For
// the statements that are run for every cascade, of which a start of the executor costs several times the row itself.
// Semantics are those of the statement in the comment of each class, at all isolation levels: constraints, triggers of
// rows, partitions and replica identities are honoured; columns not named must have neither default nor NOT NULL.
// Such work is not seen by pg_stat_statements and fires no triggers of statements.
#pragma once

#include "pg/call.hpp"
#include "pg/values.hpp"

namespace hc::pg {

// A jsonb column that is passed on as it is, from one row to another.
struct json_document {
    std::string datum; // with its header
};
json_document to_document(const std::string &json_text);
json_document to_document(jsonb_view value);
std::string to_text(const json_document &document);

template <>
struct type_of<json_document> {
    static constexpr Oid kOid = JSONBOID;
    static Datum make(const json_document &v) { return PointerGetDatum(v.datum.data()); }
    static json_document read(const Cell &c) { return {std::string(c.data, c.size)}; } // raw: see TableShape
};

// Where a row version stands. Good while the transaction holds a lock on it and has not changed the row.
struct RowPlace {
    std::uint32_t relation = 0; // the table, or its partition
    std::uint32_t block = 0;
    std::uint16_t offset = 0;
};

// newest: no lock, for what hangs on a row that is locked. Where one snapshot serves the whole transaction, a row that
// it does not see raises 40001, as an update of the locked row would have done.
enum class RowLock : std::uint8_t { none, newest, key_share, no_key_update, update };
enum class IfLocked : std::uint8_t { wait, skip };

namespace detail {

inline constexpr int kMaxTableColumns = 16;

struct TableShape {
    const char *table; // in schema hermes
    const char *const *columns;
    const Oid *types;
    int count;
    std::uint32_t raw;  // bit i: column i is read with its header, not as text
    bool whole = false; // rows that are made of these columns alone
};

// What is remembered of the last use; verified by name at the next, when names may have changed since.
struct ColumnNumbers {
    Oid relation;
    std::uint64_t generation; // of names (catalog.hpp)
    std::int16_t of[kMaxTableColumns];
};

enum class OnConflict : std::uint8_t { error, nothing };
struct Writer; // inside pg::call only
// `numbers`: of the table, and of the partition that was used last.
Writer *begin_insert(const TableShape &shape, ColumnNumbers (&numbers)[2], std::size_t count, OnConflict on_conflict);
bool insert_row(Writer &writer, const Param *row); // datums in the context of begin_row; false: it was there
void begin_row(Writer &writer);                    // makes the context for a row's datums current
void end_insert(Writer &writer);

struct FoundRows {
    Cell *cells;
    RowPlace *places;
    std::size_t count;
    MemoryContext context; // deleted by the caller when the cells are read
};
struct Finder;
Finder *begin_find(const TableShape &shape, ColumnNumbers &numbers, const Oid *key_types, int key_columns, RowLock lock,
                   IfLocked if_locked, bool read_only);
void find_rows(Finder &finder, const Param *key);
FoundRows end_find(Finder &finder);

// Deletes by a prefix of the primary key, or by place. Returns how many there were.
struct Remover; // remove_seen: false: the row has changed since
Remover *begin_remove(const char *table, const Oid *key_types, int key_columns);
void remove_rows(Remover &remover, const Param *key);
void remove_place(Remover &remover, RowPlace place);
bool remove_seen(Remover &remover, RowPlace place);
std::uint64_t end_remove(Remover &remover);

struct Updater;
Updater *begin_update(const TableShape &shape, ColumnNumbers &numbers);
void begin_update_row(Updater &updater); // as begin_row
void update_row(Updater &updater, RowPlace place, const Param *row);
void end_update(Updater &updater);

template <class... T>
void make_params(const std::type_identity_t<std::tuple<const T &...>> &values, Param *to) {
    std::apply([&to](const auto &...value) { ((*to++ = param_of<std::decay_t<decltype(value)>>::make(value)), ...); },
               values);
}

// Rows as C++ values; what was found is gone then.
template <class Row>
std::vector<Row> take_rows(const FoundRows &found) {
    std::vector<Row> rows(found.count);
    const Cell *cell = found.cells;
    for (Row &row : rows) {
        std::apply(
            [&cell](auto &...field) {
                (column_of<std::remove_reference_t<decltype(field)>>::read(*cell++, field), ...);
            },
            row.fields());
    }
    MemoryContextDelete(found.context);
    return rows;
}

template <class... F>
constexpr std::array<Oid, sizeof...(F)> types_of(const std::tuple<F &...> *) {
    return {param_of<F>::kOid...};
}
template <class Row> // of its fields
inline constexpr auto kRowTypes = types_of(static_cast<const decltype(std::declval<Row &>().fields()) *>(nullptr));

} // namespace detail

// INSERT INTO table (columns) VALUES ..., as COPY does it where the table has no triggers. `row_at(i)` gives references
// to the values of row i.
template <class... C>
class table_insert {
public:
    constexpr table_insert(const char *table, const std::array<const char *, sizeof...(C)> &columns)
        : table_(table), columns_(columns) {}

    template <class RowAt>
    void run(std::size_t count, RowAt row_at) {
        insert(count, row_at, detail::OnConflict::error, [](std::size_t) {});
    }

    // With ON CONFLICT DO NOTHING: waits for whoever inserts an equal key. Which rows were inserted.
    template <class RowAt>
    std::vector<bool> run_if_new(std::size_t count, RowAt row_at) {
        std::vector<bool> inserted(count);
        insert(count, row_at, detail::OnConflict::nothing, [&inserted](std::size_t i) { inserted[i] = true; });
        return inserted;
    }

private:
    template <class RowAt, class Inserted>
    void insert(std::size_t count, RowAt row_at, detail::OnConflict on_conflict, Inserted inserted) {
        if (count == 0) {
            return;
        }
        call([&] {
            detail::Writer &writer = *detail::begin_insert(shape(), numbers_, count, on_conflict);
            for (std::size_t i = 0; i < count; ++i) {
                detail::begin_row(writer);
                Param row[sizeof...(C)];
                detail::make_params<C...>(row_at(i), row);
                if (detail::insert_row(writer, row)) {
                    inserted(i);
                }
            }
            detail::end_insert(writer);
        });
    }

    static constexpr Oid kTypes[] = {param_of<C>::kOid...};
    detail::TableShape shape() const {
        return {table_, columns_.data(), kTypes, static_cast<int>(sizeof...(C)), 0, true};
    }

    const char *table_;
    std::array<const char *, sizeof...(C)> columns_;
    detail::ColumnNumbers numbers_[2]{};
};

// SELECT columns FROM table WHERE (key) = ... [FOR ... [SKIP LOCKED]], key after key in the order given; the key is the
// primary key or its first columns, of a partitioned table the column that it is partitioned by. A row that was changed
// while its lock was waited for is the changed one.
template <class Row, class... K>
class table_find {
public:
    static constexpr int kColumns = std::tuple_size_v<decltype(std::declval<Row &>().fields())>;

    constexpr table_find(const char *table, const std::array<const char *, kColumns> &columns)
        : table_(table), columns_(columns) {}

    // `places`: where each row stands, for an update or a delete of it in the same use case.
    template <class KeyAt>
    std::vector<Row> run(std::size_t count, KeyAt key_at, RowLock lock, IfLocked if_locked = IfLocked::wait,
                         std::vector<RowPlace> *places = nullptr, bool read_only = false) {
        const detail::FoundRows found = call([&]() -> detail::FoundRows {
            detail::Finder &finder =
                *detail::begin_find(shape(), numbers_, kKeyTypes, sizeof...(K), lock, if_locked, read_only);
            for (std::size_t i = 0; i < count; ++i) {
                Param key[sizeof...(K)];
                detail::make_params<K...>(key_at(i), key);
                detail::find_rows(finder, key);
            }
            return detail::end_find(finder);
        });
        if (places != nullptr) {
            places->assign(found.places, found.places + found.count);
        }
        return detail::take_rows<Row>(found);
    }

    std::optional<Row> one(const K &...key, RowLock lock, IfLocked if_locked = IfLocked::wait,
                           std::vector<RowPlace> *places = nullptr, bool read_only = false) {
        std::vector<Row> rows = run(
            1, [&](std::size_t) { return std::tuple<const K &...>(key...); }, lock, if_locked, places, read_only);
        return rows.empty() ? std::nullopt : std::optional<Row>(std::move(rows.front()));
    }

private:
    template <class... F>
    static constexpr std::uint32_t raw_of(const std::tuple<F &...> *) {
        std::uint32_t bits = 0, bit = 1;
        ((bits |= std::is_same_v<F, json_document> ? bit : 0, bit <<= 1), ...);
        return bits;
    }
    static constexpr std::uint32_t kRaw =
        raw_of(static_cast<const decltype(std::declval<Row &>().fields()) *>(nullptr));
    static constexpr Oid kKeyTypes[] = {type_of<K>::kOid...};
    detail::TableShape shape() const {
        return {table_, columns_.data(), detail::kRowTypes<Row>.data(), kColumns, kRaw};
    }

    const char *table_;
    std::array<const char *, kColumns> columns_;
    detail::ColumnNumbers numbers_{};
};

// DELETE FROM table WHERE (key) = ...: as table_find; waits for whoever holds a row, and deletes what the row is then.
template <class... K>
class table_delete {
public:
    constexpr explicit table_delete(const char *table) : table_(table) {}

    template <class KeyAt>
    std::uint64_t run(std::size_t count, KeyAt key_at) {
        return call([&]() -> std::uint64_t {
            detail::Remover &remover = *detail::begin_remove(table_, kKeyTypes, sizeof...(K));
            for (std::size_t i = 0; i < count; ++i) {
                Param key[sizeof...(K)];
                detail::make_params<K...>(key_at(i), key);
                detail::remove_rows(remover, key);
            }
            return detail::end_remove(remover);
        });
    }

    // As run, where some rows have been seen before, under a snapshot that is still in use: those are not looked for.
    template <class KeyAt, class SeenAt>
    void run_seen(std::size_t count, KeyAt key_at, SeenAt seen_at) {
        call([&] {
            detail::Remover &remover = *detail::begin_remove(table_, kKeyTypes, sizeof...(K));
            for (std::size_t i = 0; i < count; ++i) {
                const std::optional<RowPlace> &seen = seen_at(i);
                if (seen && detail::remove_seen(remover, *seen)) {
                    continue;
                }
                Param key[sizeof...(K)];
                detail::make_params<K...>(key_at(i), key);
                detail::remove_rows(remover, key);
            }
            detail::end_remove(remover);
        });
    }

    // Rows that the transaction has locked.
    template <class PlaceAt>
    void at(std::size_t count, PlaceAt place_at) {
        call([&] {
            detail::Remover &remover = *detail::begin_remove(table_, kKeyTypes, 0);
            for (std::size_t i = 0; i < count; ++i) {
                detail::remove_place(remover, place_at(i));
            }
            detail::end_remove(remover);
        });
    }

private:
    static constexpr Oid kKeyTypes[] = {type_of<K>::kOid...};
    const char *table_;
};

// UPDATE table SET (columns) = ... of rows that the transaction has locked. Not for columns that an index holds.
template <class... C>
class table_update {
public:
    constexpr table_update(const char *table, const std::array<const char *, sizeof...(C)> &columns)
        : table_(table), columns_(columns) {}

    template <class PlaceAt, class RowAt>
    void run(std::size_t count, PlaceAt place_at, RowAt row_at) {
        if (count == 0) {
            return;
        }
        call([&] {
            const detail::TableShape shape{table_, columns_.data(), kTypes, static_cast<int>(sizeof...(C)), 0};
            detail::Updater &updater = *detail::begin_update(shape, numbers_);
            for (std::size_t i = 0; i < count; ++i) {
                detail::begin_update_row(updater);
                Param row[sizeof...(C)];
                detail::make_params<C...>(row_at(i), row);
                detail::update_row(updater, place_at(i), row);
            }
            detail::end_update(updater);
        });
    }

    void at(RowPlace place, const C &...values) {
        run(
            1, [place](std::size_t) { return place; },
            [&](std::size_t) { return std::tuple<const C &...>(values...); });
    }

private:
    static constexpr Oid kTypes[] = {param_of<C>::kOid...};
    const char *table_;
    std::array<const char *, sizeof...(C)> columns_;
    detail::ColumnNumbers numbers_{};
};

} // namespace hc::pg
