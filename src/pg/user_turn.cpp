// See user_turn.hpp. Runs in executors; fetch_rows() and raise_recorded() in any process that replays a body.
#include "pg/user_turn.hpp"

#include "core/error.hpp"
#include "pg/user_level.hpp"
#include "pg/xact.hpp"

namespace hc::pg {

namespace {

constexpr Oid kJsonb[] = {JSONBOID}, kTwoJsonb[] = {JSONBOID, JSONBOID};

Datum jsonb_of(const std::string &text) {
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(pstrdup(text.c_str())));
}

} // namespace

namespace detail {

Level begin_level(const char *activity, bool read_only) {
    return call([activity, read_only]() -> Level {
        pin_search_path(); // what the user's code finds does not depend on what ran before it
        const Level level{CurrentMemoryContext, CurrentResourceOwner, InterruptHoldoffCount, NewGUCNestLevel()};
        if (activity != nullptr) {
            pgstat_report_activity(STATE_RUNNING, activity);
        }
        BeginInternalSubTransaction(nullptr);
        MemoryContextSwitchTo(level.context);
        XactReadOnly = XactReadOnly || read_only; // restored with the subtransaction
        return level;
    });
}

void end_level(const Level &level, bool keep) {
    call([&level, keep] {
        if (keep) {
            ReleaseCurrentSubTransaction();
        } else {
            RollbackAndReleaseCurrentSubTransaction();
        }
        MemoryContextSwitchTo(level.context);
        CurrentResourceOwner = level.owner;
        InterruptHoldoffCount = level.holds;
        AtEOXact_GUC(false, level.settings); // what it has set, it has set for itself
    });
}

SPIPlanPtr prepare_user_statement(const std::string &statement, int arguments) {
    SPIPlanPtr plan = SPI_prepare(statement.c_str(), arguments, const_cast<Oid *>(kTwoJsonb));
    if (plan == nullptr) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("statement cannot be run here: %s", SPI_result_code_string(SPI_result))));
    }
    return plan;
}

void execute_user_statement(SPIPlanPtr plan, Datum *values, long limit) {
    const int code = SPI_execute_plan(plan, values, nullptr, false, limit);
    if (code < 0) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("statement cannot be run here: %s", SPI_result_code_string(code))));
    }
}

void execute_user_statement(SPIPlanPtr plan, const std::string &argument, long limit) {
    Datum values[1] = {jsonb_of(argument)};
    execute_user_statement(plan, values, limit);
}

const char *first_jsonb() {
    bool is_null = true;
    Datum datum = 0;
    if (SPI_tuptable != nullptr && SPI_processed > 0 && SPI_gettypeid(SPI_tuptable->tupdesc, 1) == JSONBOID) {
        datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    }
    if (is_null) {
        return nullptr;
    }
    Jsonb *jsonb = DatumGetJsonbP(datum);
    return JsonbToCString(nullptr, &jsonb->root, VARSIZE(jsonb));
}

} // namespace detail

namespace {

// The frame of both: a timeout, a subtransaction, and what became of it.
template <class Body>
UserSqlEnd run_level(const UserCall &user_call, bool read_only, bool keep, Body body, Failure &failure) {
    failure = Failure{};
    set_running_task(user_call.task);
    const detail::Level level = detail::begin_level(user_call.activity, read_only);
    auto guarded = [&] {
        detail::start_guard(user_call.timeout);
        const user_scope identity(GetUserId()); // refuses SET ROLE and SET SESSION AUTHORIZATION
        body();
    };
    const bool good = detail::run_captured(guarded, failure);
    const bool timed_out = detail::end_guard();
    detail::end_level(level, good && keep && !timed_out);
    if (timed_out) {
        return UserSqlEnd::timed_out;
    }
    if (good) {
        return UserSqlEnd::done;
    }
    return shutdown_requested() && is_cancel_or_shutdown(failure) ? UserSqlEnd::stopped : UserSqlEnd::failed;
}

std::int64_t key_of(const std::string &text) { return static_cast<std::int64_t>(std::hash<std::string>{}(text)); }

// Plain result of a statement: text in SPI memory.
struct Text {
    const char *data;
    bool is_null;
};

Text first_text() {
    const char *first = detail::first_jsonb();
    return {first, first == nullptr};
}

const char *row_text(HeapTuple tuple, TupleDesc desc) {
    const Datum row = heap_copy_tuple_as_datum(tuple, BlessTupleDesc(desc));
    return text_to_cstring(DatumGetTextPP(DirectFunctionCall1(row_to_json, row)));
}

} // namespace

namespace {

void check_execute(Oid function) {
#if PG_VERSION_NUM >= 160000
    const AclResult may = object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE);
#else
    const AclResult may = pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE);
#endif
    if (may != ACLCHECK_OK) {
        aclcheck_error(may, OBJECT_FUNCTION, get_func_name(function));
    }
    InvokeFunctionExecuteHook(function);
}

// As the executor does it for SELECT function(input); jsonb as text.
const char *call_function(Oid function, Datum input) {
    check_execute(function);
    CommandCounterIncrement();
    PushActiveSnapshot(GetTransactionSnapshot());
    FmgrInfo info;
    fmgr_info(function, &info);
    if (info.fn_retset) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("workflow function returns a set")));
    }
    LOCAL_FCINFO(arguments, 1);
    InitFunctionCallInfoData(*arguments, &info, 1, InvalidOid, nullptr, nullptr);
    arguments->args[0] = {input, false};
    PgStat_FunctionCallUsage usage;
    pgstat_init_function_usage(arguments, &usage);
    const Datum result = FunctionCallInvoke(arguments);
    pgstat_end_function_usage(&usage, true);
    PopActiveSnapshot();
    if (arguments->isnull || get_func_rettype(function) != JSONBOID) {
        return nullptr;
    }
    Jsonb *jsonb = DatumGetJsonbP(result);
    return JsonbToCString(nullptr, &jsonb->root, VARSIZE(jsonb));
}

} // namespace

UserSqlEnd call_body(const UserCall &user_call, Oid function, const json_document &input,
                     std::optional<std::string> &result, Failure &failure) {
    result.reset();
    bool suspended = false;
    const auto body = [&] {
        const char *text = nullptr;
        const bool *flag = user_call.suspended;
        suspended = !call_unless(
            [function, &input, &text] { text = call_function(function, type_of<json_document>::make(input)); },
            [flag](int code) { return flag != nullptr && *flag && code == ERRCODE_QUERY_CANCELED; });
        if (text != nullptr) {
            result = text;
        }
    };
    const UserSqlEnd end = run_level(user_call, true, false, body, failure);
    return suspended && end == UserSqlEnd::done ? UserSqlEnd::failed : end;
}

UserSqlEnd run_step(UserPlans &plans, const UserCall &user_call, const std::string &statement,
                    const json_document &arguments, std::size_t max_bytes, std::optional<std::string> &row,
                    Failure &failure) {
    row.reset();
    const auto body = [&] {
        SPIPlanPtr plan = plans.find(key_of(statement), statement, kJsonb);
        const Text text = call([plan, &arguments, max_bytes]() -> Text {
            Datum values[1] = {type_of<json_document>::make(arguments)};
            detail::execute_user_statement(plan, values, 0);
            SPITupleTable *table = SPI_tuptable;
            const bool has_row = table != nullptr && SPI_processed > 0;
            const char *first = has_row ? row_text(table->vals[0], table->tupdesc) : nullptr;
            if (first != nullptr && std::strlen(first) > max_bytes) {
                ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("row of the step is too large"),
                                errdetail("At most %zu bytes are recorded.", max_bytes)));
            }
            if (table != nullptr) {
                SPI_freetuptable(table);
            }
            // deferred constraints and triggers belong to the step: they fail it, and run as its role
            ConstraintsSetStmt *all = makeNode(ConstraintsSetStmt);
            all->constraints = NIL;
            all->deferred = false;
            AfterTriggerSetState(all);
            return {first, first == nullptr};
        });
        if (!text.is_null) {
            row = text.data;
        }
    };
    return run_level(user_call, false, true, body, failure);
}

UserSqlEnd replay_body(const std::string &statement, const std::string &input, Failure &failure) {
    failure = Failure{};
    const detail::Level level = detail::begin_level(nullptr, true);
    auto body = [&] {
        spi_scope spi;
        call([&] {
            SPIPlanPtr plan = detail::prepare_user_statement(statement);
            detail::execute_user_statement(plan, input, 1);
        });
        spi.finish();
    };
    const bool good = detail::run_captured(body, failure);
    detail::end_level(level, false);
    call([] { CHECK_FOR_INTERRUPTS(); });
    return good ? UserSqlEnd::done : UserSqlEnd::failed;
}

UserSqlEnd run_check(UserPlans &plans, const UserCall &user_call, const std::string &statement,
                     const std::string &arguments, const std::string &state, Failure &failure) {
    const auto body = [&] {
        SPIPlanPtr plan = plans.find(key_of(statement), statement, kTwoJsonb);
        call([plan, &arguments, &state] {
            Datum values[2] = {jsonb_of(arguments), jsonb_of(state)};
            detail::execute_user_statement(plan, values, 1);
        });
    };
    return run_level(user_call, true, false, body, failure);
}

std::optional<std::string> call_handler(const std::string &statement, const std::string &arguments,
                                        const std::string &state) {
    std::optional<std::string> result;
    Failure failure;
    const detail::Level level = detail::begin_level(nullptr, true);
    auto body = [&] {
        spi_scope spi;
        const Text text = call([&]() -> Text {
            Datum values[2] = {jsonb_of(arguments), jsonb_of(state)};
            detail::execute_user_statement(detail::prepare_user_statement(statement, 2), values, 1);
            return first_text();
        });
        if (!text.is_null) {
            result = text.data;
        }
        spi.finish();
    };
    const bool good = detail::run_captured(body, failure);
    detail::end_level(level, false);
    if (!good) {
        rethrow(failure);
    }
    return result;
}

std::string fetch_rows(const std::string &query, const std::string &arguments, std::size_t max_rows,
                       std::size_t max_bytes) {
    spi_scope spi;
    const char *text = call([&]() -> const char * {
        SPIPlanPtr plan = detail::prepare_user_statement(query);
        detail::execute_user_statement(plan, arguments, static_cast<long>(max_rows) + 1);
        SPITupleTable *table = SPI_tuptable;
        if (SPI_processed > max_rows) {
            ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("query returns too many rows"),
                            errdetail("At most %zu are recorded.", max_rows), errhint("Aggregate them in the query.")));
        }
        StringInfoData all;
        initStringInfo(&all);
        appendStringInfoChar(&all, '[');
        for (std::uint64_t i = 0; table != nullptr && i < SPI_processed; ++i) {
            appendStringInfo(&all, "%s%s", i == 0 ? "" : ", ", row_text(table->vals[i], table->tupdesc));
            if (static_cast<std::size_t>(all.len) > max_bytes) {
                ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("rows of the query are too large"),
                                errdetail("At most %zu bytes are recorded.", max_bytes)));
            }
        }
        appendStringInfoChar(&all, ']');
        return all.data;
    });
    std::string rows = text;
    spi.finish();
    return rows;
}

bool condition_holds(const std::string &query, const std::string &arguments) {
    spi_scope spi;
    const bool holds = call([&]() -> bool {
        detail::execute_user_statement(detail::prepare_user_statement(query), arguments, 1);
        const SPITupleTable *table = SPI_tuptable;
        if (table == nullptr || table->tupdesc->natts != 1 || SPI_gettypeid(table->tupdesc, 1) != BOOLOID) {
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("condition is not of type boolean")));
        }
        bool is_null = true;
        const Datum value = SPI_processed == 1 ? SPI_getbinval(table->vals[0], table->tupdesc, 1, &is_null) : Datum{};
        return !is_null && DatumGetBool(value);
    });
    spi.finish();
    return holds;
}

void rethrow(const Failure &failure) {
    if (failure.data != nullptr) {
        throw error(failure.data);
    }
    throw Error(sqlstate::internal_error, failure.message, failure.detail, failure.hint);
}

void raise_recorded(const std::string &sqlstate, const std::string &message, const std::string &detail,
                    const std::string &hint) {
    const char *code = sqlstate.size() == 5 ? sqlstate.c_str() : "XX000";
    call([&] {
        ereport(ERROR,
                (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
                 errmsg_internal("%s", message.c_str()), detail.empty() ? 0 : errdetail_internal("%s", detail.c_str()),
                 hint.empty() ? 0 : errhint("%s", hint.c_str())));
    });
    pg_unreachable();
}

void discard_session_state() {
    call([] {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        PortalHashTableDeleteAll(); // cursors WITH HOLD
        Async_UnlistenAll();
        ResetTempTableNamespace();
        CommitTransactionCommand();
    });
}

} // namespace hc::pg
