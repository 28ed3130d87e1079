// See spi.hpp. Runs in backends and workers, always inside a transaction.
#include "pg/spi.hpp"

#include "pg/planning.hpp"
#include "pg/xact.hpp"

namespace hc::pg {

spi_scope::spi_scope() {
    call([] {
        if (SPI_connect() != SPI_OK_CONNECT) {
            elog(ERROR, "SPI_connect failed");
        }
    });
}

void spi_scope::finish() {
    call([] {
        if (SPI_finish() != SPI_OK_FINISH) {
            elog(ERROR, "SPI_finish failed");
        }
    });
}

static bool g_read_afresh = false;

void read_afresh(bool afresh) noexcept { g_read_afresh = afresh; }
bool reads_afresh() noexcept { return g_read_afresh; }

fresh_reads_scope::fresh_reads_scope() noexcept : saved_(std::exchange(g_read_afresh, true)) {}
fresh_reads_scope::~fresh_reads_scope() { g_read_afresh = saved_; }

namespace detail {

void prepare(PlanState &state, const char *sql, int nargs, const Oid *types, Plan kind) {
    pin_search_path(); // every execution comes by here
    if (state.plan != nullptr) {
        return;
    }
    const int options = kind == Plan::generic ? CURSOR_OPT_GENERIC_PLAN : CURSOR_OPT_CUSTOM_PLAN;
    SPIPlanPtr prepared = SPI_prepare_cursor(sql, nargs, const_cast<Oid *>(types), options);
    if (prepared == nullptr) {
        elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
    }
    if (SPI_keepplan(prepared) != 0) {
        elog(ERROR, "could not keep a plan");
    }
    state.plan = prepared;
}

Result execute(PlanState &state, const Param *params, int count, bool read_only) {
    Datum values[32];
    char nulls[32];
    if (count > static_cast<int>(lengthof(values))) {
        elog(ERROR, "too many parameters");
    }
    for (int i = 0; i < count; ++i) {
        values[i] = params[i].datum;
        nulls[i] = params[i].is_null ? 'n' : ' ';
    }
    const bool plan_now = !state.planned || !SPI_plan_is_valid(state.plan);
    const int level = plan_now ? enter_planner_settings() : 0;
    const int code = SPI_execute_plan(state.plan, values, nulls, read_only && !g_read_afresh, 0);
    // nested SPI overwrites the globals: taken at once
    const Result result{SPI_tuptable, SPI_processed};
    if (code < 0) {
        elog(ERROR, "statement failed: %s", SPI_result_code_string(code));
    }
    if (plan_now) {
        AtEOXact_GUC(true, level);
        state.planned = true;
    }
    return result;
}

Result execute_once(const char *sql, const Oid *types, const Param *params, int count) {
    pin_search_path();
    Datum values[16] = {};
    char nulls[16] = {};
    if (count > static_cast<int>(lengthof(values))) {
        elog(ERROR, "too many parameters");
    }
    for (int i = 0; i < count; ++i) {
        values[i] = params[i].datum;
        nulls[i] = params[i].is_null ? 'n' : ' ';
    }
    const int code = SPI_execute_with_args(sql, count, const_cast<Oid *>(types), values, nulls, true, 0);
    const Result result{SPI_tuptable, SPI_processed};
    if (code < 0) {
        elog(ERROR, "statement failed: %s", SPI_result_code_string(code));
    }
    return result;
}

Cell fetch_cell(HeapTuple tuple, TupleDesc desc, int column) {
    bool is_null = false;
    Cell cell{heap_getattr(tuple, column + 1, desc, &is_null), nullptr, 0, false};
    cell.is_null = is_null;
    if (is_null) {
        return cell;
    }
    Form_pg_attribute attribute = TupleDescAttr(desc, column);
    if (attribute->atttypid == JSONBOID) {
        Jsonb *jsonb = DatumGetJsonbP(cell.datum);
        StringInfoData text;
        initStringInfo(&text);
        JsonbToCString(&text, &jsonb->root, VARSIZE(jsonb));
        cell.data = text.data;
        cell.size = static_cast<std::size_t>(text.len);
    } else if (attribute->attlen == -1) {
        struct varlena *value =
            pg_detoast_datum_packed(reinterpret_cast<struct varlena *>(DatumGetPointer(cell.datum)));
        cell.data = VARDATA_ANY(value);
        cell.size = VARSIZE_ANY_EXHDR(value);
    }
    return cell;
}

Cell *fetch_cells(const Result &result, int columns) {
    if (result.processed == 0 || result.table == nullptr) {
        return nullptr;
    }
    TupleDesc desc = result.table->tupdesc;
    if (desc->natts != columns) {
        elog(ERROR, "statement returned %d columns where %d were expected", desc->natts, columns);
    }
    auto *cells =
        static_cast<Cell *>(MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Cell) * result.processed * columns));
    for (std::uint64_t row = 0; row < result.processed; ++row) {
        for (int column = 0; column < columns; ++column) {
            cells[row * columns + column] = fetch_cell(result.table->vals[row], desc, column);
        }
    }
    return cells;
}

} // namespace detail
} // namespace hc::pg
