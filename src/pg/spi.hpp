// Typed statements over SPI. A statement is a constant SQL text with C++ parameter and row types; it is prepared on
// first use in a process and its plan is kept. All names in the text are schema-qualified, and verbs pin search_path,
// so a caller's path cannot change a plan. Parameters are built-in types only, so kept plans survive DROP and CREATE
// EXTENSION.
#pragma once

#include "pg/call.hpp"
#include "pg/values.hpp"

namespace hc::pg {

// SPI_connect .. SPI_finish around the statements of one use case. Finish explicitly; a scope left by an error does
// nothing, because (sub)transaction abort cleans SPI up.
class spi_scope {
public:
    spi_scope();
    ~spi_scope() = default;
    spi_scope(const spi_scope &) = delete;
    spi_scope &operator=(const spi_scope &) = delete;
    void finish();
};

// While set, statements that only read take a snapshot of their own as all others do, rather than that of the statement
// around them: there is none around those of a worker, and its transaction's is older than what it has just claimed.
void read_afresh(bool afresh) noexcept;
bool reads_afresh() noexcept;

// The same in a caller's backend, for reads that follow a lock that was waited for.
class fresh_reads_scope {
public:
    fresh_reads_scope() noexcept;
    ~fresh_reads_scope();
    fresh_reads_scope(const fresh_reads_scope &) = delete;
    fresh_reads_scope &operator=(const fresh_reads_scope &) = delete;

private:
    bool saved_;
};

enum class Plan : std::uint8_t {
    generic, // one plan for all parameters
    custom,  // planned for each execution: partition pruning at plan time, locks only what is needed
};

namespace detail {

struct Result {
    SPITupleTable *table;
    std::uint64_t processed;
};

struct PlanState {
    SPIPlanPtr plan = nullptr; // kept for the life of the process
    bool planned = false;      // executed once: its generic plan exists
};

// Prepares on first use. Inside pg::call.
void prepare(PlanState &state, const char *sql, int nargs, const Oid *types, Plan kind);
// A statement that has to be planned (first time, or after an invalidation) is planned for a full table, however
// empty it is now: index scans and nested loops only, because a kept plan outlives the statistics it was made with.
Result execute(PlanState &state, const Param *params, int count, bool read_only);
// Cells of all rows, row-major, in the SPI procedure context; null-terminated rows are not needed: count is known.
Cell *fetch_cells(const Result &result, int columns);
// Column from 0, detoasted; into the tuple where it is not packed. Inside pg::call.
Cell fetch_cell(HeapTuple tuple, TupleDesc desc, int column);

template <class Row>
void read_row(const Cell *cells, Row &row) {
    std::apply(
        [cells](auto &...field) {
            std::size_t i = 0;
            (column_of<std::remove_reference_t<decltype(field)>>::read(cells[i++], field), ...);
        },
        row.fields());
}

template <class Row>
inline constexpr int kColumns = std::tuple_size_v<decltype(std::declval<Row &>().fields())>;

// Rows copied out of PostgreSQL memory; `run` executes, inside pg::call.
template <class Row, class Run>
std::vector<Row> copy_rows(Run run) {
    struct Plain {
        const Cell *cells;
        std::uint64_t rows;
        SPITupleTable *table;
    };
    const Plain plain = call([&]() -> Plain {
        const Result result = run();
        return {fetch_cells(result, kColumns<Row>), result.processed, result.table};
    });
    std::vector<Row> rows(plain.rows);
    for (std::uint64_t i = 0; i < plain.rows; ++i) {
        read_row(plain.cells + i * kColumns<Row>, rows[i]);
    }
    SPI_freetuptable(plain.table);
    return rows;
}

// Plans for these parameters and executes, read-only. Inside pg::call.
Result execute_once(const char *sql, const Oid *types, const Param *params, int count);

} // namespace detail

// A query whose text is made for one execution: planned for its parameters, read-only, and forgotten. The text is put
// together from constants; what comes from outside is a parameter.
template <class Row, class... Args>
std::vector<Row> query_once(const std::string &sql, const Args &...args) {
    return detail::copy_rows<Row>([&] {
        constexpr int n = static_cast<int>(sizeof...(Args));
        const Oid types[n] = {param_of<Args>::kOid...};
        const Param params[n] = {param_of<Args>::make(args)...};
        return detail::execute_once(sql.c_str(), types, params, n);
    });
}

template <class Signature>
class statement;

// Row: an aggregate with `auto fields() { return std::tie(a, b, ...); }` in column order; void for no rows.
template <class Row, class... Args>
class statement<Row(Args...)> {
public:
    constexpr explicit statement(const char *sql, Plan kind = Plan::generic) : sql_(sql), kind_(kind) {}

    // Rows of the statement, copied out of PostgreSQL memory.
    std::vector<Row> query(const Args &...args, bool read_only = false) requires(!std::is_void_v<Row>) {
        return detail::copy_rows<Row>([&] { return run(read_only, args...); });
    }

    // At most one row.
    std::optional<Row> query_one(const Args &...args, bool read_only = false) requires(!std::is_void_v<Row>) {
        std::vector<Row> rows = query(args..., read_only);
        if (rows.empty()) {
            return std::nullopt;
        }
        return std::move(rows.front());
    }

    // Number of rows processed; any rows returned are dropped.
    std::uint64_t execute(const Args &...args) {
        return call([&]() -> std::uint64_t {
            const detail::Result result = run(false, args...);
            SPI_freetuptable(result.table);
            return result.processed;
        });
    }

private:
    detail::Result run(bool read_only, const Args &...args) {
        constexpr int n = static_cast<int>(sizeof...(Args));
        static constexpr Oid types[n + 1] = {param_of<Args>::kOid..., InvalidOid};
        detail::prepare(state_, sql_, n, types, kind_);
        const Param params[n + 1] = {param_of<Args>::make(args)..., Param{0, true}};
        return detail::execute(state_, params, n, read_only);
    }

    const char *sql_;
    Plan kind_;
    detail::PlanState state_{};
};

} // namespace hc::pg
