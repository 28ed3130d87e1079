// Error transport between PostgreSQL's longjmp and C++ exceptions. Runs in every process of the extension.
#include "pg/call.hpp"

#include "core/error.hpp"
#include "pg/error_text.hpp"

#include <new>

namespace hc::pg {

namespace {

MemoryContext g_error_home = nullptr;

// Used when the error cannot even be copied: no memory is left in the error home.
ErrorData g_uncopyable;

void set_own(Failure &failure, const char *sqlstate, std::string_view message) noexcept {
    failure.kind = Failure::Kind::own;
    strlcpy(failure.sqlstate, sqlstate, sizeof failure.sqlstate);
    copy_clean(failure.message, sizeof failure.message, message);
}

void set_postgres(Failure &failure, ErrorData *data) noexcept {
    failure.kind = Failure::Kind::postgres;
    failure.data = data;
    strlcpy(failure.sqlstate, unpack_sql_state(data->sqlerrcode), sizeof failure.sqlstate);
    copy_clean(failure.message, sizeof failure.message, data->message != nullptr ? data->message : "");
}

int sqlstate_code(const char *s) noexcept { return MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4]); }

} // namespace

error_home_scope::error_home_scope() noexcept : error_home_scope(CurrentMemoryContext) {}
error_home_scope::error_home_scope(MemoryContext home) noexcept : saved_(g_error_home) { g_error_home = home; }
error_home_scope::~error_home_scope() { g_error_home = saved_; }

MemoryContext error_home() noexcept { return g_error_home != nullptr ? g_error_home : TopMemoryContext; }

void detail::throw_caught() {
    ErrorData *volatile copy = nullptr;
    const volatile uint32 holds = InterruptHoldoffCount;
    {
        const ErrorStackScope stacks;
        sigjmp_buf frame;
        if (sigsetjmp(frame, 0) == 0) {
            PG_exception_stack = &frame;
            MemoryContextSwitchTo(error_home());
            copy = CopyErrorData();
        } else {
            MemoryContextSwitchTo(error_home());
            InterruptHoldoffCount = holds;
            copy = nullptr;
        }
    }
    FlushErrorState();
    if (copy == nullptr) {
        std::memset(&g_uncopyable, 0, sizeof g_uncopyable);
        g_uncopyable.elevel = ERROR;
        g_uncopyable.sqlerrcode = ERRCODE_OUT_OF_MEMORY;
        g_uncopyable.message = const_cast<char *>("out of memory while copying an error");
        g_uncopyable.assoc_context = TopMemoryContext;
        throw error(&g_uncopyable);
    }
    clean(*copy);
    throw error(copy);
}

void check_interrupts() {
    if (INTERRUPTS_PENDING_CONDITION()) {
        call([] { CHECK_FOR_INTERRUPTS(); });
    }
}

void capture(const error &e, Failure &failure) noexcept {
    failure = Failure{};
    set_postgres(failure, e.data());
}

void capture(const Error &e, Failure &failure) noexcept {
    failure = Failure{};
    set_own(failure, e.sqlstate(), e.message());
    copy_clean(failure.detail, sizeof failure.detail, e.detail());
    copy_cut(failure.hint, sizeof failure.hint, e.hint()); // says what to write, not what was written
}

void capture_current_exception(Failure &failure) noexcept {
    failure = Failure{};
    try {
        throw;
    } catch (const error &e) {
        capture(e, failure);
    } catch (const Error &e) {
        capture(e, failure);
    } catch (const std::bad_alloc &) {
        set_own(failure, sqlstate::out_of_memory, "out of memory");
    } catch (const std::exception &e) {
        set_own(failure, sqlstate::internal_error, e.what());
    } catch (...) {
        set_own(failure, sqlstate::internal_error, "unrecognized C++ exception");
    }
}

void raise(const Failure &failure) {
    if (failure.data != nullptr) {
        if (failure.data == &g_uncopyable) {
            ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
        }
        failure.data->hide_stmt = true; // the statement holds the caller's message
        failure.data->hide_ctx = failure.data->hide_ctx || context_has_parameters();
        ReThrowError(failure.data);
    }
    ereport(ERROR,
            (errcode(sqlstate_code(failure.sqlstate)), errmsg("%s", failure.message), errhidestmt(true),
             errhidecontext(context_has_parameters()), failure.detail[0] != '\0' ? errdetail("%s", failure.detail) : 0,
             failure.hint[0] != '\0' ? errhint("%s", failure.hint) : 0));
    pg_unreachable();
}

void log_failure(const Failure &failure, const char *what) noexcept {
    try {
        call([&failure, what] {
            const bool postgres = failure.data != nullptr;
            const char *detail = postgres ? failure.data->detail : failure.detail;
            const char *hint = postgres ? failure.data->hint : failure.hint;
            ereport(LOG,
                    (errcode(sqlstate_code(failure.sqlstate)), errmsg("hermes_cascade: %s: %s", what, failure.message),
                     detail != nullptr && detail[0] != '\0' ? errdetail_internal("%s", detail) : 0,
                     hint != nullptr && hint[0] != '\0' ? errhint("%s", hint) : 0,
                     postgres && failure.data->context != nullptr ? errcontext("%s", failure.data->context) : 0));
        });
    } catch (...) { // nothing better is left to do with a failure to report a failure
    }
}

int failure_code(const Failure &failure) noexcept { return sqlstate_code(failure.sqlstate); }

bool is_cancel_or_shutdown(const Failure &failure) noexcept {
    if (failure.kind != Failure::Kind::postgres) {
        return false;
    }
    const int code = failure_code(failure);
    return code == ERRCODE_QUERY_CANCELED || code == ERRCODE_ADMIN_SHUTDOWN || code == ERRCODE_CRASH_SHUTDOWN ||
           code == ERRCODE_CANNOT_CONNECT_NOW;
}

} // namespace hc::pg
